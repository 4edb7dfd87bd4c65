import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DecryptCommand,
  EncryptCommand,
  KMSClient,
} from '@aws-sdk/client-kms';
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LocalAws, type LocalAwsOptions, startLocalAws } from '../../../local/aws/server.ts';
import { clientSettings, createAccountsTable, signedPost } from '../../support/aws-endpoint.ts';

let running: LocalAws[];
let directory: string;
let children: ChildProcess[];

beforeEach(() => {
  running = [];
  children = [];
  directory = mkdtempSync(join(tmpdir(), 'local-aws-'));
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(running.map((aws) => aws.close()));
  rmSync(directory, { recursive: true });
});

async function start(options: LocalAwsOptions = {}): Promise<LocalAws> {
  const aws = await startLocalAws(options);
  running.push(aws);
  return aws;
}

describe('a request', () => {
  const post = (aws: LocalAws, target: string, body = '{}') => signedPost(aws.url, target, body);

  test.each([
    'secretsmanager.BatchGetSecretValue',
    'secretsmanager.constructor',
    'TrentService.Sign',
    'AWSEvents.PutRule',
    'DynamoDB_20120810.Nonsense',
    'AmazonSQS.SendMessage',
    'nonsense',
  ])('for %s is one for an unknown operation', async (target) => {
    const answer = await post(await start(), target);
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as { __type: string }).__type).toMatch(/UnknownOperationException$/);
  });

  test.each([
    'secretsmanager.ListSecrets',
    'TrentService.ListAliases',
    'AWSEvents.PutEvents',
    'DynamoDB_20120810.ListTables',
  ])('for %s has an id, and must be JSON', async (target) => {
    const answer = await post(await start(), target, '{');
    expect(answer.status).toBe(400);
    expect(answer.headers.get('x-amzn-requestid')).toMatch(/.{20}/);
    expect(((await answer.json()) as { __type: string }).__type).toMatch(/SerializationException$/);
  });

  test('with a value of the wrong type can not be read, and the value is not repeated', async () => {
    const answer = await post(await start(), 'secretsmanager.GetSecretValue', '{"SecretId":[123456]}');
    expect(answer.status).toBe(400);
    const body = await answer.text();
    expect(body).toMatch(/SerializationException.*SecretId/);
    expect(body).not.toContain('123456');
  });

  test('that lacks a member names it', async () => {
    const answer = await post(await start(), 'secretsmanager.GetSecretValue');
    expect(await answer.json()).toEqual({
      __type: 'ValidationException',
      message:
        "1 validation error detected: Value at 'SecretId' failed to satisfy constraint: Member must not be null",
    });
  });

  test('of more than 4 MB is refused', async () => {
    const aws = await start();
    const answer = await post(aws, 'secretsmanager.ListSecrets', ' '.repeat(4 * 1024 * 1024 + 1));
    expect(answer.status).toBe(413);
    expect((await post(aws, 'secretsmanager.ListSecrets', '{}'.padStart(4 * 1024 * 1024))).status).toBe(200);
  });

  test.each([
    'GET // HTTP/1.1',
    'GET http:// HTTP/1.1',
    'OPTIONS * HTTP/1.1',
    'GET /%zz HTTP/1.1',
  ])('that begins with %j is refused, and does no harm', async (line) => {
    const aws = await start();
    const { port, host } = new URL(aws.url);
    const socket = connect(Number(port), '127.0.0.1').setEncoding('utf8');
    socket.end(`${line}\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 4/);
    expect((await post(aws, 'secretsmanager.ListSecrets')).status).toBe(200);
  });

  test('that breaks off halfway does no harm', async () => {
    const aws = await start();
    const socket = connect(Number(new URL(aws.url).port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write(
      'POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: DynamoDB_20120810.PutItem\r\ncontent-length: 9\r\n\r\n{',
    );
    socket.destroySoon();
    await once(socket, 'close');
    expect((await post(aws, 'secretsmanager.ListSecrets')).status).toBe(200);
  });
});

test('a port that is taken is named in the error', async () => {
  const port = Number(new URL((await start()).url).port);
  await expect(start({ port })).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    message: expect.stringContaining(`Port ${port} `),
  });
});

test('a data directory belongs to one endpoint at a time', async () => {
  const first = await start({ dataDirectory: directory });
  await expect(start({ dataDirectory: directory })).rejects.toMatchObject({ code: 'DATA_DIRECTORY_IN_USE' });
  await first.close();
  await start({ dataDirectory: directory });
});

test('the file that holds the secrets is for its owner alone', async () => {
  await start({ dataDirectory: directory });
  for (const file of ['aws.sqlite', 'aws.sqlite-wal'])
    expect(statSync(join(directory, file)).mode & 0o777).toBe(0o600);
});

test('closing twice is closing once', async () => {
  const aws = await start();
  await Promise.all([aws.close(), aws.close()]);
  await aws.close();
});

test('the log has a line for each answer and no value', async () => {
  const logFile = join(directory, 'aws.log');
  const aws = await start({ dataDirectory: join(directory, 'data'), logFile });
  const client = new SecretsManagerClient(clientSettings(aws.url));
  await client.send(new CreateSecretCommand({ Name: 'a', SecretString: 'not for the log' }));
  await client.send(new GetSecretValueCommand({ SecretId: 'b' })).catch(() => undefined);
  client.destroy();
  await aws.close();
  const log = readFileSync(logFile, 'utf8');
  expect(log).not.toContain('not for the log');
  const lines = log
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  expect(lines).toEqual([
    {
      time: expect.any(String),
      service: 'secretsmanager',
      operation: 'CreateSecret',
      status: 200,
      milliseconds: expect.any(Number),
    },
    expect.objectContaining({ operation: 'GetSecretValue', status: 400 }),
  ]);
});

describe('what was written', () => {
  const TableName = 'accounts';

  function clientsOf(url: string) {
    const settings = clientSettings(url);
    return {
      dynamodb: new DynamoDBClient(settings),
      secrets: new SecretsManagerClient(settings),
      kms: new KMSClient(settings),
      events: new EventBridgeClient(settings),
    };
  }

  /** Writes to each service, and returns a ciphertext. */
  async function write(url: string): Promise<Uint8Array> {
    const { dynamodb, secrets, kms, events } = clientsOf(url);
    await createAccountsTable(dynamodb, TableName);
    await dynamodb.send(new PutItemCommand({ TableName, Item: { accountId: { S: 'a' } } }));
    await secrets.send(new CreateSecretCommand({ Name: 'a', SecretString: 'first' }));
    await secrets.send(new PutSecretValueCommand({ SecretId: 'a', SecretString: 'second' }));
    const { KeyMetadata } = await kms.send(new CreateKeyCommand());
    await kms.send(new CreateAliasCommand({ AliasName: 'alias/escrow', TargetKeyId: KeyMetadata?.KeyId }));
    const { CiphertextBlob = new Uint8Array() } = await kms.send(
      new EncryptCommand({ KeyId: 'alias/escrow', Plaintext: Uint8Array.of(1, 2, 3) }),
    );
    for (const n of [1, 2, 3])
      await events.send(
        new PutEventsCommand({ Entries: [{ Source: 's', DetailType: 'd', Detail: JSON.stringify({ n }) }] }),
      );
    return CiphertextBlob;
  }

  async function expectWritten(aws: LocalAws, CiphertextBlob: Uint8Array): Promise<void> {
    const { dynamodb, secrets, kms } = clientsOf(aws.url);
    const { Item } = await dynamodb.send(
      new GetItemCommand({ TableName, Key: { accountId: { S: 'a' } }, ConsistentRead: true }),
    );
    expect(Item).toEqual({ accountId: { S: 'a' } });
    expect(await secrets.send(new GetSecretValueCommand({ SecretId: 'a' }))).toMatchObject({
      SecretString: 'second',
    });
    expect(
      await secrets.send(new GetSecretValueCommand({ SecretId: 'a', VersionStage: 'AWSPREVIOUS' })),
    ).toMatchObject({ SecretString: 'first' });
    expect((await kms.send(new DecryptCommand({ CiphertextBlob }))).Plaintext).toEqual(
      Uint8Array.of(1, 2, 3),
    );
    expect(aws.putEventsLog().map(({ detail }) => detail)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  }

  test('is there after a restart', async () => {
    const first = await start({ dataDirectory: directory });
    const ciphertext = await write(first.url);
    await first.close();
    await expectWritten(await start({ dataDirectory: directory }), ciphertext);
  });

  test('is there after the process was killed', async () => {
    const server = new URL('../../../local/aws/server.ts', import.meta.url).href;
    const program = `
      const { startLocalAws } = await import(${JSON.stringify(server)});
      console.log((await startLocalAws({ dataDirectory: ${JSON.stringify(directory)} })).url);
    `;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
    const ciphertext = await write(url);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await expectWritten(await start({ dataDirectory: directory }), ciphertext);
  });
});
