import * as v from 'valibot';
import { parseJsonObject } from '../json-object.ts';
import { problemOf } from '../problem.ts';
import { flawOfCredential, HAS_CONTROLS } from '../profile/credential.ts';
import type { Profile } from '../profile/profile.ts';
import { MAX_SECRET_BYTES } from '../secret-size.ts';
import { expIn, instant } from '../times.ts';

/**
 * What the provider last issued for an account, as its secret holds it: all fields of the provider's response, and the standard
 * names beside them. Times are in seconds since the epoch.
 */
export interface TokenSet {
  readonly access_token?: string | undefined;
  readonly token_type?: string | undefined;
  readonly refresh_token?: string | undefined;
  readonly scope?: string | undefined;
  readonly obtained_at?: number | undefined;
  readonly expires_at?: number | undefined;
  readonly refresh_token_expires_at?: number | undefined;
  /** The table whose function keeps it fresh: see kept-by.ts. */
  readonly kept_by?: string | undefined;
  /** The account that it belongs to, where the secret is usually another account's. */
  readonly kept_for?: string | undefined;
  readonly [field: string]: unknown;
}

/** What a provider granted, in standard terms. `fields` is all of its response. */
export interface GrantedTokens {
  readonly fields: Readonly<Record<string, unknown>>;
  /** Absent where only a refresh token could be saved from a cut or odd response. */
  readonly accessToken?: string | undefined;
  readonly tokenType: string;
  readonly refreshToken?: string | undefined;
  readonly scope?: string | undefined;
  /** Undefined where it does not expire. */
  readonly expiresAt: number | undefined;
  readonly refreshTokenExpiresAt?: number | undefined;
}

const optionalText = v.optional(v.nullable(v.string('must be a string')));
const time = v.optional(v.unknown());

const tokenSetSchema = v.looseObject(
  {
    access_token: optionalText,
    token_type: optionalText,
    refresh_token: optionalText,
    scope: v.optional(v.unknown()),
    obtained_at: time,
    expires_at: time,
    refresh_token_expires_at: time,
    kept_by: v.optional(v.string('must be a string')),
    kept_for: v.optional(v.string('must be a string')),
  },
  'must be a JSON object',
);

type ParsedTokenSet =
  | { readonly kind: 'token_set'; readonly tokenSet: TokenSet }
  | { readonly kind: 'invalid'; readonly problem: string };

/**
 * Reads the secret's text. A blank token counts as absent. Times may be written in any way that `instant` reads. A time that
 * can't be read does no harm: an access token with such an end counts as expired, and other such times as unknown.
 *
 * @returns the token set, or the field that is wrong and why; never a value
 */
export function parseTokenSet(text: string | undefined): ParsedTokenSet {
  if (text === undefined)
    return { kind: 'invalid', problem: 'must hold text (SecretString), not binary data' };
  const json = parseJsonObject(text);
  if (json === undefined) return { kind: 'invalid', problem: 'must hold a JSON object' };
  const result = v.safeParse(tokenSetSchema, json, { abortEarly: true });
  if (!result.success) return { kind: 'invalid', problem: problemOf(result.issues[0]) };
  const { token_type, scope, ...rest } = result.output;
  const access_token = tokenIn(rest.access_token);
  const refresh_token = tokenIn(rest.refresh_token);
  const keptByFunction = rest.kept_by !== undefined;
  for (const [field, token] of Object.entries({ access_token, refresh_token })) {
    const flaw = token === undefined ? undefined : flawOfToken(token, keptByFunction);
    if (flaw !== undefined) return { kind: 'invalid', problem: `${field}: ${flaw}` };
  }
  const expires_at = endOf(rest.expires_at, access_token, refresh_token);
  if (expires_at === 'unreadable')
    return {
      kind: 'invalid',
      problem:
        'expires_at: must be a time (seconds since the epoch); leave it out where the access token does not expire',
    };
  return {
    kind: 'token_set',
    tokenSet: {
      ...rest,
      access_token,
      token_type: token_type ?? undefined,
      refresh_token,
      scope: typeof scope === 'string' ? scope : undefined,
      obtained_at: instant(rest.obtained_at),
      expires_at,
      refresh_token_expires_at: instant(rest.refresh_token_expires_at),
    },
  };
}

function tokenIn(value: string | null | undefined): string | undefined {
  return value === null || value === undefined || value.trim() === '' ? undefined : value;
}

/** A mistake that a person made. What the function stored is as the provider sent it, however odd. */
function flawOfToken(token: string, keptByFunction: boolean): string | undefined {
  if (!keptByFunction) return flawOfCredential(token);
  return /\p{Cc}/u.test(token) ? HAS_CONTROLS : undefined;
}

/** In the past: an access token whose end can't be read is due. */
const LONG_AGO = 0;

/**
 * When the access token expires; a person may have written it. Without a refresh token, an end that can't be read must neither
 * count as none nor cost somebody a sign-in. So it is reported as a mistake.
 */
function endOf(
  written: unknown,
  accessToken: string | undefined,
  refreshToken: string | undefined,
): number | undefined | 'unreadable' {
  const absent = written === undefined || written === null || written === '';
  const read = instant(written);
  if (read !== undefined || accessToken === undefined) return read;
  if (refreshToken !== undefined) return absent ? undefined : LONG_AGO;
  return instant(expIn(accessToken)) ?? (absent ? undefined : 'unreadable');
}

/** Whether the access token does not expire, so that nothing has to be refreshed. */
export function neverExpires(
  { access_token, expires_at, refresh_token }: TokenSet,
  { default_expires_in }: Pick<Profile, 'default_expires_in'>,
): boolean {
  if (access_token === undefined || expires_at !== undefined) return false;
  return refresh_token === undefined || default_expires_in === 'never';
}

/** Fields about the old access token. They would be wrong beside a new one. */
const accessTokenFields = 'access_token token_type expires_at expires_in obtained_at id_token'.split(' ');

/**
 * The token set after a grant: the response's fields over the old ones. So what only an earlier response said (a Salesforce
 * `instance_url`, a Slack `team`) stays.
 *
 * A new refresh token replaces the old one; if there is none, the old one stays (RFC 6749 section 6). If it is the same one
 * again, it does not live longer: the earlier of the two expiries counts.
 *
 * @param obtainedAt when the response came, seconds since the epoch
 */
export function mergeTokenSet(previous: TokenSet, granted: GrantedTokens, obtainedAt: number): TokenSet {
  const rotated = granted.refreshToken !== undefined && granted.refreshToken !== previous.refresh_token;
  const kept = Object.fromEntries(
    Object.entries(previous).filter(([field]) => !accessTokenFields.includes(field)),
  );
  return withoutUndefined({
    ...kept,
    ...granted.fields,
    access_token: granted.accessToken,
    token_type: granted.tokenType,
    refresh_token: granted.refreshToken ?? previous.refresh_token,
    scope: granted.scope ?? previous.scope,
    id_token: undefined,
    // A provider must not set these.
    kept_by: previous.kept_by,
    kept_for: previous.kept_for,
    obtained_at: obtainedAt,
    // Without an access token the next run must find the account due.
    expires_at: granted.accessToken === undefined ? obtainedAt : granted.expiresAt,
    refresh_token_expires_at: rotated
      ? granted.refreshTokenExpiresAt
      : earlier(previous.refresh_token_expires_at, granted.refreshTokenExpiresAt),
  });
}

/**
 * The token set with another refresh token and nothing else new: the token came out of escrow, or its whole set is too large to
 * be stored. The old access token and its expiry stay.
 */
export function withRefreshToken(previous: TokenSet, refreshToken: string, obtainedAt: number): TokenSet {
  const rotated = refreshToken !== previous.refresh_token;
  return withoutUndefined({
    ...previous,
    refresh_token: refreshToken,
    obtained_at: obtainedAt,
    refresh_token_expires_at: rotated ? undefined : previous.refresh_token_expires_at,
  });
}

/** What is always stored of a token set: the fields of RFC 6749, and ours. */
const standardFields = [...Object.keys(tokenSetSchema.entries), 'expires_in'];

/** The text to store. `whole` has the new access token; `refresh token only` is what is left where that is too large. */
interface Storable {
  readonly kind: 'whole' | 'refresh token only';
  readonly tokenSet: TokenSet;
  readonly text: string;
}

/**
 * As much of a token set as fits into a secret: all of it; or only the standard fields and those in `named`; or its refresh token
 * beside the old access token; or its refresh token alone.
 *
 * @param named other fields to keep as long as there is room
 */
export function storable(tokenSet: TokenSet, previous: TokenSet, named: readonly string[]): Storable {
  const whole = [tokenSet, pick(tokenSet, [...standardFields, ...named]), pick(tokenSet, standardFields)];
  const { refresh_token, obtained_at = 0, refresh_token_expires_at, kept_by, kept_for } = tokenSet;
  const own = { kept_by, kept_for };
  const alone = withoutUndefined({ refresh_token, obtained_at, refresh_token_expires_at, ...own });
  const beside = {
    ...withRefreshToken(pick(previous, standardFields), refresh_token ?? '', obtained_at),
    refresh_token_expires_at,
  };
  for (const one of whole) {
    const text = textOf(one);
    if (text !== undefined) return { kind: 'whole', tokenSet: one, text };
  }
  const kind = 'refresh token only';
  const text = textOf(beside);
  if (text !== undefined) return { kind, tokenSet: beside, text };
  return { kind, tokenSet: alone, text: JSON.stringify(alone) };
}

/** Undefined where it is too large for a secret, or nested too deep to be written. */
function textOf(tokenSet: TokenSet): string | undefined {
  try {
    const text = JSON.stringify(tokenSet);
    return Buffer.byteLength(text) <= MAX_SECRET_BYTES ? text : undefined;
  } catch {
    return undefined;
  }
}

export function serializeTokenSet(tokenSet: TokenSet): string {
  return storable(tokenSet, {}, []).text;
}

function pick(tokenSet: TokenSet, fields: readonly string[]): TokenSet {
  return Object.fromEntries(Object.entries(tokenSet).filter(([field]) => fields.includes(field)));
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}

function withoutUndefined(tokenSet: Record<string, unknown>): TokenSet {
  return Object.fromEntries(Object.entries(tokenSet).filter(([, value]) => value !== undefined));
}
