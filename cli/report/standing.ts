import { PAUSE_NOTE, pauseNoteOf } from '../../core/account/account.ts';
import { isJsonObject } from '../../core/json-object.ts';
import { turnOf } from '../../core/who-can-help.ts';
import type { FleetItem } from '../../terminal/fleet-table.ts';

/** When people paused profiles, or everything (`''`), seconds since the epoch. @param notes the table's other items */
export function pausesSince(notes: readonly FleetItem[]): ReadonlyMap<string, number> {
  return new Map(
    notes.flatMap(({ accountId, at }) => {
      if (accountId !== PAUSE_NOTE && !accountId.startsWith(pauseNoteOf(''))) return [];
      return typeof at === 'number' ? [[accountId.slice(PAUSE_NOTE.length + 1), at] as const] : [];
    }),
  );
}

/** Why nobody refreshes an account, by people's wish; undefined where it is refreshed. */
export function switchedOff({ enabled, paused }: FleetItem): 'disabled' | 'paused' | undefined {
  if (enabled === false) return 'disabled';
  return paused === undefined ? undefined : 'paused';
}

/** Whether the function looks at an item at all. */
export function isLookedAt({ authenticationType, oauthProfile }: FleetItem): boolean {
  return authenticationType === 'oauth2' && typeof oauthProfile === 'string';
}

export function profileOf({ oauthProfile }: FleetItem): string {
  return typeof oauthProfile === 'string' ? oauthProfile : '—';
}

/** What is wrong with an account; an item of a later version may say what this one doesn't know. */
export interface Trouble {
  readonly reason: string;
  readonly message: string | undefined;
  /** Seconds since the epoch. */
  readonly since: number | undefined;
  /** Whose turn it is, in words; undefined where nobody's, or not known. */
  readonly turn: string | undefined;
}

const UNSAID = 'unknown';

/**
 * What is wrong with an account that needs a person or fails; undefined for the others, and for what people have disabled. A
 * pause ends, and changes nothing about that.
 */
export function troubleOf(item: FleetItem): Trouble | undefined {
  const { status, enabled, authenticationType } = item;
  if (authenticationType !== 'oauth2' || enabled === false) return undefined;
  if (status !== 'reauthorization_required' && status !== 'failing') return undefined;
  const { reason, message, since } = isJsonObject(item.failure) ? item.failure : {};
  return {
    reason: typeof reason === 'string' && reason !== '' ? reason : UNSAID,
    message: typeof message === 'string' ? message : undefined,
    since: timeIn(since),
    turn: status === 'reauthorization_required' ? turnOf('grant_revoked') : turnOf(reason),
  };
}

/** A time in an item, seconds since the epoch; undefined for anything else that may stand there. */
export function timeIn(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** When the access token ends, seconds since the epoch; undefined where that isn't known, or never. */
export function tokenEnd({ accessTokenExpiresAt, doesNotExpire }: FleetItem): number | undefined {
  return doesNotExpire === true ? undefined : timeIn(accessTokenExpiresAt);
}
