import { UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { awsEnvironment } from '../../local/clients.ts';
import { cli } from '../support/cli.ts';
import { createImportWorld, type ImportWorld, token } from '../support/import-world.ts';

let world: ImportWorld;
const now = () => Math.floor(Date.now() / 1000);
const live = () => ({ owner: 'a run', expiresAt: now() + 120 });
const ended = () => ({ owner: 'a dead run', expiresAt: now() - 5 });

beforeAll(async () => {
  world = await createImportWorld();
  Object.assign(process.env, awsEnvironment(world.aws.url));
  await world.profile('crm-2', { client_id: 'c', token_endpoint: 'https://id.example/token' });
});
beforeEach(async () => {
  for (const { accountId } of await world.clients.items()) await world.removeItem(accountId);
});
afterAll(async () => {
  world.aws.onEffect(undefined);
  await world.close();
});

async function update(...rows: Record<string, unknown>[]) {
  const input = rows.map((row) => JSON.stringify({ oauthProfile: 'crm', ...row })).join('\n');
  const { code, stdout } = await cli(
    [...world.options, '--json', 'import', '-', '--update', '--skip-invalid'],
    {
      input,
    },
  );
  return { code, ...JSON.parse(stdout) };
}
async function set(accountId: string, attribute: string, value: unknown) {
  await world.clients.table.send(
    new UpdateCommand({
      TableName: world.clients.tableName,
      Key: { accountId },
      UpdateExpression: value === undefined ? 'REMOVE #a' : 'SET #a = :v',
      ExpressionAttributeNames: { '#a': attribute },
      ...(value !== undefined && { ExpressionAttributeValues: { ':v': value } }),
    }),
  );
}
const busy = (...accountIds: string[]) => ({
  code: 3,
  updated: 0,
  busy: accountIds.map((accountId) =>
    expect.objectContaining({ accountId, text: expect.stringContaining('run the same command again') }),
  ),
});

describe('import --update respects the leases of runs', () => {
  test('an account that a run has in hand is not changed, whatever is', async () => {
    const changes: Record<string, Record<string, unknown>> = {
      secret: { tokenSecretId: 'x/new' },
      profile: { oauthProfile: 'crm-2' },
      enabled: { enabled: false },
      name: { name: 'After' },
    };
    const described = (accountId: string) => ({
      accountId,
      authenticationType: 'oauth2',
      oauthProfile: 'crm',
      tokenSecretId: `x/${accountId}`,
      name: 'Before',
      lease: { owner: 'a run', expiresAt: until },
    });
    const until = now() + 120;
    const accountIds = Object.keys(changes);
    for (const accountId of accountIds) await world.account(described(accountId));
    const rows = accountIds.map((accountId) => ({ accountId, ...changes[accountId] }));
    expect(await update(...rows)).toMatchObject(busy(...accountIds));
    for (const accountId of accountIds) expect(await world.item(accountId)).toEqual(described(accountId));
  });

  test('it waits a moment for a run that is nearly done', async () => {
    await world.account({ accountId: 'soon', oauthProfile: 'crm', lease: live() });
    setTimeout(() => void set('soon', 'lease', undefined), 600);
    expect(await update({ accountId: 'soon', name: 'After' })).toMatchObject({ code: 0, updated: 1 });
  });

  test('the lease of a run that has died holds nothing back, and stays to be found', async () => {
    const lease = ended();
    await world.account({ accountId: 'dead', oauthProfile: 'crm', lease });
    expect(await update({ accountId: 'dead', name: 'After' })).toMatchObject({ code: 0, updated: 1 });
    expect(await world.item('dead')).toMatchObject({ name: 'After', lease });
  });

  test('a run that takes the account between the look and the write goes first', async () => {
    await world.account({ accountId: 'raced', oauthProfile: 'crm', name: 'Before' });
    let reads = 0;
    world.aws.onEffect(({ operation }) => {
      if (operation === 'GetItem' && ++reads === 1) void set('raced', 'lease', live());
    });
    world.aws.inject(({ operation, input }) =>
      operation === 'UpdateItem' && JSON.stringify(input).includes('After')
        ? { kind: 'delay', milliseconds: 100 }
        : undefined,
    );
    expect(await update({ accountId: 'raced', name: 'After' })).toMatchObject(busy('raced'));
    world.aws.onEffect(undefined);
    world.aws.inject(undefined);
    expect((await world.item('raced')).name).toBe('Before');
  });

  test('what somebody changes between the look and the write is not lost', async () => {
    await world.account({ accountId: 'edited', oauthProfile: 'crm', name: 'Before' });
    let reads = 0;
    world.aws.onEffect(({ operation }) => {
      if (operation === 'GetItem' && ++reads === 1) void set('edited', 'tokenSecretId', 'x/theirs');
    });
    world.aws.inject(({ operation, input }) =>
      operation === 'UpdateItem' && JSON.stringify(input).includes('After')
        ? { kind: 'delay', milliseconds: 100 }
        : undefined,
    );
    expect(await update({ accountId: 'edited', name: 'After' })).toMatchObject({ updated: 1 });
    world.aws.onEffect(undefined);
    world.aws.inject(undefined);
    expect(await world.item('edited')).toMatchObject({ name: 'After', tokenSecretId: 'x/theirs' });
  });

  test('an account that was removed in the meantime is not made of a few attributes', async () => {
    await world.account({ accountId: 'gone', oauthProfile: 'crm', name: 'Before' });
    let done = false;
    world.aws.onEffect(({ operation }) => {
      if (operation !== 'BatchGetItem' || done) return;
      done = true;
      void world.removeItem('gone');
    });
    const { conflicts, updated } = await update({ accountId: 'gone', name: 'After' });
    world.aws.onEffect(undefined);
    expect({ updated, conflicts }).toMatchObject({ updated: 0, conflicts: [{ accountId: 'gone' }] });
    expect(await world.item('gone')).toEqual({});
  });
});

describe('the token secret of another account', () => {
  const two = async (more: Record<string, unknown> = {}) => {
    await world.account({ accountId: 'a', oauthProfile: 'crm', tokenSecretId: 'x/a' });
    await world.account({ accountId: 'b', oauthProfile: 'crm', tokenSecretId: 'x/b', ...more });
  };
  const swapped = [
    { accountId: 'a', tokenSecretId: 'x/b' },
    { accountId: 'b', tokenSecretId: 'x/a' },
  ];

  test('is not taken from one that keeps it', async () => {
    await two();
    const { rejected, updated } = await update({ accountId: 'a', tokenSecretId: 'x/b' });
    expect({ rejected, updated }).toEqual({ rejected: 1, updated: 0 });
    const made = await update({ accountId: 'c', tokenSecretId: 'x/b' });
    expect(made).toMatchObject({ rejected: 1, created: 0 });
    expect((await world.item('a')).tokenSecretId).toBe('x/a');
  });

  test('is taken where the file gives that one another', async () => {
    await two();
    expect(await update(...swapped)).toMatchObject({ updated: 2, rejected: 0 });
    expect((await world.item('a')).tokenSecretId).toBe('x/b');
    expect((await world.item('b')).tokenSecretId).toBe('x/a');
  });

  test('is not taken while a run has that one in hand: neither is changed', async () => {
    await two({ lease: live() });
    expect(await update(...swapped)).toMatchObject(busy('a', 'b'));
    expect((await world.item('a')).tokenSecretId).toBe('x/a');
  });

  test('is not taken by a new account either', async () => {
    await two({ lease: live() });
    const { created, busy: held } = await update(
      { accountId: 'b', tokenSecretId: 'x/elsewhere' },
      { accountId: 'new', tokenSecretId: 'x/b' },
    );
    expect({ created, held }).toMatchObject({ created: 0, held: [{ accountId: 'b' }, { accountId: 'new' }] });
  });

  test('… nor from one that was repointed a moment ago, for which the function has noted it', async () => {
    await world.clients.putSecret('x/noted', JSON.stringify({ refresh_token: token('noted') }));
    const ARN = await world.arnOf('x/noted');
    await world.account({ accountId: `#secret:${ARN}`, secretOwner: 'b' });
    await two({ lease: live() });
    await world.account({ accountId: 'c', oauthProfile: 'crm' });
    expect(await update({ accountId: 'a', tokenSecretId: 'x/noted' })).toMatchObject(busy('a'));
    expect(await update({ accountId: 'c', tokenSecretId: ARN })).toMatchObject(busy('c'));
  });

  test('… nor while the function has the secret itself in hand for another', async () => {
    await world.clients.putSecret('x/in-hand', JSON.stringify({ refresh_token: token('in hand') }));
    const ARN = await world.arnOf('x/in-hand');
    await world.account({ accountId: `#secret:${ARN}`, secretOwner: 'gone', lease: live() });
    await two();
    expect(await update({ accountId: 'a', tokenSecretId: 'x/in-hand' })).toMatchObject(busy('a'));
  });

  test('a chain stops at who can not give up what it has', async () => {
    await two();
    await world.account({ accountId: 'c', oauthProfile: 'crm', tokenSecretId: 'x/c' });
    const { rejected, updated } = await update(
      { accountId: 'a', tokenSecretId: 'x/b' },
      { accountId: 'b', tokenSecretId: 'x/c' },
    );
    expect({ rejected, updated }).toEqual({ rejected: 2, updated: 0 });
  });
});

describe('an account that can not be repointed', () => {
  test('while its newest refresh token is in escrow', async () => {
    const escrow = { ciphertext: 'c', attemptId: 'x', at: 1 };
    await world.account({ accountId: 'e', oauthProfile: 'crm', tokenSecretId: 'x/e', escrow });
    const { conflicts } = await update({ accountId: 'e', tokenSecretId: 'x/e2' });
    expect(conflicts).toMatchObject([{ accountId: 'e', text: expect.stringContaining('accounts refresh') }]);
    expect(await update({ accountId: 'e', name: 'New' })).toMatchObject({ updated: 1 });
  });

  test('since a newer version made it', async () => {
    await world.account({ accountId: 'n', oauthProfile: 'crm', formatVersion: 2 });
    const { conflicts } = await update({ accountId: 'n', name: 'New' });
    expect(conflicts).toMatchObject([{ accountId: 'n', text: expect.stringContaining('newer version') }]);
    expect((await world.item('n')).name).toBeUndefined();
  });
});

test('parameters are changed, if they are as they were read', async () => {
  await world.account({
    accountId: 'p',
    oauthProfile: 'crm',
    parameters: { a: '1', b: '2' },
    lease: ended(),
  });
  expect(await update({ accountId: 'p', parameters: { a: '1', c: '3' } })).toMatchObject({ updated: 1 });
  expect((await world.item('p')).parameters).toEqual({ a: '1', c: '3' });
});

test('--update has the function look again at a token set that does not expire', async () => {
  await world.account({ accountId: 'ever', oauthProfile: 'crm', doesNotExpire: true, status: 'healthy' });
  await update({ accountId: 'ever', name: 'New' });
  expect(await world.item('ever')).toEqual({
    accountId: 'ever',
    authenticationType: 'oauth2',
    oauthProfile: 'crm',
    name: 'New',
    status: 'healthy',
  });
});

test('attributes and reasons of a later version stay as they are', async () => {
  const failure = { reason: 'moon_phase', message: 'm', count: 1, since: 1, at: 1, later: true };
  await world.account({
    accountId: 'later',
    oauthProfile: 'crm',
    failure,
    status: 'failing',
    ofLater: { a: [1] },
  });
  await update({ accountId: 'later', name: 'New' });
  expect(await world.item('later')).toMatchObject({ name: 'New', failure, ofLater: { a: [1] } });
});
