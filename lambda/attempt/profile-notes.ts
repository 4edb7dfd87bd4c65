import type { Account } from '../../core/account/account.ts';
import {
  type Evidence,
  isAmongRefused,
  mayTryRefused,
  noteAfter,
  noteAfterTry,
  triesInRun,
} from '../../core/account/evidence.ts';
import type { ProfileNote } from '../../core/account/profile-note.ts';
import { secondsOf } from '../../core/clock.ts';
import type { Reason } from '../../core/reason.ts';
import { createNoteWriter, type NoteOptions } from './note-writer.ts';

/** Whether an account may be tried now: `start` it, let it `wait` for the one that is being tried, or end it with a reason. */
export type Admission = 'start' | 'wait' | { readonly action: 'defer' | 'leave'; readonly reason: Reason };

/** What a run knows of the profiles that it meets, shared with other runs through their notes in the table. */
export interface ProfileNotes {
  /** Reads a profile's note, once a run. Never rejects: without its note a profile counts as sound. */
  load(profile: string): Promise<void>;
  get(profile: string): ProfileNote;
  /** Whether people have paused the profile, or everything. */
  isPaused(profile: string): boolean;
  /** Reads what is paused, of all profiles loaded so far. Rejects where the table can't be read at all. */
  loadPauses(): Promise<void>;
  /** Whether an account may be tried now, as its profile is. */
  admit(account: Account): Admission;
  /** An attempt at an account begins. Call the function that is returned at its end. */
  begin(account: Account): () => void;
  /** What a provider said about an account. */
  learn(profile: string, evidence: Evidence): void;
  /** How many due accounts of each profile wait for the end of its failure, as this run has found. */
  waiting(counts: ReadonlyMap<string, number>, segment: string): void;
  /** Resolves when all that is known is written down, or could not be. */
  flushed(): Promise<void>;
}

/** What this run has tried of a profile, while it is failing. */
interface Tries {
  all: number;
  ofRefused: number;
  /** Of those that a provider-wide refusal is about. */
  ofTheWide: number;
  underWay: number;
}

/** So many of the refused are tried where people name them, though others were tried just before. */
const TRIES_BY_HAND = 5;
/** If another run has changed the note meanwhile, so many of the last grants are added to it again. */
const MAX_GRANTS = 500;

/** @param byHand people name the accounts, and want them tried */
export function createProfileNotes({
  byHand = false,
  ...options
}: NoteOptions & { byHand?: boolean }): ProfileNotes {
  const { clock } = options;
  const writer = createNoteWriter(options);
  const { stateOf, apply } = writer;
  const loading = new Map<string, Promise<void>>();
  const allTries = new Map<string, Tries>();
  const triesOf = (profile: string) => {
    const known = allTries.get(profile) ?? { all: 0, ofRefused: 0, ofTheWide: 0, underWay: 0 };
    allTries.set(profile, known);
    return known;
  };
  return {
    load: (profile) => {
      const known = loading.get(profile) ?? writer.load(profile);
      loading.set(profile, known);
      return known;
    },
    get: (profile) => stateOf(profile).currentNote,
    isPaused: (profile) => writer.pauseOf(profile) === 'paused',
    loadPauses: writer.loadPauses,
    admit: (account) => {
      const { currentNote: note } = stateOf(account.oauthProfile);
      const pause = writer.pauseOf(account.oauthProfile);
      const tries = triesOf(account.oauthProfile);
      const now = secondsOf(clock);
      if (pause === 'paused') return { action: 'leave', reason: 'disabled' };
      if (pause === 'unknown') return { action: 'defer', reason: 'store_unavailable' };
      const isRefused = isAmongRefused(account, note);
      const mayTry = mayTryRefused(note, now) || (byHand && tries.ofTheWide < TRIES_BY_HAND);
      if (isRefused && !mayTry) return { action: 'defer', reason: 'provider_wide_refusal' };
      const allowed = triesInRun(note, now);
      if (allowed === undefined || note.failure === undefined) return 'start';
      const refusedBefore = account.failure !== undefined;
      if (tries.all >= allowed || (refusedBefore && tries.ofRefused >= 1))
        return { action: 'defer', reason: note.failure.reason };
      return tries.underWay > 0 ? 'wait' : 'start';
    },
    begin: (account) => {
      const { oauthProfile: profile } = account;
      const state = stateOf(profile);
      const tries = triesOf(profile);
      const isRefused = isAmongRefused(account, state.currentNote);
      if (isRefused) {
        apply(profile, (note) => noteAfterTry(note, secondsOf(clock)));
        tries.ofTheWide++;
      }
      if (triesInRun(state.currentNote, secondsOf(clock)) !== undefined) {
        tries.all++;
        if (account.failure !== undefined) tries.ofRefused++;
      }
      tries.underWay++;
      return () => {
        tries.underWay--;
      };
    },
    learn: (profile, evidence) => {
      const state = stateOf(profile);
      const after = noteAfter(state.currentNote, evidence);
      const isCalm = evidence.refusal === undefined && state.currentNote.failure === undefined;
      if (!isCalm || after.atRisk !== state.currentNote.atRisk)
        return apply(profile, (note) => noteAfter(note, evidence));
      // Grants come by the thousand; what is pending must not grow with them.
      state.currentNote = after;
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
      writer.write(profile);
    },
    waiting: (counts, segment) => {
      for (const [profile, state] of writer.states()) {
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
    flushed: writer.flushed,
  };
}
