import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fingerprintOf } from '../../cli/import/row/compare.ts';
import { awsEnvironment } from '../../local/clients.ts';
import { linesWithCanary } from '../support/canary.ts';
import { cli } from '../support/cli.ts';
import { createImportWorld, type ImportWorld, token } from '../support/import-world.ts';

let world: ImportWorld;
let outputs = '';
const directory = mkdtempSync(join(tmpdir(), 'rows-'));
const rejects = join(directory, 'rejects.csv');

beforeAll(async () => {
  world = await createImportWorld();
  Object.assign(process.env, awsEnvironment(world.aws.url));
});
beforeEach(async () => {
  for (const { accountId } of await world.clients.items()) await world.removeItem(accountId);
});
afterAll(async () => {
  await world.close();
  rmSync(directory, { recursive: true });
});

async function run(input: string, ...options: string[]) {
  const ended = await cli([...world.options, 'import', '-', '--rejects', rejects, ...options], { input });
  outputs += ended.stdout + ended.stderr + readFileSync(rejects, 'utf8');
  return ended;
}
async function json(input: string, ...options: string[]) {
  const { stdout, code } = await run(input, '--json', '--skip-invalid', ...options);
  const result = JSON.parse(stdout);
  const lines = (parse(readFileSync(rejects, 'utf8'), { from_line: 2 }) as string[][]).map(([line]) =>
    Number(line),
  );
  return { ...result, code, lines: [...new Set(lines)] };
}
const jsonLines = (...rows: unknown[]) => rows.map((row) => JSON.stringify(row)).join('\n');
const ids = async () => (await world.clients.items()).map(({ accountId }) => accountId).sort();

describe('rows that hold one refresh token: neither is used', () => {
  const T = token('shared');
  const head = 'accountId,name,oauthProfile,enabled,refresh_token';
  test.each<[string, string]>([
    ['both sound', `${head}\nd1,,crm,,${T}\nd2,,crm,,${T}`],
    ['the first has another mistake', `${head}\nd1,,crm,maybe,${T}\nd2,,crm,,${T}`],
    ['the second has another mistake', `${head}\nd1,,crm,,${T}\nd2,,crm,maybe,${T}`],
    ['both have', `${head}\nd1,,none,,${T}\nd2,,crm,maybe,${T}`],
    ['the first has an unknown profile', `${head}\nd1,,none,,${T}\nd2,,crm,,${T}`],
    ['the first has no id', `${head}\n,,crm,,${T}\nd2,,crm,,${T}`],
    ['the first has a cell too many', `${head}\nd1,Acme, Inc,crm,,${T}\nd2,,crm,,${T}`],
    ['the first has a cell too few', `${head}\nd1,crm,,${T}\nd2,,crm,,${T}`],
    [
      'the first is not oauth2',
      `accountId,authenticationType,oauthProfile,refresh_token\nd1,basic,crm,${T}\nd2,,crm,${T}`,
    ],
    ['the second ends in a line break', `${head}\nd1,,crm,,${T}\nd2,,crm,,"${T}\n"`],
    [
      'one in tokens.refresh_token',
      `accountId,oauthProfile,refresh_token,tokens.refresh_token\nd1,crm,${T},\nd2,crm,,${T}`,
    ],
    [
      'one in a JSON cell',
      `accountId,oauthProfile,refresh_token,tokens\nd1,crm,${T},\nd2,crm,,"{""refresh_token"":""${T}""}"`,
    ],
    [
      'one under another name',
      jsonLines(
        { accountId: 'd1', oauthProfile: 'crm', refreshToken: T },
        { accountId: 'd2', oauthProfile: 'crm', refresh_token: T },
      ),
    ],
    [
      'one deep in an unknown field, after the other',
      jsonLines(
        { accountId: 'd2', oauthProfile: 'crm', refresh_token: T },
        { accountId: 'd1', oauthProfile: 'crm', credentials: [{ rt: T }] },
      ),
    ],
    [
      'one in a line that is no JSON',
      `{"accountId":"d1","oauthProfile":"crm","refresh_token":${JSON.stringify(T)}\n${jsonLines({ accountId: 'd2', oauthProfile: 'crm', refresh_token: T })}`,
    ],
  ])('%s', async (_, input) => {
    const result = await json(input);
    expect(await ids()).toEqual([]);
    expect(result).toMatchObject({ rows: 2, created: 0, rejected: 2, passedOver: 0 });
    expect(result.lines).toHaveLength(2);
  });

  test('a second token in another field of the row is a mistake, and both are compared', async () => {
    const row = (accountId: string, a: string, b: string) => ({
      accountId,
      oauthProfile: 'crm',
      refresh_token: a,
      tokens: { refresh_token: b },
    });
    const other = { accountId: 'd2', oauthProfile: 'crm', refresh_token: T };
    const result = await json(jsonLines(row('d1', T, token('x')), other, row('d3', token('y'), token('y'))));
    expect(result).toMatchObject({ created: 1, rejected: 2 });
    expect(await ids()).toEqual(['d3']);
  });
});

describe('a refresh token that an account was imported with', () => {
  const file = (accountId: string, text = token(`of ${accountId}`)) =>
    `accountId,oauthProfile,refresh_token\n${accountId},crm,${text}\n`;

  test('is refused for another account in a later import', async () => {
    const T = token('later');
    await json(file('f2', T));
    expect((await world.item('f2')).refreshTokenFingerprint).toBe(fingerprintOf(T));
    const { code, stderr } = await run(file('f1', T));
    expect(code).toBe(1);
    expect(stderr.replaceAll(/\n {4}/g, ' ')).toMatch(
      /line 2: f1, refresh_token: the account f2 was imported with it/,
    );
    expect(await ids()).toEqual(['f2']);
  });

  test('is found however large the table is', async () => {
    const T = token('far');
    for (let index = 0; index < 6; index++)
      await world.account({
        accountId: `filler-${index}`,
        oauthProfile: 'crm',
        name: 'x'.repeat(300_000),
        refreshTokenFingerprint: 'f',
      });
    await json(file('f4', T));
    expect(await json(file('f5', T))).toMatchObject({ created: 0, rejected: 1 });
  });

  test('does not stand in the way of the same import again', async () => {
    await json(file('f3'));
    expect(await json(file('f3'))).toMatchObject({ created: 0, alreadyThere: 1, rejected: 0 });
    await world.removeItem('f3');
    expect(await json(file('f3'))).toMatchObject({ created: 1, rejected: 0 });
  });
});

describe('each row of the file counts once', () => {
  test('whatever becomes of it', async () => {
    await world.account({ accountId: 'same', oauthProfile: 'crm' });
    await world.account({ accountId: 'other', oauthProfile: 'crm', name: 'Before' });
    await world.putTokens('taken', { refresh_token: token('elsewhere') });
    const input = [
      'accountId,authenticationType,name,oauthProfile,enabled,refresh_token',
      'new,,,crm,,',
      'b1,,,crm,,',
      'same,,,crm,,',
      ',,,,,',
      'other,,After,crm,,',
      'b1,,,crm,perhaps,',
      'ftp,basic,,,,',
      `taken,,,crm,,${token('file')}`,
      'many,mistakes,here,,oh,',
      'wrong,,,none,oh,',
      'short,,',
      'b1,,,crm,,',
    ].join('\n');
    const result = await json(input, '--update');
    const { rows, created, updated, alreadyThere, passedOver, rejected, left } = result;
    expect({ rows, created, updated, alreadyThere, passedOver, rejected, left }).toEqual({
      rows: 11,
      created: 1,
      updated: 1,
      alreadyThere: 1,
      passedOver: 2,
      rejected: 6,
      left: 0,
    });
    expect(result.lines).toEqual([3, 7, 9, 11, 12, 13]);
    expect(result.code).toBe(3);
  });

  test('a row that is refused for being there twice is told in both its lines', async () => {
    const { lines, rejected } = await json(
      'accountId,oauthProfile,enabled\nb1,crm,\nb2,crm,\nb3,crm,\nb1,crm,oh',
    );
    expect({ lines, rejected }).toEqual({ lines: [2, 5], rejected: 2 });
  });
});

describe('what a row says of itself', () => {
  test.each<[string, Record<string, unknown>, RegExp]>([
    [
      'a token that ends in a line break',
      { refresh_token: `${token('a')}\n` },
      /refresh_token: ends with a line break, perhaps from pasting/,
    ],
    [
      'a token that ends in CR LF',
      { access_token: `${token('a')}\r\n` },
      /access_token: ends with a line break/,
    ],
    [
      'a token with a tab in it',
      { refresh_token: `${token('a')}\tx` },
      /refresh_token: must not hold control characters/,
    ],
    [
      'a token after a space',
      { refresh_token: ` ${token('a')}` },
      /refresh_token: must not begin or end with a space/,
    ],
    ['a blank token', { refresh_token: '  ' }, /refresh_token: is blank/],
    ['an id of the function’s notes', { accountId: '#pause' }, /accountId: must not begin with #/],
    [
      'a misspelt authenticationType',
      { authenticationType: 'OAuth 2.0' },
      /authenticationType: must be oauth2, written so/,
    ],
    [
      'a secret’s name that no secret has',
      { tokenSecretId: 'a b' },
      /tokenSecretId: must be the name or the ARN/,
    ],
    [
      'tokens that another table’s function keeps',
      { refresh_token: token('k'), tokens: { kept_by: '000000000000/us-east-1/other' } },
      /kept_by: the function of another table keeps this token set/,
    ],
    [
      'an unknown profile beside another mistake',
      { oauthProfile: 'none', enabled: 'oh' },
      /oauthProfile: there is no profile of this name/,
    ],
    [
      'an unknown field whose name is a value',
      { [token('name')]: 'x' },
      /a field whose name looks like a value: is not known/,
    ],
    [
      'a parameter whose name is a value',
      { parameters: { [token('name')]: 'x' } },
      /parameters: must have simple names/,
    ],
    ['a name that is no text', { name: 5 }, /name: must be a string/],
    [
      'a name that is too long for an item',
      { name: 'x'.repeat(399_000) },
      /row: is larger than an item can be/,
    ],
  ])('%s is told', async (_, fields, expected) => {
    const { code, stderr } = await run(jsonLines({ accountId: 'told', oauthProfile: 'crm', ...fields }));
    expect(code).toBe(1);
    expect(stderr.replaceAll(/\n {4}/g, ' ')).toMatch(expected);
    expect(await ids()).toEqual([]);
  });

  test('the names of unknown columns are shown, but no values in their place', async () => {
    const { stderr } = await run(`accountId,refreshToken,${token('x')},1//0gAbc\na,crm,,`);
    expect(stderr).toMatch(/unknown columns: "refreshToken", number 3, number 4/);
  });

  test.each<[string, unknown]>([
    ['seconds', 1_900_000_000],
    ['seconds as text', '1900000000'],
    ['milliseconds', 1_900_000_000_123],
    ['a date', '2030-03-17T17:46:40Z'],
  ])('a time as %s is a time', async (kind, expires_at) => {
    const accountId = `time-${kind.replaceAll(' ', '-')}`;
    await json(jsonLines({ accountId, oauthProfile: 'crm', refresh_token: token(accountId), expires_at }));
    expect(await world.tokens(accountId)).toMatchObject({ expires_at: 1_900_000_000 });
  });

  test('kept_by of this very table is taken for what it is', async () => {
    const tokens = { refresh_token: token('ours'), kept_by: world.keeper };
    expect(await json(jsonLines({ accountId: 'ours', oauthProfile: 'crm', tokens }))).toMatchObject({
      created: 1,
    });
    expect(await world.tokens('ours')).toEqual(tokens);
  });

  test('a name such as __proto__ is one like any other', async () => {
    const row = `{"accountId":"p","oauthProfile":"crm","tokens":{"__proto__":{"refresh_token":"hidden"}}}`;
    expect(await json(row)).toMatchObject({ created: 0, rejected: 1 });
  });
});

test('a secret that another table’s function keeps is left to it, with what to do', async () => {
  const kept_by = '000000000000/us-east-1/other';
  await world.putTokens('theirs', { refresh_token: token('theirs'), kept_by });
  const { stdout } = await run(`accountId,oauthProfile,refresh_token\ntheirs,crm,${token('mine')}`);
  expect(stdout.replaceAll(/\n {4}/g, ' ')).toContain(`is kept by the function of another table, ${kept_by}`);
  expect(stdout.replaceAll(/\n {4}/g, ' ')).toContain('FORMER_ACCOUNTS_TABLES');
  expect(await ids()).toEqual([]);
  expect(await world.tokens('theirs')).toEqual({ refresh_token: token('theirs'), kept_by });
});

test('… also one that this import made, and that was taken over since', async () => {
  const file = `accountId,oauthProfile,refresh_token\nmoved,crm,${token('moved')}`;
  await json(file);
  await world.putTokens('moved', { refresh_token: token('next'), kept_by: '000000000000/us-east-1/other' });
  await world.removeItem('moved');
  world.aws.inject(({ operation }) =>
    operation === 'CreateSecret'
      ? { kind: 'error', status: 400, type: 'ResourceExistsException', message: 'exists' }
      : undefined,
  );
  expect(await json(file)).toMatchObject({ created: 0, rejected: 1 });
  world.aws.inject(undefined);
});

test('a row that changes after it was checked is not written', async () => {
  const path = join(directory, 'changing.csv');
  const rows = (second: string) => `accountId,oauthProfile,refresh_token\nc1,crm,${token('c1')}\n${second}\n`;
  writeFileSync(path, rows(`c2,crm,${token('c2')}`));
  world.aws.onEffect(({ operation }) => {
    if (operation === 'BatchGetItem') writeFileSync(path, rows(`c2,crm,${token('c1')}`));
  });
  const { code, stderr } = await cli([...world.options, 'import', path]);
  world.aws.onEffect(undefined);
  expect(code).toBe(1);
  expect(stderr).toContain(
    'Stopped by an error (the file changed): 1 account is left. To go on:\n  oauth-token-refresher import ',
  );
  expect(await ids()).toEqual(['c1']);
});

test('no token stands in any output or rejects file', () => {
  expect(outputs.length).toBeGreaterThan(2_000);
  expect(linesWithCanary(outputs)).toEqual([]);
});
