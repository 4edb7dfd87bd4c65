import { DeleteCommand } from '@aws-sdk/lib-dynamodb';
import { describe, expect, onTestFinished, test } from 'vitest';
import { awsEndpoint } from '../../support/aws-endpoint.ts';
import { createGuardedWorld } from '../../support/iam/guarded-world.ts';
import { startStrictProvider } from '../../support/strict-provider.ts';

const aws = await awsEndpoint();
const provider = await startStrictProvider();

/** Two profiles with a due account each, and one whose item can't be used. */
async function ownWorld() {
  const world = await createGuardedWorld(aws.url);
  onTestFinished(() => world.close());
  for (const profile of ['crm', 'mail']) {
    await world.profile(profile, provider.profile);
    const accountId = `${world.prefix}${profile}`;
    await world.account(
      { accountId, oauthProfile: profile, tokenSecretId: `${world.prefix}accounts/${accountId}` },
      provider.issue(accountId),
    );
  }
  return {
    ...world,
    id: (profile: string) => `${world.prefix}${profile}`,
    pause: (note: string) => world.account({ accountId: note, authenticationType: undefined, at: 1 }),
    resume: (accountId: string) =>
      world.clients.table.send(new DeleteCommand({ TableName: world.clients.tableName, Key: { accountId } })),
  };
}

describe('while people have paused', () => {
  test('a profile, its accounts are left alone, due or forced, and the others are refreshed', async () => {
    const world = await ownWorld();
    await world.pause('#pause:crm');
    expect(await world.run()).toMatchObject({ due: 1, refreshed: 1 });
    const { accounts } = await world.run({ accountIds: [world.id('crm')], force: true });
    expect(accounts).toMatchObject([{ action: 'leave', reason: 'disabled' }]);
    expect(provider.truth(world.id('crm'))).toMatchObject({ requests: 0 });
    const item = await world.item(world.id('crm'));
    expect(item.status).toBeUndefined();
    expect(item.enabled).toBeUndefined();
  });

  test('everything, nothing is spent or written, and all is refreshed once it is over', async () => {
    const world = await ownWorld();
    await world.account({ accountId: 'odd', oauthProfile: 'crm', parameters: 7 });
    await world.pause('#pause');
    expect(await world.run()).toMatchObject({ scanned: 4, due: 0, refreshed: 0, invalid: 0, deferred: 0 });
    expect(await world.item('odd')).not.toHaveProperty('status');
    await world.resume('#pause');
    expect(await world.run()).toMatchObject({ refreshed: 2 });
  });

  test('everything, a dry run says so', async () => {
    const world = await ownWorld();
    await world.pause('#pause');
    const { accounts } = await world.run({ dryRun: true });
    expect(accounts?.map(({ action, reason }) => [action, reason])).toEqual([
      ['leave', 'disabled'],
      ['leave', 'disabled'],
    ]);
  });

  test('while a run is at work, it begins no further account of it within ten seconds', async () => {
    const world = await ownWorld();
    for (let n = 0; n < 60; n++) {
      const accountId = `${world.prefix}slow-${n}`;
      const tokenSecretId = `${world.prefix}accounts/${accountId}`;
      await world.account({ accountId, oauthProfile: 'crm', tokenSecretId }, provider.issue(accountId));
    }
    let asked = 0;
    provider.inject(({ accountId = '' }) => {
      if (!accountId.includes('slow')) return undefined;
      if (asked++ === 0) void world.pause('#pause:crm');
      return { kind: 'delay', milliseconds: 6_000 };
    });
    const { refreshed, scanned } = await world.run();
    provider.inject(undefined);
    expect(scanned).toBeGreaterThan(61);
    // What had begun has ended.
    expect(refreshed).toBeGreaterThanOrEqual(asked);
    expect(asked).toBeLessThan(45);
  });
});
