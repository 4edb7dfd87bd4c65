import type { AccountsTable } from '../../adapters/aws/accounts-table.ts';
import { awsFailure } from '../../adapters/aws/aws-error.ts';
import type { Events } from '../../adapters/aws/events.ts';
import { isProfileName } from '../../core/account/account.ts';
import {
  eventOf,
  isWorthWriting,
  messageOf,
  type ProfileEventType,
  type ProfileNote,
} from '../../core/account/profile-note.ts';
import { type Clock, secondsOf } from '../../core/clock.ts';
import { throwIfFatal } from './errors.ts';
import type { Log } from './log.ts';
import { BEING_TOLD } from './record.ts';

export type Change = (note: ProfileNote) => ProfileNote;

/** A profile's note during one run. */
export interface NoteState {
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
  /** Whether people have paused the profile; unknown until its note was read. */
  pause: Pause;
}

/** What isn't known is not begun: people pause to be sure that nothing is spent. */
export type Pause = 'paused' | 'running' | 'unknown';

/** Keeps the notes of a run's profiles the same as in the table, and tells of what changes in them. */
export interface NoteWriter {
  stateOf(profile: string): NoteState;
  /** Reads a profile's note. An event that an earlier run owes is put, unless this is a dry run. Never rejects. */
  load(profile: string): Promise<void>;
  apply(profile: string, change: Change): void;
  /** Writes what is pending, unless that is being done. */
  write(profile: string): void;
  /** Whether people have paused a profile, or everything. */
  pauseOf(profile: string): Pause;
  /** Reads what is paused, of all profiles loaded so far. Rejects where the table can't be read at all. */
  loadPauses(): Promise<void>;
  states(): Iterable<[string, NoteState]>;
  /** Resolves when all that is known is written down, or could not be. */
  flushed(): Promise<void>;
}

export interface NoteOptions {
  readonly table: Pick<AccountsTable, 'readProfile' | 'putProfileNote' | 'readPauses'>;
  readonly events: Pick<Events, 'putOfProfile'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Log;
  /** Nothing is written or told. */
  readonly dryRun?: boolean;
}

const MAX_CONFLICTS = 20;

export function createNoteWriter({ table, events, clock, log, dryRun = false }: NoteOptions): NoteWriter {
  const states = new Map<string, NoteState>();
  const stateOf = (profile: string) => {
    const known: NoteState = states.get(profile) ?? {
      written: {},
      pending: [],
      currentNote: {},
      writing: Promise.resolve(),
      busy: false,
      pause: 'unknown' as const,
    };
    states.set(profile, known);
    return known;
  };
  const read = async (profile: string) => {
    const state = stateOf(profile);
    const { note, isPaused } = await table.readProfile(profile);
    state.written = note;
    state.pause = isPaused ? 'paused' : 'running';
    state.currentNote = withPending(state);
    return state;
  };
  let everything: Pause = 'unknown';
  const awsErrorOf = (error: unknown) => ({ awsError: awsFailure(error).code });

  const startWriting = (profile: string) => {
    const state = stateOf(profile);
    if (state.busy || dryRun) return;
    state.busy = true;
    state.writing = writeAll(profile, state);
  };

  const writeAll = async (oauthProfile: string, state: NoteState) => {
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
        if ((await table.putProfileNote(oauthProfile, next, written)) === 'conflict') {
          conflicts++;
          await read(oauthProfile);
          continue;
        }
        state.written = { ...next, revision: (written.revision ?? 0) + 1 };
        state.pending.splice(0, count);
        state.currentNote = withPending(state);
        if (event !== undefined) await tell(oauthProfile, state, event, failure);
      }
    } catch (error) {
      // Without the note, other runs may ask the provider a few times too often. No grant is lost.
      log.warn("A profile's note could not be written.", { oauthProfile, ...awsErrorOf(error) });
    } finally {
      // At once, so that no change comes between the last look and the end.
      state.busy = false;
    }
  };

  const tell = async (
    oauthProfile: string,
    state: NoteState,
    type: ProfileEventType,
    failure = state.written.failure,
  ) => {
    const isAtRisk = type === 'OAuth Profile At Risk';
    const detail = {
      oauthProfile,
      reason: isAtRisk ? 'client_rejected' : (failure?.reason ?? 'client_rejected'),
      accounts: isAtRisk ? 0 : (failure?.accounts ?? 0),
      at: secondsOf(clock),
    } as const;
    const message = messageOf(type, oauthProfile, failure);
    const { accounts: accountsWaiting, ...fields } = detail;
    if (type === 'OAuth Profile Recovered') log.info(message, fields);
    else log.error(message, { ...fields, accountsWaiting });
    try {
      await events.putOfProfile({ type, detail });
    } catch (error) {
      log.error("The event bus did not take a profile's event. A later run puts it again.", {
        oauthProfile,
        ...awsErrorOf(error),
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

  /** If several runs find an event owed, the one whose note is accepted puts it. */
  const tellOwed = async (oauthProfile: string, state: NoteState, eventOwed: ProfileEventType) => {
    const { written } = state;
    const claim = { ...written, eventOwedAt: secondsOf(clock) };
    try {
      if ((await table.putProfileNote(oauthProfile, claim, written)) === 'recorded') {
        state.written = { ...claim, revision: (written.revision ?? 0) + 1 };
        state.currentNote = withPending(state);
        await tell(oauthProfile, state, eventOwed);
      }
    } catch (error) {
      log.warn("A profile's note could not be written.", { oauthProfile, ...awsErrorOf(error) });
    }
    await writeAll(oauthProfile, state);
  };

  return {
    stateOf,
    load: async (oauthProfile) => {
      // An item can hold any text there. Nobody can have paused that, and it would spoil the reads of others.
      if (!isProfileName(oauthProfile)) {
        stateOf(oauthProfile).pause = 'running';
        return;
      }
      try {
        const state = await read(oauthProfile);
        const { eventOwed, eventOwedAt = 0 } = state.written;
        // The run that wrote it down may be putting it right now.
        const isOwed = eventOwed !== undefined && secondsOf(clock) - eventOwedAt >= BEING_TOLD;
        if (state.busy || dryRun || !isOwed) return;
        state.busy = true;
        state.writing = tellOwed(oauthProfile, state, eventOwed);
      } catch (error) {
        log.warn("A profile's note could not be read.", { oauthProfile, ...awsErrorOf(error) });
      }
    },
    apply: (profile, change) => {
      const state = stateOf(profile);
      state.pending.push(change);
      state.grants = undefined;
      state.currentNote = change(state.currentNote);
      startWriting(profile);
    },
    write: startWriting,
    pauseOf: (profile) => {
      const both = [everything, stateOf(profile).pause];
      return both.includes('paused') ? 'paused' : both.includes('unknown') ? 'unknown' : 'running';
    },
    loadPauses: async () => {
      try {
        const known = [...states.keys()].filter(isProfileName);
        const pauses = await table.readPauses(known);
        everything = pauses.everything ? 'paused' : 'running';
        for (const one of known) stateOf(one).pause = pauses.profiles.has(one) ? 'paused' : 'running';
      } catch (error) {
        throwIfFatal(error);
        log.warn('It could not be read what is paused.', awsErrorOf(error));
      }
    },
    states: () => states.entries(),
    flushed: async () => {
      while ([...states.values()].some(({ busy }) => busy))
        await Promise.all([...states.values()].map(({ writing }) => writing));
    },
  };
}

function withPending({ written, pending }: NoteState): ProfileNote {
  return pending.reduce((note, change) => change(note), written);
}
