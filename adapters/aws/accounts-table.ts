import { type DynamoDBDocumentClient, GetCommand, ScanCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import {
  type Account,
  type Changes,
  CLAIM,
  type Escrow,
  type Lease,
  PROFILE_NOTE,
} from '../../core/account/account.ts';
import { parseProfileNote } from '../../core/account/parse-profile-note.ts';
import type { ProfileNote } from '../../core/account/profile-note.ts';
import { ifConditionHolds } from './aws-error.ts';
import { projection, scanFilter } from './scan-filter.ts';

/** An item as it came, before anything in it is believed. */
export type Item = Readonly<Record<string, unknown>>;

export interface ScanPage {
  readonly items: readonly Item[];
  /** How many items of the table were read for this page, before the filter. */
  readonly scanned: number;
}

export interface ScanOptions {
  /** Seconds since the epoch. */
  readonly now: number;
  /** `due`: the server leaves out what can't be due. `all`: every account that is looked at at all. */
  readonly wanted: 'due' | 'all';
  /**
   * The refresh windows, seconds, of the profiles known so far; asked again for each page. Accounts of other
   * profiles come unfiltered, since their window is not known yet.
   */
  readonly windows: () => ReadonlyMap<string, number>;
  /** Seconds by which an account can be due before its window. */
  readonly spread: number;
  readonly segment?: { readonly segment: number; readonly totalSegments: number } | undefined;
}

/** The accounts table. Every call rejects with the SDK's error, but for a lost condition, which is a result. */
export interface AccountsTable {
  scan(options: ScanOptions): AsyncGenerator<ScanPage>;
  get(accountId: string): Promise<Item | undefined>;
  /**
   * Takes the right to spend the account's refresh token.
   *
   * @param lease must end after the moment when this process can't be alive any more
   * @param now seconds since the epoch
   * @returns `conflict` where another holds it or has held it since, or the item is no longer as it was scanned
   */
  lease(account: Account, lease: Lease, now: number): Promise<'leased' | 'conflict'>;
  /**
   * Writes the end of an attempt and gives the lease back, if it is still `owner`'s. Where the account names another secret
   * by now, the lease is given back and nothing else is said of it.
   */
  release(account: Account, owner: string, changes: Changes): Promise<'recorded' | 'conflict'>;
  /** Writes to an item that could not be read and so was never leased, unless somebody holds it. */
  note(accountId: string, now: number, changes: Changes): Promise<'recorded' | 'conflict'>;
  /** What is noted of a secret that is not its account's usual one; undefined where nothing is. */
  secretNote(arn: string): Promise<SecretNote | undefined>;
  /**
   * Writes down whose a secret is, and leases it, where nobody else holds it.
   *
   * @returns `conflict` where it is another's, or leased
   */
  claimSecret(arn: string, claim: SecretClaim): Promise<'claimed' | 'conflict'>;
  /** Gives the lease of a secret back, if it is still `owner`'s. `obtainedAt` is of the newest token set in it. */
  releaseSecret(arn: string, owner: string, obtainedAt: number | undefined): Promise<void>;
  /** Notes in an account's item that its usual secret is another's now; refused while it is leased. */
  lendSecret(accountId: string, lentTo: string, now: number): Promise<'recorded' | 'conflict'>;
  /**
   * Keeps what could not be stored.
   *
   * @returns `conflict` where somebody else has been at work on the account since and left something in escrow
   */
  putEscrow(accountId: string, owner: string, escrow: Escrow): Promise<'recorded' | 'conflict'>;
  profileNote(profile: string): Promise<ProfileNote>;
  /** Writes a profile's note, if it is still as it was when `before` was read. */
  putProfileNote(profile: string, note: ProfileNote, before: ProfileNote): Promise<'recorded' | 'conflict'>;
}

/** Whose a secret is that an account names (contract, `#secret:`), and who is at work with it. */
export interface SecretNote {
  readonly secretOwner?: string | undefined;
  readonly lease?: Lease | undefined;
  /** Until then somebody may be at work with it who knows nothing of this note, seconds since the epoch. */
  readonly waitUntil?: number | undefined;
  /** `obtained_at` of the newest token set that was stored in it. */
  readonly obtainedAt?: number | undefined;
}

export interface SecretClaim {
  readonly accountId: string;
  readonly lease: Lease;
  /** What was read of the note. */
  readonly before: SecretNote | undefined;
  /** Seconds since the epoch. */
  readonly now: number;
  readonly waitUntil?: number | undefined;
  /** What its former owner's item says of the newest set; kept in the note, as that item goes on with another secret. */
  readonly obtainedAt?: number | undefined;
}

/** What the decision was made from: a lease is only good if all of it still stands. */
const decisive = [
  'authenticationType',
  'oauthProfile',
  'tokenSecretId',
  'enabled',
  'accessTokenExpiresAt',
  'doesNotExpire',
  'refreshTokenExpiresAt',
  'status',
  'nextAttemptAt',
  'lastRefreshedAt',
] as const satisfies readonly (keyof Account)[];

/**
 * A scan begins with so few items: they come unfiltered, since no profile's window is known yet, and usually show all
 * profiles there are. A first page of 1 MB costs more than all the filtered ones after it.
 */
export const FIRST_PAGE = 50;

export function createAccountsTable(client: DynamoDBDocumentClient, TableName: string): AccountsTable {
  const update = async (
    accountId: string,
    condition: Condition,
    { set, remove }: Changes,
    alsoRemove: readonly string[] = [],
    alsoSet: { readonly lease?: Lease } = {},
  ) => {
    const { expression, names, values } = updateExpression({ ...set, ...alsoSet }, [
      ...remove,
      ...alsoRemove,
    ]);
    return await resultOf(() =>
      client.send(
        new UpdateCommand({
          TableName,
          Key: { accountId },
          UpdateExpression: expression,
          ConditionExpression: condition.expression,
          ExpressionAttributeNames: { ...names, ...condition.names },
          ...present({ ...values, ...condition.values }),
        }),
      ),
    );
  };
  const write = async (Key: Record<string, unknown>, UpdateExpression: string, condition: Condition) =>
    await resultOf(() =>
      client.send(
        new UpdateCommand({
          TableName,
          Key,
          UpdateExpression,
          ConditionExpression: condition.expression,
          ExpressionAttributeNames: condition.names,
          ...present(condition.values),
        }),
      ),
    );
  const read = async <Note>(accountId: string): Promise<Note | undefined> => {
    const Key = { accountId };
    const { Item } = await client.send(new GetCommand({ TableName, Key, ConsistentRead: true }));
    return Item as Note | undefined;
  };
  return {
    scan: async function* ({ now, wanted, windows, spread, segment }) {
      let ExclusiveStartKey: Record<string, unknown> | undefined;
      do {
        const first = wanted === 'due' && ExclusiveStartKey === undefined;
        const page = await client.send(
          new ScanCommand({
            TableName,
            ...scanFilter({ now, spread }, wanted, windows()),
            ExclusiveStartKey,
            ...(first && { Limit: FIRST_PAGE }),
            ...(segment && { Segment: segment.segment, TotalSegments: segment.totalSegments }),
          }),
        );
        yield { items: page.Items ?? [], scanned: page.ScannedCount ?? 0 };
        ExclusiveStartKey = page.LastEvaluatedKey;
      } while (ExclusiveStartKey !== undefined);
    },
    get: async (accountId) => {
      const { Item } = await client.send(
        new GetCommand({ TableName, Key: { accountId }, ConsistentRead: true, ...projection() }),
      );
      return Item;
    },
    lease: async (account, lease, now) => {
      const { owner } = lease;
      const unchanged = unchangedSince(account);
      // A lease that was not there when the item was scanned, or another's, is an attempt that this run knows nothing of,
      // even where it has run out. One's own counts as free: the SDK repeats a call whose answer was lost.
      const known =
        account.lease === undefined
          ? 'attribute_not_exists(#lease)'
          : '(attribute_not_exists(#lease) OR (#lease.#owner = :known AND #lease.#expiresAt <= :now))';
      // The same for escrow that an attempt has left since.
      const escrow =
        account.escrow === undefined
          ? 'attribute_not_exists(#escrow)'
          : '#escrow.#attemptId = :escrowed AND #escrow.#at = :escrowedAt';
      const free = `attribute_exists(#accountId) AND (#lease.#owner = :owner OR ${known}) AND ${escrow}`;
      const written = await resultOf(() =>
        client.send(
          new UpdateCommand({
            TableName,
            Key: { accountId: account.accountId },
            UpdateExpression: 'SET #lease = :lease',
            ConditionExpression: `${free} AND ${unchanged.expression}`,
            ExpressionAttributeNames: {
              '#lease': 'lease',
              '#owner': 'owner',
              '#accountId': 'accountId',
              '#escrow': 'escrow',
              ...(account.lease && { '#expiresAt': 'expiresAt' }),
              ...(account.escrow && { '#attemptId': 'attemptId', '#at': 'at' }),
              ...unchanged.names,
            },
            ExpressionAttributeValues: {
              ':owner': owner,
              ':lease': lease,
              ...(account.lease && { ':known': account.lease.owner, ':now': now }),
              ...(account.escrow && {
                ':escrowed': account.escrow.attemptId,
                ':escrowedAt': account.escrow.at,
              }),
              ...unchanged.values,
            },
          }),
        ),
      );
      return written === 'recorded' ? 'leased' : 'conflict';
    },
    release: async ({ accountId, tokenSecretId }, owner, changes) => {
      const condition = {
        expression: '#lease.#owner = :owner',
        names: { '#lease': 'lease', '#owner': 'owner' },
        values: { ':owner': owner },
      };
      const sameSecret = {
        expression: `${condition.expression} AND ${tokenSecretId === undefined ? 'attribute_not_exists(#secret)' : '#secret = :secret'}`,
        names: { ...condition.names, '#secret': 'tokenSecretId' },
        values: { ...condition.values, ...(tokenSecretId !== undefined && { ':secret': tokenSecretId }) },
      };
      const { leaveLease: lease } = changes;
      const recorded =
        lease === undefined
          ? await update(accountId, sameSecret, changes, ['lease'])
          : await update(accountId, sameSecret, changes, [], { lease });
      if (recorded === 'recorded') return recorded;
      // Whoever has that secret next must know how new its set is.
      const set = { lastRefreshedAt: changes.set.lastRefreshedAt };
      return await update(accountId, condition, { set, remove: ['accessTokenExpiresAt'] }, ['lease']);
    },
    note: async (accountId, now, changes) => {
      const condition = {
        expression: 'attribute_exists(#accountId) AND NOT (#lease.#expiresAt > :now)',
        names: { '#accountId': 'accountId', '#lease': 'lease', '#expiresAt': 'expiresAt' },
        values: { ':now': now },
      };
      return await update(accountId, condition, changes);
    },
    secretNote: async (arn) => await read(`${CLAIM}${arn}`),
    claimSecret: async (arn, { accountId, lease, before, now, waitUntil, obtainedAt }) => {
      const owned = before?.secretOwner === undefined ? 'attribute_not_exists(#owner)' : '#owner = :before';
      const condition = {
        expression: `(${owned} OR #owner = :me) AND (attribute_not_exists(#lease) OR #lease.#expiresAt <= :now OR #lease.#by = :by)`,
        names: { '#owner': 'secretOwner', '#lease': 'lease', '#expiresAt': 'expiresAt', '#by': 'owner' },
        values: {
          ':me': accountId,
          ':now': now,
          ':by': lease.owner,
          ...(before?.secretOwner !== undefined && { ':before': before.secretOwner }),
        },
      };
      const set = { waitUntil, obtainedAt };
      const known = Object.entries(set).filter(([, value]) => value !== undefined);
      const written = await write(
        { accountId: `${CLAIM}${arn}` },
        `SET #owner = :me, #lease = :lease${known.map(([name]) => `, #${name} = :${name}`).join('')}`,
        {
          expression: condition.expression,
          names: {
            ...condition.names,
            ...Object.fromEntries(known.map(([name]) => [`#${name}`, name])),
          },
          values: {
            ...condition.values,
            ':lease': lease,
            ...Object.fromEntries(known.map(([name, value]) => [`:${name}`, value])),
          },
        },
      );
      return written === 'recorded' ? 'claimed' : 'conflict';
    },
    releaseSecret: async (arn, owner, obtainedAt) => {
      const condition = {
        expression: '#lease.#by = :by',
        names: {
          '#lease': 'lease',
          '#by': 'owner',
          ...(obtainedAt !== undefined && { '#obtainedAt': 'obtainedAt' }),
        },
        values: { ':by': owner, ...(obtainedAt !== undefined && { ':obtainedAt': obtainedAt }) },
      };
      const set = obtainedAt === undefined ? '' : 'SET #obtainedAt = :obtainedAt ';
      await write({ accountId: `${CLAIM}${arn}` }, `${set}REMOVE #lease`, condition);
    },
    lendSecret: async (accountId, lentTo, now) =>
      await write({ accountId }, 'SET #lentTo = :lentTo', {
        expression:
          'attribute_exists(#accountId) AND attribute_exists(#tokenSecretId) AND NOT (#lease.#expiresAt > :now AND attribute_not_exists(#lease.#secretId))',
        names: {
          '#accountId': 'accountId',
          '#tokenSecretId': 'tokenSecretId',
          '#lease': 'lease',
          '#expiresAt': 'expiresAt',
          '#secretId': 'secretId',
          '#lentTo': 'secretLentTo',
        },
        values: { ':now': now, ':lentTo': lentTo },
      }),
    putEscrow: async (accountId, owner, escrow) =>
      await write({ accountId }, 'SET #escrow = :escrow', {
        expression:
          'attribute_exists(#accountId) AND (attribute_not_exists(#escrow) OR #lease.#owner = :owner OR #escrow.#attemptId = :attempt)',
        names: {
          '#escrow': 'escrow',
          '#accountId': 'accountId',
          '#lease': 'lease',
          '#owner': 'owner',
          '#attemptId': 'attemptId',
        },
        values: { ':escrow': escrow, ':owner': owner, ':attempt': escrow.attemptId },
      }),
    profileNote: async (profile) => parseProfileNote(await read(`${PROFILE_NOTE}${profile}`)),
    putProfileNote: async (profile, note, before) => {
      const revision = (before.revision ?? 0) + 1;
      const gone = (Object.keys(before) as (keyof ProfileNote)[]).filter(
        (name) => before[name] !== undefined && note[name] === undefined,
      );
      const { expression, names, values } = updateExpression({ ...note, revision }, gone);
      const unread = '(attribute_not_exists(#revision) OR NOT attribute_type(#revision, :number))';
      const unchanged = before.revision === undefined ? unread : '#revision = :before';
      return await write({ accountId: `${PROFILE_NOTE}${profile}` }, expression, {
        expression: unchanged,
        names: { ...names, '#revision': 'revision' },
        values: {
          ...values,
          ...(before.revision === undefined ? { ':number': 'N' } : { ':before': before.revision }),
        },
      });
    },
  };
}

interface Condition {
  readonly expression: string;
  readonly names: Readonly<Record<string, string>>;
  readonly values: Readonly<Record<string, unknown>>;
}

async function resultOf(send: () => Promise<unknown>): Promise<'recorded' | 'conflict'> {
  return (await ifConditionHolds(send)) ? 'recorded' : 'conflict';
}

function unchangedSince(account: Account): Condition {
  const known = decisive.filter((name) => account[name] !== undefined);
  return {
    expression: decisive
      .map((name) => (account[name] === undefined ? `attribute_not_exists(#${name})` : `#${name} = :${name}`))
      .join(' AND '),
    names: Object.fromEntries(decisive.map((name) => [`#${name}`, name])),
    values: Object.fromEntries(known.map((name) => [`:${name}`, account[name]])),
  };
}

function updateExpression(set: Readonly<Record<string, unknown>>, removed: readonly string[]) {
  const sets = Object.entries(set).filter(([, value]) => value !== undefined);
  const clauses = [
    sets.length > 0 ? `SET ${sets.map(([name]) => `#${name} = :set_${name}`).join(', ')}` : '',
    removed.length > 0 ? `REMOVE ${removed.map((name) => `#${name}`).join(', ')}` : '',
  ];
  return {
    expression: clauses.filter((clause) => clause !== '').join(' '),
    names: Object.fromEntries([...sets.map(([name]) => name), ...removed].map((name) => [`#${name}`, name])),
    values: Object.fromEntries(sets.map(([name, value]) => [`:set_${name}`, value])),
  };
}

function present(values: Record<string, unknown>) {
  return Object.keys(values).length > 0 ? { ExpressionAttributeValues: values } : {};
}
