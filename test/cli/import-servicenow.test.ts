import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { awsEnvironment } from '../../local/clients.ts';
import { linesWithCanary } from '../support/canary.ts';
import { cli } from '../support/cli.ts';
import { createImportWorld, type ImportWorld, token } from '../support/import-world.ts';

let world: ImportWorld;
let outputs = '';
const directory = mkdtempSync(join(tmpdir(), 'servicenow-'));

const MESSAGES = [
  'sys_id,name,authentication_type,oauth2_profile,rest_endpoint',
  'aaa1,Acme orders,oauth2,CRM default_profile,https://acme.example/api',
  'bbb2,Globex stock,OAuth 2.0,CRM default_profile,https://globex.example/api',
  'ccc3,Initech mail,oauth2,CRM default_profile,https://initech.example/api',
  'ddd4,Old FTP,basic,,https://ftp.example',
  'eee5,Open,noAuthentication,,https://open.example',
];
const credentials = (column: string) => [
  `type,expires,oauth_requestor_profile.requestor_id,${column}`,
  `refresh_token,2027-01-01 00:00:00,aaa1,${token('old')}`,
  `refresh_token,2027-03-01 00:00:00,aaa1,${token('acme')}`,
  `access_token,2027-03-01 00:00:00,aaa1,${token('access')}`,
  `Refresh Token,2027-01-01 00:00:00,bbb2,${token('globex')}`,
  'refresh_token,2027-01-01 00:00:00,ccc3,**********',
];

beforeAll(async () => {
  world = await createImportWorld();
  Object.assign(process.env, awsEnvironment(world.aws.url));
});
afterAll(async () => {
  await world.close();
  rmSync(directory, { recursive: true });
});

function file(name: string, lines: readonly string[]): string {
  const path = join(directory, name);
  writeFileSync(path, lines.join('\r\n'));
  return path;
}

async function run(files: readonly string[], ...options: string[]) {
  for (const { accountId } of await world.clients.items()) await world.removeItem(accountId);
  const map = ['--map', 'CRM default_profile=crm'];
  const ended = await cli([...world.options, 'import', '--servicenow', ...files, ...map, ...options]);
  outputs += ended.stdout + ended.stderr;
  return ended;
}

test('each OAuth 2.0 REST message becomes an account that needs authorizing', async () => {
  const { code, stdout } = await run([file('m.csv', MESSAGES), file('c.csv', credentials('token_received'))]);
  expect(code).toBe(3);
  expect(stdout).toBe(
    '  3  created\n  2  passed over: their authentication is not oauth2\n3 accounts came without a refresh token: authorize them, unless the secret is there.\n',
  );
  const items = await world.clients.items();
  expect(items.map(({ accountId }) => accountId).sort()).toEqual(['aaa1', 'bbb2', 'ccc3']);
  expect(await world.item('aaa1')).toEqual({
    accountId: 'aaa1',
    name: 'Acme orders',
    authenticationType: 'oauth2',
    oauthProfile: 'crm',
  });
  expect(await world.secretText('aaa1')).toBeUndefined();
});

test('with --tokens-in, the latest readable refresh token comes along', async () => {
  const { code, stdout } = await run(
    [file('m.csv', MESSAGES), file('c.csv', credentials('u_clear'))],
    '--tokens-in',
    'u_clear',
  );
  expect(code).toBe(3);
  expect(stdout).toContain('1 account came without a refresh token');
  const kept_by = world.keeper;
  expect(await world.tokens('aaa1')).toEqual({ refresh_token: token('acme'), kept_by });
  expect(await world.tokens('bbb2')).toEqual({ refresh_token: token('globex'), kept_by });
  expect(await world.secretText('ccc3')).toBeUndefined();
});

test('a token that is for a name goes to the one message of this name', async () => {
  const tokens = ['type,requestor_id,u_clear', `refresh_token,Initech mail,${token('named')}`];
  await run([file('m.csv', MESSAGES), file('c.csv', tokens)], '--tokens-in', 'u_clear');
  expect(await world.tokens('ccc3')).toMatchObject({ refresh_token: token('named') });
});

test('without sys_id the name makes the id', async () => {
  const lines = ['name,authentication_type,oauth2_profile', 'Übersee Orders (EU),oauth2,crm'];
  await run([file('m.csv', lines)]);
  expect((await world.clients.items()).map(({ accountId }) => accountId)).toEqual(['bersee-orders-eu']);
});

describe('what can not be used is said', () => {
  test.each<[string, readonly string[], readonly string[] | undefined, RegExp]>([
    [
      'another table',
      ['number,short_description', 'INC1,x'],
      undefined,
      /line 1: there is no column authentication_type/,
    ],
    [
      'a profile that is not here',
      ['sys_id,name,authentication_type,oauth2_profile', 'a,A,oauth2,Other profile'],
      undefined,
      /--map 'Other profile=PROFILE'/,
    ],
    [
      'credentials of nobody',
      MESSAGES,
      ['type,expires,u_clear', `refresh_token,,${token('x')}`],
      /line 2: there is no oauth_requestor_profile\.requestor_id/,
    ],
    [
      'credentials of no type',
      MESSAGES,
      ['expires,u_clear', `,${token('x')}`],
      /line 1: there is no column type/,
    ],
    [
      'two tokens of which none is the last',
      MESSAGES,
      ['type,requestor_id,u_clear', `refresh_token,aaa1,${token('x')}`, `refresh_token,aaa1,${token('y')}`],
      /line 2: aaa1, row: has several refresh tokens/,
    ],
    [
      'a token for a name that two messages have',
      [...MESSAGES, 'fff6,Acme orders,basic,,https://other.example'],
      ['type,requestor_id,u_clear', `refresh_token,Acme orders,${token('x')}`],
      /line 2: aaa1, row: shares its name with another REST message/,
    ],
  ])('%s', async (_, messages, tokens, expected) => {
    const files = [file('m.csv', messages), ...(tokens === undefined ? [] : [file('c.csv', tokens)])];
    const { code, stderr } = await run(files, ...(tokens === undefined ? [] : ['--tokens-in', 'u_clear']));
    expect(code).toBe(1);
    expect(stderr.replaceAll(/\n {4}/g, ' ')).toMatch(expected);
    expect(await world.clients.items()).toEqual([]);
  });
});

describe('without --map', () => {
  const profiles = ['CRM default_profile', "O'Brien & $(co) default_profile", 'crm'];
  const lines = [
    'sys_id,name,authentication_type,oauth2_profile',
    ...[...Array(45)].map((_, index) => `m${index},M ${index},oauth2,${profiles[index % 2]}`),
    'here,Here,oauth2,crm',
    ...[...Array(7)].map((_, index) => `b${index},B ${index},basic,`),
  ];
  const importFiles = async (...options: string[]) => {
    for (const { accountId } of await world.clients.items()) await world.removeItem(accountId);
    const ended = await cli([
      ...world.options,
      ...['import', '--servicenow', file('n.csv', lines)],
      ...options,
    ]);
    outputs += ended.stdout + ended.stderr;
    return ended;
  };

  test('each profile that needs one is told once, with the flag to add', async () => {
    const { code, stdout, stderr } = await importFiles('--dry-run');
    expect(code).toBe(1);
    const told = stderr.split('\n').filter((line) => line.includes('--map'));
    expect(told).toEqual([
      "    23 rows   --map 'CRM default_profile=crm'",
      `    22 rows   --map 'O'\\''Brien & $(co) default_profile=PROFILE'`,
    ]);
    expect(stderr).not.toContain('may hold letters');
    expect(stdout).toContain(' 1  would be created');
    expect(stdout).toContain(' 7  passed over');
    expect(stdout).toContain('45  invalid');
  });

  test('the flags can be pasted', async () => {
    const { stderr } = await importFiles('--dry-run');
    const flags = [...stderr.matchAll(/rows {3}(--map .*)/g)].map(([, flag]) =>
      flag?.replace('=PROFILE', '=crm'),
    );
    const words = execFileSync('sh', ['-c', `printf '%s\\n' ${flags.join(' ')}`], { encoding: 'utf8' });
    const { code, stdout } = await importFiles(...words.trim().split('\n'));
    expect({ code, made: /(\d+) {2}created/.exec(stdout)?.[1] }).toEqual({ code: 3, made: '46' });
  });

  test('with --skip-invalid and --rejects, each row is in one place', async () => {
    const rejects = join(directory, 'rejects.csv');
    const { stdout } = await importFiles('--skip-invalid', '--rejects', rejects, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ rows: 53, created: 1, passedOver: 7, rejected: 45 });
    const rows = readFileSync(rejects, 'utf8').trim().split('\n');
    expect(rows).toHaveLength(46);
    expect(rows[1]).toMatch(/^2,m0,oauth2_profile,.*--map 'CRM default_profile=crm'/);
  });

  test('a --map to a profile that is not here is told once', async () => {
    const { stderr } = await importFiles('--map', 'CRM default_profile=crn', '--dry-run');
    expect(stderr.match(/there is no profile "crn" here/g)).toHaveLength(1);
    expect(stderr).toContain('23 rows: there is no profile');
  });

  test('a message that names no profile is told by its line', async () => {
    const { stderr } = await run([file('none.csv', [MESSAGES[0] ?? '', 'x,X,oauth2,,'])]);
    expect(stderr).toContain('line 2: x, oauthProfile: is missing');
  });
});

test('no token stands in any output', () => {
  expect(outputs.length).toBeGreaterThan(500);
  expect(linesWithCanary(outputs)).toEqual([]);
});
