import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { awsEnvironment } from '../../local/clients.ts';
import { linesWithCanary } from '../support/canary.ts';
import { cli } from '../support/cli.ts';
import { startFleet } from '../support/fleet.ts';
import { createImportWorld, type ImportWorld, token } from '../support/import-world.ts';

let world: ImportWorld;
let empty: ImportWorld;

const accounts = [
  { accountId: 'plain', oauthProfile: 'crm' },
  {
    accountId: 'full',
    name: 'Zoë, "Q"; & co',
    oauthProfile: 'crm',
    tokenSecretId: 'elsewhere/full',
    enabled: false,
    parameters: { subdomain: 'acme', region: 'eu' },
  },
  { accountId: '=formula', name: '=HYPERLINK("https://evil.example")', oauthProfile: 'crm' },
  { accountId: '@at', name: "'=quoted", oauthProfile: 'crm' },
  { accountId: '+plus', name: "'ordinary", oauthProfile: 'crm' },
  { accountId: '-minus', name: '-1', oauthProfile: 'crm' },
  { accountId: 'tab', name: '\tx\ny', oauthProfile: 'crm', parameters: { p: '-5' } },
  { accountId: 'break', name: '\n=1', oauthProfile: 'crm' },
  { accountId: 'return', name: "'\r=1", oauthProfile: 'crm' },
  { accountId: 'wide', name: '＝1', oauthProfile: 'crm' },
  { accountId: 'wide-plus', name: '＋1', oauthProfile: 'crm' },
  { accountId: 'wide-minus', name: '－1', oauthProfile: 'crm' },
  { accountId: 'wide-at', name: "'＠1", oauthProfile: 'crm' },
].map((account) => ({ ...account, authenticationType: 'oauth2' }));
const state = { status: 'healthy', accessTokenExpiresAt: 5, lastRefreshedAt: 4 };

beforeAll(async () => {
  world = await createImportWorld();
  empty = await createImportWorld();
  for (const account of accounts)
    await world.account({ ...account, ...state }, { refresh_token: token('secret') });
  await world.account({ accountId: 'other', oauthProfile: 'mail', status: 'failing' });
});
afterAll(async () => {
  await world.close();
  await empty.close();
});

function run(at: ImportWorld, args: readonly string[], input = '') {
  Object.assign(process.env, awsEnvironment(at.aws.url));
  return cli([...at.options, ...args], { input });
}

test.each([
  ['disabled', ['full']],
  ['failing', ['other']],
  ['other', []],
])('--status %s means what it means for "accounts list"', async (status, ids) => {
  const { stdout } = await run(world, ['export', '--format', 'jsonl', '--status', status]);
  const lines = stdout.split('\n').filter((line) => line !== '');
  expect(lines.map((line) => JSON.parse(line).accountId)).toEqual(ids);
});

describe.each(['csv', 'jsonl'])('an export as %s', (format) => {
  test('imported into an empty system, gives the same accounts', async () => {
    const { stdout } = await run(world, ['export', '--format', format, '--profile', 'crm']);
    for (const { accountId } of accounts) await empty.removeItem(accountId);
    const { code, stderr } = await run(empty, ['import', '-'], stdout);
    expect(stderr).not.toContain('✗');
    expect(code).toBe(3);
    const sorted = (items: readonly { accountId: string }[]) =>
      [...items].sort((a, b) => (a.accountId < b.accountId ? -1 : 1));
    expect(sorted(await empty.clients.items())).toEqual(sorted(accounts));
  });

  test('holds no secret, and nothing that the function wrote', async () => {
    const { stdout, stderr } = await run(world, ['export', '--format', format]);
    expect(linesWithCanary(stdout + stderr)).toEqual([]);
    expect(stdout).not.toMatch(/healthy|lastRefreshedAt|accessTokenExpiresAt/);
  });
});

test('no cell of the CSV begins like a formula', async () => {
  const { stdout } = await run(world, ['export']);
  expect(stdout).toContain(`"'=formula","'=HYPERLINK(`);
  for (const record of parse(stdout) as string[][])
    for (const cell of record) expect(cell).not.toMatch(/^[=+@\-＝＋＠－\t\r\n]/);
});

test('every text in the CSV is quoted, whatever separator a spreadsheet believes in', async () => {
  const { stdout } = await run(world, ['export', '--status', 'failing']);
  expect(stdout.split('\n')[1]).toBe('"other","","oauth2","mail","","",""');
});

describe.each(['csv', 'jsonl'])('what was exported as %s can be imported', (format) => {
  test('the local sample fleet, with all that is wrong in it', async () => {
    const fleet = await startFleet();
    await fleet.put({ accountId: '#pause', note: 'x' });
    await fleet.put({ accountId: '#profile:crm', failure: { reason: 'client_rejected' } });
    const { stdout } = await fleet.run(['export', '--format', format]);
    expect(stdout).not.toContain('#');
    const before = await fleet.system.clients.items();
    for (const options of [[], ['--update']]) {
      const {
        code,
        stdout: told,
        stderr,
      } = await fleet.run(['import', '-', '--json', ...options], {
        input: stdout,
      });
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^Acting on [^\n]*\n$/) });
      const accounts = before.filter(({ accountId }) => !accountId.startsWith('#')).length;
      expect(JSON.parse(told)).toMatchObject({ rows: accounts, alreadyThere: accounts - 1, passedOver: 1 });
    }
    const ids = (items: readonly { accountId: string }[]) => items.map(({ accountId }) => accountId).sort();
    expect(ids(await fleet.system.clients.items())).toEqual(ids(before));
    await fleet.close();
  });

  test('a fleet of every kind of account, into a fleet that has none', async () => {
    const from = await createImportWorld();
    const to = await createImportWorld();
    const plain = { oauthProfile: 'crm', authenticationType: 'oauth2' };
    const kept = [
      { accountId: 'off', ...plain, enabled: false },
      { accountId: 'elsewhere', ...plain, tokenSecretId: 'x/elsewhere' },
      {
        accountId: 'any id: at all',
        ...plain,
        tokenSecretId: 'arn:aws:secretsmanager:us-east-1:000000000000:secret:x/y-AbCdEf',
      },
      { accountId: 'placeholders', ...plain, parameters: { subdomain: 'acme' } },
    ];
    for (const one of kept)
      await from.account({
        ...one,
        status: 'failing',
        failure: { reason: 'of_a_later_version', message: 'm', count: 1, since: 1, at: 1 },
        refreshTokenFingerprint: 'f',
        ofLater: { a: 1 },
      });
    await from.account({ accountId: 'basic', authenticationType: 'basic' });
    await from.account({
      accountId: 'none',
      authenticationType: 'noAuthentication',
      oauthProfile: 'crm',
      name: 'N',
    });
    await from.account({ accountId: '#secret:arn:x', authenticationType: undefined, secretOwner: 'off' });
    const { stdout } = await run(from, ['export', '--format', format]);
    const { code, stdout: told } = await run(to, ['import', '-', '--json'], stdout);
    expect(code).toBe(3);
    expect(JSON.parse(told)).toMatchObject({ rows: 6, created: 4, passedOver: 2, rejected: 0 });
    const sorted = (items: readonly { accountId: string }[]) =>
      [...items].sort((a, b) => (a.accountId < b.accountId ? -1 : 1));
    expect(sorted(await to.clients.items())).toEqual(sorted(kept));
    const again = await run(from, ['import', '-', '--json', '--update'], stdout);
    expect(JSON.parse(again.stdout)).toMatchObject({
      alreadyThere: 4,
      updated: 0,
      passedOver: 2,
      rejected: 0,
    });
    await from.close();
    await to.close();
  });
});

describe('filters', () => {
  test.each<[string, string[], number]>([
    ['all', [], 14],
    ['a profile', ['--profile', 'mail'], 1],
    ['a status', ['--status', 'healthy'], 12],
    ['both', ['--status', 'healthy', '--profile', 'mail'], 0],
    ['accounts that were never looked at', ['--status', 'new'], 0],
  ])('%s', async (_, options, count) => {
    const { code, stdout, stderr } = await run(world, ['--json', 'export', ...options]);
    expect({ code, lines: stdout.split('\n').filter(Boolean).length, stderr }).toEqual({
      code: 0,
      lines: count,
      stderr: expect.stringMatching(/^Reading the table .*\n$/),
    });
  });

  test('an unknown status is refused with 2', async () => {
    expect((await run(world, ['export', '--status', 'ill'])).code).toBe(2);
  });
});
