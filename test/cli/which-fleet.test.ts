import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createProgram } from '../../cli/program.ts';
import { awsEnvironment, LOCAL_FUNCTION_NAME } from '../../local/clients.ts';
import { findRunningSystem } from '../../local/running-system.ts';
import { cli } from '../support/cli.ts';
import { seconds, startFleet, type TestFleet } from '../support/fleet.ts';
import { startStackStub } from '../support/stack-stub.ts';

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

test('a token that is only read is printed without a word; one that is refreshed first says where', async () => {
  expect(await fleet.run(['token', 'mail-initech'])).toMatchObject({ code: 0, stderr: '' });
  const times = { obtained_at: seconds() - 200, expires_at: seconds() - 1 };
  const expired = { ...(await fleet.tokenSet('mail-initech')), ...times };
  await fleet.system.clients.putSecret('oauth/accounts/mail-initech', JSON.stringify(expired));
  const [lastRefreshedAt, accessTokenExpiresAt] = [times.obtained_at, times.expires_at];
  await fleet.change('mail-initech', { accessTokenExpiresAt, lastRefreshedAt });
  const { code, stderr } = await fleet.run(['token', 'mail-initech', '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: `Acting on the local system (${fleet.data}).\n` });
});

test('of a stack it says what is not its own', async () => {
  const outputs = { AccountsTableName: 'own-table', FunctionName: 'own', SecretNamePrefix: 'oauth/' };
  const stub = await startStackStub({
    outputs,
    configuration: undefined,
    reservedConcurrency: undefined,
    rules: {},
    runs: [],
    deadLetters: 0,
    keyState: undefined,
    denied: [],
  });
  const environment = { ...process.env };
  Object.assign(process.env, awsEnvironment(fleet.system.aws.url), stub.environment);
  const said = async (...args: string[]) =>
    (await cli(['--stack', 's', '--region', 'eu-west-3', ...args, 'accounts', 'enable', 'nix'])).stderr;
  expect(await said()).toMatch(/^Acting on the stack s \(eu-west-3\)\.\n/);
  expect(await said('--table', 't', '--prefix', 'p/')).toMatch(
    /^Acting on the stack s \(eu-west-3\), table t, secrets p\/\.\n/,
  );
  process.env = environment;
  await stub.close();
});
