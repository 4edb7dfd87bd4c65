import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createProgram } from '../../cli/program.ts';
import { awsEnvironment, LOCAL_FUNCTION_NAME } from '../../local/clients.ts';
import { findRunningSystem } from '../../local/running-system.ts';
import { cli } from '../support/cli.ts';
import { seconds, startFleet, type TestFleet } from '../support/fleet.ts';
import { type StackState, type StackStub, startStackStub } from '../support/stack-stub.ts';

let fleet: TestFleet;
const directory = mkdtempSync(join(tmpdir(), 'which-fleet-'));
const file = join(directory, 'accounts.csv');
beforeAll(async () => {
  fleet = await startFleet();
  writeFileSync(file, 'accountId,oauthProfile\nnew-one,crm\n');
});
afterAll(async () => {
  await fleet.close();
  rmSync(directory, { recursive: true });
});

/** By what a command is called with. The others change nothing that is anybody's. */
const CHANGING: Readonly<Record<string, readonly string[]>> = {
  'profiles add': ['x', '--token-endpoint', 'https://id.example/token', '--client-id', 'c', '--stdin'],
  'profiles check': ['crm'],
  'profiles remove': ['nix', '--yes'],
  authorize: ['acme', '--profile', 'nix'],
  'accounts enable': ['crm-acme'],
  'accounts disable': ['crm-hooli'],
  'accounts remove': ['nix'],
  'accounts refresh': ['crm-acme'],
  import: [file],
  invoke: ['{"dryRun": true}'],
  pause: ['--profile', 'crm'],
  resume: ['--profile', 'crm'],
};
const READING = [
  'profiles list',
  'profiles show',
  'accounts list',
  'accounts show',
  'accounts history',
  'accounts answer',
  'status',
  'report upcoming',
  'report grants',
  'report broken',
  'report profiles',
  'report due',
  'report sign-ins',
  'report changes',
  'report requests',
  'report uses',
  'report secrets',
  'report cost',
  'token',
  'export',
  'doctor',
  'completion',
];

test('every command is one that changes something or one that only reads', () => {
  const { stdin, stdout, stderr } = process;
  const program = createProgram(
    { stdin, stdout, stderr, env: {} },
    new AbortController().signal,
    () => undefined,
  );
  const names = (command: Command, path: readonly string[] = []): string[] =>
    command.commands
      .filter((one) => !one.name().startsWith('__'))
      .flatMap((one) =>
        one.commands.length > 0 ? names(one, [one.name()]) : [[...path, one.name()].join(' ')],
      );
  expect(names(program).sort()).toEqual([...Object.keys(CHANGING), ...READING].sort());
});

describe.each(Object.entries(CHANGING))('%s', (name, args) => {
  test.each([
    [[]],
    [['--json']],
  ])('says first which fleet it acts on, on standard error (%s)', async (json) => {
    const { stderr, stdout } = await fleet.run([...name.split(' '), ...args, ...json], { input: 'secret' });
    expect(stderr).toMatch(new RegExp(`^Acting on the local system \\(${fleet.data}\\)\\.\n`));
    expect(stdout).not.toContain('Acting on');
  });
});

test('on AWS it says the stack’s parts and the Region', async () => {
  const environment = { ...process.env };
  Object.assign(process.env, awsEnvironment(fleet.system.aws.url));
  const where = ['--table', fleet.system.clients.tableName, '--function', 'none', '--region', 'eu-west-3'];
  const { stderr } = await cli([...where, 'accounts', 'enable', 'nix', '--json']);
  const { tableName } = fleet.system.clients;
  expect(stderr).toBe(`Acting on the table ${tableName} (eu-west-3), function none, secrets oauth/.\n`);
  process.env = environment;
});

test('a function that is named is invoked without a stack, and it says so', async () => {
  const environment = { ...process.env };
  const running = await findRunningSystem(fleet.data);
  if (running.kind !== 'running') throw new Error('The local system does not run.');
  Object.assign(process.env, awsEnvironment(fleet.system.aws.url, running.keys));
  const { code, stdout, stderr } = await cli([
    ...['invoke', '--region', 'eu-west-3', '--function', LOCAL_FUNCTION_NAME],
    '{"dryRun": true}',
  ]);
  process.env = environment;
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: `Acting on the function ${LOCAL_FUNCTION_NAME} (eu-west-3).\n`,
  });
  expect(JSON.parse(stdout)).toMatchObject({ runId: expect.any(String) });
});

test('an import says it before it waits for standard input', async () => {
  const told = Promise.withResolvers<string>();
  let all = '';
  const ended = fleet.run(['import', '-', '--dry-run'], {
    input: told.promise,
    onOutput: (text) => {
      all += text;
      if (all.includes('Acting on')) told.resolve('accountId,oauthProfile\nnew-one,crm\n');
    },
  });
  expect((await ended).code).toBe(0);
});

test('a question comes after it', async () => {
  const { stderr } = await fleet.run(['accounts', 'remove', 'crm-acme'], { typing: [['(y/N)', 'n\n']] });
  expect(stderr.indexOf('Acting on')).toBe(0);
  expect(stderr.indexOf('(y/N)')).toBeGreaterThan(0);
});

/** By what a command is called with. */
const SHOWING: Readonly<Record<string, readonly string[]>> = {
  'profiles list': [],
  'profiles show': ['crm'],
  'accounts list': [],
  'accounts show': ['crm-acme'],
  'accounts history': ['crm-acme'],
  'accounts answer': ['crm-acme', '--out', join(directory, 'answer')],
  status: [],
  'report upcoming': [],
  'report grants': [],
  'report broken': [],
  'report profiles': [],
  'report due': [],
  'report sign-ins': [],
  'report changes': [],
  'report requests': [],
  'report uses': ['crm'],
  'report secrets': [],
  'report cost': [],
  token: ['mail-initech'],
  export: [],
  doctor: [],
};

test('every command that reads is tried, but for the one that no fleet is in', () => {
  expect([...Object.keys(SHOWING), 'completion']).toEqual(READING);
});

describe.each(Object.entries(SHOWING))('%s', (name, args) => {
  test.each([[[]], [['--json']]])('says which fleet it reads, on standard error (%s)', async (json) => {
    const { stderr, stdout } = await fleet.run([...name.split(' '), ...args, ...json]);
    expect(stderr).toContain(`Reading the local system (${fleet.data}).\n`);
    expect(stdout).not.toContain('Reading the');
  });
});

test('a token that is refreshed first says so', async () => {
  const times = { obtained_at: seconds() - 200, expires_at: seconds() - 1 };
  const expired = { ...(await fleet.tokenSet('mail-initech')), ...times };
  await fleet.system.clients.putSecret('oauth/accounts/mail-initech', JSON.stringify(expired));
  const [lastRefreshedAt, accessTokenExpiresAt] = [times.obtained_at, times.expires_at];
  await fleet.change('mail-initech', { accessTokenExpiresAt, lastRefreshedAt });
  const { code, stderr } = await fleet.run(['token', 'mail-initech', '--json']);
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: `Reading the local system (${fleet.data}).\nActing on the local system (${fleet.data}).\n`,
  });
});

describe('a stack', () => {
  let stub: StackStub;
  const environment = { ...process.env };
  beforeAll(async () => {
    stub = await startStackStub({
      outputs: { AccountsTableName: 'own-table', FunctionName: 'own', SecretNamePrefix: 'oauth/' },
      configuration: undefined,
      reservedConcurrency: undefined,
      rules: {},
      runs: [],
      deadLetters: 0,
      keyState: undefined,
      denied: [],
    });
  });
  beforeEach(() => {
    Object.assign(process.env, awsEnvironment(fleet.system.aws.url), stub.environment);
    Object.assign(stub.state, { denied: [], otherStacks: {} });
  });
  afterEach(() => {
    process.env = { ...environment };
  });
  afterAll(() => stub.close());

  const enable = ['--region', 'eu-west-3', 'accounts', 'enable', 'nix'];
  const list = ['--region', 'eu-west-3', 'accounts', 'list'];
  const said = async (args: readonly string[], env: Record<string, string> = {}) =>
    (await cli(args, { env })).stderr.split('\n')[0];

  test('says what is not its own', async () => {
    expect(await said(['--stack', 's', ...enable])).toBe('Acting on the stack s (eu-west-3).');
    expect(await said(['--stack', 's', '--table', 't', '--prefix', 'p/', ...enable])).toBe(
      'Acting on the stack s (eu-west-3), table t, secrets p/.',
    );
  });

  const STACK = 'OAUTH_TOKEN_REFRESHER_STACK';
  test.each<{ name: string; args: string[]; env: Record<string, string>; says: string }>([
    {
      name: 'is the variable’s, where no option names one',
      args: enable,
      env: { [STACK]: 'blue' },
      says: 'Acting on the stack blue (eu-west-3).',
    },
    {
      name: 'is the variable’s for a command that reads',
      args: list,
      env: { [STACK]: 'blue' },
      says: 'Reading the stack blue (eu-west-3).',
    },
    {
      name: 'is in the Region that AWS_REGION names, as for the AWS CLI',
      args: ['accounts', 'list'],
      env: { [STACK]: 'blue', AWS_REGION: 'ap-south-1' },
      says: 'Reading the stack blue (ap-south-1).',
    },
    {
      name: 'is the option’s, and it is said that the variable names another',
      args: ['--stack', 'green', ...enable],
      env: { [STACK]: 'blue' },
      says: `Acting on the stack green (eu-west-3). ${STACK} names blue, but --stack wins.`,
    },
    {
      name: 'is the same for both, and nothing more is said',
      args: ['--stack', 'blue', ...enable],
      env: { [STACK]: 'blue' },
      says: 'Acting on the stack blue (eu-west-3).',
    },
    {
      name: 'is none where both parts are named',
      args: ['--table', 't', '--function', 'f', ...list],
      env: { [STACK]: 'blue' },
      says: `Reading the table t (eu-west-3), function f, secrets oauth/. ${STACK} names blue, but --table wins.`,
    },
    {
      name: 'of an empty variable is none',
      args: ['--stack', 'green', ...enable],
      env: { [STACK]: '' },
      says: 'Acting on the stack green (eu-west-3).',
    },
    {
      name: 'has the variable’s construct',
      args: enable,
      env: { [STACK]: 'blue', OAUTH_TOKEN_REFRESHER_CONSTRUCT: 'Nix' },
      says: 'error The stack blue has no construct Nix with outputs. Use no --construct.',
    },
    {
      name: 'that an option names has not the variable’s construct',
      args: ['--stack', 'green', ...enable],
      env: { [STACK]: 'blue', OAUTH_TOKEN_REFRESHER_CONSTRUCT: 'Nix' },
      says: `Acting on the stack green (eu-west-3). ${STACK} names blue, but --stack wins.`,
    },
  ])('$name', async ({ args, env, says }) => {
    expect(await said(args, env)).toBe(says);
  });

  test('is the variable’s also where a local system runs, and --local wins over it', async () => {
    const local = await fleet.run(['accounts', 'list'], { env: { [STACK]: 'blue' } });
    expect(local.stderr).toContain(
      `Reading the local system (${fleet.data}). ${STACK} names blue, but --local wins.`,
    );
    const { code, stderr } = await cli(['invoke', '--region', 'eu-west-3'], { env: { [STACK]: 'blue' } });
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'Acting on the stack blue (eu-west-3).\n' });
  });

  test('that nobody named is not changed where there are others', async () => {
    stub.state.otherStacks = {
      web: ['Url'],
      blue: ['AccountsTableName', 'FunctionName'],
      own: ['TokensAccountsTableName1A2B3C4D', 'TokensFunctionName1A2B3C4D'],
    };
    const { code, stdout } = await cli([...enable, '--json']);
    expect(code).toBe(2);
    const { error } = JSON.parse(stdout);
    expect(error.code).toBe('STACK_UNNAMED');
    expect(error.message).toBe(
      [
        '3 stacks here have a token refresher, and nobody said which one. Nothing was changed; it would have been the stack OAuthTokenRefresher-prod (eu-west-3).',
        'Add one of these to the command:',
        '  --stack OAuthTokenRefresher-prod',
        '  --stack blue',
        '  --stack own',
        `or say it once: export ${STACK}=NAME`,
      ].join('\n'),
    );
    expect(await said(['--stack', 'OAuthTokenRefresher-prod', ...enable])).toMatch(/^Acting on the stack/);
    expect(await said(list)).toBe('Reading the stack OAuthTokenRefresher-prod (eu-west-3).');
  });

  test.each<{ name: string; state: Partial<StackState> }>([
    { name: 'is the only one', state: { otherStacks: { web: ['FunctionName'] } } },
    { name: 'can’t be seen beside others', state: { denied: ['ListStacks'] } },
  ])('that nobody named is changed, and said, where it $name', async ({ state }) => {
    Object.assign(stub.state, state);
    expect(await said(enable)).toBe('Acting on the stack OAuthTokenRefresher-prod (eu-west-3).');
  });
});
