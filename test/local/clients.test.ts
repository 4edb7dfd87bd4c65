import { expect, test } from 'vitest';
import { startLocalAws } from '../../local/aws/server.ts';
import { createLocalClients, provision } from '../../local/clients.ts';

test('several that create table and key at once all get them', async () => {
  const aws = await startLocalAws();
  const names = ['accounts-1', 'accounts-2', 'accounts-3'];
  try {
    const states = await Promise.all(names.map((name) => provision(createLocalClients(aws.url, name))));
    expect(states).toEqual(['new', 'new', 'new']);
  } finally {
    await aws.close();
  }
});
