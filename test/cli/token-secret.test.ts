import { DescribeSecretCommand, GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CANARY, linesWithCanary } from '../support/canary.ts';
import { type Connecting, startConnecting } from '../support/connecting.ts';

/** An item can name any secret as its tokens'. Where commands go then, and where they do not. */
let system: Connecting;
let keeper = '';
beforeAll(async () => {
  system = await startConnecting();
  keeper = `000000000000/us-east-1/${system.clients.tableName}`;
  await system.clients.putSecret(DATABASE, JSON.stringify(DATABASE_VALUE));
  await system.clients.putSecret('oauth/profiles/other', JSON.stringify({ client_secret: CANARY }));
  await account('victim', undefined, 'oauth/accounts/victim', {
    access_token: CANARY,
    refresh_token: CANARY,
  });
});
afterAll(() => system.close());
afterEach(() => system.aws.inject(undefined));

const DATABASE = 'prod/database';
const inAnHour = () => Math.floor(Date.now() / 1000) + 3_600;
const DATABASE_VALUE = { username: 'root', access_token: CANARY, expires_at: inAnHour(), [CANARY]: CANARY };

async function account(
  accountId: string,
  tokenSecretId: unknown,
  secret?: string,
  tokens?: object,
): Promise<void> {
  if (secret !== undefined) await system.clients.putSecret(secret, JSON.stringify(tokens));
  const item = { accountId, authenticationType: 'oauth2', oauthProfile: 'crm', tokenSecretId };
  await system.putItem(tokenSecretId === undefined ? { ...item, tokenSecretId: undefined } : item);
}

const textOf = async (SecretId: string) =>
  (await system.clients.secrets.send(new GetSecretValueCommand({ SecretId }))).SecretString;
const arnOf = async (SecretId: string) =>
  (await system.clients.secrets.send(new DescribeSecretCommand({ SecretId }))).ARN ?? '';

/** What each secret of others holds, to see that nobody has touched it. */
const others = async () =>
  await Promise.all([DATABASE, 'oauth/profiles/other', 'oauth/accounts/victim'].map(textOf));

/** The calls for the value of a secret, and those that write, by the secret's id. */
function watch(): string[] {
  const calls: string[] = [];
  system.aws.inject(({ operation, input }) => {
    if (/Secret/.test(operation) && operation !== 'DescribeSecret')
      calls.push(String((input as { SecretId?: unknown; Name?: unknown }).SecretId));
    return undefined;
  });
  return calls;
}

const beyond: readonly (readonly [what: string, id: () => unknown])[] = [
  ['any name', () => DATABASE],
  ['its ARN', () => arnOf(DATABASE)],
  ['its ARN without the random end', async () => (await arnOf(DATABASE)).replace(/-\w{6}$/, '')],
  ['another case', () => 'OAUTH/accounts/thief'],
  ['a name that climbs', () => 'oauth/accounts/../../prod/database'],
  ['the name of its own usual one with something behind', () => 'oauth/accounts/thief/x'],
  ['an ARN that looks like its own, of another AWS account', () => foreignArn('oauth/accounts/thief-a1B2c3')],
  ['the secret of another account', () => 'oauth/accounts/victim'],
  ['the secret of another account by its ARN', () => arnOf('oauth/accounts/victim')],
  ["a profile's", () => 'oauth/profiles/other'],
  ["a profile's by its ARN", () => arnOf('oauth/profiles/other')],
  ['no text', () => 7],
  ['an empty text', () => ''],
];
const foreignArn = (name: string) => `arn:aws:secretsmanager:eu-north-1:999999999999:secret:${name}`;

describe.each(beyond)('where the item names %s', (_, id) => {
  test.each([
    ['authorize', ['authorize', 'thief', '--no-browser']],
    ['token', ['token', 'thief']],
    ['token --json', ['token', 'thief', '--json']],
    ['accounts show', ['accounts', 'show', 'thief']],
    ['accounts show --json', ['accounts', 'show', 'thief', '--json']],
    ['accounts remove', ['accounts', 'remove', 'thief', '--yes']],
  ])('%s neither reads, shows, writes nor deletes that secret', async (command, args) => {
    await account('thief', await id());
    const before = await others();
    const calls = watch();
    const { code, stdout, stderr } = await system.command(args);
    system.aws.inject(undefined);
    expect(linesWithCanary(stdout + stderr)).toEqual([]);
    expect(await others()).toEqual(before);
    if (!command.startsWith('accounts')) {
      expect(code).toBe(1);
      // The profile's own secret may be read; nothing else.
      expect(calls.filter((one) => one !== 'oauth/profiles/crm')).toEqual([]);
    }
    if (command === 'token') expect(stderr).toMatch(/tokenSecretId of thief/);
  });
});

test.each(['token', 'authorize'])('%s says which flag to paste', async (command) => {
  await account('thief', DATABASE);
  const { stderr } = await system.command([command, 'thief']);
  expect(stderr).toContain(`add --token-secret ${DATABASE}\n`);
  await account('thief', "it's/one");
  const quoted = await system.command([command, 'thief']);
  expect(quoted.stderr).toContain(`add --token-secret 'it'\\''s/one'\n`);
});

test('accounts show says it too, and shows the rest', async () => {
  await account('thief', DATABASE);
  const { code, stdout } = await system.command(['accounts', 'show', 'thief']);
  expect(code).toBe(0);
  expect(stdout.replaceAll(/\s+/g, ' ')).toContain(`add --token-secret ${DATABASE}`);
});

describe('--token-secret', () => {
  test.each([
    ['another one', () => 'prod/other'],
    ['one that is written otherwise', () => 'prod/Database'],
    ['its ARN, where the item has its name', () => arnOf(DATABASE)],
  ])('of %s changes nothing', async (_, flag) => {
    await account('thief', DATABASE);
    const { code, stderr } = await system.command(['token', 'thief', '--token-secret', await flag()]);
    expect({ code, told: stderr.includes(`add --token-secret ${DATABASE}`) }).toEqual({
      code: 1,
      told: true,
    });
  });

  test.each([
    ["a profile's secret", 'oauth/profiles/other', 'a profile'],
    ["another account's", 'oauth/accounts/victim', 'another account'],
  ])('does not lead to %s', async (_, id, whose) => {
    await account('thief', id);
    const before = await others();
    for (const command of ['token', 'authorize']) {
      const { code, stderr } = await system.command([command, 'thief', '--token-secret', id]);
      expect({ code, told: stderr.includes(`names the secret of ${whose}`) }).toEqual({
        code: 1,
        told: true,
      });
    }
    expect(await others()).toEqual(before);
  });

  test('token prints nothing of a secret that is no token set kept for the account', async () => {
    await account('thief', DATABASE);
    const ask = () => system.command(['token', 'thief', '--token-secret', DATABASE]);
    const says = async (value: object, expected: RegExp) => {
      await system.clients.putSecret(DATABASE, JSON.stringify(value));
      const { code, stdout, stderr } = await ask();
      expect(linesWithCanary(stdout + stderr)).toEqual([]);
      expect(code).toBe(1);
      expect(stderr).toMatch(expected);
    };
    await says(DATABASE_VALUE, /does not say that it is kept for thief/);
    await says({ ...DATABASE_VALUE, kept_by: '' }, /does not say that it is kept for thief/);
    await says({ ...DATABASE_VALUE, kept_by: '1/2/other' }, /kept by the function of another table/);
    await says(
      { ...DATABASE_VALUE, kept_by: keeper, kept_for: 'victim' },
      /kept for another account, victim/,
    );
    await system.clients.putSecret(DATABASE, JSON.stringify(DATABASE_VALUE));
  });

  test('authorize stores there, token prints it, and show tells what it holds', async () => {
    await account('shared', 'shared/one');
    const flag = ['--token-secret', 'shared/one'];
    expect(await system.authorize(['shared', ...flag])).toMatchObject({ code: 0 });
    const tokens = JSON.parse((await textOf('shared/one')) ?? '');
    expect(tokens).toMatchObject({ kept_by: keeper });
    expect(await system.command(['token', 'shared', ...flag])).toMatchObject({
      code: 0,
      stdout: `${tokens.access_token}\n`,
    });
    const { stdout } = await system.command(['accounts', 'show', 'shared', ...flag]);
    expect(stdout).toMatch(/holds +access_token/);
    expect((await system.command(['token', 'shared'])).code).toBe(1);

    // The function has noted whose it is: nobody else gets there by naming it too.
    await account('second', 'shared/one');
    for (const command of ['token', 'authorize'])
      expect(await system.command([command, 'second', ...flag])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('names the secret of another account, shared'),
      });
    expect(JSON.parse((await textOf('shared/one')) ?? '')).toEqual(tokens);
  });

  test('authorize waits for nobody’s lease to be over: a secret that a visit has in hand is left', async () => {
    await system.clients.putSecret('shared/held', JSON.stringify({ refresh_token: 'r' }));
    await account('heir', 'shared/held');
    const lease = { owner: 'a-visit', expiresAt: inAnHour() };
    await system.clients.table.send(
      new PutCommand({
        TableName: system.clients.tableName,
        Item: { accountId: `#secret:${await arnOf('shared/held')}`, secretOwner: 'gone', lease },
      }),
    );
    const ended = await system.authorize(['heir', '--token-secret', 'shared/held']);
    expect(ended).toMatchObject({ code: 1, stderr: expect.stringContaining('holds heir just now') });
    expect(await textOf('shared/held')).toBe('{"refresh_token":"r"}');
  });
});

test('another’s usual secret that the function has claimed for the account needs no flag, and none that it has not', async () => {
  const tokens = { access_token: 'taken-over', refresh_token: 'r', expires_at: inAnHour() };
  await account('next', undefined, 'oauth/accounts/before', { ...tokens, kept_by: keeper, kept_for: 'next' });
  await account('next', 'oauth/accounts/before');
  expect(await system.command(['token', 'next'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('--token-secret oauth/accounts/before'),
  });
  const note = { accountId: `#secret:${await arnOf('oauth/accounts/before')}`, secretOwner: 'next' };
  await system.clients.table.send(new PutCommand({ TableName: system.clients.tableName, Item: note }));
  expect(await system.command(['token', 'next'])).toMatchObject({ code: 0, stdout: 'taken-over\n' });
  expect(await system.authorize(['next'])).toMatchObject({ code: 0 });
  expect(JSON.parse((await textOf('oauth/accounts/before')) ?? '')).toMatchObject({ kept_for: 'next' });
  // Its usual owner is back, and comes first.
  await account('before', undefined);
  expect(await system.command(['token', 'next'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('names the secret of another account, before'),
  });
});

describe('the usual secret', () => {
  test.each([
    ['its ARN', async () => await arnOf('oauth/accounts/usual')],
    [
      'its ARN without the random end',
      async () => (await arnOf('oauth/accounts/usual')).replace(/-\w{6}$/, ''),
    ],
    ['its name', () => 'oauth/accounts/usual'],
  ])('needs no flag where the item names it by %s', async (_, id) => {
    const tokens = { access_token: 'usual-token', refresh_token: 'r', expires_at: inAnHour() };
    await account('usual', undefined, 'oauth/accounts/usual', tokens);
    await account('usual', await id());
    expect(await system.command(['token', 'usual'])).toMatchObject({ code: 0, stdout: 'usual-token\n' });
  });

  test('that another account has taken over is that one’s: nothing of it is printed, written over or deleted', async () => {
    const tokens = { access_token: CANARY, refresh_token: 'r', expires_at: inAnHour() };
    const kept = { ...tokens, kept_by: keeper, kept_for: 'taker' };
    await account('giver', undefined, 'oauth/accounts/giver', kept);
    await account('taker', 'oauth/accounts/giver');
    const { code, stdout, stderr } = await system.command(['token', 'giver']);
    expect({ code, told: stderr.includes('kept for another account, taker') }).toEqual({
      code: 1,
      told: true,
    });
    expect(linesWithCanary(stdout + stderr)).toEqual([]);
    const ended = await system.authorize(['giver']);
    expect(ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('kept for another account, taker'),
    });
    const removed = await system.command(['accounts', 'remove', 'giver', '--yes']);
    expect(removed.stdout.replaceAll(/\s+/g, ' ')).toContain('is kept, as the account taker has it');
    expect(JSON.parse((await textOf('oauth/accounts/giver')) ?? '')).toEqual(kept);
  });

  test('that another table’s function keeps is not printed', async () => {
    const kept_by = '111122223333/eu-central-1/other';
    const tokens = { access_token: CANARY, refresh_token: 'r', expires_at: inAnHour(), kept_by };
    await account('theirs', undefined, 'oauth/accounts/theirs', tokens);
    const { code, stdout, stderr } = await system.command(['token', 'theirs']);
    expect({ code, told: stderr.includes(kept_by) }).toEqual({ code: 1, told: true });
    expect(linesWithCanary(stdout)).toEqual([]);
  });
});

describe('import', () => {
  const row = (tokenSecretId: string) =>
    JSON.stringify({ accountId: 'imported', oauthProfile: 'crm', tokenSecretId, refresh_token: CANARY });

  test('puts no tokens into a secret of another name, unless a flag names it', async () => {
    const before = await others();
    const refused = await system.command(['import', '-'], { input: row('fresh/one') });
    expect(refused.code).toBe(1);
    expect(refused.stderr.replaceAll(/\s+/g, ' ')).toContain('add --token-secret fresh/one');
    const other = await system.command(['import', '-', '--token-secret', 'fresh/two'], {
      input: row('fresh/one'),
    });
    expect(other.code).toBe(1);
    const flags = ['--token-secret', 'fresh/two', '--token-secret', 'fresh/one'];
    expect(await system.command(['import', '-', ...flags], { input: row('fresh/one') })).toMatchObject({
      code: 0,
    });
    expect(JSON.parse((await textOf('fresh/one')) ?? '')).toEqual({ refresh_token: CANARY, kept_by: keeper });
    expect(await others()).toEqual(before);
  });

  test('a token in the place of the name is not told', async () => {
    const { code, stderr } = await system.command(['import', '-'], { input: row(`${CANARY}x`) });
    expect({ code, leaks: linesWithCanary(stderr) }).toEqual({ code: 1, leaks: [] });
  });
});
