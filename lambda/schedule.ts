import type { Account } from '../core/account/account.ts';
import { type Report, reportOn } from '../core/account/outcome.ts';
import type { Admission } from './attempt/profile-notes.ts';

/** What is to be done with one account. */
export interface Work {
  readonly account: Account;
  readonly run: () => Promise<Report>;
  /** What becomes of it if there is no time for it. */
  readonly tooLate: Report;
  /** About how much its item holds: people and providers decide how large it is. */
  readonly bytes: number;
}

export type Next =
  | { readonly kind: 'start'; readonly work: Work }
  | { readonly kind: 'end'; readonly work: Work; readonly report: Report };

/**
 * Which of the accounts in a run's buffer is next: what is healthy and due comes before what failed before, which still
 * gets a tenth of all starts; and no profile takes more than its share of what is in flight, so that a slow or hanging
 * provider holds up nobody else's accounts.
 */
export interface Schedule {
  add(work: Work): void;
  /** How many wait. */
  size(): number;
  /** The buffer is full: memory must not grow with the table, nor with what an item holds. */
  full(): boolean;
  next(): Next | undefined;
  /** The attempt at an account has ended. A profile whose provider grants may have more and more in flight. */
  ended(work: Work, report: Report): void;
  /** Takes out what this run won't get to: what failed before, and more than its share, of the profile that waits most. */
  surplus(): readonly Work[];
  /** Takes out everything. */
  drain(): readonly Work[];
}

export interface ScheduleOptions {
  /** Accounts in flight at once, at most. */
  readonly maxInFlight: number;
  /** Whether an account may be tried now, for all that is known of its profile. */
  readonly admit: (account: Account) => Admission;
}

/** The buffer's size: accounts that wait at once, at most, before the next page is read. */
const MAX_WAITING = 1_000;
const MAX_WAITING_BYTES = 16 * 1_024 * 1_024;
/** One start of so many is of what failed before. */
const TENTH = 10;
/** A profile that has granted nothing yet may have so many in flight; each grant adds two. */
const FIRST_SHARE = 8;
const GROWTH = 2;

interface Line {
  readonly sound: Work[];
  readonly failedBefore: Work[];
  inFlight: number;
  grants: number;
}

export function createSchedule({ maxInFlight, admit }: ScheduleOptions): Schedule {
  /** In turn: whoever was served goes to the end. */
  const lines = new Map<string, Line>();
  let waiting = 0;
  let bytes = 0;
  const gone = (away: readonly Work[]) => {
    waiting -= away.length;
    for (const work of away) bytes -= work.bytes;
    return away;
  };
  let starts = 0;
  const half = Math.max(1, Math.floor(maxInFlight / 2));
  const lineOf = (profile: string) => {
    const line = lines.get(profile) ?? { sound: [], failedBefore: [], inFlight: 0, grants: 0 };
    lines.set(profile, line);
    return line;
  };
  const waits = ({ sound, failedBefore }: Line) => sound.length + failedBefore.length > 0;
  const unproven = () => {
    const all = [...lines.values()].filter(({ grants, inFlight, ...line }) => {
      return grants === 0 && (inFlight > 0 || waits({ ...line, grants, inFlight }));
    });
    return { profiles: all.length, inFlight: all.reduce((sum, { inFlight }) => sum + inFlight, 0) };
  };
  /** What of the slots a profile may take. */
  const hasRoom = (line: Line, others: boolean, strangers: ReturnType<typeof unproven>) => {
    if (line.grants > 0) {
      const grown = FIRST_SHARE + GROWTH * line.grants;
      return line.inFlight < Math.min(grown, others ? half : maxInFlight);
    }
    if (strangers.inFlight >= half) return false;
    return line.inFlight < Math.min(FIRST_SHARE, Math.max(1, Math.floor(half / strangers.profiles)));
  };
  const take = (queue: 'sound' | 'failedBefore'): Next | undefined => {
    const strangers = unproven();
    const busy = [...lines.values()].filter(waits).length;
    for (const [profile, line] of [...lines]) {
      const work = line[queue][0];
      if (work === undefined || !hasRoom(line, busy > 1, strangers)) continue;
      const admitted = admit(work.account);
      if (admitted === 'wait') continue;
      line[queue].shift();
      gone([work]);
      if (admitted !== 'start')
        return { kind: 'end', work, report: reportOn(work.account, admitted.action, admitted.reason) };
      line.inFlight++;
      starts++;
      lines.delete(profile);
      lines.set(profile, line);
      return { kind: 'start', work };
    }
    return undefined;
  };
  return {
    add: (work) => {
      const { oauthProfile, failure } = work.account;
      const { sound, failedBefore } = lineOf(oauthProfile);
      // Whoever was tried longest ago is tried next: where few may be, it must not always be the same ones.
      if (failure === undefined) sound.push(work);
      else failedBefore.splice(placeOf(failure.at, failedBefore), 0, work);
      waiting++;
      bytes += work.bytes;
    },
    size: () => waiting,
    full: () => waiting >= MAX_WAITING || bytes >= MAX_WAITING_BYTES,
    next: () =>
      starts % TENTH === TENTH - 1
        ? (take('failedBefore') ?? take('sound'))
        : (take('sound') ?? take('failedBefore')),
    ended: ({ account }, { action, reason }) => {
      const line = lineOf(account.oauthProfile);
      line.inFlight--;
      if (action === 'refresh') line.grants++;
      else if (reason === 'provider_unavailable') line.grants = Math.floor(line.grants / 2);
    },
    surplus: () => {
      const [longest] = [...lines.values()].sort(
        (a, b) => b.sound.length + b.failedBefore.length - a.sound.length - a.failedBefore.length,
      );
      if (longest === undefined) return [];
      return gone([...longest.failedBefore.splice(0), ...longest.sound.splice(maxInFlight)]);
    },
    drain: () =>
      gone(
        [...lines.values()].flatMap(({ sound, failedBefore }) => [
          ...sound.splice(0),
          ...failedBefore.splice(0),
        ]),
      ),
  };
}

/** Where an account belongs in a line that is sorted by when each was last tried. */
function placeOf(at: number, line: readonly Work[]): number {
  const later = line.findLastIndex(({ account }) => (account.failure?.at ?? 0) <= at);
  return later + 1;
}
