import type { Reason } from '../reason.ts';
import type { Account } from './account.ts';
import { isOfWideRefusal, type ProfileFailure, type ProfileNote, type WideRefusal } from './profile-note.ts';

/**
 * What one account is told is evidence about its profile only as far as the profile's other accounts bear it out
 * (docs/decisions/13-evidence-about-a-profile.md). Pure: what is known of a profile, and what each response of its provider changes about it.
 */

/** What a provider said about one account. */
export interface Evidence {
  readonly account: Pick<Account, 'accountId' | 'failure'>;
  /** Seconds since the epoch. */
  readonly at: number;
  /** Undefined for a grant. */
  readonly refusal: Refusal | undefined;
  /** The version of the profile by which something was granted. */
  readonly grantedWith?: ProfileVersion | undefined;
}

/** A version of a profile. Times are seconds since the epoch; undefined where nobody says when. */
export type ProfileVersion =
  | { readonly kind: 'current'; readonly madeAt: number | undefined }
  /** The one before, as the current one, made then, was refused. */
  | { readonly kind: 'previous'; readonly currentMadeAt: number | undefined };

export interface Refusal {
  readonly reason: Reason;
  readonly message: string;
  /** Seconds. */
  readonly retryAfter?: number | undefined;
}

const QUARTER = 900;
const HOUR = 3_600;
const DAY = 86_400;
/** So many accounts refused in a row, and the provider is failing. */
const IN_A_ROW = 3;
/** So many accounts called dead within a quarter of an hour, and so large a part of those asked. */
const CALLED_DEAD = 5;
const NEARLY_ALL = 0.9;
/** So many accounts of a failing profile are tried: in a run, or of those refused by the whole in a quarter of an hour. */
const TRIES = 5;

const ofTheProvider: readonly string[] = ['provider_unavailable', 'rate_limited'] satisfies Reason[];
const ofTheClient: readonly string[] = ['client_rejected'] satisfies Reason[];
const dead: readonly string[] = [
  'grant_revoked',
  'grant_possibly_lost',
  'provider_wide_refusal',
] satisfies Reason[];

/** Whether a failure says that the provider called the grant dead. */
export function calledDead(failure: { readonly reason: string } | undefined): boolean {
  return failure !== undefined && dead.includes(failure.reason);
}

/** Whether a reason speaks of a profile's client or provider rather than of an account. */
function speaksOfProfile(reason: string): boolean {
  return ofTheClient.includes(reason) || ofTheProvider.includes(reason);
}

/** What is known of a profile after one more response. */
export function noteAfter(before: ProfileNote, evidence: Evidence): ProfileNote {
  const note = withoutExpired(before, evidence.at);
  return evidence.refusal === undefined
    ? afterGrant(note, evidence)
    : afterRefusal(note, evidence, evidence.refusal);
}

/** After a day, a provider-wide refusal is over, and refusals are believed. */
function withoutExpired(note: ProfileNote, at: number): ProfileNote {
  if (note.wideRefusal === undefined || at - note.wideRefusal.since < DAY) return note;
  return { ...note, wideRefusal: undefined, failure: isOfWideRefusal(note) ? undefined : note.failure };
}

function afterGrant(note: ProfileNote, { account, at, grantedWith }: Evidence): ProfileNote {
  const wideEnds = note.wideRefusal !== undefined && isAmongRefused(account, note);
  const wideRefusal = wideEnds ? undefined : note.wideRefusal;
  const failureStays = isOfWideRefusal(note) && !wideEnds;
  return {
    ...note,
    lastGrantAt: Math.max(at, note.lastGrantAt ?? 0),
    streak: undefined,
    asked: count(note.asked, at, false),
    wideRefusal,
    wideRefusalEndedAt: wideEnds ? at : note.wideRefusalEndedAt,
    failure: failureStays ? note.failure : shownFor(wideRefusal, note),
    atRisk: riskAfter(note, at, grantedWith),
  };
}

/** Seconds between two notes that the version before was used. */
const RISK_NOTED_EVERY = 600;
/** Seconds without that after which the current version is the one that works, though it is the same as before. */
const RISK_ENDS = 7_200;
/** Seconds that a run takes at most, usually. */
const LONGEST_RUN = 150;

/**
 * The current version can be refused for some accounts only, such as those of an older client. So it is not enough that it works
 * for another: it must be a newer one, or the one before must not have been needed for a while. One thing is told at a time:
 * that a failure has ended before that its profile is at risk.
 */
function riskAfter(
  { atRisk, failure }: ProfileNote,
  at: number,
  by: Evidence['grantedWith'],
): ProfileNote['atRisk'] {
  if (by?.kind === 'previous' && failure === undefined) {
    const { currentMadeAt } = by;
    const isNoted = atRisk?.madeAt === currentMadeAt && at - (atRisk?.at ?? 0) < RISK_NOTED_EVERY;
    return isNoted ? atRisk : { since: atRisk?.since ?? at, at, madeAt: currentMadeAt };
  }
  if (by?.kind !== 'current' || atRisk === undefined) return atRisk;
  const age = at - atRisk.at;
  const { madeAt = atRisk.madeAt ?? 0 } = by;
  const { madeAt: refused = madeAt } = atRisk;
  // An older one is current again where people moved the label back; or a run still uses it that began before the change.
  const isOther = madeAt > refused || (madeAt < refused && age >= LONGEST_RUN);
  return isOther || age >= RISK_ENDS ? undefined : atRisk;
}

/** Where the client's failure ends, a provider-wide refusal that still stands is what is left. */
function shownFor(wideRefusal: WideRefusal | undefined, note: ProfileNote): ProfileFailure | undefined {
  if (wideRefusal === undefined || note.failure === undefined) return undefined;
  return { ...note.failure, reason: 'provider_wide_refusal', since: wideRefusal.since, retryAt: undefined };
}

function afterRefusal(note: ProfileNote, evidence: Evidence, refusal: Refusal): ProfileNote {
  const { account, at } = evidence;
  const { failure } = account;
  const calledDeadNow = refusal.reason === 'grant_revoked' && !calledDead(failure);
  const first = failure === undefined || calledDeadNow || isFirstAgain(failure, note);
  const watched = first ? { ...note, refusedAt: at } : note;
  if (speaksOfProfile(refusal.reason)) {
    // Another account was granted something since this one's failure began: it fails for itself.
    if (failsForItself(account, note)) return watched;
    return believedOfProfile(watched, evidence, refusal);
  }
  const calm = { ...watched, streak: undefined };
  const isFirst = calledDeadNow || isFirstAgain(failure, note);
  // Accounts are counted, not requests: one that is asked again and again within the time is one.
  const counted = !isFirst && failure !== undefined && at - failure.at < QUARTER;
  const asked = counted ? note.asked : count(note.asked, at, isFirst && refusal.reason === 'grant_revoked');
  if (refusal.reason !== 'grant_revoked') return { ...calm, asked };
  return believedOfAll({ ...calm, asked }, evidence, refusal);
}

/** A refusal counts as a first one again after a grant has ended a provider-wide refusal. */
function isFirstAgain(failure: { readonly at: number } | undefined, note: ProfileNote): boolean {
  return (
    failure !== undefined && note.wideRefusalEndedAt !== undefined && failure.at <= note.wideRefusalEndedAt
  );
}

function failsForItself({ failure }: Evidence['account'], { lastGrantAt = 0 }: ProfileNote): boolean {
  return failure !== undefined && lastGrantAt > failure.since;
}

function believedOfProfile(note: ProfileNote, { account, at }: Evidence, refusal: Refusal): ProfileNote {
  const { reason, message, retryAfter } = refusal;
  const { accountId } = account;
  const streak = [...(note.streak ?? []).filter((one) => one !== accountId), accountId].slice(-IN_A_ROW);
  const stands = note.failure !== undefined && !isOfWideRefusal(note);
  const begins =
    ofTheClient.includes(reason) || retryAfter !== undefined || streak.length >= IN_A_ROW || stands;
  if (!begins) return { ...note, streak };
  const retryAt = retryAfter === undefined ? note.failure?.retryAt : at + retryAfter;
  return {
    ...note,
    streak,
    failure: failureOf(stands ? note.failure : undefined, { reason, message, at, retryAt }),
  };
}

function failureOf(
  before: ProfileFailure | undefined,
  now: { reason: Reason; message: string; at: number; retryAt?: number | undefined },
): ProfileFailure {
  return {
    ...now,
    count: (before?.count ?? 0) + 1,
    since: before?.since ?? now.at,
    accounts: before?.accounts ?? 1,
  };
}

function believedOfAll(note: ProfileNote, { at }: Evidence, { message }: Refusal): ProfileNote {
  const reason = 'provider_wide_refusal';
  if (note.wideRefusal !== undefined)
    return isOfWideRefusal(note)
      ? { ...note, failure: failureOf(note.failure, { reason, message, at }) }
      : note;
  const all = Object.values(note.asked ?? {}).reduce((sum, one) => sum + one.all, 0);
  const refused = Object.values(note.asked ?? {}).reduce((sum, one) => sum + one.refused, 0);
  if (refused < CALLED_DEAD || refused < NEARLY_ALL * all) return note;
  const wideRefusal = { since: at, countedSince: at - QUARTER, triedSince: at, tries: 0 };
  return {
    ...note,
    wideRefusal,
    failure: note.failure ?? { ...failureOf(undefined, { reason, message, at }), accounts: refused },
  };
}

/** Counts by the minute, and forgets what is older than a quarter of an hour. */
function count(asked: ProfileNote['asked'], at: number, refused: boolean): ProfileNote['asked'] {
  const minute = String(Math.floor(at / 60));
  const recent = Object.entries(asked ?? {}).filter(([key]) => at - Number(key) * 60 < QUARTER + 60);
  const { all, refused: before } = asked?.[minute] ?? { all: 0, refused: 0 };
  return {
    ...Object.fromEntries(recent),
    [minute]: { all: all + 1, refused: before + (refused ? 1 : 0) },
  };
}

/** Whether an account is one of those that a standing provider-wide refusal is about. */
export function isAmongRefused(
  { failure }: Pick<Account, 'failure'>,
  { wideRefusal, wideRefusalEndedAt = 0 }: ProfileNote,
): boolean {
  if (wideRefusal === undefined || failure === undefined || failure.at <= wideRefusalEndedAt) return false;
  if (failure.reason === 'provider_wide_refusal') return true;
  return failure.reason === 'grant_revoked' && failure.since >= wideRefusal.countedSince;
}

/**
 * What a refusal that calls a grant dead comes to.
 *
 * - `first`: it may pass; the time that the refusals of this token are watched for begins;
 * - `doubted`: it may still pass;
 * - `believed`: a person has to help;
 * - `provider_wide`: the provider refuses nearly all.
 *
 * @param note as it is with this refusal counted
 * @param token where it is not the account's usual token that is refused: since when there is this one, seconds since
 *   the epoch, and which further reasons refuse it
 */
export function judgeDeath(
  { failure }: Pick<Account, 'failure'>,
  note: ProfileNote,
  now: number,
  token?: { readonly since: number; readonly refusals: readonly string[] },
): 'first' | 'doubted' | 'believed' | 'provider_wide' {
  if (note.wideRefusal !== undefined && now - note.wideRefusal.since < DAY) return 'provider_wide';
  if (failure === undefined || isFirstAgain(failure, note)) return 'first';
  // Whatever was wrong before, such as an outage, says nothing about how long the grant has been called dead.
  if (!calledDead(failure) && !token?.refusals.includes(failure.reason)) return 'first';
  if (token !== undefined && failure.since <= token.since + SAME_ATTEMPT) return 'first';
  const grantedSince = note.lastGrantAt !== undefined && note.lastGrantAt > failure.since;
  const age = now - failure.since;
  return age >= HOUR || (age >= QUARTER && grantedSince) ? 'believed' : 'doubted';
}

/** Seconds between what an attempt puts into escrow and the failure that it writes down at its end. */
const SAME_ATTEMPT = 10;

/** Whether an account that waits after a refusal is due at once: a provider-wide refusal has ended since. */
export function isDueAgain({ failure }: Pick<Account, 'failure'>, note: ProfileNote): boolean {
  return calledDead(failure) && isFirstAgain(failure, note);
}

/** One more of the refused is tried. */
export function noteAfterTry(note: ProfileNote, at: number): ProfileNote {
  const { wideRefusal } = note;
  if (wideRefusal === undefined) return note;
  const sameQuarter = at - wideRefusal.triedSince < QUARTER;
  return {
    ...note,
    wideRefusal: {
      ...wideRefusal,
      triedSince: sameQuarter ? wideRefusal.triedSince : at,
      tries: sameQuarter ? wideRefusal.tries + 1 : 1,
    },
  };
}

/** Whether some of the refused may be tried now. */
export function mayTryRefused({ wideRefusal }: ProfileNote, at: number): boolean {
  return wideRefusal === undefined || at - wideRefusal.triedSince >= QUARTER || wideRefusal.tries < TRIES;
}

/** How many accounts of a profile may be tried in one run; undefined where nothing stands against it. */
export function triesInRun(note: ProfileNote, now: number): number | undefined {
  if (note.failure === undefined || isOfWideRefusal(note)) return undefined;
  return (note.failure.retryAt ?? 0) > now ? 1 : TRIES;
}
