import type { HttpAnswer } from './https-request.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';
import { type Profile, secretValuesOf } from './profile.ts';
import type { Reason } from './reason.ts';
import { at } from './response-fields.ts';

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

interface ProviderError {
  readonly code: string;
  readonly description: string | undefined;
}

/**
 * The error that a body names (RFC 6749 section 5.2), whatever the status: where the profile says, or else where the
 * standard says, as many providers have an older and a newer form of it.
 */
export function errorOf(response: JsonObject, profile: Profile): ProviderError | undefined {
  const { error: errorPointer, error_description: descriptionPointer } = profile.token_error_fields;
  const found = errorPointer === undefined ? undefined : scalar(at(response, errorPointer));
  const described = descriptionPointer === undefined ? undefined : scalar(at(response, descriptionPointer));
  const { error } = response;
  const nested = isJsonObject(error) ? error : undefined;
  const code =
    found ??
    scalar(error) ??
    scalar(nested?.code) ??
    scalar(nested?.type) ??
    scalar(nested?.status) ??
    described ??
    (response.ok === false || response.success === false ? 'not_ok' : undefined);
  if (code === undefined) return undefined;
  const description = described ?? response.error_description ?? nested?.message ?? response.message;
  return { code, description: scalar(description) };
}

function scalar(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** What the codes of the standards, and the ones that many providers share, mean. */
const meaningOfCodes: Readonly<Record<string, Reason>> = {
  invalid_grant: 'grant_revoked',
  bad_refresh_token: 'grant_revoked',
  invalid_refresh_token: 'grant_revoked',
  expired_refresh_token: 'grant_revoked',
  refresh_token_expired: 'grant_revoked',
  refresh_token_revoked: 'grant_revoked',
  interaction_required: 'grant_revoked',
  login_required: 'grant_revoked',
  consent_required: 'grant_revoked',
  invalid_client: 'client_rejected',
  invalid_client_id: 'client_rejected',
  invalid_client_secret: 'client_rejected',
  bad_client_secret: 'client_rejected',
  incorrect_client_credentials: 'client_rejected',
  deleted_client: 'client_rejected',
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

/**
 * What an answer without tokens means, and what of it can be told.
 *
 * @param secrets values that must not stand in any message, beside the profile's own
 * @param now seconds since the epoch
 */
export function errorAnswer(
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
    detail: clean(describe(answer, error, reason), [...secrets, ...secretValuesOf(profile)]),
    retryAfter,
    mayHaveRotated: mayHaveRotated(answer, error, reason),
  };
}

/**
 * A gateway's error, a success that can't be read, a cut answer and an error "in the middle of it" may all follow a
 * rotation. An error that names any other cause was sent instead of one.
 */
function mayHaveRotated(
  { status, complete }: HttpAnswer,
  error: ProviderError | undefined,
  reason: Reason,
): boolean {
  if (reason === 'grant_revoked') return false;
  if (!complete) return true;
  if (error !== undefined && reason !== 'provider_unavailable') return false;
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
  const known = error === undefined ? undefined : meaningOf(error.code);
  if (known !== undefined) return known;
  if (status >= 500) return 'provider_unavailable';
  if (saysWhenToRetry && status >= 400) return 'rate_limited';
  if (status === 401 && error === undefined) return 'client_rejected';
  return 'malformed_response';
}

/** To some providers "Invalid refresh token" and "INVALID-REFRESH-TOKEN" are codes. */
function meaningOf(code: string): Reason | undefined {
  const plain = code.toLowerCase().replace(/[\s-]+/g, '_');
  return Object.hasOwn(meaningOfCodes, plain) ? meaningOfCodes[plain] : undefined;
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

/** So much of a provider's words is looked at; an answer may have a megabyte of them. */
const MAX_READ = 4_000;
const MAX_TOLD = 300;

/**
 * Makes a provider's words fit for logs and the table: one line, short, without the secrets that were sent and
 * without anything that looks like a token. Takes no longer for a long text.
 */
function clean(text: string, secrets: readonly string[]): string {
  // What is cut off may be the end of a secret: its beginning goes too.
  const read = text.length > MAX_READ ? text.slice(0, MAX_READ).replace(/\S*$/, '') : text;
  const known = secrets.filter((secret) => secret.length > 3).flatMap(formsOf);
  const hidden = known.reduce((rest, secret) => rest.split(secret).join('[redacted]'), read);
  return hidden
    .replace(/[A-Za-z0-9_\-.~+/=%]{24,}/g, (word) => (/[A-Z0-9]/.test(word) ? '[redacted]' : word))
    .replace(/[^\x20-\x7e’]+/g, ' ')
    .slice(0, MAX_TOLD)
    .trim();
}

/** A secret as it may be quoted: as it is, URL-encoded, and in Base64. */
function formsOf(secret: string): readonly string[] {
  return [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64').replace(/=+$/, '')];
}

/** Retry-After as seconds from now: a number, or a date. */
function retryAfterSeconds(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(value)) return Number(value);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil(date / 1000 - now));
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
