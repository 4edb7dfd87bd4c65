import { CreateTableCommand, type DynamoDBClient, waitUntilTableExists } from '@aws-sdk/client-dynamodb';
import { signer, TEST_KEYS } from '../../local/aws/protocol/signature.ts';
import { type LocalAws, type LocalAwsOptions, startLocalAws } from '../../local/aws/server.ts';

/** The AWS endpoint that contract tests talk to. */
export interface AwsEndpoint {
  readonly url: string;
  /** `external`: another emulator, shared with whoever else uses it. */
  readonly kind: 'local' | 'external';
  readonly aws?: LocalAws;
  close(): Promise<void>;
}

/** The endpoint that `AWS_ENDPOINT_URL` names, or else a local one in memory, started for the caller. */
export async function awsEndpoint(): Promise<AwsEndpoint> {
  const url = process.env.AWS_ENDPOINT_URL;
  if (url) return { url, kind: 'external', close: async () => {} };
  const aws = await startPatientAws();
  return { url: aws.url, kind: 'local', aws, close: () => aws.close() };
}

/** For tests that look at answers, not at quotas, and move the clocks of functions. */
export function startPatientAws(options: LocalAwsOptions = {}): Promise<LocalAws> {
  const lenient = {
    secretsManager: { writesPerSecond: 10_000 },
    maxClockSkewSeconds: Number.POSITIVE_INFINITY,
  };
  return startLocalAws({ ...lenient, ...options });
}

/** The settings of an SDK client for an endpoint, with one attempt, so that each error is seen. */
export function clientSettings(url: string, keys = TEST_KEYS) {
  return {
    endpoint: url,
    region: 'us-east-1',
    credentials: { ...keys },
    maxAttempts: 1,
  };
}

/** Makes a table with the key of the accounts table, and waits until it is there. */
export async function createAccountsTable(client: DynamoDBClient, TableName: string): Promise<void> {
  await client.send(
    new CreateTableCommand({
      TableName,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [{ AttributeName: 'accountId', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'accountId', KeyType: 'HASH' }],
    }),
  );
  await waitUntilTableExists({ client, maxWaitTime: 30, minDelay: 0.01, maxDelay: 0.05 }, { TableName });
}

/** A POST to the local AWS without the SDK, signed as it is. */
export async function signedPost(
  url: string,
  target: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const { host, hostname, pathname } = new URL(url);
  const signed = await signer(TEST_KEYS).sign({
    method: 'POST',
    protocol: 'http:',
    hostname,
    path: pathname,
    headers: { host, 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': target, ...headers },
    body,
  });
  return await fetch(url, { method: 'POST', body, headers: signed.headers });
}
