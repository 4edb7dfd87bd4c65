import type { Profile } from '../profile/profile.ts';
import { knownReason, type Reason } from '../reason.ts';
import { neverExpires, type TokenSet } from '../tokens/token-set.ts';
import type { Account } from './account.ts';
import { calledDead } from './evidence.ts';
import { shareOf } from './spread.ts';

/** What is to be done with an account, before anything is read or locked. */
interface Decision {
  readonly action: 'leave' | 'refresh' | 'reauthorize';
  readonly reason: Reason;
}

export interface DecisionInput {
  /** Seconds since the epoch. */
  readonly now: number;
  /** The profile's refresh window, seconds: a token that expires within it is due. */
  readonly refreshWindow: number;
  /** Seconds over which due accounts are spread, ahead of the window; none by default. */
  readonly refreshSpread?: number | undefined;
  /** The event asked to refresh accounts though they are not due, or wait for a person. */
  readonly force: boolean;
  /** What the account waited for is over: its back-off does not count. */
  readonly dueAgain?: boolean | undefined;
  /** A response for the refresh token in the secret may have been lost. */
  readonly isDoubted?: boolean | undefined;
}

/** Decides from the item alone. The first rule that speaks wins; the order is the order of this function. */
export function decide(account: Account, input: DecisionInput): Decision {
  const { now, force, dueAgain = false } = input;
  const waits = account.nextAttemptAt !== undefined && account.nextAttemptAt > now && !dueAgain;
  if (account.enabled === false) return leave('disabled');
  if (account.lease !== undefined && account.lease.expiresAt > now) return leave('leased_elsewhere');
  if (force) return refresh('forced');
  const urgent = isUrgent(account.escrow);
  if (!urgent && account.status === 'reauthorization_required')
    return { action: 'reauthorize', reason: knownReason(account.failure?.reason, 'grant_revoked') };
  if (waits && account.doesNotExpire && account.status === 'healthy') return leave('does_not_expire');
  if (waits) return leave(knownReason(account.failure?.reason, 'rate_limited'));
  const { accountId, lastRefreshedAt } = account;
  const expiresAt = account.accessTokenExpiresAt ?? 0;
  // An expiry beyond all reason is milliseconds, or a mistake: the secret knows better.
  if (account.accessTokenExpiresAt === undefined || expiresAt > now + LONGEST_LIFETIME)
    return refresh('no_access_token');
  const horizon = now + horizonOf(accountId, expiresAt, lastRefreshedAt, input);
  return !urgent && expiresAt > horizon ? leave('fresh') : refresh('expiring');
}

/** Ten years, seconds: no access token that ends lives longer. */
export const LONGEST_LIFETIME = 315_360_000;

/** A refresh token in escrow goes home first, whatever else is known: nobody can use the account while it is there. */
export function isUrgent(escrow: Account['escrow']): boolean {
  return escrow !== undefined && escrow.kind !== 'answer';
}

/**
 * Seconds before its expiry at which an access token is due: the refresh window, and the account's own share of the
 * spread before it.
 *
 * However large the spread, a token is used for half of the time that it would be used without, and for no less than
 * the version quota allows: a short-lived one must not be refreshed over and over. Where its lifetime is not known
 * there is no spread.
 */
function horizonOf(
  accountId: string,
  expiresAt: number,
  obtainedAt: number | undefined,
  { refreshWindow, refreshSpread = 0 }: DecisionInput,
): number {
  if (refreshSpread === 0 || obtainedAt === undefined) return refreshWindow;
  const interval = expiresAt - obtainedAt - refreshWindow;
  const most = Math.min(refreshSpread, interval / 2, interval - DAY / VERSIONS_PER_DAY);
  return refreshWindow + Math.floor(Math.max(0, most) * shareOf(accountId));
}

/** What is to be done once the token set has been read under the lease. */
type TokenSetDecision =
  | { readonly action: 'exchange'; readonly refreshToken: string }
  | { readonly action: 'reconcile' }
  /** The access token has no end, and nothing has to be done, or can be. */
  | { readonly action: 'leave' }
  | { readonly action: 'reauthorize'; readonly reason: 'no_refresh_token' | 'refresh_token_expired' };

/**
 * Decides from the token set, which is nearer to the truth than the item.
 *
 * - An access token that has no end is left alone, also when forced where there is nothing to spend.
 * - An access token that is not due although the item says so: an earlier run died after storing, or a person
 *   put it there. It is recorded and nothing is spent.
 *   But not where its refresh token has been called dead since, or its successor may be lost: that is asked again, so
 *   that no doubt is forgotten.
 * - A missing refresh token, or one with no second left, needs a person.
 */
export function decideTokenSet(
  tokenSet: TokenSet,
  account: Account,
  profile: Profile,
  input: DecisionInput,
): TokenSetDecision {
  const { now, force, isDoubted = false } = input;
  const { access_token, expires_at = 0, refresh_token, obtained_at = account.lastRefreshedAt } = tokenSet;
  if (neverExpires(tokenSet, profile) && !(force && refresh_token !== undefined)) return { action: 'leave' };
  const horizon = now + horizonOf(account.accountId, expires_at, obtained_at, input);
  const isGood = access_token !== undefined && expires_at > horizon;
  const isUncertain = refresh_token !== undefined && (isDoubted || isCalledDead(account, obtained_at));
  if (!force && isGood && !isUncertain) return { action: 'reconcile' };
  if (refresh_token === undefined) return { action: 'reauthorize', reason: 'no_refresh_token' };
  // The item's own note of the expiry counts only where the token set has none and nobody overrides it: a person
  // who replaced the token set and forces a refresh must not be held up by what was noted of the old one.
  const expiresAt = tokenSet.refresh_token_expires_at ?? (force ? undefined : account.refreshTokenExpiresAt);
  if (expiresAt !== undefined && expiresAt - now <= 0)
    return { action: 'reauthorize', reason: 'refresh_token_expired' };
  return { action: 'exchange', refreshToken: refresh_token };
}

/** Whether the provider has called the account's grant dead since the token set was obtained. */
function isCalledDead({ failure }: Account, obtainedAt = 0): boolean {
  return failure !== undefined && failure.since >= obtainedAt && calledDead(failure);
}

/** Seconds for which a read of a secret may still give what stood there before the last store. */
export const STALE_READS_FOR = 120;
/** Seconds by which a clock may be wrong. */
export const CLOCK_ERROR = 30;
/** Seconds by which that of a person's machine may be wrong: AWS takes requests from it still. */
export const PERSONS_CLOCK_ERROR = 300;

/** How wrong the clock may be that dated an account's newest set: a person's machine has, where somebody signed in last. */
export function clockDoubtOf({ lastRefreshedAt = 0, authorizedAt }: Account): number {
  const isPersons = authorizedAt !== undefined && lastRefreshedAt - authorizedAt < PERSONS_CLOCK_ERROR;
  return isPersons ? PERSONS_CLOCK_ERROR : 0;
}

/** A token set as it was read, with the version of the secret that it is. */
export interface ReadVersion {
  readonly tokenSet: TokenSet;
  readonly version: {
    readonly versionId: string;
    readonly createdAt: number | undefined;
    /** It is a set that was there before, with who keeps it added. */
    readonly isClaim?: boolean | undefined;
  };
}

/** Seconds by which a time may lie ahead of this machine's clock and be right. */
const MOST_AHEAD = PERSONS_CLOCK_ERROR + CLOCK_ERROR;

/**
 * When a token set was obtained, seconds since the epoch: as it says, or just before it was written where people wrote
 * it. Of two sets of a secret, the one obtained later is the newer: see `nextObtainedAt`.
 *
 * @returns undefined where nothing says so; a set that was only claimed is older than its version
 */
export function obtainedAtOf({ tokenSet, version: { createdAt, isClaim } }: ReadVersion): number | undefined {
  if (tokenSet.obtained_at !== undefined) return tokenSet.obtained_at;
  return createdAt === undefined || isClaim ? undefined : Math.floor(createdAt) - 1;
}

/**
 * The `obtained_at` of a token set that takes the place of another: always later than that, however clocks differ, so
 * that the order of sets can be told.
 *
 * @param known further times that it must lie after
 */
export function nextObtainedAt(
  now: number,
  { tokenSet, version }: ReadVersion,
  ...known: readonly (number | undefined)[]
): number {
  const written = version.createdAt === undefined ? undefined : Math.floor(version.createdAt) - 1;
  const before = [tokenSet.obtained_at, written, ...known].filter((at) => at !== undefined);
  // A time far in the future is no time to go on from.
  const plausible = before.filter((at) => at < now + MOST_AHEAD).map((at) => Math.floor(at) + 1);
  return Math.max(now, ...plausible);
}

/** Seconds; `now` since the epoch. */
interface StaleReadTimes {
  readonly now: number;
  /** After which any attempt that is under way now has ended, its lease included. */
  readonly longestLease: number;
  /** By which the clock that dated the newest set may be wrong beyond the usual. */
  readonly clockDoubt?: number;
}

/**
 * Secrets Manager is eventually consistent: a read soon after a store can still give the version before it, with a
 * refresh token that is spent. Whoever stored wrote down, consistently, when that set was obtained; a read that is
 * older is not believed, unless somebody has surely written it since.
 *
 * @param newest when the newest set known was obtained, seconds since the epoch
 */
export function isStaleRead(
  read: ReadVersion,
  newest: number | undefined,
  { now, longestLease, clockDoubt = 0 }: StaleReadTimes,
): boolean {
  // A set is stored while the lease lasts under which it was obtained.
  if (newest === undefined || now - newest >= STALE_READS_FOR + longestLease + clockDoubt) return false;
  const obtainedAt = obtainedAtOf(read);
  if (obtainedAt !== undefined && obtainedAt >= newest) return false;
  const { createdAt, isClaim } = read.version;
  // A claim is written just before its token is spent.
  return isClaim === true || createdAt === undefined || createdAt <= newest + CLOCK_ERROR + clockDoubt;
}

/** Secrets Manager keeps about 100 versions of a secret and removes none younger than a day. */
export const VERSIONS_PER_DAY = 96;
const DAY = 86_400;

/**
 * Tells whether a token set is replaced so often that its secret could run out of versions within a day: then the
 * versions are worth counting before a refresh token is spent.
 *
 * @returns false where the lifetime is not known
 */
export function isShortLived(tokenSet: TokenSet, refreshWindow: number): boolean {
  if (tokenSet.expires_at === undefined || tokenSet.obtained_at === undefined) return false;
  const interval = tokenSet.expires_at - tokenSet.obtained_at - refreshWindow;
  return interval < DAY / VERSIONS_PER_DAY;
}

/**
 * Judges the versions that a secret already has.
 *
 * @param createdAt when each version was made, seconds since the epoch
 * @returns when there is room for one more, seconds since the epoch: now, or later
 */
export function roomForVersion(createdAt: readonly number[], now: number): number {
  const young = createdAt.filter((at) => now - at < DAY).sort((a, b) => b - a);
  const blocking = young[VERSIONS_PER_DAY - 1];
  return blocking === undefined ? now : blocking + DAY;
}

function leave(reason: Reason): Decision {
  return { action: 'leave', reason };
}

function refresh(reason: Reason): Decision {
  return { action: 'refresh', reason };
}
