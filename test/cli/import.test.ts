import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fingerprintOf } from '../../cli/import/row/compare.ts';
import { awsEnvironment } from '../../local/clients.ts';
import { linesWithCanary } from '../support/canary.ts';
import { type CliOptions, cli } from '../support/cli.ts';
import { createImportWorld, type ImportWorld, token } from '../support/import-world.ts';

let world: ImportWorld;
const directory = mkdtempSync(join(tmpdir(), 'import-'));
const outputs: string[] = [];

beforeAll(async () => {
  world = await createImportWorld();
  Object.assign(process.env, awsEnvironment(world.aws.url));
});
afterAll(async () => {
  await world.close();
  rmSync(directory, { recursive: true });
});

async function run(args: readonly string[], options: CliOptions = {}) {
  const ended = await cli([...world.options, ...args], options);
  outputs.push(ended.stdout, ended.stderr);
  return ended;
}

const importText = (input: string, ...args: string[]) => run(['import', '-', ...args], { input });
const json = async (input: string, ...args: string[]) =>
  JSON.parse((await importText(input, '--json', ...args)).stdout);
const jsonLines = (...rows: unknown[]) => rows.map((row) => JSON.stringify(row)).join('\n');

test('files are looked for where the person is, though npm has changed the directory', async () => {
  writeFileSync(join(directory, 'here.csv'), 'accountId,oauthProfile\nfrom-here,crm\nwrong,\n');
  const args = ['import', 'here.csv', '--dry-run', '--rejects', 'rejects.csv'];
  const { stdout } = await run(args, { env: { INIT_CWD: directory } });
  expect(stdout).toContain('1  would be created');
  expect(readFileSync(join(directory, 'rejects.csv'), 'utf8')).toContain('wrong');
  const { stderr } = await run(['import', '-', '--dry-run'], { env: { INIT_CWD: directory } });
  expect(stderr).toContain('standard input');
});

describe('an account is made as the file describes it', () => {
  test.each<[string, string]>([
    [
      'CSV',
      'accountId,name,oauthProfile,enabled,parameters.subdomain,refresh_token\nID,"A ""b"", c",crm,true,acme,TOKEN',
    ],
    [
      'semicolons',
      'accountId;name;oauthProfile;enabled;parameters.subdomain;refresh_token\nID;"A ""b"", c";crm;true;acme;TOKEN',
    ],
    [
      'tabs',
      'accountId\tname\toauthProfile\tenabled\tparameters.subdomain\trefresh_token\nID\t"A ""b"", c"\tcrm\ttrue\tacme\tTOKEN',
    ],
    [
      'a byte order mark and CRLF',
      '\ufeffaccountId,name,oauthProfile,enabled,parameters,refresh_token\r\nID,"A ""b"", c",crm,TRUE,"{""subdomain"":""acme""}",TOKEN\r\n',
    ],
    [
      'JSON lines',
      '\n{"accountId":"ID","name":"A \\"b\\", c","oauthProfile":"crm","enabled":true,"parameters":{"subdomain":"acme"},"tokens":{"refresh_token":"TOKEN"}}\n\n',
    ],
  ])('%s', async (format, text) => {
    const accountId = `made-${format.replaceAll(/\W/g, '-')}`;
    const input = text
      .replace('ID,', `${accountId},`)
      .replace('ID;', `${accountId};`)
      .replace('ID\t', `${accountId}\t`)
      .replace('"ID"', `"${accountId}"`);
    const { code, stdout } = await importText(input.replace('TOKEN', token(accountId)));
    expect({ code, stdout }).toEqual({ code: 0, stdout: '  1  created\n' });
    expect(await world.item(accountId)).toEqual({
      accountId,
      name: 'A "b", c',
      authenticationType: 'oauth2',
      oauthProfile: 'crm',
      enabled: true,
      parameters: { subdomain: 'acme' },
      refreshTokenFingerprint: fingerprintOf(token(accountId)),
    });
    expect(await world.tokens(accountId)).toEqual({
      refresh_token: token(accountId),
      kept_by: world.keeper,
    });
  });

  test('the rest of the token set is kept, but not what is worth nothing later', async () => {
    const tokens = {
      refresh_token: token('r'),
      access_token: token('a'),
      expires_at: 1_900_000_000,
      expires_in: 60,
    };
    await importText(
      jsonLines({
        accountId: 'rest',
        oauthProfile: 'crm',
        tokens: { ...tokens, id_token: token('i'), instance_url: 'https://x.example' },
      }),
    );
    const { expires_in, ...kept } = tokens;
    expect(await world.tokens('rest')).toEqual({
      ...kept,
      instance_url: 'https://x.example',
      kept_by: world.keeper,
    });
  });

  test('its secret is under the key that --kms-key names', async () => {
    const keys: unknown[] = [];
    world.aws.onEffect(({ operation, input }) => {
      if (operation === 'CreateSecret') keys.push((input as { KmsKeyId?: string }).KmsKeyId);
    });
    const row = (accountId: string) =>
      jsonLines({ accountId, oauthProfile: 'crm', tokens: { refresh_token: token(accountId) } });
    await importText(row('key-1'), '--kms-key', 'alias/ours');
    await importText(row('key-2'));
    world.aws.onEffect(undefined);
    expect(keys).toEqual(['alias/ours', undefined]);
  });

  test('a name in another encoding is read with --encoding, and refused without', async () => {
    const file = join(directory, 'latin.csv');
    writeFileSync(
      file,
      Buffer.from('accountId,name,oauthProfile,tokenSecretId\nlatin,Z\xfcrich,crm,some\n', 'latin1'),
    );
    const refused = await run(['import', file]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('is not UTF-8 text');
    expect((await run(['import', file, '--encoding', 'windows-1252'])).code).toBe(0);
    expect((await world.item('latin')).name).toBe('Zürich');
  });

  test('without a refresh token it is made, and said to need authorizing', async () => {
    const { code, stdout } = await importText('accountId,oauthProfile\nbare,crm');
    expect(code).toBe(3);
    expect(stdout).toContain(
      '1 account came without a refresh token: authorize it, unless the secret is there.',
    );
    expect(await world.secretText('bare')).toBeUndefined();
  });
});

describe('what is wrong is said by line and field, before anything is written', () => {
  const secret = token('wrong');
  test.each<[string, string, RegExp]>([
    ['no accountId', `accountId,oauthProfile,refresh_token\n,crm,${secret}`, /line 2: accountId: is missing/],
    [
      'an accountId that no secret can have',
      `accountId,oauthProfile,refresh_token\na b,crm,${secret}`,
      /line 2: a b, accountId: may hold letters/,
    ],
    [
      'no profile',
      `accountId,oauthProfile,refresh_token\nx1,,${secret}`,
      /line 2: x1, oauthProfile: is missing/,
    ],
    [
      'an unknown profile',
      `accountId,oauthProfile,refresh_token\nx1,crn,${secret}`,
      /line 2: x1, oauthProfile: there is no profile of this name/,
    ],
    [
      'a token in the column of the profile',
      `accountId,oauthProfile\nx1,${secret.replaceAll('~', '')}`,
      /line 2: x1, oauthProfile: there is no profile of this name/,
    ],
    [
      'one refresh token for two accounts',
      `accountId,oauthProfile,refresh_token\nx1,crm,${secret}\nx2,crm,${secret}`,
      /line 3: x2, refresh_token: is also on line 2; one refresh token/,
    ],
    [
      'one token secret for two accounts',
      `accountId,oauthProfile,tokenSecretId\nx1,crm,shared\nx2,crm,arn:aws:secretsmanager:eu-central-1:1:secret:shared-a1B2c3`,
      /line 3: x2, tokenSecretId: is also on line 2; one refresh token/,
    ],
    [
      'the secret of a profile for tokens',
      jsonLines({
        accountId: 'x1',
        oauthProfile: 'crm',
        tokenSecretId: 'PREFIXprofiles/evil',
        tokens: { refresh_token: secret },
      }),
      /line 1: x1, tokenSecretId: names the secret of a profile/,
    ],
    [
      'the secret of another account, as an ARN',
      `accountId,oauthProfile,tokenSecretId\nx1,crm,arn:aws:secretsmanager:eu-central-1:1:secret:PREFIXaccounts/x2-a1B2c3`,
      /line 2: x1, tokenSecretId: names the secret of another account/,
    ],
    [
      'tokens without a token',
      jsonLines({ accountId: 'x1', oauthProfile: 'crm', tokens: { instance_url: 'https://x.example' } }),
      /line 1: x1, tokens: need refresh_token or access_token/,
    ],
    [
      'a client’s secret among the tokens',
      jsonLines({
        accountId: 'x1',
        oauthProfile: 'crm',
        tokens: { refresh_token: secret, client_secret: secret },
      }),
      /line 1: x1, client_secret: belongs into a profile/,
    ],
    ['enabled', `accountId,oauthProfile,enabled\nx1,crm,yes`, /line 2: x1, enabled: must be true or false/],
    [
      'a parameter',
      `accountId,oauthProfile,parameters.host\nx1,crm,a/b`,
      /line 2: x1, parameters.host: may hold letters/,
    ],
    [
      'parameters',
      `accountId,oauthProfile,parameters\nx1,crm,host=a`,
      /line 2: x1, parameters: must be a JSON object/,
    ],
    [
      'no time',
      `accountId,oauthProfile,refresh_token,expires_at\nx1,crm,${secret},31/01/2027`,
      /expires_at: must be a time: seconds/,
    ],
    [
      'a token that is no text',
      jsonLines({ accountId: 'x1', oauthProfile: 'crm', tokens: { refresh_token: 5 } }),
      /refresh_token: must be a string/,
    ],
    [
      'tokens for an ARN',
      jsonLines({
        accountId: 'x1',
        oauthProfile: 'crm',
        tokenSecretId: 'arn:aws:x',
        tokens: { refresh_token: secret },
      }),
      /tokenSecretId: is an ARN/,
    ],
    [
      'the same account twice',
      `accountId,oauthProfile\nx1,crm\nx2,crm\nx1,crm`,
      /line 4: x1, accountId: is also on line 2/,
    ],
    [
      'a cell too many',
      `accountId,oauthProfile\nx1,crm,${secret}`,
      /line 2: row: has 3 cells; the header has 2/,
    ],
    [
      'a line that is no JSON',
      `{"accountId":"x1","oauthProfile":"crm"}\n{"refresh_token":"${secret}"`,
      /line 2: row: must be one JSON object/,
    ],
    [
      'an unknown field',
      jsonLines({ accountId: 'x1', oauthProfile: 'crm', refreshToken: secret }),
      /line 1: x1, refreshToken: is not known; known are accountId/,
    ],
    [
      'an unknown column',
      `accountId,oauthProfile,refreshToken\nx1,crm,${secret}`,
      /line 1: unknown columns: "refreshToken"/,
    ],
    [
      'a column twice',
      'accountId,oauthProfile,oauthProfile\nx1,crm,crm',
      /the column "oauthProfile" is there twice/,
    ],
    [
      'a quote that is never closed',
      `accountId,oauthProfile,name\nx1,crm,"${secret}`,
      /not CSV: a quotation mark is never closed/,
    ],
    [
      'a quote within a cell',
      `accountId,oauthProfile,name\nx1,crm,"a"${secret}`,
      /not CSV: a quotation mark stands within a cell/,
    ],
    ['nothing', ' \n', /is empty/],
  ])('%s', async (_, input, expected) => {
    const { code, stderr } = await importText(input.replaceAll('PREFIX', world.prefix));
    expect(code).toBe(1);
    expect(stderr.replaceAll(/\n {4}/g, ' ')).toMatch(expected);
    expect([await world.item('x1'), await world.item('x2')]).toEqual([{}, {}]);
    expect(await world.secretText('x1')).toBeUndefined();
  });

  test('every problem of a row is told at once', async () => {
    const { problems } = await json('accountId,oauthProfile,enabled,expires_at\n,a b,yes,soon', '--dry-run');
    expect(problems.map(({ field }: { field: string }) => field)).toEqual([
      'accountId',
      'oauthProfile',
      'enabled',
      'expires_at',
      'tokens',
    ]);
  });

  test('neither of two rows with one refresh token is made', async () => {
    const input = `accountId,oauthProfile,refresh_token\nx1,crm,${secret}\nx3,crm,${token('own')}\nx2,crm,${secret}`;
    const { code, stdout } = await importText(input, '--skip-invalid');
    expect({ code, stdout }).toEqual({ code: 3, stdout: '  1  created\n  2  invalid, left out\n' });
    expect([await world.item('x1'), await world.item('x2')]).toEqual([{}, {}]);
  });

  test('--skip-invalid makes the others and writes what is wrong to a file without values', async () => {
    const rejects = join(directory, 'rejects.csv');
    const input = `accountId,oauthProfile,enabled,refresh_token\ngood,crm,,${token('g')}\nbad,crm,yes,${token('b')}\ntwin,crm,,\ntwin,crm,,`;
    const { code, stdout } = await importText(input, '--skip-invalid', '--rejects', rejects);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '  1  created\n  3  invalid, left out\n' });
    expect([await world.item('bad'), await world.item('twin')]).toEqual([{}, {}]);
    const written = readFileSync(rejects, 'utf8');
    expect(written).toBe(
      'line,accountId,field,problem\n3,bad,enabled,must be true or false (BOOL)\n4,twin,accountId,is also on line 5; keep one of the two\n5,twin,accountId,is also on line 4; keep one of the two\n',
    );
    outputs.push(written);
  });
});

describe('what is there is never overwritten', () => {
  const file = (accountId: string, refresh = token(`first of ${accountId}`)) =>
    jsonLines({ accountId, oauthProfile: 'crm', name: 'From the file', tokens: { refresh_token: refresh } });

  test('a token that was rotated since stays, when the account is imported again', async () => {
    await importText(file('rotated'));
    await world.putTokens('rotated', { refresh_token: token('rotated since') });
    expect(await json(file('rotated'))).toMatchObject({ created: 0, alreadyThere: 1 });
    expect(await world.tokens('rotated')).toEqual({ refresh_token: token('rotated since') });
  });

  test('… also when its item is gone', async () => {
    await importText(file('itemless'));
    await world.putTokens('itemless', { refresh_token: token('rotated since') });
    await world.removeItem('itemless');
    expect(await json(file('itemless'))).toMatchObject({ created: 1 });
    expect(await world.tokens('itemless')).toEqual({ refresh_token: token('rotated since') });
  });

  test('… also where the service says that the secret exists, rather than that this is a repetition', async () => {
    await importText(file('told'));
    await world.removeItem('told');
    world.aws.inject(({ operation }) =>
      operation === 'CreateSecret'
        ? { kind: 'error', status: 400, type: 'ResourceExistsException', message: 'exists' }
        : undefined,
    );
    expect(await json(file('told'))).toMatchObject({ created: 1, conflicts: [] });
    expect(await json(file('told', token('other')))).toMatchObject({ alreadyThere: 1 });
    world.aws.inject(undefined);
  });

  test('a secret that somebody else made stays, and the account is in conflict', async () => {
    await world.putTokens('foreign', { refresh_token: token('foreign') });
    const { conflicts, created } = await json(file('foreign'));
    expect(created).toBe(0);
    expect(conflicts).toEqual([
      {
        line: 1,
        accountId: 'foreign',
        text: expect.stringContaining('exists with other tokens, which are kept'),
      },
    ]);
    expect(await world.item('foreign')).toEqual({});
    expect(await world.tokens('foreign')).toEqual({ refresh_token: token('foreign') });
  });

  test('an account that somebody makes in the meantime is theirs', async () => {
    let made = false;
    world.aws.onEffect(({ operation, input }) => {
      if (operation !== 'CreateSecret' || made) return;
      expect(input).toMatchObject({ Name: expect.stringContaining('raced') });
      made = true;
      void world.account({ accountId: 'raced', oauthProfile: 'crm', name: 'Theirs' });
    });
    world.aws.inject(({ operation, input }) =>
      operation === 'PutItem' && JSON.stringify(input).includes('From the file')
        ? { kind: 'delay', milliseconds: 100 }
        : undefined,
    );
    expect(await json(file('raced'))).toMatchObject({ created: 0, alreadyThere: 1 });
    world.aws.onEffect(undefined);
    world.aws.inject(undefined);
    expect((await world.item('raced')).name).toBe('Theirs');
  });

  test('--update changes what people write, and neither tokens nor what the function writes', async () => {
    await importText(file('changed'));
    await world.account({ ...(await world.item('changed')), status: 'healthy', lastRefreshedAt: 5 });
    const other = jsonLines({
      accountId: 'changed',
      oauthProfile: 'crm',
      name: 'New',
      tokens: { refresh_token: token('2nd') },
    });
    const plan = await importText(other, '--dry-run');
    expect(plan.stdout).toContain('1  there and different: --update changes them');
    expect(await json(other)).toMatchObject({ updated: 0, alreadyThere: 1, different: 1 });
    expect(await json(other, '--update')).toMatchObject({ updated: 1, alreadyThere: 0 });
    expect(await world.item('changed')).toMatchObject({ name: 'New', status: 'healthy', lastRefreshedAt: 5 });
    expect(await world.tokens('changed')).toEqual({
      refresh_token: token('first of changed'),
      kept_by: world.keeper,
    });
  });
});

describe('a dry run', () => {
  test('says what would be done and writes nothing', async () => {
    await importText('accountId,oauthProfile,name\nplanned-1,crm,One\nplanned-2,crm,Two');
    const before = world.aws.calls().length;
    const { code, stdout } = await importText(
      'accountId,oauthProfile,name\nplanned-1,crm,One\nplanned-2,crm,2\nplanned-3,crm,3\nplanned-4,crm,4',
      '--dry-run',
    );
    expect(code).toBe(0);
    expect(stdout).toBe(
      'standard input: 4 rows\n  2  would be created\n  1  there and the same\n  1  there and different: --update changes them\nNothing was written.\n',
    );
    const calls = world.aws.calls().slice(before);
    expect(new Set(calls.map(({ operation }) => operation))).toEqual(
      new Set(['GetFunctionConfiguration', 'DescribeSecret', 'BatchGetItem']),
    );
  });
});

describe('trouble on the way', () => {
  const rows = (prefix: string, count: number) =>
    jsonLines(
      ...[...Array(count)].map((_, index) => ({
        accountId: `${prefix}-${index}`,
        oauthProfile: 'crm',
        tokens: { refresh_token: token(`${prefix}-${index}`) },
      })),
    );

  test.each<[string, string[], number]>([
    ['20 a second where nothing is said', [], 20],
    ['as many as --rate says', ['--rate', '10'], 10],
  ])('writes to Secrets Manager are paced: %s', async (_, options, rate) => {
    const before = world.aws.calls().length;
    await json(rows(`paced-${rate}`, 10), ...options);
    const writes = world.aws
      .calls()
      .slice(before)
      .filter(({ operation }) => operation === 'CreateSecret');
    const span = (writes.at(-1)?.at ?? 0) - (writes[0]?.at ?? 0);
    // Nine pauses, of which a late timer may cost a quarter of a second; unpaced they would be milliseconds.
    expect(span).toBeGreaterThan((9 * 1000) / rate - 300);
    expect(writes).toHaveLength(10);
  });

  test('throttling is waited out', async () => {
    let left = 3;
    world.aws.inject(({ operation }) =>
      operation === 'CreateSecret' && left-- > 0 ? { kind: 'throttle' } : undefined,
    );
    expect(await json(rows('throttled', 2))).toMatchObject({ created: 2 });
    world.aws.inject(undefined);
  });

  test('an answer that is lost makes nothing twice', async () => {
    let left = 2;
    world.aws.inject(({ operation }) =>
      ['CreateSecret', 'PutItem'].includes(operation) && left-- > 0 ? { kind: 'drop_answer' } : undefined,
    );
    const { created, alreadyThere } = await json(rows('dropped', 2));
    expect(created + alreadyThere).toBe(2);
    world.aws.inject(undefined);
    expect(await world.tokens('dropped-1')).toMatchObject({ refresh_token: token('dropped-1') });
  });

  test('an error ends it, with what is left, and the same command goes on', async () => {
    let calls = 0;
    world.aws.inject(({ operation }) =>
      operation === 'CreateSecret' && ++calls > 10
        ? { kind: 'error', status: 400, type: 'AccessDeniedException', message: `${token('quoted')}` }
        : undefined,
    );
    const { code, stdout, stderr } = await importText(rows('denied', 40));
    expect({ code, stdout }).toMatchObject({ code: 1, stdout: expect.stringContaining(' 10  created\n') });
    expect(stderr).toMatch(
      /Stopped by an error \(AccessDeniedException\): 30 accounts are left. To go on, with the same input:\n {2}oauth-token-refresher import - /,
    );
    world.aws.inject(undefined);
    expect(await json(rows('denied', 40))).toMatchObject({ created: 30, alreadyThere: 10 });
  });

  test('Ctrl-C finishes what is in hand, and the same command goes on', async () => {
    const stop = new AbortController();
    let made = 0;
    world.aws.onEffect(({ operation }) => {
      if (operation === 'PutItem' && ++made === 5) stop.abort();
    });
    const ended = await run(['import', '-'], { input: rows('stopped', 60), signal: stop.signal });
    world.aws.onEffect(undefined);
    expect(ended.code).toBe(130);
    const [, left] = /Stopped: (\d+) accounts are left\. To go on/.exec(ended.stderr) ?? [];
    expect(Number(left)).toBeGreaterThan(30);
    expect(await json(rows('stopped', 60))).toMatchObject({
      created: Number(left),
      alreadyThere: 60 - Number(left),
    });
  });

  test('Ctrl-C while the file is checked writes nothing', async () => {
    const { code, stderr } = await run(['import', '-'], {
      input: rows('early', 3),
      signal: AbortSignal.abort(),
    });
    expect({ code, stderr: stderr.includes('Stopped: all accounts are left.') }).toEqual({
      code: 130,
      stderr: true,
    });
    expect(await world.item('early-0')).toEqual({});
  });

  test('wrong options are refused with 2', async () => {
    for (const args of [
      ['import'],
      ['import', 'a', 'b'],
      ['import', 'a', '--rate', '0'],
      ['import', 'a', '--tokens-in', 'x'],
      ['import', 'a', '--encoding', 'x'],
    ])
      expect((await run(args)).code, args.join(' ')).toBe(2);
  });
});

describe('what people see', () => {
  test('a bar while it runs, on a terminal 80 columns wide', async () => {
    const input = 'accountId,oauthProfile,tokenSecretId\nseen-1,crm,x\nseen-2,crm,y';
    const { stderr } = await run(['import', '-'], { input, columns: 80 });
    expect(stderr).toMatch(/░{24} 0 of 2 \(0 %\), 0\/s/);
  });

  test('no line is longer than 80 columns', async () => {
    const input = `accountId,oauthProfile,enabled\n${'x'.repeat(30)},${'long-name-'.repeat(3)},yes`;
    for (const args of [
      ['import', '-', '--skip-invalid'],
      ['import', '--help'],
      ['export', '--help'],
      ['doctor', '--help'],
      ['--help'],
    ]) {
      const { stdout, stderr } = await run(args, { input, columns: 80, env: { NO_COLOR: '1' } });
      for (const line of `${stdout}\n${stderr}`.split(/[\r\n]/))
        expect(line.length, line).toBeLessThanOrEqual(80);
    }
  });
});

test('no token stands in any output, rejects file or item', async () => {
  expect(linesWithCanary(token('seen at all'))).toHaveLength(1);
  expect(linesWithCanary(outputs.join('\n'))).toEqual([]);
  expect(linesWithCanary(JSON.stringify(await world.clients.items()))).toEqual([]);
  expect(outputs.join('').length).toBeGreaterThan(1_000);
});
