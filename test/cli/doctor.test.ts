import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateTableCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { examine } from '../../cli/doctor/check.ts';
import { patientOf } from '../../cli/doctor/doctor.ts';
import { storeChecks } from '../../cli/doctor/stores.ts';
import { findFleet } from '../../cli/shared/fleet.ts';
import { intervalOf } from '../../cli/shared/scheduled-runs.ts';
import { awsEnvironment } from '../../local/clients.ts';
import { startLocalSystem } from '../../local/local-system.ts';
import { listen } from '../../local/shared/listen.ts';
import { CANARY, linesWithCanary } from '../support/canary.ts';
import { createAuthority } from '../support/certificates.ts';
import { cli } from '../support/cli.ts';
import { createImportWorld, type ImportWorld } from '../support/import-world.ts';
import { type StackStub, startStackStub } from '../support/stack-stub.ts';

let provider: Server;
let providerUrl: string;
let authority: string;
let status = 405;
let world: ImportWorld;
let stub: StackStub;
let outputs = '';

beforeAll(async () => {
  const { cert, issue } = await createAuthority();
  authority = cert;
  provider = createServer(await issue('CN=provider', '127.0.0.1'), (_, response) => {
    response.writeHead(status).end();
  });
  providerUrl = `https://127.0.0.1:${await listen(provider, 0)}/token`;
});
afterAll(() => provider.close());

const profile = () => ({
  client_id: 'c',
  client_secret: CANARY,
  token_endpoint: providerUrl,
  tls_ca_certificate: authority,
});

/** A fleet on AWS in which all is well. */
beforeEach(async () => {
  status = 405;
  world = await createImportWorld();
  await world.profile('crm', profile());
  await world.account(
    { accountId: 'acme', oauthProfile: 'crm', status: 'healthy' },
    { refresh_token: CANARY },
  );
  stub = await startStackStub({
    outputs: {
      AccountsTableName: world.clients.tableName,
      FunctionName: 'refresher',
      SecretNamePrefix: world.prefix,
      EscrowKeyArn: 'key',
      DeadLetterQueueUrl: 'known to the stub',
      RuleNames: 'rule-1,rule-2',
    },
    configuration: { State: 'Active', Environment: { Variables: variables() } },
    reservedConcurrency: undefined,
    rules: {
      'rule-1': { State: 'ENABLED', ScheduleExpression: 'rate(1 minute)' },
      'rule-2': { State: 'ENABLED', ScheduleExpression: 'rate(1 minute)' },
    },
    runs: [Date.now() - 20_000],
    deadLetters: 0,
    keyState: 'Enabled',
    denied: [],
  });
  Object.assign(process.env, awsEnvironment(world.aws.url), stub.environment);
});
afterEach(async () => {
  await stub.close();
  await world.close();
  for (const name of Object.keys(stub.environment)) delete process.env[name];
});

const variables = (more: Record<string, string> = {}) => ({
  ACCOUNTS_TABLE_NAME: world.clients.tableName,
  SECRET_NAME_PREFIX: world.prefix,
  ESCROW_KEY_ID: 'key',
  ...more,
});

interface Told {
  readonly title: string;
  readonly kind: string;
  readonly text: string;
  readonly todo?: string;
}

async function doctor(...args: string[]): Promise<{ code: number; findings: readonly Told[] }> {
  const { code, stdout, stderr } = await cli(['doctor', '--stack', 'a-stack', '--json', ...args]);
  outputs += stdout + stderr;
  return { code, findings: JSON.parse(stdout).findings };
}

test('where all is well, each check says so, and it ends with 0', async () => {
  const { code, findings } = await doctor();
  expect(findings.filter(({ kind }) => kind !== 'good')).toEqual([]);
  expect(code).toBe(0);
  expect([...new Set(findings.map(({ title }) => title))]).toEqual([
    'Fleet',
    'Table',
    'Table access',
    'Secrets access',
    'Escrow key',
    'Clock',
    'Function',
    'Rules',
    'Last run',
    'Its clock',
    'Dead letters',
    'Profiles',
    'Accounts',
    'Paused',
    'Events',
    'Escrow',
  ]);
});

test('nothing is written, and no token endpoint gets more than a GET', async () => {
  const before = [JSON.stringify(await world.clients.items()), world.aws.calls().length] as const;
  const requests: string[] = [];
  provider.on('request', ({ method, headers }) => requests.push(`${method} ${headers.authorization}`));
  await doctor();
  provider.removeAllListeners('request').on('request', (_, response) => response.writeHead(status).end());
  expect(JSON.stringify(await world.clients.items())).toBe(before[0]);
  const operations = new Set(
    world.aws
      .calls()
      .slice(before[1])
      .map(({ operation }) => operation),
  );
  expect([...operations].sort()).toEqual([
    'DescribeTable',
    'GetSecretValue',
    'ListSecrets',
    'Scan',
    'UpdateItem',
  ]);
  expect(requests).toEqual(['GET undefined']);
}, 20_000);

const set = (change: (stub: StackStub) => void) => () => change(stub);
const deny = (operation: string, what = '') =>
  set(() =>
    world.aws.inject((call) =>
      call.operation === operation && JSON.stringify(call.input).includes(what)
        ? { kind: 'error', status: 400, type: 'AccessDeniedException', message: 'no' }
        : undefined,
    ),
  );
const crm = (fields: () => unknown) => () => world.profile('crm', fields());
const acme = (item: Record<string, unknown>) => () =>
  world.account({ accountId: 'acme', oauthProfile: 'crm', ...item });
const variable = (name: string, value: string) =>
  set(({ state }) => {
    state.configuration = { State: 'Active', Environment: { Variables: variables({ [name]: value }) } };
  });

describe('what is broken is found, with what to do', () => {
  test.each<[string, () => unknown, string, string, RegExp, RegExp]>([
    [
      'the table is gone',
      set(({ state }) => (state.outputs.AccountsTableName = 'gone')),
      'Table',
      'broken',
      /gone does not exist in this Region/,
      /Deploy the stack/,
    ],
    [
      'the table has another key',
      () => otherTable(),
      'Table',
      'broken',
      /other has another key: id HASH/,
      /The key must be accountId \(S\) alone/,
    ],
    [
      'reading the table is denied',
      deny('Scan'),
      'Table access',
      'unknown',
      /AccessDeniedException/,
      /Ask for dynamodb:Scan/,
    ],
    [
      'writing the table is denied',
      deny('UpdateItem'),
      'Table access',
      'unknown',
      /AccessDeniedException/,
      /dynamodb:UpdateItem/,
    ],
    [
      'reading secrets is denied',
      deny('GetSecretValue', 'doctor'),
      'Secrets access',
      'unknown',
      /AccessDeniedException/,
      /Ask for secretsmanager:GetSecretValue/,
    ],
    [
      'the function is gone',
      set(({ state }) => (state.configuration = undefined)),
      'Function',
      'broken',
      /refresher does not exist/,
      /Deploy the stack/,
    ],
    [
      'the function failed',
      set(
        ({ state }) =>
          (state.configuration = { ...state.configuration, State: 'Failed', StateReason: 'No key.' }),
      ),
      'Function',
      'broken',
      /is Failed\. No key\./,
      /Deploy the stack again/,
    ],
    [
      'the function has no table',
      variable('ACCOUNTS_TABLE_NAME', ''),
      'Function',
      'broken',
      /ACCOUNTS_TABLE_NAME must be set/,
      /Correct its environment/,
    ],
    [
      'the function uses another table',
      variable('ACCOUNTS_TABLE_NAME', 'elsewhere'),
      'Function',
      'broken',
      /uses another table, elsewhere/,
      /Correct its environment/,
    ],
    [
      'the function uses another prefix',
      variable('SECRET_NAME_PREFIX', 'else/'),
      'Function',
      'broken',
      /uses another prefix, else\//,
      /Correct its environment/,
    ],
    [
      'the function has no escrow key',
      variable('ESCROW_KEY_ID', ''),
      'Function',
      'broken',
      /has no ESCROW_KEY_ID/,
      /Correct its environment/,
    ],
    [
      'the function may use plain http',
      variable('ALLOW_HTTP_LOOPBACK', 'true'),
      'Function',
      'attention',
      /ALLOW_HTTP_LOOPBACK/,
      /Correct its environment/,
    ],
    [
      'the function may not run',
      set(({ state }) => (state.reservedConcurrency = 0)),
      'Function',
      'broken',
      /reserved concurrency is 0/,
      /delete-function-concurrency --function-name refresher/,
    ],
    [
      'looking at the function is denied',
      set(({ state }) => state.denied.push('GetFunctionConfiguration')),
      'Function',
      'unknown',
      /AccessDeniedException/,
      /Ask for lambda:GetFunctionConfiguration/,
    ],
    [
      'a rule is disabled',
      set(({ state }) => (state.rules['rule-2'] = { State: 'DISABLED' })),
      'Rules',
      'broken',
      /rule-2 is DISABLED: nothing fires/,
      /aws events enable-rule --name rule-2/,
    ],
    [
      'a rule is gone',
      set(({ state }) => delete state.rules['rule-1']),
      'Rules',
      'broken',
      /rule-1 does not exist/,
      /Deploy the stack again/,
    ],
    [
      'no run has finished lately',
      set(({ state }) => (state.runs = [Date.now() - 600_000])),
      'Last run',
      'broken',
      /no run has finished in the last 6 min/,
      /See Rules and Function/,
    ],
    [
      'the schedule has stopped, and somebody looks at accounts, which invokes the function',
      set(({ state }) => Object.assign(state, { runs: [Date.now() - 600_000], runsByHand: [Date.now()] })),
      'Last run',
      'broken',
      /no run has finished in the last 6 min/,
      /See Rules and Function/,
    ],
    [
      'the log may not be read',
      set(({ state }) => state.denied.push('FilterLogEvents')),
      'Last run',
      'unknown',
      /AccessDenied/,
      /Ask for logs:FilterLogEvents/,
    ],
    [
      'the last run had no time to read the table',
      set(({ state }) => (state.lastRun = { incomplete: true })),
      'Last run',
      'attention',
      /had no time to read the whole table/,
      /more-work-than-time/,
    ],
    [
      "the function's clock is wrong",
      set(({ state }) => (state.line = { clockAheadSeconds: 3_600 })),
      'Its clock',
      'attention',
      /the function is 60 min ahead/,
      /the-clock-is-wrong/,
    ],
    [
      'an event is owed',
      acme({ status: 'failing', eventOwed: 'OAuth Account Failing' }),
      'Events',
      'attention',
      /1 event could not be put on the bus yet/,
      /events-are-owed/,
    ],
    [
      'an event about a profile is owed',
      () => world.account({ accountId: '#profile:crm', eventOwed: 'OAuth Profile Failing' }),
      'Events',
      'attention',
      /1 event could not be put/,
      /events-are-owed/,
    ],
    [
      "a profile's current version is refused while the one before works",
      () =>
        world.account({
          accountId: '#profile:crm',
          atRisk: { since: 1, at: Math.floor(Date.now() / 1_000) },
        }),
      'Profiles',
      'attention',
      /crm: its current version is refused/,
      /profiles check crm/,
    ],
    [
      'people have paused a profile',
      () => world.account({ accountId: '#pause:crm', at: 1 }),
      'Paused',
      'attention',
      /paused crm/,
      /resume --profile NAME/,
    ],
    [
      'an event could not be taken',
      set(({ state }) => (state.deadLetters = 3)),
      'Dead letters',
      'attention',
      /3 events that the function could not take/,
      /Read the errors/,
    ],
    [
      'the escrow key is disabled',
      set(({ state }) => (state.keyState = 'Disabled')),
      'Escrow key',
      'broken',
      /is Disabled/,
      /aws kms enable-key --key-id key/,
    ],
    [
      'the escrow key is being deleted',
      set(({ state }) => (state.keyState = 'PendingDeletion')),
      'Escrow key',
      'broken',
      /is PendingDeletion/,
      /cancel-key-deletion/,
    ],
    [
      'the escrow key is gone',
      set(({ state }) => (state.keyState = undefined)),
      'Escrow key',
      'broken',
      /is not there/,
      /Deploy/,
    ],
    [
      'a profile has a misspelt field',
      crm(() => ({ ...profile(), client_ident: CANARY })),
      'Profiles',
      'broken',
      /client_ident: is not a known field \(1 account\)/,
      /docs\/profiles\.md/,
    ],
    [
      'a profile names no known preset',
      crm(() => ({ client_id: 'c', provider: 'nobody' })),
      'Profiles',
      'broken',
      /provider: is not a known preset/,
      /docs\/profiles\.md/,
    ],
    [
      'reading a profile is denied',
      deny('GetSecretValue', 'profiles/crm'),
      'Profiles',
      'unknown',
      /"crm" can't be read \(AccessDeniedException\)/,
      /Ask for secretsmanager:GetSecretValue/,
    ],
    [
      'an account names no profile',
      acme({ oauthProfile: 'crn' }),
      'Profiles',
      'broken',
      /oauthProfile "crn" does not exist \(1 account\)/,
      /Add the profile/,
    ],
    [
      'a profile that nobody uses is wrong',
      () => world.profile('spare', '{'),
      'Profiles',
      'broken',
      /must hold a JSON object \(0 accounts\)/,
      /Correct the secret/,
    ],
    [
      'the certificate is not trusted',
      crm(() => ({ ...profile(), tls_ca_certificate: undefined })),
      'Profiles',
      'broken',
      /can't be reached \(UNABLE_TO_VERIFY_LEAF_SIGNATURE\)/,
      /certificate is not trusted/,
    ],
    [
      "the client's certificate is none",
      crm(() => ({
        ...profile(),
        token_endpoint_auth_method: 'tls_client_auth',
        tls_client_certificate: CANARY,
        tls_client_key: CANARY,
      })),
      'Profiles',
      'broken',
      /can't be reached \(ERR_OSSL/,
      /must be PEM/,
    ],
    [
      'nobody listens there',
      crm(() => ({ ...profile(), token_endpoint: 'https://127.0.0.1:1/token' })),
      'Profiles',
      'broken',
      /127\.0\.0\.1:1 can't be reached \(ECONNREFUSED\)/,
      /Is the host right/,
    ],
    [
      'an endpoint is plain http',
      crm(() => ({ ...profile(), token_endpoint: 'http://id.example/token' })),
      'Profiles',
      'broken',
      /ADDRESS_NOT_ALLOWED/,
      /must be https/,
    ],
    [
      'the provider is down',
      set(() => (status = 503)),
      'Profiles',
      'attention',
      /answers with HTTP 503/,
      /Ask the provider/,
    ],
    [
      'an account needs a person',
      acme({ status: 'reauthorization_required' }),
      'Accounts',
      'attention',
      /1 account of 1 needs a person/,
      /"authorize" does it/,
    ],
    [
      'an account is failing',
      acme({ status: 'failing' }),
      'Accounts',
      'attention',
      /1 account of 1 is failing/,
      /"accounts list" says why/,
    ],
    [
      'an account can not be read',
      acme({ enabled: 'yes' }),
      'Accounts',
      'broken',
      /can't read acme/,
      /account_invalid/,
    ],
    [
      'a token is in escrow',
      acme({ escrow: { ciphertext: 'x', attemptId: 'a', at: 1 } }),
      'Escrow',
      'attention',
      /1 refresh token could not be stored and waits/,
      /[Dd]o not delete the escrow key/,
    ],
  ])('%s', async (_, breakIt, title, kind, text, todo) => {
    await breakIt();
    const { code, findings } = await doctor();
    world.aws.inject(undefined);
    const found = findings.find((finding) => finding.title === title && finding.kind === kind);
    expect(found?.text).toMatch(text);
    expect(found?.todo).toMatch(todo);
    expect(code).toBe(findings.some((one) => ['broken', 'attention'].includes(one.kind)) ? 3 : 1);
  });

  test.each([
    ['ahead of', 120_000],
    ['behind', -120_000],
  ])('this machine is %s the service', async (which, offset) => {
    const fleet = await findFleet({ stack: 'a-stack' }, process.env);
    const clock = storeChecks.find(({ title }) => title === 'Clock');
    if (clock === undefined) throw new Error('There is no such check.');
    const patient = (off: number) =>
      patientOf(
        fleet,
        () => Promise.reject(),
        () => Date.now() + off,
      );
    expect(await examine(clock, patient(offset))).toMatchObject([
      { kind: 'attention', text: expect.stringMatching(new RegExp(`(120 s|2 min|119 s|121 s) ${which}`)) },
    ]);
    expect(await examine(clock, patient(25_000))).toMatchObject([{ kind: 'good' }]);
  });
});

async function otherTable() {
  const key = [{ AttributeName: 'id', KeyType: 'HASH' }] as const;
  await world.clients.table.send(
    new CreateTableCommand({
      TableName: 'other',
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
      KeySchema: [...key],
    }),
  );
  stub.state.outputs.AccountsTableName = 'other';
}

describe('how late is late follows the rule', () => {
  test.each([
    ['rate(1 minute)', 10, 'late'],
    ['rate(5 minutes)', 10, 'on time'],
    ['rate(5 minutes)', 30, 'late'],
    ['rate(1 hour)', 290, 'on time'],
    ['rate(1 hour)', 310, 'late'],
    ['cron(0/10 * * * ? *)', 45, 'on time'],
    ['cron(0/10 * * * ? *)', 60, 'late'],
    ['cron(15 * * * ? *)', 290, 'on time'],
  ])('%s, a run %i minutes ago: %s', async (schedule, minutes, expected) => {
    for (const rule of Object.values(stub.state.rules)) rule.ScheduleExpression = schedule;
    stub.state.runs = [Date.now() - minutes * 60_000];
    const { findings } = await doctor();
    const kind = findings.find(({ title }) => title === 'Last run')?.kind;
    const { stdout } = await cli(['status', '--stack', 'a-stack', '--json']);
    expect({ kind, late: JSON.parse(stdout).late }).toEqual({
      kind: expected === 'late' ? 'broken' : 'good',
      late: expected === 'late',
    });
  });

  test.each([
    ['rate(2 days)', 172_800],
    ['cron(0 3 * * ? *)', 86_400],
    ['cron(0,30 8-18 * * ? *)', 13.5 * 3_600],
    ['cron(0 3 ? * MON *)', 7 * 86_400],
    ['something else', 60],
  ])('%s fires at least every %i seconds', (schedule, seconds) => {
    expect(intervalOf(schedule)).toBe(seconds);
  });
});

test('without a stack, what only its outputs name is not applicable', async () => {
  const parts = ['--table', world.clients.tableName, '--function', 'refresher', '--prefix', world.prefix];
  const { code, stdout } = await cli(['doctor', ...parts, '--json']);
  const { findings }: { findings: Told[] } = JSON.parse(stdout);
  expect(findings.filter(({ kind }) => kind !== 'good')).toEqual([
    { title: 'Rules', kind: 'not_applicable', text: 'no stack is named, so the rule is not known' },
    { title: 'Dead letters', kind: 'not_applicable', text: 'no stack is named, so the queue is not known' },
  ]);
  expect(code).toBe(0);
});

test('an endpoint with placeholders is not asked', async () => {
  await world.profile('crm', { ...profile(), token_endpoint: 'https://{subdomain}.example/token' });
  expect((await doctor()).code).toBe(0);
});

test('on a terminal of 80 columns, with colours, no line is longer', async () => {
  await world.account({
    accountId: 'acme',
    oauthProfile: 'a-profile-that-is-nowhere',
    status: 'failing',
  });
  const { code, stdout } = await cli(['doctor', '--stack', 'a-stack'], { columns: 80 });
  outputs += stdout;
  expect(code).toBe(3);
  expect(stdout).toContain('\u001b[32m✓\u001b[39m Table');
  const plain = (await cli(['doctor', '--stack', 'a-stack'])).stdout;
  expect(plain).not.toContain('\u001b');
  expect(plain).toContain('2 things need attention.');
  for (const line of plain.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
});

test('no Region, said clearly, also where AWS_REGION is empty', async () => {
  for (const region of ['', undefined]) {
    if (region === undefined) delete process.env.AWS_REGION;
    else process.env.AWS_REGION = region;
    const { code, stderr } = await cli(['doctor', '--stack', 'a-stack'], {
      env: region === undefined ? {} : { AWS_REGION: region },
    });
    expect({ code, said: /No AWS Region is set\. Use --region.*add --data DIRECTORY/.test(stderr) }).toEqual({
      code: 1,
      said: true,
    });
  }
});

test('the local system: what it does not have is not applicable, and a run is missed until there is one', async () => {
  for (const name of Object.keys(stub.environment)) delete process.env[name];
  const data = mkdtempSync(join(tmpdir(), 'doctor-'));
  const system = await startLocalSystem({ dataDirectory: data, port: 0, say: () => {} });
  const local = async () =>
    JSON.parse((await cli(['doctor', '--data', data, '--json'])).stdout).findings as Told[];
  const kindOf = (findings: readonly Told[], title: string) =>
    findings.find((one) => one.title === title)?.kind;
  const before = await local();
  expect(kindOf(before, 'Last run')).toBe('broken');
  await system.function.invoke({});
  const after = await local();
  expect(kindOf(after, 'Last run')).toBe('good');
  for (const title of ['Function', 'Rules', 'Dead letters'])
    expect(kindOf(after, title)).toBe('not_applicable');
  expect(after.filter(({ kind }) => kind === 'unknown')).toEqual([]);
  const { stdout } = await cli(['doctor', '--data', data]);
  // A profile may be complete and its client be rejected all the same, which costs a request to find out.
  expect(stdout.replaceAll(/\s+/g, ' ')).toContain(
    '✓ Profiles 4 profiles are complete, and their hosts answer: billing, crm, crm-html, mail (profiles check NAME proves the client)',
  );
  expect(stdout).toMatch(/^! Profiles +crm-down/m);
  expect(stdout).toMatch(/^✗ Profiles +Profile "crm-misspelt"/m);
  expect(stdout).toMatch(/^! Accounts +10 accounts of 20 are failing$/m);
  await system.close();
  rmSync(data, { recursive: true });
});

test('no secret stands in any output', () => {
  expect(outputs.length).toBeGreaterThan(10_000);
  expect(linesWithCanary(outputs)).toEqual([]);
});
