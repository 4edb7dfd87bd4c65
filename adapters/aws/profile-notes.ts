import { PROFILE_NOTE } from '../../core/account/account.ts';
import { parseProfileNote } from '../../core/account/parse-profile-note.ts';
import type { ProfileNote } from '../../core/account/profile-note.ts';
import type { TableItems, Written } from './table-items.ts';

/** The notes about profiles in the accounts table (`#profile:<name>`). */
export interface StoredProfileNotes {
  profileNote(profile: string): Promise<ProfileNote>;
  /** Writes a profile's note, if it is still as it was when `before` was read. */
  putProfileNote(profile: string, note: ProfileNote, before: ProfileNote): Promise<Written>;
}

export function createStoredProfileNotes({ read, update }: TableItems): StoredProfileNotes {
  return {
    profileNote: async (profile) => parseProfileNote(await read(`${PROFILE_NOTE}${profile}`, 'note')),
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
