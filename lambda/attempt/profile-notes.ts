import type { AccountsTable } from '../../adapters/aws/accounts-table.ts';
import { awsFailure } from '../../adapters/aws/aws-error.ts';
import type { Events } from '../../adapters/aws/events.ts';
import type { Account } from '../../core/account/account.ts';
import {
  type Evidence,
  isAmongRefused,
  mayTryRefused,
  noteAfter,
  noteAfterTry,
  triesInRun,
} from '../../core/account/evidence.ts';
import {
  eventOf,
  isWorthWriting,
  type ProfileEventType,
  type ProfileNote,
} from '../../core/account/profile-note.ts';
import { type Clock, secondsOf } from '../../core/clock.ts';
import type { Reason } from '../../core/reason.ts';
import type { Log } from './log.ts';
import { BEING_TOLD } from './record.ts';

/** What a run knows of the profiles that it meets, shared with other runs through their notes in the table. */
export interface ProfileNotes {
  /** Reads a profile's note, once a run. Never rejects: without its note a profile counts as sound. */
  load(profile: string): Promise<void>;
  get(profile: string): ProfileNote;
  /**
   * Whether an account of a failing profile may be tried now: `start` it, let it `wait` for the one that is being
   * tried, or leave it to a later run for the reason given.
   */
  admit(account: Account): 'start' | 'wait' | { readonly defer: Reason };
  /** An attempt at an account begins. Call the function that is returned at its end. */
  begin(account: Account): () => void;
  /** What a provider said about an account. */
  learn(profile: string, evidence: Evidence): void;
  /** How many due accounts of each profile wait for the end of its failure, as this run has found. */
  waiting(counts: ReadonlyMap<string, number>, segment: string): void;
  /** Resolves when all that is known is written down, or could not be. */
  flushed(): Promise<void>;
}

type Change = (note: ProfileNote) => ProfileNote;

interface ProfileState {
  /** As it stands in the table, as far as is known. */
  written: ProfileNote;
  /** What has happened since: applied anew where another run has written the note meanwhile. */
  pending: Change[];
  /** `written` with what is pending. */
  currentNote: ProfileNote;
  /** When the last pending grants came, while nothing else is pending after them. */
  grants?: number[] | undefined;
  /** What is being written or told; it may have ended. */
  writing: Promise<void>;
  busy: boolean;
  /** Of this run, while the profile is failing. */
  tries: number;
  triesOfRefused: number;
  trying: number;
}

const MAX_CONFLICTS = 20;
/** If another run has changed the note meanwhile, so many of the last grants are added to it again. */
const MAX_GRANTS = 500;

export function createProfileNotes({
  table,
  events,
  clock,
  log,
}: {
  readonly table: Pick<AccountsTable, 'profileNote' | 'putProfileNote'>;
  readonly events: Pick<Events, 'putOfProfile'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Log;
}): ProfileNotes {
  const states = new Map<string, ProfileState>();
  const loading = new Map<string, Promise<void>>();
  const stateOf = (profile: string) => {
    const known = states.get(profile) ?? {
      written: {},
      pending: [],
      currentNote: {},
      writing: Promise.resolve(),
      busy: false,
      tries: 0,
      triesOfRefused: 0,
      trying: 0,
    };
    states.set(profile, known);
    return known;
  };
  const read = async (profile: string) => {
    const state = stateOf(profile);
    state.written = await table.profileNote(profile);
    state.currentNote = withPending(state);
    return state;
  };

  const apply = (profile: string, change: Change) => {
    const state = stateOf(profile);
    state.pending.push(change);
    state.grants = undefined;
    state.currentNote = change(state.currentNote);
    startWriting(profile, state);
  };

  const startWriting = (profile: string, state: ProfileState) => {
    if (state.busy) return;
    state.busy = true;
    state.writing = write(profile, state);
  };

  const write = async (profile: string, state: ProfileState) => {
    try {
      for (let conflicts = 0; conflicts < MAX_CONFLICTS; ) {
        const { currentNote, written } = state;
        const count = state.pending.length;
        if (!isWorthWriting(written, currentNote)) return;
        // A grant that comes from here on is not in what is written now.
        state.grants = undefined;
        const event = eventOf(written, currentNote);
        const failure = currentNote.failure ?? written.failure;
        const owed = event && { eventOwed: event, eventOwedAt: secondsOf(clock) };
        const next = { ...currentNote, ...owed };
        if ((await table.putProfileNote(profile, next, written)) === 'conflict') {
          conflicts++;
          await read(profile);
          continue;
        }
        state.written = { ...next, revision: (written.revision ?? 0) + 1 };
        state.pending.splice(0, count);
        state.currentNote = withPending(state);
        if (event !== undefined) await tell(profile, state, event, failure);
      }
    } catch (error) {
      // Without the note, other runs may ask the provider a few times too often. No grant is lost.
      log.warn("A profile's note could not be written.", {
        oauthProfile: profile,
        awsError: awsFailure(error).code,
      });
    } finally {
      // At once, so that no change comes between the last look and the end.
      state.busy = false;
    }
  };

  const tell = async (
    profile: string,
    state: ProfileState,
    type: ProfileEventType,
    failure = state.written.failure,
  ) => {
    const detail = {
      oauthProfile: profile,
      reason: failure?.reason ?? 'provider_unavailable',
      accounts: failure?.accounts ?? 0,
      at: secondsOf(clock),
    } as const;
    if (type === 'OAuth Profile Failing')
      log.error(`The profile is failing. ${failure?.message ?? ''}`, detail);
    else log.info('The profile works again.', detail);
    try {
      await events.putOfProfile({ type, detail });
    } catch (error) {
      log.error("The event bus did not take a profile's event. A later run puts it again.", {
        oauthProfile: profile,
        awsError: awsFailure(error).code,
      });
      return;
    }
    const { eventOwedAt } = state.written;
    // Another run may owe another event by now.
    const told = (note: ProfileNote) =>
      note.eventOwed === type && note.eventOwedAt === eventOwedAt
        ? { ...note, eventOwed: undefined, eventOwedAt: undefined }
        : note;
    state.pending.push(told);
    state.currentNote = told(state.currentNote);
  };

  const load = async (profile: string) => {
    try {
      const state = await read(profile);
      const { eventOwed, eventOwedAt = 0 } = state.written;
      // The run that wrote it down may be putting it right now.
      if (state.busy || eventOwed === undefined || secondsOf(clock) - eventOwedAt < BEING_TOLD) return;
      state.busy = true;
      state.writing = tellOwed(profile, state, eventOwed);
    } catch (error) {
      log.warn("A profile's note could not be read.", {
        oauthProfile: profile,
        awsError: awsFailure(error).code,
      });
    }
  };

  /** If several runs find an event owed, the one whose note is accepted puts it. */
  const tellOwed = async (profile: string, state: ProfileState, eventOwed: ProfileEventType) => {
    const { written } = state;
    const claim = { ...written, eventOwedAt: secondsOf(clock) };
    try {
      if ((await table.putProfileNote(profile, claim, written)) === 'recorded') {
        state.written = { ...claim, revision: (written.revision ?? 0) + 1 };
        state.currentNote = withPending(state);
        await tell(profile, state, eventOwed);
      }
    } catch (error) {
      log.warn("A profile's note could not be written.", {
        oauthProfile: profile,
        awsError: awsFailure(error).code,
      });
    }
    await write(profile, state);
  };

  return {
    load: (profile) => {
      const known = loading.get(profile) ?? load(profile);
      loading.set(profile, known);
      return known;
    },
    get: (profile) => stateOf(profile).currentNote,
    admit: (account) => {
      const state = stateOf(account.oauthProfile);
      const now = secondsOf(clock);
      const { currentNote: note } = state;
      if (isAmongRefused(account, note) && !mayTryRefused(note, now))
        return { defer: 'provider_wide_refusal' };
      const allowed = triesInRun(note, now);
      if (allowed === undefined || note.failure === undefined) return 'start';
      const refusedBefore = account.failure !== undefined;
      if (state.tries >= allowed || (refusedBefore && state.triesOfRefused >= 1))
        return { defer: note.failure.reason };
      return state.trying > 0 ? 'wait' : 'start';
    },
    begin: (account) => {
      const { oauthProfile: profile } = account;
      const state = stateOf(profile);
      if (isAmongRefused(account, state.currentNote))
        apply(profile, (note) => noteAfterTry(note, secondsOf(clock)));
      if (triesInRun(state.currentNote, secondsOf(clock)) !== undefined) {
        state.tries++;
        if (account.failure !== undefined) state.triesOfRefused++;
      }
      state.trying++;
      return () => {
        state.trying--;
      };
    },
    learn: (profile, evidence) => {
      const state = stateOf(profile);
      const calm = evidence.refusal === undefined && state.currentNote.failure === undefined;
      if (!calm) return apply(profile, (note) => noteAfter(note, evidence));
      // Grants come by the thousand; what is pending must not grow with them.
      state.currentNote = noteAfter(state.currentNote, evidence);
      if (state.grants !== undefined) {
        state.grants.push(evidence.at);
        if (state.grants.length > MAX_GRANTS) state.grants.shift();
      } else {
        const grants = [evidence.at];
        state.grants = grants;
        const { account } = evidence;
        state.pending.push((note) =>
          grants.reduce((one, at) => noteAfter(one, { account, at, refusal: undefined }), note),
        );
      }
      startWriting(profile, state);
    },
    waiting: (counts, segment) => {
      for (const [profile, state] of states) {
        const { failure, waiting = {} } = state.currentNote;
        const count = counts.get(profile) ?? 0;
        if (failure === undefined || waiting[segment] === count) continue;
        apply(profile, (note) => {
          if (note.failure === undefined) return { ...note, waiting: undefined };
          // The table may have been cut into another number of segments before.
          const [, segments] = segment.split('/');
          const known = Object.entries(note.waiting ?? {}).filter(([one]) => one.endsWith(`/${segments}`));
          const all = { ...Object.fromEntries(known), [segment]: count };
          const accounts = Object.values(all).reduce((sum, one) => sum + one, 0);
          return { ...note, waiting: all, failure: { ...note.failure, accounts } };
        });
      }
    },
    flushed: async () => {
      while ([...states.values()].some(({ busy }) => busy))
        await Promise.all([...states.values()].map(({ writing }) => writing));
    },
  };
}

function withPending({ written, pending }: ProfileState): ProfileNote {
  return pending.reduce((note, change) => change(note), written);
}
