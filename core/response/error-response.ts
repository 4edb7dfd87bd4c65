import { HOUR } from '../duration.ts';
import type { JsonObject } from '../json-object.ts';
import { type Profile, secretValuesOf } from '../profile/profile.ts';
import type { Reason } from '../reason.ts';
import { withoutSecrets } from '../redaction/redaction.ts';
import { saysDeadGrant } from './dead-grant.ts';
import { plainCode, reasonOfCode, reasonOfWords } from './error-codes.ts';
import type { HttpResponse } from './http-response.ts';
import { errorOf, type ProviderError } from './provider-error.ts';

/** An error response (RFC 6749 section 5.2), or anything else that brings no usable access token. */
export interface ErrorResponse {
  readonly kind: 'error';
  readonly reason: Reason;
  /** What the provider said, without secrets. */
  readonly detail: string;
  /** Seconds to wait, from Retry-After (RFC 9110 section 10.2.3), at most six hours. */
  readonly retryAfter?: number | undefined;
  /** The provider may have issued a new refresh token, though it is not in this response. */
  readonly mayHaveRotated: boolean;
  /** The response ended before a refresh token could be read: treat it as if none had come. */
  readonly cut: boolean;
  /** Looks like a new refresh token. Only trying it can tell. */
  readonly candidate?: string | undefined;
  /** The body, at most 64 KB, of a success from which no token could be read. */
  readonly unread?: Uint8Array | string | undefined;
}

/**
 * What a response without tokens means.
 *
 * @param fields the body as an object, where it is one
 * @param context `secrets` must not show in any message, nor may the profile's own; `now` is in seconds since the epoch
 */
export function readErrorResponse(
  response: HttpResponse,
  fields: JsonObject | undefined,
  { profile, secrets, now }: { profile: Profile; secrets: readonly string[]; now: number },
): ErrorResponse & { readonly error: ProviderError | undefined } {
  const error = fields === undefined ? undefined : errorOf(fields, profile, response.status);
  const retryAfter = retryAfterSeconds(response.retryAfter, now);
  const reason = reasonOf(response.status, error, profile, retryAfter !== undefined);
  return {
    kind: 'error',
    reason,
    detail: withoutSecrets(describe(response, error, reason), [...secrets, ...secretValuesOf(profile)]),
    retryAfter,
    mayHaveRotated: mayHaveRotated(response, error, reason),
    cut: !response.complete && !response.tooLarge && error === undefined,
    error,
  };
}

/** Whether we know what the error means. If so, the response itself need not be kept. */
export function isUnderstood(error: ProviderError | undefined, reason: Reason): boolean {
  return (
    error !== undefined &&
    reason !== 'malformed_response' &&
    (reason !== 'request_rejected' || error.codes.some((code) => reasonOfCode(code) !== undefined))
  );
}

/**
 * After a rotation there may come: a gateway's error, a success that can't be read, a response that was cut short, or a
 * "server error". A provider that names another cause has not rotated.
 */
function mayHaveRotated(
  { status, complete, undecodable }: HttpResponse,
  error: ProviderError | undefined,
  reason: Reason,
): boolean {
  if (reason === 'grant_revoked') return false;
  if (!complete || undecodable !== undefined) return true;
  if (error !== undefined && reason !== 'provider_unavailable') return false;
  return status < 300 || status === 500 || status === 502 || status === 504;
}

/** The order matters: `transient_errors`, then `dead_grant_errors`, then `client_errors`. */
function reasonOf(
  status: number,
  error: ProviderError | undefined,
  profile: Profile,
  saysWhenToRetry: boolean,
): Reason {
  if (isListed(profile.transient_errors, status, error))
    return status >= 500 ? 'provider_unavailable' : 'rate_limited';
  if (isListed(profile.dead_grant_errors, status, error)) return 'grant_revoked';
  if (isListed(profile.client_errors, status, error)) return 'client_rejected';
  if (status === 429) return 'rate_limited';
  const known = error === undefined ? undefined : reasonOfError(error, status);
  if (known !== undefined) return known;
  if (status === 401) return 'client_rejected';
  if (status >= 500) return 'provider_unavailable';
  if (saysWhenToRetry && status >= 400) return 'rate_limited';
  return error?.hasCode ? 'request_rejected' : 'malformed_response';
}

function reasonOfError(error: ProviderError, status: number): Reason | undefined {
  const known = error.codes.map(reasonOfCode).filter((reason) => reason !== undefined);
  // Of several codes, one that says more than "bad request" counts.
  if (known.length > 0) return known.find((reason) => reason !== 'request_rejected') ?? known[0];
  const words = error.hasCode ? error.description : error.code;
  const wordsAsCode = error.hasCode ? undefined : reasonOfWords(error.code);
  if (wordsAsCode !== undefined) return wordsAsCode;
  // A code that only repeats the status says nothing. Then the words count, as they do where there is no code.
  const saysNothing = error.codes.every(
    (code) => code === String(status) || emptyCodes.includes(plainCode(code)),
  );
  return saysNothing && words !== undefined && saysDeadGrant(words) ? 'grant_revoked' : undefined;
}

const emptyCodes = ['error', 'true', 'bad_request', 'unauthorized', 'forbidden', 'fail', 'failed', 'failure'];

/** Whether a list in the profile has this error: its code, `http_<status>`, or a word of its description. */
function isListed(codes: readonly string[], status: number, error: ProviderError | undefined): boolean {
  return codes.some(
    (code) =>
      (error !== undefined && (error.codes.includes(code) || code === error.code)) ||
      (code === `http_${status}` && !error?.hasCode) ||
      [error?.description, error?.hasCode === false ? error.code : undefined].some(
        (words) => words !== undefined && hasWord(words, code),
      ),
  );
}

/** Whether `word` is in the text, and is no part of a longer word. */
function hasWord(text: string, word: string): boolean {
  const isPart = (at: number) => /\w/.test(text.charAt(at));
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1))
    if (!isPart(at - 1) && !isPart(at + word.length)) return true;
  return false;
}

function describe(
  { status, body, complete, tooLarge, undecodable }: HttpResponse,
  error: ProviderError | undefined,
  reason: Reason,
): string {
  if (status === 0) return 'The token endpoint sent something that is no HTTP response';
  if (error !== undefined) {
    const description = error.description === undefined ? '' : ` (${error.description})`;
    return `The provider answered ${status} ${error.code}${description}`;
  }
  if (tooLarge) return `The token endpoint's response (HTTP ${status}) was too large (over 256 KB)`;
  if (!complete) return `The token endpoint's response (HTTP ${status}) was cut short`;
  if (undecodable !== undefined) return `The token endpoint answered HTTP ${status} with what is no text`;
  if (status >= 300 && status < 400)
    return `The token endpoint answered with a redirect (HTTP ${status}), which is refused`;
  const kind =
    body.trim() === '' ? 'an empty body' : /^\s*</.test(body) ? 'HTML or XML' : 'no known error code';
  return reason === 'malformed_response' || status < 300
    ? `The token endpoint answered HTTP ${status} with ${kind}`
    : `The provider answered HTTP ${status} with ${kind}`;
}

/** No provider makes an account wait longer than this. */
const LONGEST_WAIT = 6 * HOUR;

/** Retry-After as seconds from now: a number, or a date. */
function retryAfterSeconds(value: string | undefined, now: number): number | undefined {
  const text = value?.trim().slice(0, 100) ?? '';
  if (/^\d+(?:\.\d+)?$/.test(text)) return Math.min(LONGEST_WAIT, Math.ceil(Number(text)));
  // Without this, "-1" would be a date too.
  if (!/[A-Za-z]{3}.*\d{4}|^\d{4}-\d\d-\d\d/.test(text)) return undefined;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.min(LONGEST_WAIT, Math.max(0, Math.ceil(date / 1000 - now)));
}
