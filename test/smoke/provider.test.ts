import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { projectRoot } from '../../build/project.ts';
import { TEST_KEYS } from '../../local/aws/protocol/signature.ts';
import { createFunctionProcess, type FunctionProcess } from '../../local/function-process.ts';
import { type AwsEndpoint, awsEndpoint, clientSettings } from '../support/aws-endpoint.ts';

const TableName = `grants-${process.pid}`;
const hash = (text: string) => createHash('sha256').update(text).digest('base64url');

let endpoint: AwsEndpoint;
let table: DynamoDBDocumentClient;
let provider: FunctionProcess;

beforeAll(async () => {
  endpoint = await awsEndpoint();
  const client = new DynamoDBClient(clientSettings(endpoint.url));
  await client.send(
    new CreateTableCommand({
      TableName,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    }),
  );
  table = DynamoDBDocumentClient.from(client);
  for (const Item of [
    { id: 'client:me', secret: hash('a secret/+') },
    { id: 'grant:one', live: hash('one.first') },
  ])
    await table.send(new PutCommand({ TableName, Item }));
  provider = createFunctionProcess({
    module: join(projectRoot, 'test/smoke/provider/index.mjs'),
    environment: {
      GRANTS_TABLE_NAME: TableName,
      AWS_ENDPOINT_URL: endpoint.url,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: TEST_KEYS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: TEST_KEYS.secretAccessKey,
    },
  });
});
afterAll(async () => {
  provider.kill();
  await endpoint.close();
});

/** Asks as a function URL would: form bodies come encoded. */
async function ask(refreshToken: string, secret = 'a secret/+') {
  const invocation = await provider.invoke({
    headers: { authorization: `Basic ${btoa(`me:${encodeURIComponent(secret)}`)}` },
    body: btoa(`grant_type=refresh_token&refresh_token=${refreshToken}`),
    isBase64Encoded: true,
  });
  expect(invocation.kind).toBe('returned');
  const { statusCode, body } = (invocation as { payload: { statusCode: number; body: string } }).payload;
  return { status: statusCode, ...JSON.parse(body) };
}

const grant = async () => (await table.send(new GetCommand({ TableName, Key: { id: 'grant:one' } }))).Item;

test('the provider of the trial rotates, knows its client, and ends a grant whose refresh token comes twice', async () => {
  expect(await ask('one.first', 'another')).toEqual({ status: 401, error: 'invalid_client' });
  expect(await ask('one.unknown')).toEqual({ status: 400, error: 'invalid_grant' });

  const second = await ask('one.first');
  expect(second).toMatchObject({ status: 200, token_type: 'Bearer' });
  const third = await ask(second.refresh_token);
  expect(await grant()).toMatchObject({ live: hash(third.refresh_token), grants: 2 });
  expect((await grant())?.revoked).toBeUndefined();

  expect(await ask(second.refresh_token)).toEqual({ status: 400, error: 'invalid_grant' });
  expect(await grant()).toMatchObject({ revoked: true, grants: 2 });
  expect(await ask(third.refresh_token)).toEqual({ status: 400, error: 'invalid_grant' });
});
