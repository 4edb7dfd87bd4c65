import { createCipheriv, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DescribeKeyCommand, GenerateDataKeyCommand } from '@aws-sdk/client-kms';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { functionLogGroup } from '../../local/aws/services/lambda.ts';
import { awsEnvironment, LOCAL_ESCROW_KEY, LOCAL_FUNCTION_NAME } from '../../local/clients.ts';
import { clientSettings } from '../support/aws-endpoint.ts';
import { type CliOptions, cli } from '../support/cli.ts';
import { addressIn, type Connecting, startConnecting } from '../support/connecting.ts';
import type { Home } from '../support/iam/aws-calls.ts';
import type { Deployed } from '../support/iam/deployed.ts';
import { type Guard, startGuard } from '../support/iam/guard.ts';
import { deployedAs } from '../support/iam/guarded-world.ts';
import { visit } from '../support/person.ts';
import { type StackStub, startStackStub } from '../support/stack-stub.ts';

/** A deployed system whose operator has the operator's policy, and nothing else. */
let system: Connecting;
let stub: StackStub;
let deployed: Deployed;
let home: Home;
let guard: Guard;
const folder = mkdtempSync(join(tmpdir(), 'operator-'));

beforeAll(async () => {
  system = await startConnecting();
  const { KeyMetadata } = await system.clients.kms.send(new DescribeKeyCommand({ KeyId: LOCAL_ESCROW_KEY }));
  const escrowKeyArn = KeyMetadata?.Arn ?? '';
  const { tableName } = system.clients;
  const LogGroup = functionLogGroup(LOCAL_FUNCTION_NAME);
  ({ deployed, home } = deployedAs(
    { tableName, prefix: 'oauth/', escrowKeyArn },
    {
      TokensFunction: LOCAL_FUNCTION_NAME,
      TokensLogs: LogGroup,
      TokensSchedule: 'rule',
      TokensDeadLetterQueue: 'queue',
    },
  ));
  stub = await startStackStub({
    outputs: {
      AccountsTableName: tableName,
      FunctionName: LOCAL_FUNCTION_NAME,
      SecretNamePrefix: 'oauth/',
      EscrowKeyArn: escrowKeyArn,
      RuleNames: 'rule',
    },
    configuration: {
      State: 'Active',
      LoggingConfig: { LogGroup },
      Environment: {
        Variables: {
          ACCOUNTS_TABLE_NAME: tableName,
          SECRET_NAME_PREFIX: 'oauth/',
          ESCROW_KEY_ID: escrowKeyArn,
        },
      },
    },
    reservedConcurrency: undefined,
    rules: { rule: { State: 'ENABLED', ScheduleExpression: 'rate(1 minute)' } },
    runs: [],
    deadLetters: 0,
    keyState: undefined,
    denied: [],
  });
  // What the local endpoint does not have.
  const atStub = new Set(['DescribeStacks', 'DescribeRule', 'GetQueueAttributes']);
  guard = await startGuard({
    statements: deployed.identity('TokensOperator'),
    home,
    keys: system.aws.keys,
    endpointOf: ({ operation }) =>
      atStub.has(operation) || operation.startsWith('GetFunction')
        ? (stub.environment.AWS_ENDPOINT_URL_LAMBDA ?? '')
        : system.aws.url,
  });
  stub.state.outputs.DeadLetterQueueUrl = `${guard.url}/queue`;
  Object.assign(process.env, awsEnvironment(guard.url));
});
afterAll(async () => {
  await guard.close();
  await stub.close();
  await system.close();
  rmSync(folder, { recursive: true });
});

const operate = (args: readonly string[], options?: CliOptions) => cli(['--stack', 'Test', ...args], options);

/** `authorize`, with a person who signs in. */
async function authorize(...args: string[]) {
  let told = '';
  let page: Promise<unknown> | undefined;
  const onOutput = (text: string) => {
    told += text;
    const address = addressIn(told);
    if (address !== undefined) page ??= visit(address).catch(() => undefined);
  };
  const ended = await operate(['authorize', '--no-browser', ...args], { onOutput });
  await page;
  return ended;
}

/** A response that waits in escrow for a person. */
async function leaveAnswer(accountId: string): Promise<void> {
  const { Plaintext = new Uint8Array(), CiphertextBlob = new Uint8Array() } = await system.clients.kms.send(
    new GenerateDataKeyCommand({
      KeyId: LOCAL_ESCROW_KEY,
      KeySpec: 'AES_256',
      EncryptionContext: { use: 'escrow' },
    }),
  );
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', Plaintext, iv).setAAD(Buffer.from(`${accountId}\nanswer`));
  const answer = gzipSync('<html>').toString('base64');
  const data = Buffer.concat([
    cipher.update(JSON.stringify({ supersedes: 'x', obtainedAt: 1_790_000_000, answer })),
    cipher.final(),
  ]);
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const ciphertext = JSON.stringify({
    v: 2,
    key: base64(CiphertextBlob),
    iv: base64(iv),
    tag: base64(cipher.getAuthTag()),
    data: base64(data),
  });
  const escrow = { kind: 'answer', ciphertext, attemptId: 'a', at: 1_790_000_000 };
  await system.putItem({ accountId, authenticationType: 'oauth2', oauthProfile: 'crm', escrow });
}

/** Stands for the id of the key of the secrets, until it is known. */
const OUR_KEY = 'our-key';

/** What the policy allows beside what commands need. */
const NOT_BY_A_COMMAND: Readonly<Record<string, string>> = {
  'kms:Encrypt on TableKey': "DynamoDB's guide asks it of whoever uses a table",
  'kms:GenerateDataKey on TableKey': 'the same',
  'secretsmanager:RestoreSecret on secret:oauth/profiles/*': 'commands say how to restore a secret with it',
  'cloudwatch:DescribeAlarms on alarm:Test-Tokens-*': 'the runbook looks at alarms',
  'cloudwatch:DescribeAlarmHistory on alarm:Test-Tokens-*': 'the same',
};

describe('with the policy of an operator', () => {
  const profile = (secret: string) =>
    JSON.stringify({ client_id: 'c', client_secret: secret, token_endpoint: 'https://id.example/token' });
  const rows: readonly { args: readonly string[]; input?: string; code?: number }[] = [
    { args: ['profiles', 'add', 'ours', '--stdin'], input: profile('s') },
    { args: ['profiles', 'add', 'ours', '--stdin', '--change', '--unchecked'], input: profile('t') },
    { args: ['profiles', 'add', 'under-our-key', '--stdin', '--kms-key', OUR_KEY], input: profile('s') },
    { args: ['profiles', 'list'], code: 3 },
    { args: ['profiles', 'show', 'ours'] },
    { args: ['profiles', 'check', 'crm'] },
    { args: ['profiles', 'remove', 'ours', '--yes'] },
    { args: ['import', '-'], input: 'accountId,oauthProfile,refresh_token\nnew,crm,some-refresh-token' },
    { args: ['import', '-', '--update'], input: 'accountId,oauthProfile,name\nnew,crm,New' },
    { args: ['export'] },
    { args: ['accounts', 'list'] },
    { args: ['accounts', 'show', 'new'] },
    { args: ['accounts', 'history', 'new'] },
    { args: ['accounts', 'disable', 'new'] },
    { args: ['accounts', 'enable', 'new'] },
    { args: ['accounts', 'disable', '--profile', 'crm'] },
    { args: ['accounts', 'enable', '--profile', 'crm'] },
    { args: ['pause', '--profile', 'crm'] },
    { args: ['pause'] },
    { args: ['resume'] },
    { args: ['resume', '--profile', 'crm'] },
    { args: ['accounts', 'remove', 'new', '--yes'] },
    { args: ['accounts', 'answer', 'odd', '--out', join(folder, 'answer')] },
    { args: ['status'] },
    ...[
      'upcoming',
      'grants',
      'broken',
      'profiles',
      'due',
      'sign-ins',
      'changes',
      'requests',
      'secrets',
      'cost',
    ].map((question) => ({ args: ['report', question] })),
    { args: ['report', 'uses', 'crm'] },
    { args: ['invoke', '--dry-run'] },
    { args: ['invoke', '{"dryRun": true}'] },
    { args: ['doctor'], code: 3 },
  ];

  beforeAll(() => leaveAnswer('odd'));

  test.each(
    rows.map((row) => ({ name: row.args.join(' ').replace(folder, 'FOLDER'), ...row })),
  )('"$name" works', async ({ args, input = '', code = 0 }) => {
    const before = guard.refused().length;
    const words = args.map((arg) => (arg === OUR_KEY ? deployed.nameOf('SecretsKey') : arg));
    const ended = await operate(words, { input });
    expect(guard.refused().slice(before)).toEqual([]);
    expect({ code: ended.code, ...(ended.code !== code && ended) }).toEqual({ code });
  });

  test('an account is connected, its token shown, refreshed, and connected again after its removal', async () => {
    expect(await authorize('acme', '--profile', 'crm')).toMatchObject({ code: 0 });
    expect(await operate(['token', 'acme'])).toMatchObject({ code: 0 });
    expect(await operate(['accounts', 'refresh', 'acme', '--force'])).toMatchObject({ code: 0 });
    expect(await operate(['accounts', 'remove', 'acme', '--yes'])).toMatchObject({ code: 0 });
    expect(await authorize('acme', '--profile', 'crm')).toMatchObject({ code: 0 });
    expect(guard.refused()).toEqual([]);
  });

  test('a question to the log is stopped at Ctrl-C', async () => {
    const asked = () => guard.used().filter(({ action }) => action === 'logs:StartQuery').length;
    const before = asked();
    const stop = new AbortController();
    const looking = setInterval(() => asked() > before && stop.abort(), 1);
    const { code } = await operate(['report', 'requests'], { signal: stop.signal });
    clearInterval(looking);
    expect({ code, refused: guard.refused() }).toEqual({ code: 130, refused: [] });
  });

  test('nothing else is allowed, but for what has a reason', () => {
    const unused = guard
      .unused()
      .map((allowed) =>
        allowed.replace(/arn:(?:[^:]*:){4}/, '').replace(/key\/Tokens([A-Za-z]+)[0-9A-F]{8}$/, '$1'),
      );
    expect(unused.sort()).toEqual(Object.keys(NOT_BY_A_COMMAND).sort());
  });
});

describe('with the policy of a reader of one account', () => {
  test('its tokens can be read, and no others', async () => {
    const reader = await startGuard({
      statements: deployed.identity('TokensReaderacme'),
      home,
      keys: system.aws.keys,
      endpointOf: () => system.aws.url,
    });
    const secrets = new SecretsManagerClient(clientSettings(reader.url));
    const read = async (SecretId: string) => {
      const { SecretString } = await secrets.send(new GetSecretValueCommand({ SecretId }));
      return JSON.parse(SecretString ?? '{}');
    };
    expect(await read('oauth/accounts/acme')).toHaveProperty('access_token');
    await expect(read('oauth/profiles/crm')).rejects.toThrow('not authorized to perform');
    await expect(read('oauth/accounts/odd')).rejects.toThrow('not authorized to perform');
    expect(reader.unused()).toEqual([]);
    await reader.close();
  });
});
