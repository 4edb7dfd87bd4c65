import { HOUR, MINUTE } from '../duration.ts';
import type { JsonObject } from '../json-object.ts';
import type { Profile } from '../profile/profile.ts';
import { accessLifetime, expIn, futureInstant, LONGEST_LIFETIME, refreshLifetime } from '../times.ts';
import { at, textAt, valueAt } from './response-fields.ts';
import type { TokenSet } from './token-set.ts';

/** When a token expires, and what the response said about it that was not believed. */
interface Expiry {
  /** Seconds since the epoch; undefined where it does not expire, or nothing says when. */
  readonly expiresAt: number | undefined;
  /** A sentence for the log, without any value. */
  readonly doubt?: string;
}

/** What is known beside the response. */
interface LifetimeContext {
  readonly profile: Profile;
  readonly previous: TokenSet;
  /** Seconds since the epoch; this clock may be wrong by 30 s. */
  readonly now: number;
}

/** How long an access token lives where nothing says so. */
const USUAL_LIFETIME = HOUR;
/** If the token before lived for less, that was by chance: it may have been handed out again near its end. */
const SHORTEST_USUAL = MINUTE;

/**
 * When the access token expires. The first of these that can be believed: the instant that the profile points at, `expires_in`,
 * `expires_at`, the `exp` of a token that is a JWT, and what `assumed` says.
 */
export function accessTokenExpiry(
  fields: JsonObject,
  accessToken: string | undefined,
  asked: LifetimeContext,
): Expiry {
  const { profile, now } = asked;
  const absolute = {
    name: 'expires_at',
    value: valueAt(fields, profile, 'expires_at'),
    read: futureInstant,
  };
  const lifetime = {
    name: 'expires_in',
    value: valueAt(fields, profile, 'expires_in'),
    read: fromLifetime,
  };
  const own = { name: 'the exp of its access token', value: expIn(accessToken), read: futureInstant };
  // Whoever wrote a pointer to an instant meant it to be used.
  const pointed = profile.token_response_fields.expires_at !== undefined;
  return firstBelieved(pointed ? [absolute, lifetime, own] : [lifetime, absolute, own], now, () =>
    assumed(fields, asked),
  );
}

/**
 * What the profile says. If it says nothing, then without a refresh token there is no end, as nothing could be done about it;
 * with one, the token lives as long as the one before.
 */
function assumed(fields: JsonObject, { profile, previous, now }: LifetimeContext): number | undefined {
  const { default_expires_in: byProfile } = profile;
  if (byProfile === 'never') return undefined;
  if (byProfile !== undefined) return now + byProfile;
  if (textAt(fields, profile, 'refresh_token') === undefined && previous.refresh_token === undefined)
    return undefined;
  return now + (lifetimeOf(previous) ?? USUAL_LIFETIME);
}

function lifetimeOf({ access_token, expires_at, obtained_at }: TokenSet): number | undefined {
  if (access_token === undefined || expires_at === undefined || obtained_at === undefined) return undefined;
  const lifetime = expires_at - obtained_at;
  return lifetime >= SHORTEST_USUAL && lifetime <= LONGEST_LIFETIME ? lifetime : undefined;
}

const refreshLifetimeFields = [
  'refresh_token_expires_in',
  'refresh_expires_in',
  'x_refresh_token_expires_in',
];

/** When the refresh token expires. Undefined where nothing believable says so: the provider will tell us. */
export function refreshTokenExpiry(fields: JsonObject, { profile, now }: LifetimeContext): Expiry {
  const { refresh_token_expires_in: pointer } = profile.token_response_fields;
  const lifetimes =
    pointer === undefined
      ? refreshLifetimeFields.map((name) => ({ name, value: fields[name] }))
      : [{ name: 'refresh_token_expires_in', value: at(fields, pointer) }];
  const name = 'refresh_token_expires_at';
  const stated = [
    { name, value: valueAt(fields, profile, name), read: futureInstant },
    ...lifetimes.map((one) => ({ ...one, read: fromRefreshLifetime })),
  ];
  // Zero means that it does not expire (Keycloak's offline tokens), not that it has.
  return firstBelieved(
    stated.filter(({ value }) => Number(value) !== 0),
    now,
    () => undefined,
  );
}

interface Stated {
  readonly name: string;
  readonly value: unknown;
  /** Seconds since the epoch, or undefined where the value can't be believed. */
  readonly read: (value: unknown, now: number) => number | undefined;
}

function firstBelieved(
  statements: readonly Stated[],
  now: number,
  otherwise: () => number | undefined,
): Expiry {
  const unbelieved: string[] = [];
  for (const { name, value, read } of statements) {
    if (value === undefined || value === null || value === '') continue;
    const expiresAt = read(value, now);
    if (expiresAt !== undefined) return { expiresAt, ...doubtOf(unbelieved) };
    unbelieved.push(name);
  }
  return { expiresAt: otherwise(), ...doubtOf(unbelieved) };
}

function doubtOf(names: readonly string[]): { doubt?: string } {
  if (names.length === 0) return {};
  return {
    doubt: `Not believed of the provider's response: ${names.join(', ')} (in the past, too far ahead, or no time)`,
  };
}

function fromLifetime(value: unknown, now: number): number | undefined {
  const lifetime = accessLifetime(value, now);
  return lifetime === undefined ? undefined : now + lifetime;
}

function fromRefreshLifetime(value: unknown, now: number): number | undefined {
  const lifetime = refreshLifetime(value, now);
  return lifetime === undefined ? undefined : now + lifetime;
}
