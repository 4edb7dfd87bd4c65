import { PAUSE_NOTE, PROFILE_NOTE, pauseNoteOf } from '../core/account/account.ts';
import { parseProfileNote } from '../core/account/parse-profile-note.ts';
import { isNews } from '../core/account/profile-note.ts';
import { type FleetItem, isAccount } from './fleet-table.ts';
import { copyableName } from './printable.ts';

/** What a profile's note in the table says of it, while it is failing. Times are seconds since the epoch. */
export interface FailingProfile {
  readonly profile: string;
  readonly reason: string;
  readonly message: string;
  readonly since: number;
  readonly at: number;
  readonly count: number;
  /** Due accounts that could not be refreshed for it, tried or not. */
  readonly accounts: number;
}

/** What the note says, as the function reads it; undefined where the item is none, its profile is well, or nobody uses that any more. */
export function failingProfile(item: FleetItem, now: number): FailingProfile | undefined {
  if (!item.accountId.startsWith(PROFILE_NOTE)) return undefined;
  const { failure } = parseProfileNote(item);
  if (failure === undefined || !isNews(failure, now)) return undefined;
  const { reason, message, since, at, count, accounts } = failure;
  const profile = item.accountId.slice(PROFILE_NOTE.length);
  return { profile, reason, message, since, at, count, accounts };
}

/** Whether an item is the note of a profile whose current version is refused while the one before works. */
export function isAtRisk(item: FleetItem, now: number): boolean {
  if (!item.accountId.startsWith(PROFILE_NOTE)) return false;
  const { atRisk } = parseProfileNote(item);
  return atRisk !== undefined && isNews(atRisk, now);
}

/** The function's usual refresh window, seconds: who has less left waits already. Short-lived tokens have a smaller one. */
export const USUAL_WINDOW = 300;

/**
 * The accounts of a scan, each as it is: one that is due while its profile is failing waits for that, though nobody has tried it
 * yet and its own item is older.
 *
 * @param refreshWindow the function's own, seconds, where it was asked
 */
export function accountsOf(
  items: readonly FleetItem[],
  now: number,
  refreshWindow = USUAL_WINDOW,
): FleetItem[] {
  const keys = new Set(items.filter((item) => !isAccount(item)).map(({ accountId }) => accountId));
  const failing = new Map(
    items.flatMap((item) => {
      const found = failingProfile(item, now);
      return found === undefined ? [] : [[found.profile, found] as const];
    }),
  );
  return items
    .filter(isAccount)
    .map((item) =>
      withPause(waiting(item, failing.get(String(item.oauthProfile)), now, refreshWindow), keys),
    );
}

/** What people have paused, by the notes of a scan: `everything`, then the names of profiles, an odd one as `copyableName` has it. */
export function pausedIn(items: readonly FleetItem[]): string[] {
  const keys = items.map(({ accountId }) => accountId);
  const profiles = keys
    .filter((key) => key.startsWith(`${PAUSE_NOTE}:`))
    .map((key) => copyableName(key.slice(PAUSE_NOTE.length + 1)))
    .sort();
  return keys.includes(PAUSE_NOTE) ? ['everything', ...profiles] : profiles;
}

/** An account as it is while people have paused its profile, or everything. @param notes the keys of notes that there are */
export function withPause(item: FleetItem, notes: ReadonlySet<string>): FleetItem {
  if (notes.has(PAUSE_NOTE)) return { ...item, paused: 'everything' };
  return notes.has(pauseNoteOf(String(item.oauthProfile))) ? { ...item, paused: 'profile' } : item;
}

/** An account as it is while its profile is failing, if it is. */
export function waiting(
  item: FleetItem,
  profile: FailingProfile | undefined,
  now: number,
  refreshWindow = USUAL_WINDOW,
): FleetItem {
  if (profile === undefined || item.authenticationType !== 'oauth2' || item.enabled === false) return item;
  if (item.status === 'reauthorization_required' || item.doesNotExpire === true) return item;
  const { accessTokenExpiresAt: expiresAt, lastRefreshedAt, failure } = item;
  const lifetime = typeof lastRefreshedAt === 'number' ? Number(expiresAt) - lastRefreshedAt : refreshWindow;
  const isDue = typeof expiresAt !== 'number' || expiresAt <= now + Math.min(refreshWindow, lifetime / 4);
  const { at: ownAt } = (failure ?? {}) as { at?: unknown };
  if (!isDue || (typeof ownAt === 'number' && ownAt >= profile.since)) return item;
  const { accounts: _, profile: __, ...shown } = profile;
  return { ...item, status: 'failing', failure: shown, waitsForProfile: true };
}
