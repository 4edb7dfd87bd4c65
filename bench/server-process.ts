import { randomUUID } from 'node:crypto';
import { startLocalAws } from '../local/aws/server.ts';
import { tokenBucket } from '../local/aws/token-bucket.ts';
import { startStrictProvider } from '../test/support/strict-provider.ts';
import type { Judgement, Population, PopulationOptions, ServerMethods, Traffic } from './servers.ts';

/** The process of the servers: the local AWS endpoint and a token endpoint, told by messages what to do. */
const provider = await startStrictProvider({ delayMilliseconds: () => delay });
// Its own limit would slow down the filling; the one that is measured is a rule.
const aws = await startLocalAws({ secretsManager: { writesPerSecond: 1_000_000 } });
let delay = 0;
let takeWrite: (() => boolean) | undefined;
let traffic: {
  calls: Record<string, number>;
  stores: number[];
  throttled: number;
  storesByAccount: string[];
};
forgetTraffic();

aws.inject(({ operation }) => {
  if (operation !== 'PutSecretValue' || takeWrite === undefined || takeWrite()) return undefined;
  traffic.throttled++;
  return { kind: 'throttle' };
});
aws.onEffect(({ operation, input }, status) => {
  traffic.calls[operation] = (traffic.calls[operation] ?? 0) + 1;
  if (operation !== 'PutSecretValue' || status !== 200) return;
  traffic.stores.push(performance.now());
  traffic.storesByAccount.push((input as { SecretId: string }).SecretId.split('/').at(-1) ?? '');
});
provider.onEffect(() => {
  traffic.calls.TokenRequest = (traffic.calls.TokenRequest ?? 0) + 1;
});

function forgetTraffic() {
  traffic = { calls: {}, stores: [], throttled: 0, storesByAccount: [] };
}

/** Without the SDK: a hundred thousand items are to be written within seconds. */
async function call(target: string, body: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(aws.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': target,
      'x-amz-date': '20260101T000000Z',
      authorization:
        'AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=none',
    },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${target} failed: ${text.slice(0, 200)}`);
  return JSON.parse(text);
}

/** Does one thing for each of many, a few at once. */
async function each<T>(all: readonly T[], act: (one: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let one = all[next++]; one !== undefined; one = all[next++]) await act(one);
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
}

const BATCH = 25;
let populations = 0;
const { KeyMetadata } = await call('TrentService.CreateKey', {});

async function populate({ accounts, due }: PopulationOptions): Promise<Population> {
  const table = `bench-${++populations}`;
  const prefix = `${table}/`;
  await call('DynamoDB_20120810.CreateTable', {
    TableName: table,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [{ AttributeName: 'accountId', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'accountId', KeyType: 'HASH' }],
  });
  const described = async () => await call('DynamoDB_20120810.DescribeTable', { TableName: table });
  while (((await described()).Table as { TableStatus: string }).TableStatus !== 'ACTIVE')
    await new Promise((resolve) => setTimeout(resolve, 5));
  await call('secretsmanager.CreateSecret', {
    Name: `${prefix}profiles/crm`,
    ClientRequestToken: randomUUID(),
    SecretString: JSON.stringify(provider.profile),
  });
  const now = Math.floor(Date.now() / 1000);
  const item = (i: number) => ({
    accountId: { S: idOf(i) },
    name: { S: `Customer number ${i}` },
    authenticationType: { S: 'oauth2' },
    oauthProfile: { S: 'crm' },
    status: { S: 'healthy' },
    lastRefreshedAt: { N: String(now - 3600) },
    // What is not due stays so for ten years, whatever the clock of a run is set to.
    accessTokenExpiresAt: { N: String(i < due ? now : now + 315_360_000) },
    // What people keep beside the attributes of the contract; brings an item to about 400 bytes.
    note: { S: 'x'.repeat(200) },
  });
  const starts = Array.from({ length: Math.ceil(accounts / BATCH) }, (_, i) => i * BATCH);
  await each(starts, async (start) => {
    const length = Math.min(BATCH, accounts - start);
    const requests = Array.from({ length }, (_, i) => ({ PutRequest: { Item: item(start + i) } }));
    await call('DynamoDB_20120810.BatchWriteItem', { RequestItems: { [table]: requests } });
  });
  const accountIds = Array.from({ length: due }, (_, i) => idOf(i));
  await each(accountIds, (accountId) =>
    call('secretsmanager.CreateSecret', {
      Name: `${prefix}accounts/${accountId}`,
      ClientRequestToken: randomUUID(),
      SecretString: JSON.stringify(provider.issue(`${table}:${accountId}`)),
    }),
  );
  forgetTraffic();
  return { table, prefix, accounts, accountIds };
}

function idOf(i: number): string {
  return `account-${String(i).padStart(7, '0')}`;
}

async function judge({ table, prefix, accountIds }: Population): Promise<Judgement> {
  const judgement = { lost: 0, spentTwice: 0, refreshes: {} as Record<number, number> };
  await each(accountIds, async (accountId) => {
    const { SecretString } = await call('secretsmanager.GetSecretValue', {
      SecretId: `${prefix}accounts/${accountId}`,
    });
    const { refresh_token } = JSON.parse(SecretString as string);
    const { grants, reuses } = provider.truth(`${table}:${accountId}`);
    if (!provider.accepts(`${table}:${accountId}`, refresh_token)) judgement.lost++;
    if (reuses > 0) judgement.spentTwice++;
    judgement.refreshes[grants] = (judgement.refreshes[grants] ?? 0) + 1;
  });
  return judgement;
}

const methods: { [Name in keyof ServerMethods]: ServerMethods[Name] } = {
  populate,
  judge,
  begin: async ({ delayMilliseconds, writesPerSecond }) => {
    delay = delayMilliseconds;
    takeWrite = writesPerSecond === undefined ? undefined : tokenBucket(writesPerSecond, Date.now);
    forgetTraffic();
  },
  traffic: async () => traffic satisfies Traffic,
};

process.on(
  'message',
  async ({ id, method, argument }: { id: number; method: keyof ServerMethods; argument: never }) => {
    const answer = await methods[method](argument).then(
      (result) => ({ id, result }),
      (error: unknown) => ({ id, error: String(error) }),
    );
    process.send?.(answer);
  },
);
process.on('disconnect', () => process.exit());
const escrowKeyId = (KeyMetadata as { KeyId: string }).KeyId;
process.send?.({
  url: aws.url,
  escrowKeyId,
  tokenEndpoint: provider.tokenEndpoint,
  profile: provider.profile,
});
