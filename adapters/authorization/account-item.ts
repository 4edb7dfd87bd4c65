import { DeleteCommand, GetCommand, PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { type Account, FORMAT_VERSION, parseAccount } from '../../core/account/account.ts';
import { PERSONS_CLOCK_ERROR } from '../../core/account/decision.ts';
import { unusualSecret } from '../../core/account/secret-id.ts';
import { secondsOf } from '../../core/clock.ts';
import type { TokenSet } from '../../core/tokens/token-set.ts';
import { createAccountsTable } from '../aws/accounts-table.ts';
import { ifConditionHolds } from '../aws/aws-error.ts';
import { AuthorizationError } from './authorization-error.ts';
import type { Stores } from './stores.ts';

/** An account as it stands in the table, with what only an authorization writes. */
export interface KnownAccount {
  readonly account: Account;
  /** Who authorized it: `<issuer>#<subject>`. */
  readonly authorizedBy: string | undefined;
  /** When somebody last signed in for it, seconds since the epoch. */
  readonly authorizedAt: number | undefined;
}

/** @throws AuthorizationError where the item is not that of an OAuth account, or can't be read */
export async function readAccount(stores: Stores, accountId: string): Promise<KnownAccount | undefined> {
  const { Item } = await stores.table.send(
    new GetCommand({ TableName: stores.tableName, Key: { accountId }, ConsistentRead: true }),
  );
  if (Item === undefined) return undefined;
  if (Item.authenticationType !== 'oauth2')
    throw new AuthorizationError(
      'NOT_OAUTH',
      `The account ${accountId} has another authenticationType than oauth2. Correct its item, or use another id.`,
    );
  refuseNewerFormat(accountId, Item);
  const parsed = parseAccount(Item);
  if (parsed.kind === 'invalid')
    throw new AuthorizationError(
      'ACCOUNT_INVALID',
      `The item of ${accountId} can't be used: ${parsed.problem}. Correct it first.`,
    );
  const { authorizedBy, authorizedAt } = Item;
  return {
    account: parsed.account,
    authorizedBy: typeof authorizedBy === 'string' && authorizedBy !== '' ? authorizedBy : undefined,
    authorizedAt: typeof authorizedAt === 'number' ? authorizedAt : undefined,
  };
}

/** @throws AuthorizationError where a newer version has made the item, which knows better */
function refuseNewerFormat(accountId: string, { formatVersion }: Readonly<Record<string, unknown>>): void {
  if (typeof formatVersion === 'number' && formatVersion > FORMAT_VERSION)
    throw new AuthorizationError(
      'ACCOUNT_INVALID',
      `The item of ${accountId} is made by a newer version (formatVersion ${formatVersion}).`,
      { next: 'use_newer_version' },
    );
}

/** Everything under the lease is done within this time, milliseconds. */
export const WORK_TIME = 60_000;
/** Seconds: this machine's clock is anybody's. */
export const CLOCK_DOUBT = PERSONS_CLOCK_ERROR;
/** For which one's own lease is good, seconds: a lease of the function outlives its holder by a minute, this by more. */
const LEASE_SECONDS = WORK_TIME / 1000 + CLOCK_DOUBT;
const LOOK_AGAIN_AFTER = 500;

/**
 * Takes the right to change the account's tokens, as a run does, so that no run in flight can store the old grant over
 * the new one.
 *
 * @param patience milliseconds to wait for a run that holds it; `onWait` is told of each look
 * @returns the account as it was leased; undefined where somebody has held it all the while
 */
export async function takeLease(
  stores: Stores,
  accountId: string,
  owner: string,
  { patience, onWait }: { readonly patience: number; readonly onWait: () => void },
): Promise<KnownAccount | undefined> {
  const table = createAccountsTable(stores.table, stores.tableName);
  const { clock } = stores;
  const until = clock.now() + patience;
  for (;;) {
    const known = await readAccount(stores, accountId);
    if (known === undefined)
      throw new AuthorizationError(
        'ACCOUNT_GONE',
        `The account ${accountId} has been removed in the meantime.`,
      );
    const now = secondsOf(clock);
    const secretId = unusualSecret(known.account, stores.secretNamePrefix);
    const lease = { owner, expiresAt: now + LEASE_SECONDS, secretId };
    if ((await table.lease(known.account, lease, now - CLOCK_DOUBT)) === 'leased') return known;
    if (clock.now() >= until) return undefined;
    onWait();
    await clock.sleep(LOOK_AGAIN_AFTER);
  }
}

/** Whether nobody holds the account, or will within a few seconds. */
export async function isFree(stores: Stores, accountId: string): Promise<boolean> {
  const { clock } = stores;
  for (const until = clock.now() + RUN_PATIENCE; ; ) {
    const lease = (await readAccount(stores, accountId))?.account.lease;
    if (lease === undefined || lease.expiresAt <= secondsOf(clock) - CLOCK_DOUBT) return true;
    if (clock.now() >= until) return false;
    await clock.sleep(LOOK_AGAIN_AFTER);
  }
}

/** A run is done with one account in a moment, milliseconds. */
const RUN_PATIENCE = 5_000;

/**
 * Makes the item of a new account, leased from its beginning. Should this process die now, the item is a new account
 * without tokens, of which a run says that it must be authorized.
 *
 * @returns whether it was made; false where one is there
 */
export async function createLeased(stores: Stores, account: Account, owner: string): Promise<boolean> {
  const { accountId, authenticationType, oauthProfile, name, parameters } = account;
  const lease = { owner, expiresAt: secondsOf(stores.clock) + LEASE_SECONDS };
  return await ifConditionHolds(() =>
    stores.table.send(
      new PutCommand({
        TableName: stores.tableName,
        Item: { accountId, authenticationType, oauthProfile, name, parameters, lease },
        ConditionExpression: 'attribute_not_exists(accountId)',
      }),
    ),
  );
}

/** Takes the item of `createLeased` away again. */
export async function removeLeased(stores: Stores, accountId: string, owner: string): Promise<void> {
  // Where this fails too, the item is left for a run to complain about.
  await stores.table
    .send(
      new DeleteCommand({
        TableName: stores.tableName,
        Key: { accountId },
        ConditionExpression: '#lease.#owner = :owner',
        ExpressionAttributeNames: { '#lease': 'lease', '#owner': 'owner' },
        ExpressionAttributeValues: { ':owner': owner },
      }),
    )
    .catch(() => undefined);
}

/** Gives a lease back with nothing changed. An expired one that was found comes back: it is the sign of a dead run. */
export async function returnLease(stores: Stores, { account }: KnownAccount, owner: string): Promise<void> {
  const table = createAccountsTable(stores.table, stores.tableName);
  // Where this fails too, the lease runs out by itself.
  await table
    .release(account, owner, { set: {}, remove: [], leaveLease: account.lease })
    .catch(() => undefined);
}

/** What `authorize` decides about the item; the rest of it stays. */
export interface NewFacts {
  readonly name: string | undefined;
  readonly oauthProfile: string;
  readonly parameters: Readonly<Record<string, string>> | undefined;
  /** Undefined: nobody knows, so nobody stays noted. */
  readonly authorizedBy: string | undefined;
  /** Seconds since the epoch. */
  readonly authorizedAt: number;
}

/**
 * Writes down that a new grant lies in the secret, and gives the lease back. The item is left so that the next run
 * looks at it (no known expiry, no back-off), trusts no older read of the secret (`lastRefreshedAt`), and tells of the
 * recovery (`failing`, which it was or has become).
 */
export async function recordGrant(
  stores: Stores,
  { account, owner }: KnownAccount & { readonly owner: string },
  facts: NewFacts,
  tokenSet: TokenSet,
): Promise<void> {
  const troubled = account.status === 'failing' || account.status === 'reauthorization_required';
  const set = Object.entries({
    ...facts,
    lastRefreshedAt: tokenSet.obtained_at,
    status: troubled ? 'failing' : undefined,
  }).filter(([, value]) => value !== undefined);
  const remove = [
    'accessTokenExpiresAt',
    'doesNotExpire',
    'refreshTokenExpiresAt',
    'nextAttemptAt',
    'escrow',
    'lease',
    ...(facts.authorizedBy === undefined ? ['authorizedBy'] : []),
  ];
  const setting = set.map(([name]) => `#${name} = :${name}`).join(', ');
  const removing = remove.map((name) => `#${name}`).join(', ');
  await stores.table.send(
    new UpdateCommand({
      TableName: stores.tableName,
      Key: { accountId: account.accountId },
      UpdateExpression: `SET ${setting} REMOVE ${removing}`,
      ConditionExpression: '#lease.#owner = :owner',
      ExpressionAttributeNames: {
        '#owner': 'owner',
        ...Object.fromEntries([...set.map(([name]) => name), ...remove].map((name) => [`#${name}`, name])),
      },
      ExpressionAttributeValues: {
        ':owner': owner,
        ...Object.fromEntries(set.map(([name, value]) => [`:${name}`, value])),
      },
    }),
  );
}
