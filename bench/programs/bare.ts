import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { DynamoDBDocumentClient, ScanCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';

/** Baselines for the function. None of them keeps a grant safe. */
type BareEvent =
  /** Only the five calls of a refresh as the function makes them, for these accounts, `inFlight` at once. */
  | {
      readonly kind: 'five_calls';
      readonly accountIds: readonly string[];
      readonly inFlight: number;
      readonly startsPerSecond?: number | undefined;
    }
  /** Only the scan, with the function's filter. */
  | { readonly kind: 'scan' }
  /** The old job: all accounts, one after another. */
  | { readonly kind: 'one_after_another'; readonly limit: number }
  /** The first idea of many people: everything at once. */
  | { readonly kind: 'all_at_once' };

const { ACCOUNTS_TABLE_NAME: TableName, SECRET_NAME_PREFIX: prefix, TOKEN_ENDPOINT = '' } = process.env;
const { CLIENT_ID, CLIENT_SECRET } = process.env;
const WINDOW = 300;

const requestHandler = {
  httpsAgent: { keepAlive: true, maxSockets: 50 },
  httpAgent: { keepAlive: true, maxSockets: 50 },
};
const table = DynamoDBDocumentClient.from(new DynamoDBClient({ requestHandler }));
const secrets = new SecretsManagerClient({ requestHandler });
const agent = new Agent({ keepAlive: true });

export async function handler(event: BareEvent): Promise<unknown> {
  switch (event.kind) {
    case 'five_calls':
      return await atMost(event.inFlight, event.accountIds, fiveCalls, event.startsPerSecond);
    case 'scan':
      return await scan(true);
    case 'one_after_another': {
      const { due } = await scan(false);
      return await atMost(1, due.slice(0, event.limit), naive);
    }
    case 'all_at_once': {
      const { due } = await scan(false);
      const ends = await Promise.allSettled(due.map(naive));
      return { failed: ends.filter(({ status }) => status === 'rejected').length };
    }
  }
}

async function atMost(
  inFlight: number,
  all: readonly string[],
  act: (accountId: string) => Promise<void>,
  startsPerSecond = Number.POSITIVE_INFINITY,
) {
  const begun = performance.now();
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < all.length; i = next++) {
      const early = begun + (i / startsPerSecond) * 1_000 - performance.now();
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
      await act(all[i] ?? '');
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return { done: all.length };
}

/** Each `#name` in an expression is the attribute of that name. */
const namesIn = (...expressions: readonly string[]) =>
  Object.fromEntries(expressions.join(' ').matchAll(/#(\w+)/g));

const projection =
  '#accountId, #name, #authenticationType, #oauthProfile, #tokenSecretId, #enabled, #parameters, #formatVersion, #accessTokenExpiresAt, #doesNotExpire, #refreshTokenExpiresAt, #status, #failure, #nextAttemptAt, #lastRefreshedAt, #lease, #escrow, #secretLentTo';

const filter =
  '#authenticationType = :oauth2 AND attribute_exists(#oauthProfile) AND NOT begins_with(#accountId, :note) AND NOT (#enabled = :false) AND NOT (#doesNotExpire = :true AND #nextAttemptAt > :now) AND (attribute_exists(#escrow) OR NOT (#oauthProfile IN (:p) AND #accessTokenExpiresAt BETWEEN :h AND :far) OR #status = :person)';

async function scan(filtered: boolean) {
  const horizon = Math.floor(Date.now() / 1000) + WINDOW;
  const due: string[] = [];
  let pages = 0;
  let scanned = 0;
  let ExclusiveStartKey: Record<string, unknown> | undefined;
  do {
    const page = await table.send(
      new ScanCommand({
        TableName,
        ExclusiveStartKey,
        ...(filtered && {
          ProjectionExpression: projection,
          ExpressionAttributeNames: namesIn(projection),
          FilterExpression: filter,
          ExpressionAttributeValues: {
            ':oauth2': 'oauth2',
            ':false': false,
            ':p': 'crm',
            ':h': horizon + 1,
            ':far': horizon + 315_360_000,
            ':note': '#',
            ':true': true,
            ':now': horizon - WINDOW,
            ':person': 'reauthorization_required',
          },
        }),
      }),
    );
    pages++;
    scanned += page.ScannedCount ?? 0;
    for (const item of page.Items ?? []) if (item.accessTokenExpiresAt <= horizon) due.push(item.accountId);
    ExclusiveStartKey = page.LastEvaluatedKey;
  } while (ExclusiveStartKey !== undefined);
  return { pages, scanned, due };
}

async function fiveCalls(accountId: string): Promise<void> {
  const owner = randomUUID();
  const now = Math.floor(Date.now() / 1000);
  await update(
    accountId,
    'SET #lease = :lease',
    'attribute_exists(#accountId) AND (#lease.#owner = :owner OR attribute_not_exists(#lease)) AND attribute_not_exists(#escrow) AND #authenticationType = :authenticationType AND #oauthProfile = :oauthProfile AND attribute_not_exists(#tokenSecretId) AND attribute_not_exists(#enabled) AND attribute_exists(#accessTokenExpiresAt) AND attribute_not_exists(#doesNotExpire) AND attribute_not_exists(#refreshTokenExpiresAt) AND #status = :status AND attribute_not_exists(#nextAttemptAt) AND attribute_exists(#lastRefreshedAt)',
    {
      ':owner': owner,
      ':lease': { owner, expiresAt: now + 150 },
      ':authenticationType': 'oauth2',
      ':oauthProfile': 'crm',
      ':status': 'healthy',
    },
  );
  const tokens = await exchange(accountId);
  await secrets.send(
    new PutSecretValueCommand({
      SecretId: `${prefix}accounts/${accountId}`,
      SecretString: JSON.stringify(tokens),
      ClientRequestToken: owner,
    }),
  );
  await update(
    accountId,
    'SET #status = :status, #accessTokenExpiresAt = :accessTokenExpiresAt, #lastRefreshedAt = :lastRefreshedAt REMOVE #failure, #nextAttemptAt, #escrow, #lease',
    '#lease.#owner = :owner',
    {
      ':status': 'healthy',
      ':accessTokenExpiresAt': tokens.expires_at,
      ':lastRefreshedAt': tokens.obtained_at,
      ':owner': owner,
    },
  );
}

async function update(
  accountId: string,
  UpdateExpression: string,
  ConditionExpression: string,
  ExpressionAttributeValues: Record<string, unknown>,
): Promise<void> {
  const ExpressionAttributeNames = namesIn(UpdateExpression, ConditionExpression);
  const expressions = { UpdateExpression, ConditionExpression, ExpressionAttributeNames };
  const Key = { accountId };
  await table.send(new UpdateCommand({ TableName, Key, ...expressions, ExpressionAttributeValues }));
}

async function naive(accountId: string): Promise<void> {
  const tokens = await exchange(accountId);
  await secrets.send(
    new PutSecretValueCommand({
      SecretId: `${prefix}accounts/${accountId}`,
      SecretString: JSON.stringify(tokens),
    }),
  );
  await table.send(
    new UpdateCommand({
      TableName,
      Key: { accountId },
      UpdateExpression: 'SET accessTokenExpiresAt = :at',
      ExpressionAttributeValues: { ':at': tokens.expires_at },
    }),
  );
}

async function exchange(accountId: string) {
  const { SecretString = '{}' } = await secrets.send(
    new GetSecretValueCommand({ SecretId: `${prefix}accounts/${accountId}`, VersionStage: 'AWSCURRENT' }),
  );
  const before = JSON.parse(SecretString);
  const response = JSON.parse(await post(before.refresh_token));
  if (response.access_token === undefined) throw new Error(`The provider refused: ${response.error}`);
  const now = Math.floor(Date.now() / 1000);
  return { ...before, ...response, obtained_at: now, expires_at: now + response.expires_in };
}

function post(refreshToken: string): Promise<string> {
  const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken }).toString();
  return new Promise((resolve, reject) => {
    const outgoing = request(
      TOKEN_ENDPOINT,
      {
        method: 'POST',
        agent,
        auth: `${CLIENT_ID}:${CLIENT_SECRET}`,
        headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
      },
      (incoming) => {
        let text = '';
        incoming.setEncoding('utf8');
        incoming.on('data', (chunk: string) => {
          text += chunk;
        });
        incoming.on('end', () => resolve(text));
        incoming.on('error', reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
