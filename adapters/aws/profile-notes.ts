import { PAUSE_NOTE, PROFILE_NOTE, pauseNoteOf } from '../../core/account/account.ts';
import { parseProfileNote } from '../../core/account/parse-profile-note.ts';
import type { ProfileNote } from '../../core/account/profile-note.ts';
import type { TableItems, Written } from './table-items.ts';

/** What people have paused. */
export interface Pauses {
  readonly everything: boolean;
  readonly profiles: ReadonlySet<string>;
}

/** The notes about profiles in the accounts table (`#profile:<name>`). */
export interface StoredProfileNotes {
  /** A profile's note, and whether people have paused it. One call, as a run makes it for each profile. */
  readProfile(profile: string): Promise<{ readonly note: ProfileNote; readonly isPaused: boolean }>;
  /** Whether people have paused everything, and which of these profiles. */
  readPauses(profiles: readonly string[]): Promise<Pauses>;
  /** Writes a profile's note, if it is still as it was when `before` was read. */
  putProfileNote(profile: string, note: ProfileNote, before: ProfileNote): Promise<Written>;
}

export function createStoredProfileNotes({ readNotes, update }: TableItems): StoredProfileNotes {
  return {
    readProfile: async (profile) => {
      const key = `${PROFILE_NOTE}${profile}`;
      const notes = await readNotes([key, pauseNoteOf(profile)]);
      const note = notes.find(({ accountId }) => accountId === key);
      return { note: parseProfileNote(note), isPaused: notes.some((one) => one !== note) };
    },
    readPauses: async (profiles) => {
      const notes = await readNotes([PAUSE_NOTE, ...profiles.map(pauseNoteOf)]);
      const keys = new Set(notes.map(({ accountId }) => accountId));
      const paused = profiles.filter((profile) => keys.has(pauseNoteOf(profile)));
      return { everything: keys.has(PAUSE_NOTE), profiles: new Set(paused) };
    },
    putProfileNote: async (profile, note, before) => {
      const set = { ...note, revision: (before.revision ?? 0) + 1 };
      const gone = (Object.keys(before) as (keyof ProfileNote)[]).filter(
        (name) => before[name] !== undefined && set[name] === undefined,
      );
      const condition =
        before.revision === undefined
          ? {
              expression: '(attribute_not_exists(#revision) OR NOT attribute_type(#revision, :number))',
              values: { ':number': 'N' },
            }
          : { expression: '#revision = :before', values: { ':before': before.revision } };
      return await update(`${PROFILE_NOTE}${profile}`, { set, remove: gone }, condition);
    },
  };
}
