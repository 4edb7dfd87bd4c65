import { type Account, type AccountStatus, type Failure, labelOf } from './account.ts';
import type { Changes } from './accounts-table.ts';
import type { AccountEventType } from './events.ts';
import { type Reason, sentence, severityOf } from './reason.ts';
import type { TokenSet } from './token-set.ts';

/** How a visit to a leased account ended. */
export type Ending =
  | { readonly kind: 'refreshed' | 'reconciled'; readonly tokenSet: TokenSet; readonly reason: Reason }
  | Trouble;

export interface Trouble {
  readonly kind: 'trouble';
  readonly reason: Reason;
  /** What exactly was wrong, free of secrets. */
  readonly detail?: string | undefined;
  /** Not to be tried again before this many seconds have passed. */
  readonly retryAfter?: number | undefined;
  /** Since when an answer may have been lost; see `Failure.ambiguousSince`. */
  readonly ambiguousSince?: number | undefined;
  /** The account's escrow has been dealt with and can go. */
  readonly escrowSettled?: boolean | undefined;
}

/** What is to be written, said and told at the end of a visit. Pure data. */
export interface Conclusion {
  readonly changes: Changes;
  /** What `changes` leaves out if the event can't be told: a status moves only once its event is on the bus. */
  readonly changesWithoutTransition: Changes;
  readonly event: AccountEventType | undefined;
  readonly status: AccountStatus;
  readonly message: string;
}

/** Seconds from the epoch in, changes out: how the end of a visit changes the account. */
export function conclude(account: Account, ending: Ending, now: number): Conclusion {
  return ending.kind === 'trouble' ? inTrouble(account, ending, now) : healthy(account, ending, now);
}

function healthy(
  account: Account,
  { tokenSet, kind, reason }: Ending & { kind: 'refreshed' | 'reconciled' },
  now: number,
): Conclusion {
  const facts: Changes = {
    set: {
      accessTokenExpiresAt: tokenSet.expires_at,
      refreshTokenExpiresAt: tokenSet.refresh_token_expires_at,
      lastRefreshedAt: tokenSet.obtained_at ?? now,
    },
    remove: [
      'nextAttemptAt',
      'escrow',
      ...(tokenSet.refresh_token_expires_at === undefined ? (['refreshTokenExpiresAt'] as const) : []),
    ],
  };
  const label = labelOf(account);
  return {
    changes: { set: { ...facts.set, status: 'healthy' }, remove: [...facts.remove, 'failure'] },
    changesWithoutTransition: facts,
    event:
      account.status === undefined || account.status === 'healthy' ? undefined : 'OAuth Account Recovered',
    status: 'healthy',
    message:
      kind === 'reconciled'
        ? `OAuth access token is already fresh in the token secret. Nothing was spent. Account="${label}"`
        : `OAuth access token refreshed (${reason}). Account="${label}"`,
  };
}

function inTrouble(account: Account, trouble: Trouble, now: number): Conclusion {
  const message = sentence(trouble.reason, labelOf(account), trouble.detail);
  const status = statusAfter(account, trouble);
  const settled = trouble.escrowSettled ? (['escrow'] as const) : [];
  // Waiting for a person already: trouble on the way of a forced try changes nothing about that.
  if (account.status === 'reauthorization_required' && status === 'failing') {
    const nothing: Changes = { set: {}, remove: settled };
    return {
      changes: nothing,
      changesWithoutTransition: nothing,
      event: undefined,
      status: account.status,
      message,
    };
  }
  const failure = failureAfter(account, trouble, message, now);
  const nextAttemptAt = now + Math.max(trouble.retryAfter ?? 0, backOff(trouble.reason, failure.count));
  const retry: Changes = { set: { failure, nextAttemptAt }, remove: settled };
  const changed = account.status !== status;
  return {
    changes:
      status === 'failing'
        ? { set: { ...retry.set, status }, remove: settled }
        : { set: { failure, status }, remove: ['nextAttemptAt', ...settled] },
    changesWithoutTransition: retry,
    event: changed ? eventFor(status) : undefined,
    status,
    message,
  };
}

function eventFor(status: AccountStatus): AccountEventType {
  return status === 'reauthorization_required' ? 'OAuth Reauthorization Required' : 'OAuth Account Failing';
}

const deadGrant: readonly Reason[] = ['grant_revoked', 'grant_possibly_lost'];

/**
 * Only a person's help makes a final state, and a provider's "this grant is dead" is believed only when it says so
 * again in a later run: a person may be writing a new token set at this very moment.
 */
function statusAfter(account: Account, { reason }: Trouble): AccountStatus {
  if (severityOf(reason) !== 'person') return 'failing';
  if (!deadGrant.includes(reason)) return 'reauthorization_required';
  const confirmed =
    account.status === 'reauthorization_required' ||
    deadGrant.some((dead) => dead === account.failure?.reason);
  return confirmed ? 'reauthorization_required' : 'failing';
}

function failureAfter(
  account: Account,
  { reason, ambiguousSince }: Trouble,
  message: string,
  now: number,
): Failure {
  const before = account.failure;
  const again = before !== undefined && before.reason === reason;
  return {
    reason,
    message,
    count: again ? before.count + 1 : 1,
    since: before?.since ?? now,
    at: now,
    ...(ambiguousSince !== undefined && { ambiguousSince }),
  };
}

const FIRST_BACK_OFF = 45;

/**
 * Seconds to wait after the nth failure in a row: 45 (so that the next minute's run tries again), then twice as
 * long each time, up to 15 minutes. What people have to correct is looked at every 5 minutes at least; a failed
 * store and an unconfirmed dead grant by every run.
 */
export function backOff(reason: Reason, count: number): number {
  if (reason === 'store_unavailable' || deadGrant.includes(reason)) return FIRST_BACK_OFF;
  const limit = severityOf(reason) === 'invalid' ? 300 : 900;
  return Math.min(FIRST_BACK_OFF * 2 ** Math.min(count - 1, 10), limit);
}

/** What a doubt is judged by: the token set, and the version of the secret that it is. */
export interface ReadVersion {
  readonly tokenSet: TokenSet;
  readonly version: { readonly versionId: string; readonly createdAt: number | undefined };
}

/**
 * Since when an answer for the refresh token now in the secret may have been lost, or undefined.
 *
 * An expired lease that was never given back means that a run died holding it. If its attempt is the version that
 * the secret holds, it had stored what it got; if the provider had called this very refresh token dead before, there
 * was nothing to lose; otherwise it may have died between the provider's answer and the store. A token set that is
 * newer than the doubt ends the doubt: somebody obtained it since.
 *
 * @param read absent where the secret could not be read: then a doubt stays
 */
export function ambiguousSince(account: Account, read?: ReadVersion): number | undefined {
  const { lease, failure, escrow } = account;
  // What the dead attempt obtained was kept after all, in the secret or in escrow.
  const kept = lease !== undefined && [read?.version.versionId, escrow?.attemptId].includes(lease.owner);
  const harmless = kept || wasDeadBefore(account, read);
  const since = failure?.ambiguousSince ?? (harmless ? undefined : lease?.expiresAt);
  const obtainedAt = read?.tokenSet.obtained_at;
  return since !== undefined && obtainedAt !== undefined && obtainedAt > since ? undefined : since;
}

/** Seconds between a version and a failure before the failure surely speaks of that version. */
const SURELY_BEFORE = 60;

function wasDeadBefore({ failure }: Account, read: ReadVersion | undefined): boolean {
  const createdAt = read?.version.createdAt;
  return (
    failure?.reason === 'grant_revoked' && createdAt !== undefined && createdAt + SURELY_BEFORE < failure.at
  );
}
