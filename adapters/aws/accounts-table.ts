import { type DynamoDBDocumentClient, ScanCommand } from '@aws-sdk/lib-dynamodb';
import {
  type Account,
  type Changes,
  type Escrow,
  type Failure,
  FORMAT_VERSION,
  type Lease,
} from '../../core/account/account.ts';
import { createStoredProfileNotes, type StoredProfileNotes } from './profile-notes.ts';
import { goodFilter, scanFilter } from './scan-filter.ts';
import { createSecretNotes, type SecretNotes } from './secret-notes.ts';
import { createTableItems, type Item, type Written } from './table-items.ts';

interface ScanPage {
  readonly items: readonly Item[];
  /** How many items of the table were read for this page, before the filter. */
  readonly scanned: number;
  /** Nothing comes after it. */
  readonly isLast: boolean;
}

interface ScanOptions {
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
export interface AccountsTable extends SecretNotes, StoredProfileNotes {
  scan(options: ScanOptions): AsyncGenerator<ScanPage>;
  /** The healthy accounts of one slice whose access token is good and ends, unless somebody works on them. */
  scanSlice(
    slice: { readonly segment: number; readonly totalSegments: number },
    now: number,
  ): AsyncGenerator<ScanPage>;
  /** Makes a healthy account due, if it is as it was read and nobody works on it. */
  expire(account: Account, now: number): Promise<Written>;
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
   * by now, or has another status, the lease is given back (`released`) and the next run looks at it anew.
   */
  release(account: Account, owner: string, changes: Changes): Promise<Written | 'released'>;
  /**
   * Notes of an event in `eventOwed` that the bus has taken it, or that it refused it for sure, so that nobody was told.
   *
   * @param failure as it stands in the item
   */
  settleEvent(
    accountId: string,
    event: string,
    how: { readonly result: 'told' | 'refused'; readonly failure: Failure | undefined },
  ): Promise<Written>;
  /** Writes to an item that could not be read and so was never leased, unless somebody holds it. */
  note(accountId: string, now: number, changes: Changes): Promise<Written>;
  /** Notes in an account's item that its usual secret is another's now; refused while it is leased. */
  lendSecret(accountId: string, lentTo: string, now: number): Promise<Written>;
  /**
   * Keeps what could not be stored.
   *
   * @returns `conflict` where somebody else has been at work on the account since and left something in escrow
   */
  putEscrow(accountId: string, owner: string, escrow: Escrow): Promise<Written>;
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
  const items = createTableItems(client, TableName);
  const { update } = items;
  const pages = async function* (
    request: () => ReturnType<typeof scanFilter>,
    segment: ScanOptions['segment'],
    firstLimit?: number,
  ): AsyncGenerator<ScanPage> {
    let ExclusiveStartKey: Record<string, unknown> | undefined;
    do {
      const Limit = ExclusiveStartKey === undefined ? firstLimit : undefined;
      const page = await client.send(
        new ScanCommand({
          TableName,
          ...request(),
          ExclusiveStartKey,
          Limit,
          ...(segment && { Segment: segment.segment, TotalSegments: segment.totalSegments }),
        }),
      );
      ExclusiveStartKey = page.LastEvaluatedKey;
      const isLast = ExclusiveStartKey === undefined;
      yield { items: page.Items ?? [], scanned: page.ScannedCount ?? 0, isLast };
    } while (ExclusiveStartKey !== undefined);
  };
  return {
    ...createSecretNotes(items),
    ...createStoredProfileNotes(items),
    scan: async function* ({ now, wanted, windows, spread, segment }) {
      // Asked anew for each page, as more windows are known by then.
      const request = () => scanFilter({ now, spread }, wanted, windows());
      yield* pages(request, segment, wanted === 'due' ? FIRST_PAGE : undefined);
    },
    scanSlice: async function* (slice, now) {
      yield* pages(() => goodFilter(now), slice);
    },
    expire: async ({ accountId, accessTokenExpiresAt }, now) =>
      await update(
        accountId,
        { set: { accessTokenExpiresAt: now } },
        {
          expression:
            '#accessTokenExpiresAt = :known AND attribute_not_exists(#lease) AND NOT (#formatVersion > :format)',
          values: { ':known': accessTokenExpiresAt, ':format': FORMAT_VERSION },
        },
      ),
    get: async (accountId) => await items.read(accountId, 'account'),
    lease: async (account, lease, now) => {
      // A lease that was not there when the item was scanned, or another's, is an attempt that this run knows nothing of,
      // even where it has run out. One's own counts as free: the SDK repeats a call whose response was lost.
      const known =
        account.lease === undefined
          ? 'attribute_not_exists(#lease)'
          : '(attribute_not_exists(#lease) OR (#lease.#owner = :known AND #lease.#expiresAt <= :now))';
      // The same for escrow that an attempt has left since.
      const escrow =
        account.escrow === undefined
          ? 'attribute_not_exists(#escrow)'
          : '#escrow.#attemptId = :escrowed AND #escrow.#at = :escrowedAt';
      const unchanged = decisive.map((name) =>
        account[name] === undefined ? `attribute_not_exists(#${name})` : `#${name} = :${name}`,
      );
      const free = `attribute_exists(#accountId) AND (#lease.#owner = :owner OR ${known})`;
      const written = await update(
        account.accountId,
        { set: { lease } },
        {
          expression: [free, escrow, ...unchanged].join(' AND '),
          values: {
            ':owner': lease.owner,
            ':known': account.lease?.owner,
            ':now': account.lease && now,
            ':escrowed': account.escrow?.attemptId,
            ':escrowedAt': account.escrow?.at,
            ...Object.fromEntries(decisive.map((name) => [`:${name}`, account[name]])),
          },
        },
      );
      return written === 'recorded' ? 'leased' : 'conflict';
    },
    release: async ({ accountId, tokenSecretId, status }, owner, { set, remove, leaveLease }) => {
      const values = { ':owner': owner };
      const ours = '#lease.#owner = :owner';
      const named =
        tokenSecretId === undefined ? 'attribute_not_exists(#tokenSecretId)' : '#tokenSecretId = :secret';
      const known = status === undefined ? 'attribute_not_exists(#status)' : '#status = :before';
      const recorded = await update(
        accountId,
        { set: { ...set, lease: leaveLease }, remove: leaveLease ? remove : [...remove, 'lease'] },
        {
          expression: `${ours} AND ${named} AND ${known}`,
          values: { ...values, ':secret': tokenSecretId, ':before': status },
        },
      );
      if (recorded === 'recorded') return recorded;
      // Whoever has that secret next must know how new its set is.
      const released = await update(
        accountId,
        { set: { lastRefreshedAt: set.lastRefreshedAt }, remove: ['accessTokenExpiresAt', 'lease'] },
        { expression: ours, values },
      );
      return released === 'recorded' ? 'released' : 'conflict';
    },
    settleEvent: async (accountId, event, { result, failure }) => {
      const { untold, ...told } = failure ?? {};
      const noted = result === 'told' ? untold && told : failure && { ...failure, untold: true };
      const same = noted === undefined ? '' : ' AND #failure.#at = :at';
      return await update(
        accountId,
        { set: { failure: noted }, remove: result === 'told' ? ['eventOwed'] : [] },
        {
          expression: `#eventOwed = :event${same}`,
          values: { ':event': event, ':at': noted && failure?.at },
        },
      );
    },
    note: async (accountId, now, { set, remove }) =>
      await update(
        accountId,
        { set, remove },
        {
          expression: 'attribute_exists(#accountId) AND NOT (#lease.#expiresAt > :now)',
          values: { ':now': now },
        },
      ),
    lendSecret: async (accountId, lentTo, now) =>
      await update(
        accountId,
        { set: { secretLentTo: lentTo } },
        {
          expression:
            'attribute_exists(#accountId) AND attribute_exists(#tokenSecretId) AND NOT (#lease.#expiresAt > :now AND attribute_not_exists(#lease.#secretId))',
          values: { ':now': now },
        },
      ),
    putEscrow: async (accountId, owner, escrow) =>
      await update(
        accountId,
        { set: { escrow } },
        {
          expression:
            'attribute_exists(#accountId) AND (attribute_not_exists(#escrow) OR #lease.#owner = :owner OR #escrow.#attemptId = :attempt)',
          values: { ':owner': owner, ':attempt': escrow.attemptId },
        },
      ),
  };
}
