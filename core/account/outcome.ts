import { knownReason, type Reason, sentence, severityOf } from '../reason.ts';
import type { TokenSet } from '../tokens/token-set.ts';
import { type Account, type AccountStatus, type Changes, type Failure, labelOf } from './account.ts';
import { calledDead } from './evidence.ts';

export type Outcome = Succeeded | Failed | Deferred;

interface Ended {
  readonly reason: Reason;
  /** When the token set was obtained that the attempt has stored, however it ended; seconds since the epoch. */
  readonly obtainedAt?: number | undefined;
  /** What was in the account's escrow has been dealt with and can go. */
  readonly escrow?: 'done' | 'stays' | undefined;
}

/** The token set is good. */
export interface Succeeded extends Ended {
  readonly kind: 'refreshed' | 'reconciled' | 'does_not_expire';
  readonly tokenSet: TokenSet;
}

export interface Failed extends Ended {
  readonly kind: 'failed';
  /** What exactly was wrong, free of secrets. */
  readonly detail?: string | undefined;
  /** Not to be tried again before this many seconds have passed. */
  readonly retryAfter?: number | undefined;
  /** Since when a response may have been lost; see `Failure.ambiguousSince`. */
  readonly ambiguousSince?: number | undefined;
  /** A refusal that is believed: only a person can help. */
  readonly believed?: boolean | undefined;
  /** What is refused now is another token than the one that was refused before: the failure begins anew. */
  readonly anew?: boolean | undefined;
  /** It is soon over, or never: tried by each run rather than ever more seldom. */
  readonly steady?: boolean | undefined;
}

/** Nothing is wrong with the account, but its turn is in a later run. */
export interface Deferred extends Ended {
  readonly kind: 'deferred';
}

/** Changes of an account's state, each told once. */
export type AccountEventType =
  | 'OAuth Reauthorization Required'
  | 'OAuth Account Failing'
  | 'OAuth Account Recovered';

/** What is to be written, logged and told at the end of an attempt. Pure data. */
export interface Conclusion {
  /** With the event in `eventOwed`, so that whoever comes next puts it if this process can't. */
  readonly changes: Changes;
  /** What is to be put on the bus once the changes are written: of this change of state, or of one before. */
  readonly event: AccountEventType | undefined;
  readonly status: AccountStatus;
  readonly message: string;
}

/**
 * How success or failure changes the account.
 *
 * @param now seconds since the epoch
 * @param toldAsOne the reason of the whole profile's failure, while it stands: it was told once, for all its accounts
 */
export function conclude(
  account: Account,
  outcome: Succeeded | Failed,
  now: number,
  toldAsOne?: string,
): Conclusion {
  return outcome.kind === 'failed'
    ? afterFailure(account, outcome, now, toldAsOne)
    : afterSuccess(account, outcome, now);
}

/** How putting an account off changes it. An expired lease that was found goes back: it is the only sign of a dead run. */
export function changesOfDeferral(account: Account, { escrow, obtainedAt }: Deferred): Changes {
  return {
    set: { lastRefreshedAt: obtainedAt },
    remove: escrow === 'done' && account.escrow !== undefined ? ['escrow'] : [],
    leaveLease: account.lease,
  };
}

/** Seconds after which a secret whose token does not expire is read again. */
const LOOK_AGAIN = 86_400;

function afterSuccess(account: Account, outcome: Succeeded, now: number): Conclusion {
  const { tokenSet, kind, reason, obtainedAt, escrow } = outcome;
  const endless = tokenSet.expires_at === undefined;
  const facts: Changes = {
    set: {
      accessTokenExpiresAt: tokenSet.expires_at,
      refreshTokenExpiresAt: tokenSet.refresh_token_expires_at,
      lastRefreshedAt: obtainedAt ?? now,
      ...(endless && { doesNotExpire: true, nextAttemptAt: now + LOOK_AGAIN }),
    },
    remove: [
      // Whatever is in escrow is out of date once there is a new grant.
      ...(kind === 'refreshed' || escrow === 'done' ? (['escrow'] as const) : []),
      ...(endless ? (['accessTokenExpiresAt'] as const) : (['nextAttemptAt', 'doesNotExpire'] as const)),
      ...(tokenSet.refresh_token_expires_at === undefined ? (['refreshTokenExpiresAt'] as const) : []),
      ...(account.tokenSecretId === undefined && account.secretLentTo !== undefined
        ? (['secretLentTo'] as const)
        : []),
    ],
  };
  const told = account.status !== undefined && account.status !== 'healthy' && !account.failure?.untold;
  const event = told ? 'OAuth Account Recovered' : eventOwedBy(account, 'healthy');
  // The state is again as it was last told.
  const gone = event === undefined && account.eventOwed !== undefined ? (['eventOwed'] as const) : [];
  return {
    changes: {
      set: { ...facts.set, status: 'healthy', eventOwed: event },
      remove: [...facts.remove, 'failure', ...gone],
    },
    event,
    status: 'healthy',
    message: healthySentence(kind, reason, labelOf(account)),
  };
}

function healthySentence(kind: Succeeded['kind'], reason: Reason, label: string): string {
  switch (kind) {
    case 'refreshed':
      return `OAuth access token refreshed (${reason}). Account="${label}"`;
    case 'reconciled':
      return `OAuth access token is already fresh in the token secret. Nothing was spent. Account="${label}"`;
    case 'does_not_expire':
      return `OAuth access token does not expire. Nothing was spent. Account="${label}"`;
  }
}

function afterFailure(
  account: Account,
  outcome: Failed,
  now: number,
  toldAsOne: string | undefined,
): Conclusion {
  const status = statusAfter(account, outcome);
  const final = status === 'reauthorization_required';
  const message = sentence(outcome.reason, labelOf(account), outcome.detail, final);
  // What was not there when the attempt began is another's, whose lease was over; unless this one has stored since.
  const own = account.escrow !== undefined || outcome.obtainedAt !== undefined;
  const gone = outcome.escrow === 'done' && own ? (['escrow'] as const) : [];
  const stored = outcome.obtainedAt === undefined ? {} : { lastRefreshedAt: outcome.obtainedAt };
  // Waiting for a person already: a forced try that fails on its way changes nothing about that.
  if (account.status === 'reauthorization_required' && status === 'failing') {
    return {
      changes: { set: stored, remove: gone },
      event: eventOwedBy(account, account.status),
      status: account.status,
      message,
    };
  }
  const began = status === 'failing' && account.status !== 'failing';
  const goesOn = status === 'failing' && !began;
  const covered = toldAsOne === outcome.reason;
  const untold = covered && (began || account.failure?.untold === true);
  // What was told as one with its profile, and goes on after the profile's end, is told now.
  const changed = account.status !== status || (goesOn && account.failure?.untold === true && !covered);
  const failure = failureAfter(account, outcome, { message, now, untold });
  const wait = Math.max(outcome.retryAfter ?? 0, backOff(outcome, failure.count));
  const event = changed && !untold ? eventOf(status) : eventOwedBy(account, status);
  const set = { ...stored, failure, status, ...(event !== undefined && { eventOwed: event }) };
  return {
    changes:
      status === 'failing'
        ? { set: { ...set, nextAttemptAt: now + wait }, remove: [...gone, 'doesNotExpire'] }
        : { set, remove: ['nextAttemptAt', 'doesNotExpire', ...gone] },
    event,
    status,
    message,
  };
}

/** The event of an earlier change of state that may not have come to the bus, where it still tells how things are. */
function eventOwedBy(
  { eventOwed }: Pick<Account, 'eventOwed'>,
  status: AccountStatus | undefined,
): AccountEventType | undefined {
  if (status === undefined) return undefined;
  const event = eventOf(status);
  return eventOwed === event ? event : undefined;
}

/** What an event says of an account. */
export interface ToldState {
  readonly event: AccountEventType;
  readonly reason: Reason;
  /** Since when it is so, seconds since the epoch. */
  readonly at: number;
}

/** What tells of an account as its item stands; undefined where it was never looked at. */
export function stateToTell({ status, failure, lastRefreshedAt = 0 }: Account): ToldState | undefined {
  if (status === undefined) return undefined;
  const at = Math.max(lastRefreshedAt, failure?.at ?? 0);
  return { event: eventOf(status), reason: knownReason(failure?.reason, 'fresh'), at };
}

function eventOf(status: AccountStatus): AccountEventType {
  if (status === 'healthy') return 'OAuth Account Recovered';
  return status === 'reauthorization_required' ? 'OAuth Reauthorization Required' : 'OAuth Account Failing';
}

/** A provider's "this grant is dead" is not final before it is believed: see evidence.ts. */
function statusAfter(account: Account, { reason, believed }: Failed): AccountStatus {
  if (believed) return 'reauthorization_required';
  if (severityOf(reason) !== 'person') return 'failing';
  if (!calledDead({ reason })) return 'reauthorization_required';
  return account.status === 'reauthorization_required' ? 'reauthorization_required' : 'failing';
}

function failureAfter(
  { failure: before, status }: Account,
  { reason, ambiguousSince, anew }: Failed,
  { message, now, untold }: Pick<Failure, 'message'> & { readonly now: number; readonly untold: boolean },
): Failure {
  const again = before !== undefined && before.reason === reason && !anew;
  // A grant that is called dead for the first time: its time runs from here, whatever was wrong before.
  const first = anew === true || calledDead({ reason }) !== calledDead(before);
  return {
    reason,
    message,
    count: again ? before.count + 1 : 1,
    since: first && status !== 'reauthorization_required' ? now : (before?.since ?? now),
    at: now,
    ...(ambiguousSince !== undefined && { ambiguousSince }),
    ...(untold && { untold }),
  };
}

const FIRST_BACK_OFF = 45;
const LONGEST_BACK_OFF = 900;

/**
 * Seconds to wait after the nth failure in a row: 45 (so that the next minute's run tries again), then twice as
 * long each time, up to 15 minutes. What people have to correct is looked at every 5 minutes at least, and a store
 * that is out of order by every run; a token set that is too large is bought again once an hour.
 */
export function backOff({ reason, steady }: Pick<Failed, 'reason' | 'steady'>, count: number): number {
  if (steady) return FIRST_BACK_OFF;
  if (reason === 'token_set_too_large') return 3_600;
  const limit = severityOf(reason) === 'invalid' ? 300 : LONGEST_BACK_OFF;
  return Math.min(FIRST_BACK_OFF * 2 ** Math.min(count - 1, 10), limit);
}

/** What a run did with an account, as its result shows it. */
export interface Report {
  readonly accountId: string;
  readonly action: 'leave' | 'refresh' | 'reconcile' | 'retry' | 'reauthorize' | 'defer';
  readonly reason: Reason;
  /** Seconds since the epoch; null where no access token is known. */
  readonly accessTokenExpiresAt: number | null;
}

export function reportOn(account: Account, action: Report['action'], reason: Reason): Report {
  const { accountId, accessTokenExpiresAt } = account;
  return { accountId, action, reason, accessTokenExpiresAt: accessTokenExpiresAt ?? null };
}
