import { randomUUID } from 'node:crypto';
import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { createEscrowVault } from '../../adapters/aws/escrow.ts';
import { PROFILE_NOTE } from '../../core/account/account.ts';
import { keeperOf } from '../../core/account/kept-by.ts';
import { arn } from '../../local/aws/protocol/arn.ts';
import { startLocalAws } from '../../local/aws/server.ts';
import { createLocalClients } from '../../local/clients.ts';
import { tokenBucket } from '../../local/shared/token-bucket.ts';
import { signedPost } from '../../test/support/aws-endpoint.ts';
import { type ProviderFault, startStrictProvider } from '../../test/support/strict-provider.ts';
import type {
  Judgement,
  Population,
  PopulationOptions,
  ServerMethods,
  Traffic,
  Troubled,
  TroubledOptions,
} from './servers.ts';
import { type AwsTrouble, accountTroubles, profileTroubles, type Trouble } from './troubles.ts';

/** The process of the servers: the local AWS endpoint and a token endpoint. Messages say what to do. */
const provider = await startStrictProvider({ delayMilliseconds: () => delay });
// Without its own limit, so that filling it is fast. Experiments set their limit as a rule.
const aws = await startLocalAws({
  secretsManager: { writesPerSecond: 1_000_000 },
  // A run's clock is ahead of the server's.
  maxClockSkewSeconds: Number.POSITIVE_INFINITY,
});
let delay = 0;
let takeWrite: (() => boolean) | undefined;
let traffic: {
  calls: Record<string, number>;
  connections: number;
  firstCallAt: number | undefined;
  stores: number[];
  throttled: number;
  storesByAccount: string[];
};
forgetTraffic();

/** The parts of a call that name a secret or an item. */
interface CallInput {
  readonly SecretId?: string;
  readonly UpdateExpression?: string;
  readonly Key?: { readonly accountId?: { readonly S?: string } };
}

/** The trouble of a secret or an item, by its name or id. */
const awsTroubles = new Map<string, AwsTrouble>();

aws.inject(({ operation, input }) => {
  const { SecretId, Key } = (input ?? {}) as CallInput;
  const trouble = awsTroubles.get(SecretId ?? Key?.accountId?.S ?? '');
  if (trouble?.operation === operation) return trouble.fault;
  if (operation !== 'PutSecretValue' || takeWrite === undefined || takeWrite()) return undefined;
  traffic.throttled++;
  return { kind: 'throttle' };
});
aws.onEffect(({ operation, input }, status) => {
  const call = `${operation}${kindOf(input)}`;
  traffic.calls[call] = (traffic.calls[call] ?? 0) + 1;
  traffic.firstCallAt ??= performance.now();
  if (operation !== 'PutSecretValue' || status !== 200) return;
  traffic.stores.push(performance.now());
  traffic.storesByAccount.push((input as { SecretId: string }).SecretId.split('/').at(-1) ?? '');
});
const providerTroubles = new Map<string, ProviderFault>();
provider.inject(({ accountId = '' }) => providerTroubles.get(accountId));
/** The connections that token requests used. */
const sockets = new WeakSet<object>();
subscribe('http.server.request.start', (message) => {
  const { request, socket } = message as { request: IncomingMessage; socket: object };
  if (request.url !== '/token' || sockets.has(socket)) return;
  sockets.add(socket);
  traffic.connections++;
});
provider.onEffect(() => {
  traffic.calls.TokenRequest = (traffic.calls.TokenRequest ?? 0) + 1;
});

/** What makes a call different from the usual ones of a refresh. */
function kindOf(input: unknown): string {
  const { SecretId = '', Key, UpdateExpression = '' } = (input ?? {}) as CallInput;
  if (SecretId.includes('/profiles/') || Key?.accountId?.S?.startsWith(PROFILE_NOTE)) return ' of a profile';
  return /SET .*#escrow =/.test(UpdateExpression) ? ' for escrow' : '';
}

function forgetTraffic() {
  traffic = {
    calls: {},
    connections: 0,
    firstCallAt: undefined,
    stores: [],
    throttled: 0,
    storesByAccount: [],
  };
}

/** Without the SDK, which would be too slow for a hundred thousand items. */
async function call(target: string, body: unknown): Promise<Record<string, unknown>> {
  const response = await signedPost(aws.url, target, JSON.stringify(body));
  const text = await response.text();
  if (!response.ok) throw new Error(`${target} failed: ${text.slice(0, 200)}`);
  return JSON.parse(text);
}

/** Does something for each item, four at a time. */
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
const escrowKeyId = (KeyMetadata as { KeyId: string }).KeyId;

async function populate({ accounts, due, profiles = 1 }: PopulationOptions): Promise<Population> {
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
  const names = Array.from({ length: profiles }, (_, i) => profileOf(i, profiles));
  for (const name of names) await createSecret(`${prefix}profiles/${name}`, JSON.stringify(provider.profile));
  const now = Math.floor(Date.now() / 1000);
  const item = (i: number) => ({
    accountId: { S: idOf(i) },
    name: { S: `Customer number ${i}` },
    authenticationType: { S: 'oauth2' },
    oauthProfile: { S: profileOf(i, profiles) },
    status: { S: 'healthy' },
    lastRefreshedAt: { N: String(now - 3600) },
    // Accounts that aren't due stay so for ten years, however far a run's clock is ahead.
    accessTokenExpiresAt: { N: String(i < due ? now : now + 315_360_000) },
    // An attribute of people's own, which brings the item to about 400 bytes.
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
    createSecret(`${prefix}accounts/${accountId}`, JSON.stringify(issue(table, accountId, now))),
  );
  forgetTraffic();
  return { table, prefix, accounts, accountIds };
}

async function createSecret(Name: string, SecretString: string): Promise<void> {
  await call('secretsmanager.CreateSecret', { Name, ClientRequestToken: randomUUID(), SecretString });
}

function profileOf(i: number, profiles: number): string {
  return profiles === 1 ? 'crm' : `crm-${i % profiles}`;
}

/** A token set as the function stored it an hour ago, for this table. */
function issue(table: string, accountId: string, now: number) {
  return {
    ...provider.issue(`${table}:${accountId}`),
    obtained_at: now - 3_600,
    expires_at: now,
    kept_by: keeperOf(table, arn('secretsmanager', 'secret:any')),
  };
}

/** Adds accounts with every kind of trouble. Half of them have failed before. */
async function trouble({ population, copies, profiles, accountsOfEach }: TroubledOptions): Promise<Troubled> {
  const { table, prefix } = population;
  const clients = createLocalClients(aws.url, table);
  takeWrite = undefined;
  const vault = createEscrowVault(clients.kms, escrowKeyId);
  const troubled: Troubled[number][] = [];
  const add = async (kind: Trouble, accountId: string, oauthProfile: string, failedBefore: boolean) => {
    const now = Math.floor(Date.now() / 1000);
    const key = `${table}:${accountId}`;
    const issued = issue(table, accountId, now);
    const text = kind.tokens === undefined ? JSON.stringify(issued) : kind.tokens(issued, now);
    const secret = `${prefix}accounts/${accountId}`;
    if (text !== undefined) await createSecret(secret, text);
    for (let version = 1; version < (kind.versions ?? 1); version++)
      await call('secretsmanager.PutSecretValue', {
        SecretId: secret,
        ClientRequestToken: randomUUID(),
        SecretString: text,
      });
    if (kind.revoked) provider.revoke(key);
    if (kind.provider !== undefined) providerTroubles.set(key, kind.provider);
    if (kind.aws !== undefined) {
      awsTroubles.set(secret, kind.aws);
      awsTroubles.set(accountId, kind.aws);
    }
    const escrow = kind.escrow?.(issued);
    const Item = {
      accountId,
      name: `Troubled ${accountId}`,
      authenticationType: 'oauth2',
      oauthProfile,
      status: failedBefore ? 'failing' : 'healthy',
      lastRefreshedAt: now - 3_600,
      accessTokenExpiresAt: now,
      ...(failedBefore && {
        nextAttemptAt: now - 1,
        failure: {
          reason: 'provider_unavailable',
          message: 'It failed before.',
          count: 3,
          since: now - 1_800,
          at: now - 300,
        },
      }),
      ...(escrow && {
        escrow: {
          kind: escrow.kind,
          ciphertext: await vault.seal(accountId, escrow.kind ?? 'token', escrow.content),
          attemptId: 'an-earlier-attempt',
          at: now - 120,
        },
      }),
      ...kind.item?.(now),
    };
    await clients.table.send(new PutCommand({ TableName: table, Item }));
    troubled.push({ name: kind.name, accountId, shows: kind.shows });
  };
  let count = 0;
  for (const kind of accountTroubles)
    for (let copy = 0; copy < (kind.single ? 1 : copies); copy++, count++)
      await add(kind, `${kind.name}-${copy}`, profileOf(count, profiles), count % 2 === 1);
  for (const { secret, aws: ofSecret, ...kind } of profileTroubles) {
    const text = secret === undefined ? JSON.stringify(provider.profile) : secret(provider.profile);
    const id = `${prefix}profiles/${kind.name}`;
    if (text !== undefined) await createSecret(id, text);
    if (ofSecret !== undefined) awsTroubles.set(id, ofSecret);
    for (let copy = 0; copy < accountsOfEach; copy++)
      await add(kind, `${kind.name}-${copy}`, kind.name, copy % 2 === 1);
  }
  forgetTraffic();
  return troubled;
}

/** What the kinds of trouble show now, and how many refresh tokens were spent twice. */
async function aftermath({ population: { table }, troubled }: Parameters<ServerMethods['aftermath']>[0]) {
  const unseen = new Map<string, string>();
  const seen = new Set<string>();
  let spentTwice = 0;
  for (const { name, accountId, shows } of troubled) {
    const { Item } = await call('DynamoDB_20120810.GetItem', {
      TableName: table,
      Key: { accountId: { S: accountId } },
    });
    const item = Item as { failure?: { M: { reason: { S: string } } }; status?: { S: string } };
    const reason = item.failure?.M.reason.S;
    if (shows === undefined || reason === shows) seen.add(name);
    else unseen.set(name, reason ?? item.status?.S ?? 'nothing');
    spentTwice += provider.truth(`${table}:${accountId}`).reuses;
  }
  return { unseen: Object.fromEntries([...unseen].filter(([name]) => !seen.has(name))), spentTwice };
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
  trouble,
  aftermath,
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
process.send?.({
  url: aws.url,
  escrowKeyId,
  tokenEndpoint: provider.tokenEndpoint,
  profile: provider.profile,
});
