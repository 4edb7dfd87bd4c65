import { createHash } from 'node:crypto';
import { WRITTEN_BY_PEOPLE } from '../../../core/account/account.ts';
import { isJsonObject } from '../../../core/json-object.ts';
import type { Candidate, Item, ReadRow } from './row.ts';

/** The same for the same refresh token, but not the token: base64url of SHA-256. */
export function fingerprintOf(refreshToken: string): string {
  return createHash('sha256').update(refreshToken).digest('base64url');
}

/**
 * The id of the token secret's first version, the same whenever the same account is imported from the same content, so
 * that a repeated import makes nothing twice and knows its own secrets again. A hash of tokens tells nobody a token.
 */
export function versionIdOf({ item, tokenText }: Pick<Candidate, 'item' | 'tokenText'>): string {
  return createHash('sha256')
    .update(JSON.stringify(['oauth-token-refresher import', item.accountId, tokenText]))
    .digest('hex');
}

/** A hash of a row, to notice that the file has changed. */
export function digestOf({ item, candidate }: ReadRow): string {
  return createHash('sha256')
    .update(JSON.stringify(item))
    .update(candidate === undefined ? '' : versionIdOf(candidate))
    .digest('base64url');
}

/** The attributes that the file changes. Attributes that it does not name stay. */
export function differences(item: Item, existing: Item): readonly (typeof WRITTEN_BY_PEOPLE)[number][] {
  return WRITTEN_BY_PEOPLE.filter(
    (name) => item[name] !== undefined && canonical(item[name]) !== canonical(existing[name] ?? null),
  );
}

/** JSON in which the order of members does not matter. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) =>
    isJsonObject(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : one,
  );
}
