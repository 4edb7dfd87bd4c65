import type { HttpAnswer } from './https-request.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';
import type { Profile } from './profile.ts';
import type { Reason } from './reason.ts';
import type { GrantedTokens } from './token-set.ts';

/**
 * What a token endpoint's answer means. Pure, and never throws: between an answer and its storage nothing may stand
 * that could drop a refresh token.
 */
export type TokenAnswer =
  | { readonly kind: 'granted'; readonly tokens: GrantedTokens }
  | {
      /** A success that can't be used as it is; its refresh token must be kept all the same. */
      readonly kind: 'rescued';
      readonly tokens: GrantedTokens;
      readonly detail: string;
    }
  | ErrorAnswer;

export interface ErrorAnswer {
  readonly kind: 'error';
  readonly reason: Reason;
  /** What the provider said, free of secrets. */
  readonly detail: string;
  /** Seconds to wait, from Retry-After (RFC 9110 section 10.2.3). */
  readonly retryAfter?: number | undefined;
  /** The provider may have rotated the refresh token although this answer does not hold the new one. */
  readonly mayHaveRotated: boolean;
}

/**
 * Interprets the answer to a `refresh_token` grant (RFC 6749 sections 5.1 and 5.2), as providers really send it.
 *
 * @param secrets values that must not stand in any message, such as the refresh token that was sent
 * @param now seconds since the epoch
 */
export function interpretTokenAnswer(
  answer: HttpAnswer,
  profile: Profile,
  secrets: readonly string[],
  now: number,
): TokenAnswer {
  const succeeded = answer.status >= 200 && answer.status < 300;
  const response = parseBody(answer);
  if (!succeeded || response === undefined || errorOf(response, profile) !== undefined) {
    const accessToken = succeeded ? textAt(response, profile, 'access_token') : undefined;
    if (succeeded && response !== undefined && accessToken !== undefined)
      return granted(response, profile, now);
    const rescued = succeeded ? rescueRefreshToken(answer.body, response, profile) : undefined;
    if (rescued !== undefined)
      return {
        kind: 'rescued',
        tokens: tokensFrom({}, profile, { refreshToken: rescued, now }),
        detail: answer.complete
          ? 'The token endpoint answered with success, but not with a token response'
          : 'The token endpoint’s answer was cut short',
      };
    return errorAnswer(answer, response, profile, secrets, now);
  }
  if (textAt(response, profile, 'access_token') !== undefined) return granted(response, profile, now);
  const refreshToken =
    textAt(response, profile, 'refresh_token') ?? rescueRefreshToken(answer.body, response, profile);
  const detail = 'The token endpoint answered with success, but without an access token';
  if (refreshToken !== undefined)
    return { kind: 'rescued', tokens: tokensFrom(response, profile, { refreshToken, now }), detail };
  return { kind: 'error', reason: 'malformed_response', detail, mayHaveRotated: true };
}

function granted(response: JsonObject, profile: Profile, now: number): TokenAnswer {
  const tokens = tokensFrom(response, profile, {
    accessToken: textAt(response, profile, 'access_token'),
    refreshToken: textAt(response, profile, 'refresh_token'),
    now,
  });
  return { kind: 'granted', tokens };
}

/** JSON whatever the content type says, or a form, or nothing that is known. An `id_token` is never kept. */
function parseBody({ body, complete }: HttpAnswer): JsonObject | undefined {
  const text = body.replace(/^\uFEFF/, '').trim();
  try {
    const json: unknown = JSON.parse(text, (key, value) => (key === 'id_token' ? undefined : value));
    return isJsonObject(json) ? json : undefined;
  } catch {
    // JSON that parses is whole; a form that was cut short can't be told from one that was not.
    if (!complete || !/^[A-Za-z0-9_.-]+=[^<\s]*$/.test(text)) return undefined;
    const { id_token: _, ...form } = Object.fromEntries(new URLSearchParams(text));
    return form;
  }
}

interface Found {
  readonly accessToken?: string | undefined;
  readonly refreshToken?: string | undefined;
  readonly now: number;
}

function tokensFrom(
  response: JsonObject,
  profile: Profile,
  { accessToken, refreshToken, now }: Found,
): GrantedTokens {
  const tokenType = textAt(response, profile, 'token_type');
  return {
    response,
    accessToken,
    refreshToken,
    // RFC 6749 requires a token_type; the providers that leave it out all mean a bearer token.
    tokenType: tokenType ?? 'Bearer',
    scope: scopeOf(valueAt(response, profile, 'scope')),
    expiresAt: accessTokenExpiry(response, profile, now),
    refreshTokenExpiresAt: refreshTokenExpiry(response, profile, now),
  };
}

function scopeOf(value: unknown): string | undefined {
  if (Array.isArray(value)) return value.filter((part) => typeof part === 'string').join(' ');
  return typeof value === 'string' ? value : undefined;
}

function accessTokenExpiry(response: JsonObject, profile: Profile, now: number): number {
  const { token_response_fields: mapped } = profile;
  // An absolute expiry that the profile names by pointer is what its author meant to be used.
  const absolute = instant(valueAt(response, profile, 'expires_at'));
  if (absolute !== undefined && mapped.expires_at !== undefined) return absolute;
  const lifetime = accessLifetime(valueAt(response, profile, 'expires_in'));
  if (lifetime !== undefined) return now + lifetime;
  return absolute ?? now + profile.default_expires_in;
}

const refreshLifetimeFields = [
  'refresh_token_expires_in',
  'refresh_expires_in',
  'x_refresh_token_expires_in',
];

function refreshTokenExpiry(response: JsonObject, profile: Profile, now: number): number | undefined {
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

/**
 * Saves a refresh token from a body that could not be read: cut short, wrapped, or not JSON at all.
 */
function rescueRefreshToken(
  body: string,
  response: JsonObject | undefined,
  profile: Profile,
): string | undefined {
  const read = textAt(response, profile, 'refresh_token');
  if (read !== undefined) return read;
  const name = profile.token_response_fields.refresh_token?.split('/').at(-1) ?? 'refresh_token';
  const quoted = new RegExp(`"${escapeRegExp(name)}"\\s*:\\s*("(?:[^"\\\\]|\\\\.)+")`).exec(body)?.[1];
  if (quoted !== undefined) {
    try {
      const text: unknown = JSON.parse(quoted);
      if (typeof text === 'string') return text;
    } catch {
      return undefined;
    }
  }
  // Of a form only a value with something behind it is known to be whole.
  const form = new RegExp(`(?:^|&)${escapeRegExp(name)}=([^&\\s<]+)&`).exec(body)?.[1];
  return form === undefined ? undefined : (new URLSearchParams(`v=${form}`).get('v') ?? undefined);
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

// ---- errors ----

interface ProviderError {
  readonly code: string;
  readonly description: string | undefined;
}

/** The error that a body names (RFC 6749 section 5.2, or where the profile says), whatever the status. */
function errorOf(response: JsonObject, profile: Profile): ProviderError | undefined {
  const { error: errorPointer, error_description: descriptionPointer } = profile.token_error_fields;
  const error = errorPointer === undefined ? response.error : at(response, errorPointer);
  const nested = isJsonObject(error) ? error : undefined;
  const code =
    scalar(error) ??
    scalar(nested?.code) ??
    scalar(nested?.type) ??
    scalar(nested?.status) ??
    (response.ok === false || response.success === false ? 'not_ok' : undefined);
  if (code === undefined) return undefined;
  const description =
    descriptionPointer === undefined
      ? (response.error_description ?? nested?.message ?? response.message)
      : at(response, descriptionPointer);
  return { code, description: scalar(description) };
}

function scalar(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** What the codes of the standards, and the ones that many providers share, mean. */
const meaningOfCodes: Readonly<Record<string, Reason>> = {
  invalid_grant: 'grant_revoked',
  interaction_required: 'grant_revoked',
  login_required: 'grant_revoked',
  consent_required: 'grant_revoked',
  invalid_client: 'client_rejected',
  unauthorized_client: 'client_rejected',
  access_denied: 'client_rejected',
  invalid_request: 'client_rejected',
  invalid_scope: 'client_rejected',
  unsupported_grant_type: 'client_rejected',
  server_error: 'provider_unavailable',
  temporarily_unavailable: 'provider_unavailable',
  slow_down: 'rate_limited',
  rate_limited: 'rate_limited',
  ratelimited: 'rate_limited',
  rate_limit_exceeded: 'rate_limited',
  too_many_requests: 'rate_limited',
};

function errorAnswer(
  answer: HttpAnswer,
  response: JsonObject | undefined,
  profile: Profile,
  secrets: readonly string[],
  now: number,
): ErrorAnswer {
  const { status } = answer;
  const error = response === undefined ? undefined : errorOf(response, profile);
  const retryAfter = retryAfterSeconds(answer.retryAfter, now);
  const reason = reasonOf(status, error, profile, retryAfter !== undefined);
  return {
    kind: 'error',
    reason,
    detail: clean(describe(answer, error, reason), secrets),
    retryAfter,
    mayHaveRotated: reason !== 'grant_revoked' && mayHaveRotated(answer, error),
  };
}

/** A gateway's error, a success that can't be read and a cut answer may all follow a rotation. */
function mayHaveRotated({ status, complete }: HttpAnswer, error: ProviderError | undefined): boolean {
  if (!complete) return true;
  if (error !== undefined) return false;
  return (status >= 200 && status < 300) || status === 500 || status === 502 || status === 504;
}

function reasonOf(
  status: number,
  error: ProviderError | undefined,
  profile: Profile,
  saysWhenToRetry: boolean,
): Reason {
  const throttledOrDown: Reason = status >= 500 ? 'provider_unavailable' : 'rate_limited';
  if (names(profile.transient_errors, status, error)) return throttledOrDown;
  if (names(profile.dead_grant_errors, status, error)) return 'grant_revoked';
  if (status === 429) return 'rate_limited';
  const known = error === undefined ? undefined : meaningOfCodes[error.code.toLowerCase()];
  if (known !== undefined) return known;
  if (status >= 500) return 'provider_unavailable';
  if (saysWhenToRetry && status >= 400) return 'rate_limited';
  if (status === 401 && error === undefined) return 'client_rejected';
  return 'malformed_response';
}

/** Whether a profile's list of codes names this answer: by code, by `http_<status>`, or within the description. */
function names(codes: readonly string[], status: number, error: ProviderError | undefined): boolean {
  return codes.some(
    (code) =>
      code === error?.code ||
      (code === `http_${status}` && error === undefined) ||
      (error?.description !== undefined && hasWord(error.description, code)),
  );
}

function hasWord(text: string, word: string): boolean {
  return new RegExp(`(?:^|[^A-Za-z0-9_])${escapeRegExp(word)}(?:$|[^A-Za-z0-9_])`).test(text);
}

function describe(
  { status, body, complete }: HttpAnswer,
  error: ProviderError | undefined,
  reason: Reason,
): string {
  if (error !== undefined) {
    const description = error.description === undefined ? '' : ` (${error.description})`;
    return `The provider answered ${status} ${error.code}${description}`;
  }
  if (!complete) return `The token endpoint's answer (HTTP ${status}) was cut short or too large`;
  if (status >= 300 && status < 400)
    return `The token endpoint answered with a redirect (HTTP ${status}), which is refused`;
  const kind =
    body.trim() === '' ? 'an empty body' : /^\s*</.test(body) ? 'HTML or XML' : 'no known error code';
  return reason === 'malformed_response' || status < 300
    ? `The token endpoint answered HTTP ${status} with ${kind}`
    : `The provider answered HTTP ${status} with ${kind}`;
}

/**
 * Makes a provider's words fit for logs and the table: one line, short, without the secrets that were sent and
 * without anything that looks like a token.
 */
function clean(text: string, secrets: readonly string[]): string {
  const known = secrets.filter((secret) => secret.length > 3);
  const hidden = known.reduce((rest, secret) => rest.split(secret).join('[redacted]'), text);
  return hidden
    .replace(/(?=[a-z_\-.~+/=%]*[A-Z0-9])[A-Za-z0-9_\-.~+/=%]{24,}/g, '[redacted]')
    .replace(/[^\x20-\x7e’]+/g, ' ')
    .slice(0, 300)
    .trim();
}

/** Retry-After as seconds from now: a number, or a date. */
function retryAfterSeconds(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(value)) return Number(value);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil(date / 1000 - now));
}

// ---- where a field stands ----

function valueAt(
  response: JsonObject | undefined,
  profile: Profile,
  field: keyof Profile['token_response_fields'],
): unknown {
  if (response === undefined) return undefined;
  const pointer = profile.token_response_fields[field];
  return pointer === undefined ? response[field] : at(response, pointer);
}

function textAt(
  response: JsonObject | undefined,
  profile: Profile,
  field: keyof Profile['token_response_fields'],
): string | undefined {
  const value = valueAt(response, profile, field);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The value at a JSON pointer (RFC 6901). */
function at(document: unknown, pointer: string): unknown {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>((value, part) => {
      if (Array.isArray(value)) return value[Number(part)];
      return isJsonObject(value) && Object.hasOwn(value, part) ? value[part] : undefined;
    }, document);
}
