import type { JsonObject } from '../json-object.ts';
import type { Profile } from '../profile/profile.ts';
import { accessLifetime, expIn, futureInstant, LONGEST, refreshLifetime } from '../times.ts';
import { at, textAt, valueAt } from './response-fields.ts';
import type { TokenSet } from './token-set.ts';

/** When a token ends, and what of the answer was not believed on the way to that. */
export interface Expiry {
  /** Seconds since the epoch; undefined where it does not end, or nothing says so. */
  readonly expiresAt: number | undefined;
  /** A sentence for the log, without any value of the answer. */
  readonly doubt?: string;
}

/** What is known beside an answer. */
export interface LifetimeContext {
  readonly profile: Profile;
  /** The token set before it. */
  readonly previous: TokenSet;
  /** Seconds since the epoch; this clock may be wrong by 30 s. */
  readonly now: number;
}

/** What an access token lives for where nothing says anything. */
const USUAL_LIFETIME = 3_600;
/** A shorter one before it was an accident, such as a token that was handed out again at its end. */
const SHORTEST_TO_GO_BY = 60;

/**
 * When the access token of an answer runs out. The first of these that can be believed: the instant that the profile
 * points at, `expires_in`, `expires_at`, the token's own `exp` where it is a JWT, and what is assumed by `assumed`.
 */
export function accessTokenExpiry(
  response: JsonObject,
  accessToken: string | undefined,
  asked: LifetimeContext,
): Expiry {
  const { profile, now } = asked;
  const absolute = {
    name: 'expires_at',
    value: valueAt(response, profile, 'expires_at'),
    read: futureInstant,
  };
  const lifetime = {
    name: 'expires_in',
    value: valueAt(response, profile, 'expires_in'),
    read: fromLifetime,
  };
  const own = { name: 'the exp of its access token', value: expIn(accessToken), read: futureInstant };
  // An absolute expiry that the profile names by pointer is what its author meant to be used.
  const pointed = profile.token_response_fields.expires_at !== undefined;
  return firstBelieved(pointed ? [absolute, lifetime, own] : [lifetime, absolute, own], now, () =>
    assumed(response, asked),
  );
}

/**
 * What the profile says; else nothing at all in a set without a refresh token, since there nothing could be done about
 * an end; else the lifetime of the token before it.
 */
function assumed(response: JsonObject, { profile, previous, now }: LifetimeContext): number | undefined {
  const { default_expires_in: byProfile } = profile;
  if (byProfile === 'never') return undefined;
  if (byProfile !== undefined) return now + byProfile;
  if (textAt(response, profile, 'refresh_token') === undefined && previous.refresh_token === undefined)
    return undefined;
  return now + (lifetimeOf(previous) ?? USUAL_LIFETIME);
}

function lifetimeOf({ access_token, expires_at, obtained_at }: TokenSet): number | undefined {
  if (access_token === undefined || expires_at === undefined || obtained_at === undefined) return undefined;
  const lifetime = expires_at - obtained_at;
  return lifetime >= SHORTEST_TO_GO_BY && lifetime <= LONGEST ? lifetime : undefined;
}

const refreshLifetimeFields = [
  'refresh_token_expires_in',
  'refresh_expires_in',
  'x_refresh_token_expires_in',
];

/** When its refresh token runs out; not at all where nothing says so that can be believed: the provider will tell. */
export function refreshTokenExpiry(response: JsonObject, { profile, now }: LifetimeContext): Expiry {
  const { refresh_token_expires_in: pointer } = profile.token_response_fields;
  const lifetimes =
    pointer === undefined
      ? refreshLifetimeFields.map((name) => ({ name, value: response[name] }))
      : [{ name: 'refresh_token_expires_in', value: at(response, pointer) }];
  const name = 'refresh_token_expires_at';
  const stated = [
    { name, value: valueAt(response, profile, name), read: futureInstant },
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
    doubt: `Not believed of the provider's answer: ${names.join(', ')} (in the past, too far ahead, or no time)`,
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
