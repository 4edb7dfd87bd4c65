import { randomUUID } from 'node:crypto';
import { keeperOf } from '../../core/account/kept-by.ts';
import { arn } from '../../local/aws/protocol/arn.ts';
import { call, each, forgetTraffic, provider } from './local-servers.ts';
import { idOf, profileOf } from './population-ids.ts';
import type { Judgement, Population, PopulationOptions } from './servers.ts';

const BATCH = 25;
let populations = 0;

export async function populate({
  accounts,
  due,
  profiles = 1,
  states = 'healthy',
  secrets = 'due',
}: PopulationOptions): Promise<Population> {
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
    ...(states === 'mixed' && mixed(i, now)),
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
  const others = Array.from({ length: secrets === 'all' ? accounts - due : 0 }, (_, i) => idOf(due + i));
  await each(others, (accountId) => createSecret(`${prefix}accounts/${accountId}`, '{}'));
  forgetTraffic();
  return { table, prefix, accounts, accountIds };
}

/** What one of many accounts is like: one in 50 needs a person, one in 33 fails, one in 100 is disabled. */
function mixed(i: number, now: number) {
  const token = {
    accessTokenExpiresAt: { N: String(now + 301 + (i % 3_000)) },
    lastRefreshedAt: { N: String(now - 3_299 + (i % 3_000)) },
    ...(i % 10 === 0 && { refreshTokenExpiresAt: { N: String(now + i * 150) } }),
  };
  const failure = (reason: string) => ({
    failure: {
      M: {
        reason: { S: reason },
        message: { S: `It is ${reason}. Account="Customer number ${i}"` },
        count: { N: '3' },
        since: { N: String(now - i * 10) },
        at: { N: String(now - 60) },
      },
    },
  });
  if (i % 50 === 0)
    return { ...token, status: { S: 'reauthorization_required' }, ...failure('grant_revoked') };
  if (i % 33 === 1) return { ...token, status: { S: 'failing' }, ...failure('provider_unavailable') };
  return i % 100 === 2 ? { ...token, enabled: { BOOL: false } } : token;
}

export async function createSecret(Name: string, SecretString: string): Promise<void> {
  await call('secretsmanager.CreateSecret', { Name, ClientRequestToken: randomUUID(), SecretString });
}

/** A token set as the function stored it an hour ago, for this table. */
export function issue(table: string, accountId: string, now: number) {
  return {
    ...provider.issue(`${table}:${accountId}`),
    obtained_at: now - 3_600,
    expires_at: now,
    kept_by: keeperOf(table, arn('secretsmanager', 'secret:any')),
  };
}

export async function judge({ table, prefix, accountIds }: Population): Promise<Judgement> {
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
