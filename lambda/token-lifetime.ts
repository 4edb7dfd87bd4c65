import type { JsonObject } from './json-object.ts';
import type { Profile } from './profile.ts';
import { at, valueAt } from './response-fields.ts';

/** When the access token of an answer runs out, seconds since the epoch. */
export function accessTokenExpiry(response: JsonObject, profile: Profile, now: number): number {
  const { token_response_fields: mapped } = profile;
  // An absolute expiry that the profile names by pointer is what its author meant to be used.
  const absolute = instant(valueAt(response, profile, 'expires_at'));
  if (absolute !== undefined && mapped.expires_at !== undefined) return absolute;
  const lifetime = accessLifetime(valueAt(response, profile, 'expires_in'));
  if (lifetime !== undefined) return now + lifetime;
  return absolute ?? now + (Number(profile.default_expires_in) || 3600);
}

const refreshLifetimeFields = [
  'refresh_token_expires_in',
  'refresh_expires_in',
  'x_refresh_token_expires_in',
];

/** When its refresh token runs out, seconds since the epoch; undefined where it does not, or nothing says so. */
export function refreshTokenExpiry(response: JsonObject, profile: Profile, now: number): number | undefined {
  const absolute = instant(valueAt(response, profile, 'refresh_token_expires_at'));
  if (absolute !== undefined) return absolute;
  const { refresh_token_expires_in: pointer } = profile.token_response_fields;
  const values =
    pointer === undefined ? refreshLifetimeFields.map((f) => response[f]) : [at(response, pointer)];
  const lifetime = values.map(positiveNumber).find((value) => value !== undefined);
  // Zero means that it does not expire (Keycloak's offline tokens), not that it has.
  return lifetime === undefined ? undefined : now + Math.floor(lifetime);
}

const WEEK = 604_800;
const DAY = 86_400;
const daysThatProvidersGrant = [90, 100, 120, 180, 182, 183, 184, 364, 365, 366];

/**
 * A lifetime in seconds, or nothing where none is usefully named (absent, zero, negative).
 *
 * Some providers say milliseconds. Up to a week a number is seconds; above, it is seconds only if it is a usual
 * number of whole days (a countdown's last minute included), else milliseconds. The doubtful are read as
 * milliseconds because that error refreshes too often, while the other lets an account go dead.
 */
function accessLifetime(value: unknown): number | undefined {
  const number = positiveNumber(value);
  if (number === undefined) return undefined;
  if (number <= WEEK) return Math.floor(number);
  const days = Math.ceil((number - 1) / DAY);
  const wholeDays = days * DAY - number < 60;
  if (wholeDays && (days <= 62 || daysThatProvidersGrant.includes(days))) return Math.floor(number);
  return Math.floor(number / 1000);
}

function positiveNumber(value: unknown): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) && number > 0 ? number : undefined;
}

/** An instant as epoch seconds, epoch milliseconds or ISO 8601, in seconds since the epoch. */
function instant(value: unknown): number | undefined {
  const number = positiveNumber(value);
  if (number !== undefined) return Math.floor(number > 100_000_000_000 ? number / 1000 : number);
  if (typeof value !== 'string') return undefined;
  // Without a zone the instant is UTC: never this machine's own.
  const zoned = /(?:[zZ]|[+-]\d\d:?\d\d|GMT|UTC)$/.test(value.trim())
    ? value
    : `${value.trim().replace(' ', 'T')}Z`;
  const milliseconds = Date.parse(zoned);
  return Number.isNaN(milliseconds) ? undefined : Math.floor(milliseconds / 1000);
}
