import { randomUUID } from 'node:crypto';
import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  RestoreSecretCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { afterEach, expect, test } from 'vitest';
import { type Limits, type LocalAws, startLocalAws } from '../../../local/aws/server.ts';
import { clientSettings } from '../../support/aws-endpoint.ts';

const DAY = 86_400_000;
const SecretId = 'oauth/accounts/a';

let clock: number;
let aws: LocalAws;
let client: SecretsManagerClient;

async function start(secretsManager: Partial<Limits> = {}) {
  clock = Date.parse('2026-01-01T00:00:00Z');
  aws = await startLocalAws({
    secretsManager,
    now: () => clock,
    maxClockSkewSeconds: Number.POSITIVE_INFINITY,
  });
  client = new SecretsManagerClient(clientSettings(aws.url));
  await client.send(new CreateSecretCommand({ Name: SecretId, SecretString: 'version 1' }));
}
afterEach(async () => {
  client.destroy();
  await aws.close();
});

const put = (SecretString: string, VersionStages?: string[]) =>
  client.send(new PutSecretValueCommand({ SecretId, SecretString, ...(VersionStages && { VersionStages }) }));

const current = async () => (await client.send(new GetSecretValueCommand({ SecretId }))).SecretString;

const versions = async () =>
  (await client.send(new ListSecretVersionIdsCommand({ SecretId, IncludeDeprecated: true }))).Versions ?? [];

test('a secret keeps 100 versions for a day, and takes the next one a day after the first', async () => {
  await start();
  for (let version = 2; version <= 100; version += 1) {
    clock += 60_000;
    await put(`version ${version}`);
  }
  await expect(put('one too many')).rejects.toMatchObject({
    name: 'LimitExceededException',
    $metadata: { httpStatusCode: 400 },
  });
  expect(await current()).toBe('version 100');
  clock = Date.parse('2026-01-01T23:59:59.999Z');
  await expect(put('still one too many')).rejects.toMatchObject({ name: 'LimitExceededException' });
  clock += 1;
  await put('version 101');
  expect(await current()).toBe('version 101');
  expect(await versions()).toHaveLength(100);
  await expect(put('one too many again')).rejects.toMatchObject({ name: 'LimitExceededException' });
});

test('the oldest version without a label makes room, one with a label never', async () => {
  await start({ maxVersions: 4 });
  const labelled = await put('version 2', ['keep']);
  const { VersionId: third } = await put('version 3');
  await put('version 4');
  clock += DAY;
  // Version 1 has lost its label to versions 3 and 4.
  await put('version 5');
  const left = (await versions()).map(({ VersionId, VersionStages }) => [VersionId, VersionStages]);
  expect(left).toHaveLength(4);
  expect(left).toContainEqual([labelled.VersionId, ['keep']]);
  expect(left).toContainEqual([third, undefined]);
});

test('where all versions have labels there is no room, however old they are', async () => {
  await start({ maxVersions: 2 });
  await put('version 2');
  clock += 10 * DAY;
  await expect(put('version 3')).rejects.toMatchObject({ name: 'LimitExceededException' });
});

test('repeating a put needs no room', async () => {
  await start({ maxVersions: 2 });
  const request = new PutSecretValueCommand({
    SecretId,
    SecretString: 'version 2',
    ClientRequestToken: randomUUID(),
  });
  await client.send(request);
  await client.send(request);
  expect(await versions()).toHaveLength(2);
});

test('versions carry the time of the clock', async () => {
  await start();
  clock += 12_345;
  await put('version 2');
  const dates = (await versions()).map(({ CreatedDate }) => CreatedDate?.toISOString());
  expect(dates).toEqual(['2026-01-01T00:00:00.000Z', '2026-01-01T00:00:12.345Z']);
});

test('fifty writes a second are taken, of all kinds together, and any number of reads', async () => {
  await start();
  const throttled = {
    name: 'ThrottlingException',
    message: 'Rate exceeded',
    $metadata: { httpStatusCode: 400 },
  };
  // One write was the secret itself.
  for (let write = 2; write <= 48; write += 1) await put(`version ${write}`);
  await client.send(new DeleteSecretCommand({ SecretId }));
  await client.send(new RestoreSecretCommand({ SecretId }));
  await expect(put('one too many')).rejects.toMatchObject(throttled);
  await expect(client.send(new RestoreSecretCommand({ SecretId }))).rejects.toMatchObject(throttled);
  for (let read = 0; read < 60; read += 1) await current();
  clock += 20;
  await put('a fiftieth of a second later');
  await expect(put('one too many')).rejects.toMatchObject(throttled);
  clock += 60_000;
  for (let write = 0; write < 50; write += 1) await client.send(new RestoreSecretCommand({ SecretId }));
  await expect(client.send(new RestoreSecretCommand({ SecretId }))).rejects.toMatchObject(throttled);
});

test('a secret is gone when its recovery window has passed, and its name is free', async () => {
  await start();
  await client.send(new DeleteSecretCommand({ SecretId, RecoveryWindowInDays: 7 }));
  clock += 7 * DAY - 1;
  await client.send(new DescribeSecretCommand({ SecretId }));
  clock += 1;
  await expect(client.send(new RestoreSecretCommand({ SecretId }))).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
  });
  await client.send(new CreateSecretCommand({ Name: SecretId, SecretString: 'another' }));
  expect(await current()).toBe('another');
});

test('an expression of more than 4 KB is refused, as DynamoDB does', async () => {
  await start();
  const dynamodb = new DynamoDBClient(clientSettings(aws.url));
  const scan = (length: number) =>
    dynamodb.send(
      new ScanCommand({
        TableName: 'accounts',
        FilterExpression: 'attribute_exists(a)'.padEnd(length),
      }),
    );
  await expect(scan(4_097)).rejects.toMatchObject({
    name: 'ValidationException',
    message: expect.stringContaining('expression size: 4097'),
  });
  await expect(scan(4_096)).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  dynamodb.destroy();
});
