import { DynamoDBClient, PutItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { CreateAliasCommand, CreateKeyCommand, KMSClient, ListAliasesCommand } from '@aws-sdk/client-kms';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import {
  CreateSecretCommand,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type FaultCall, type LocalAws, type Service, startLocalAws } from '../../../local/aws/server.ts';
import { clientSettings, createAccountsTable } from '../../support/aws-endpoint.ts';

const TableName = 'accounts';
const SecretId = 'oauth/accounts/a';
const FunctionName = 'oauth-token-refresher';

let aws: LocalAws;
let clients: {
  dynamodb: DynamoDBClient;
  secretsmanager: SecretsManagerClient;
  kms: KMSClient;
  events: EventBridgeClient;
  lambda: LambdaClient;
};
let keyId: string;
let invocations: number;

beforeEach(async () => {
  invocations = 0;
  aws = await startLocalAws({
    functionName: FunctionName,
    invoke: async () => {
      invocations += 1;
      return { payload: null };
    },
  });
  const settings = clientSettings(aws.url);
  clients = {
    dynamodb: new DynamoDBClient(settings),
    secretsmanager: new SecretsManagerClient(settings),
    kms: new KMSClient(settings),
    events: new EventBridgeClient(settings),
    lambda: new LambdaClient(settings),
  };
  await createAccountsTable(clients.dynamodb, TableName);
  await clients.secretsmanager.send(new CreateSecretCommand({ Name: SecretId }));
  keyId = (await clients.kms.send(new CreateKeyCommand())).KeyMetadata?.KeyId ?? '';
});
afterEach(async () => {
  for (const client of Object.values(clients)) client.destroy();
  await aws.close();
});

interface Effect {
  readonly service: Service;
  readonly operation: string;
  readonly throttling: { readonly name: string; readonly status: number };
  cause(): Promise<unknown>;
  /** How often it has happened. */
  count(): Promise<number | undefined>;
}

const effects: readonly Effect[] = [
  {
    service: 'dynamodb',
    operation: 'PutItem',
    throttling: { name: 'ProvisionedThroughputExceededException', status: 400 },
    cause: () => clients.dynamodb.send(new PutItemCommand({ TableName, Item: { accountId: { S: 'a' } } })),
    count: async () => (await clients.dynamodb.send(new ScanCommand({ TableName }))).Count,
  },
  {
    service: 'secretsmanager',
    operation: 'PutSecretValue',
    throttling: { name: 'ThrottlingException', status: 400 },
    cause: () => clients.secretsmanager.send(new PutSecretValueCommand({ SecretId, SecretString: 'x' })),
    count: async () =>
      (await clients.secretsmanager.send(new ListSecretVersionIdsCommand({ SecretId }))).Versions?.length,
  },
  {
    service: 'kms',
    operation: 'CreateAlias',
    throttling: { name: 'ThrottlingException', status: 400 },
    cause: () => clients.kms.send(new CreateAliasCommand({ AliasName: 'alias/escrow', TargetKeyId: keyId })),
    count: async () => (await clients.kms.send(new ListAliasesCommand())).Aliases?.length,
  },
  {
    service: 'events',
    operation: 'PutEvents',
    throttling: { name: 'ThrottlingException', status: 400 },
    cause: () =>
      clients.events.send(
        new PutEventsCommand({ Entries: [{ Source: 'test', DetailType: 'Test', Detail: '{}' }] }),
      ),
    count: async () => aws.putEventsLog().length,
  },
  {
    service: 'lambda',
    operation: 'Invoke',
    throttling: { name: 'TooManyRequestsException', status: 429 },
    cause: () => clients.lambda.send(new InvokeCommand({ FunctionName })),
    count: async () => invocations,
  },
];

describe.each(effects)('a call to $service', ({ operation, throttling, cause, count }) => {
  const only = (call: FaultCall) => call.operation === operation;

  test('fails before it happens', async () => {
    aws.inject((call) => (only(call) ? { kind: 'fail_before' } : undefined));
    await expect(cause()).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(await count()).toBe(0);
  });

  test('happens, though its response is lost', async () => {
    aws.inject((call) => (only(call) ? { kind: 'drop_answer' } : undefined));
    await expect(cause()).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(await count()).toBe(1);
  });

  test("is throttled with the service's own error", async () => {
    aws.inject((call) => (only(call) ? { kind: 'throttle' } : undefined));
    await expect(cause()).rejects.toMatchObject({
      name: throttling.name,
      $metadata: { httpStatusCode: throttling.status },
    });
    expect(await count()).toBe(0);
  });

  test('is answered with any error', async () => {
    const error = { status: 500, type: 'InternalServiceError', message: 'A rule says so.' };
    aws.inject((call) => (only(call) ? { kind: 'error', ...error } : undefined));
    await expect(cause()).rejects.toMatchObject({
      name: error.type,
      message: error.message,
      $metadata: { httpStatusCode: 500 },
    });
    expect(await count()).toBe(0);
  });

  test('is never answered, until the endpoint closes', async () => {
    const arrived = new Promise<void>((resolve) =>
      aws.inject((call) => {
        if (!only(call)) return undefined;
        resolve();
        return { kind: 'hang' };
      }),
    );
    let settled = false;
    const outcome = expect(
      cause().finally(() => {
        settled = true;
      }),
    ).rejects.toMatchObject({ code: 'ECONNRESET' });
    await arrived;
    // Others are answered meanwhile, and see that nothing has happened.
    expect(await count()).toBe(0);
    expect(settled).toBe(false);
    await aws.close();
    await outcome;
  });

  test('happens later', async () => {
    let arrivedAt = 0;
    aws.inject((call) => {
      if (!only(call)) return undefined;
      arrivedAt = performance.now();
      return { kind: 'delay', milliseconds: 50 };
    });
    await cause();
    // Timers of Node.js may be early by less than a millisecond.
    expect(performance.now() - arrivedAt).toBeGreaterThan(49);
    expect(await count()).toBe(1);
  });

  test('succeeds without a rule', async () => {
    aws.inject(() => ({ kind: 'fail_before' }));
    aws.inject(undefined);
    await cause();
    expect(await count()).toBe(1);
  });
});

test('a rule sees service, operation, sequence and input of each call', async () => {
  const seen: FaultCall[] = [];
  aws.inject((call) => {
    seen.push(call);
    return undefined;
  });
  const before = aws.calls().length;
  for (const { cause } of effects) await cause();
  expect(seen.map(({ service, operation }) => [service, operation])).toEqual(
    effects.map(({ service, operation }) => [service, operation]),
  );
  expect(seen.map(({ sequence }) => sequence)).toEqual(effects.map((_, index) => before + index + 1));
  expect(seen.map(({ input }) => input)).toMatchObject([
    { TableName, Item: { accountId: { S: 'a' } } },
    { SecretId, SecretString: 'x' },
    { AliasName: 'alias/escrow' },
    { Entries: [{ Detail: '{}' }] },
    undefined,
  ]);
});

test('all calls are counted, without their contents', async () => {
  const before = aws.calls().length;
  aws.inject(({ service }) => (service === 'kms' ? { kind: 'fail_before' } : undefined));
  await Promise.allSettled(effects.map(({ cause }) => cause()));
  const calls = aws.calls().slice(before);
  expect(calls.map(({ service }) => service).sort()).toEqual(effects.map(({ service }) => service).sort());
  for (const call of calls)
    expect(Object.keys(call).sort()).toEqual(['at', 'operation', 'sequence', 'service']);
});

test('a delayed call does not happen if the endpoint closes first', async () => {
  const arrived = new Promise<void>((resolve) =>
    aws.inject(() => {
      resolve();
      return { kind: 'delay', milliseconds: 60_000 };
    }),
  );
  const outcome = expect(clients.lambda.send(new InvokeCommand({ FunctionName }))).rejects.toMatchObject({
    code: 'ECONNRESET',
  });
  await arrived;
  await aws.close();
  await outcome;
  expect(invocations).toBe(0);
});

test('if a response is lost once, the SDK tries again and one version is stored', async () => {
  let dropped = 0;
  aws.inject(({ operation }) => {
    if (operation !== 'PutSecretValue' || dropped > 0) return undefined;
    dropped += 1;
    return { kind: 'drop_answer' };
  });
  const client = new SecretsManagerClient({ ...clientSettings(aws.url), maxAttempts: 2 });
  await client.send(new PutSecretValueCommand({ SecretId, SecretString: 'x' }));
  client.destroy();
  expect(aws.calls().filter(({ operation }) => operation === 'PutSecretValue')).toHaveLength(2);
  const { Versions } = await clients.secretsmanager.send(
    new ListSecretVersionIdsCommand({ SecretId, IncludeDeprecated: true }),
  );
  expect(Versions).toHaveLength(1);
});
