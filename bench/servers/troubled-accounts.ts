import { randomUUID } from 'node:crypto';
import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { createEscrowVault } from '../../adapters/aws/escrow.ts';
import { createLocalClients } from '../../local/clients.ts';
import {
  aws,
  awsTroubles,
  call,
  escrowKeyId,
  forgetTraffic,
  provider,
  providerTroubles,
  withoutLimit,
} from './local-servers.ts';
import { createSecret, issue } from './population.ts';
import { profileOf } from './population-ids.ts';
import type { Aftermath, ServerMethods, Troubled, TroubledOptions } from './servers.ts';
import { accountTroubles, profileTroubles, type Trouble } from './troubles.ts';

/** Adds accounts with every kind of trouble. Half of them have failed before. */
export async function trouble({
  population,
  copies,
  profiles,
  accountsOfEach,
}: TroubledOptions): Promise<Troubled> {
  const { table, prefix } = population;
  const clients = createLocalClients(aws.url, table);
  withoutLimit();
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
export async function aftermath({
  population: { table },
  troubled,
}: Parameters<ServerMethods['aftermath']>[0]): Promise<Aftermath> {
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
