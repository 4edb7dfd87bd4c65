import type { Reason } from '../reason.ts';
import type { Failure } from './account.ts';

/** A profile's note in the accounts table, `#profile:<name>`. Times are seconds since the epoch. */
export interface ProfileNote {
  /** Written at most every ten minutes, unless something was refused since. */
  readonly lastGrantAt?: number | undefined;
  /** The profile's failure, while it stands. */
  readonly failure?: ProfileFailure | undefined;
  /** The profile's current version is refused while the one before it works: all is well until the next change of the secret. */
  readonly atRisk?: Risk | undefined;
  /** The last accounts asked, while each was refused for its provider's sake and none was granted. */
  readonly streak?: readonly string[] | undefined;
  /** Minutes since the epoch → how many accounts were asked, and how many first called dead, in it. */
  readonly asked?: Readonly<Record<string, Asked>> | undefined;
  /** The provider refuses nearly all grants at once. */
  readonly wideRefusal?: WideRefusal | undefined;
  /** When a grant ended the last such refusal. */
  readonly wideRefusalEndedAt?: number | undefined;
  /** When an account was last refused for the first time: a grant after it has to be written down. */
  readonly refusedAt?: number | undefined;
  /** Segment → how many of its due accounts wait for the end of the failure. */
  readonly waiting?: Readonly<Record<string, number>> | undefined;
  /** An event that is being put, or that the bus did not take, and since when. */
  readonly eventOwed?: ProfileEventType | undefined;
  readonly eventOwedAt?: number | undefined;
  /** Counts the writes of this note. */
  readonly revision?: number | undefined;
}

export const PROFILE_EVENTS = [
  'OAuth Profile Failing',
  'OAuth Profile At Risk',
  'OAuth Profile Recovered',
] as const;
export type ProfileEventType = (typeof PROFILE_EVENTS)[number];

export interface ProfileFailure extends Omit<Failure, 'ambiguousSince' | 'untold'> {
  readonly reason: Reason;
  /** Due accounts that could not be refreshed for it, tried or not, over all segments. */
  readonly accounts: number;
  /** The provider asked to be left alone until then. */
  readonly retryAt?: number | undefined;
}

export interface Risk {
  readonly since: number;
  /** When an account was last granted something by the version before; noted every ten minutes. */
  readonly at: number;
  /** When the version that is refused was made, where that is known. */
  readonly madeAt?: number | undefined;
}

interface Asked {
  readonly all: number;
  readonly refused: number;
}

export interface WideRefusal {
  readonly since: number;
  /** The refusals since then were counted together. */
  readonly countedSince: number;
  /** Begins a quarter of an hour in which some of the refused are tried. */
  readonly triedSince: number;
  readonly tries: number;
}

/** Seconds without news after which a note says nothing any more, as nobody uses the profile. */
const STANDS = 172_800;

/** Whether a failure or a risk in a note is so still. @param now seconds since the epoch */
export function isNews(seen: { readonly at: number } | undefined, now: number): boolean {
  return seen !== undefined && now - seen.at < STANDS;
}

/** Whether what is shown as the profile's failure is a provider-wide refusal. */
export function isOfWideRefusal({ failure }: ProfileNote): boolean {
  return failure?.reason === 'provider_wide_refusal';
}

/** What is told when the profile's state changes; undefined where it doesn't. */
export function eventOf(before: ProfileNote, now: ProfileNote): ProfileEventType | undefined {
  const was = stateOf(before);
  const is = stateOf(now);
  // A provider-wide refusal can also run out, and nobody has recovered then.
  const ranOut = isOfWideRefusal(before) && now.wideRefusalEndedAt === before.wideRefusalEndedAt;
  if (was === is || (was === 'failing' && ranOut)) return undefined;
  if (is === 'failing') return 'OAuth Profile Failing';
  return is === 'at risk' && was === 'well' ? 'OAuth Profile At Risk' : 'OAuth Profile Recovered';
}

function stateOf({ failure, atRisk }: ProfileNote): 'failing' | 'at risk' | 'well' {
  if (failure !== undefined) return 'failing';
  return atRisk === undefined ? 'well' : 'at risk';
}

/** The log line beside an event. */
export function messageOf(
  type: ProfileEventType,
  profile: string,
  failure?: Pick<Failure, 'message'>,
): string {
  if (type === 'OAuth Profile Recovered') return 'The profile works again.';
  return type === 'OAuth Profile Failing'
    ? `The profile is failing. ${failure?.message ?? ''}`
    : `The profile's current version is refused; the one before it still works. Correct it before it is changed again: profiles check ${profile}`;
}

const GRANT_WRITTEN_EVERY = 600;

/** Whether a note has to be written, or may wait for the next change. */
export function isWorthWriting(before: ProfileNote, now: ProfileNote): boolean {
  const { lastGrantAt: written = 0 } = before;
  const { lastGrantAt = 0, refusedAt = 0 } = now;
  if (lastGrantAt - written >= GRANT_WRITTEN_EVERY) return true;
  if (lastGrantAt > refusedAt && written <= refusedAt && refusedAt > 0) return true;
  const { lastGrantAt: _, asked: askedBefore, ...restBefore } = before;
  const { lastGrantAt: __, asked, ...rest } = now;
  if (JSON.stringify(restBefore) !== JSON.stringify(rest)) return true;
  const refusals = (of: ProfileNote['asked']) => Object.values(of ?? {}).some((one) => one.refused > 0);
  return refusals(asked) && JSON.stringify(askedBefore) !== JSON.stringify(asked);
}
