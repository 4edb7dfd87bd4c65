import { isJsonObject, type JsonObject } from '../json-object.ts';
import { type Profile, secretValuesOf } from '../profile/profile.ts';
import type { Reason } from '../reason.ts';
import { at } from '../tokens/response-fields.ts';
import type { HttpResponse } from './http-response.ts';
import { withoutSecrets } from './redaction.ts';

export interface ErrorResponse {
  readonly kind: 'error';
  readonly reason: Reason;
  /** What the provider said, free of secrets. */
  readonly detail: string;
  /** Seconds to wait, from Retry-After (RFC 9110 section 10.2.3), at most six hours. */
  readonly retryAfter?: number | undefined;
  /** The provider may have rotated the refresh token although this answer does not hold the new one. */
  readonly mayHaveRotated: boolean;
  /** The answer ended before a refresh token could be read: it counts as none. */
  readonly cut: boolean;
  /** What looks like a new refresh token; nothing says that it is one before it has worked. */
  readonly candidate?: string | undefined;
  /** What came, at most 64 KB, where a success was answered and no token could be read from it. */
  readonly unread?: Uint8Array | string | undefined;
}

export interface ProviderError {
  /** The first of the codes; where the answer has none, the words in which it says what is wrong. */
  readonly code: string;
  readonly description: string | undefined;
  /** Everything that may be a code. */
  readonly codes: readonly string[];
  /** False where there is no code: a flag or words alone say that it is an error. */
  readonly hasCode: boolean;
}

/** What may stand around an error. */
const places = [
  'error',
  'errors',
  'fault',
  'data',
  'response',
  'result',
  'body',
  'detail',
  'details',
  'meta',
];
/** Fields that say "this is an error" and which, at the top or within `error`. */
const codeFields = ['code', 'errorCode', 'error_code', 'errorcode', 'errcode', 'error_type', 'err'];
/** What sound answers say there. */
const soundCodes = ['0', '200', '201', 'ok', 'success'];
/** Within `error` these name it too. Elsewhere they say many things: only a meaning that is known counts. */
const kindFields = ['type', 'status', 'reason', 'name', '__type', 'title', 'id', 'error_subtype'];
const wordFields = [
  'error_description',
  'errorDescription',
  'message',
  'error_message',
  'errorMessage',
  'errorSummary',
  'description',
  'detail',
  'faultstring',
  'msg',
  'Message',
  'reason',
  'title',
];

/**
 * The error that a body names (RFC 6749 section 5.2), whatever the status: where the profile says, or else where the
 * standard says or other providers have it.
 *
 * @param status of a token endpoint's answer without tokens. There a bare `code` names an error too, and under 4xx and 5xx
 *   words alone are one; elsewhere, as in the answer to a device, they may be anything.
 */
export function errorOf(response: JsonObject, profile: Profile, status?: number): ProviderError | undefined {
  const { error: errorPointer, error_description: descriptionPointer } = profile.token_error_fields;
  const found = errorPointer === undefined ? undefined : codeIn(at(response, errorPointer));
  const described = descriptionPointer === undefined ? undefined : wordsIn(at(response, descriptionPointer));
  const nested = nestedIn(response);
  const { error } = response;
  const inError = isJsonObject(error) ? error : undefined;
  const named = [
    found,
    codeIn(error),
    ...[...codeFields, ...kindFields, 'error'].map((field) => codeIn(inError?.[field])),
    ...nested.map((place) => codeIn(place.error)),
    ...(status === undefined ? [] : [response, ...nested]).flatMap((place) =>
      codeFields.map((field) => codeIn(place[field])),
    ),
  ].filter((code) => code !== undefined && !soundCodes.includes(code.toLowerCase()));
  // A field such as `type` is part of sound answers too.
  const known = [response, ...nested]
    .flatMap((place) => [...codeFields, ...kindFields].map((field) => codeIn(place[field])))
    .filter((code) => code !== undefined && meaningOf(code) !== undefined);
  const description =
    described ??
    [response, ...nested].flatMap((place) => wordFields.map((f) => wordsIn(place[f]))).find(isText);
  const codes = [...new Set([...named, ...known].filter(isText))];
  const [code] = codes;
  if (code !== undefined) return { code, description, codes, hasCode: true };
  const flagged = [error, response.ok, response.success, response.errors].some(saysError);
  const failed = status !== undefined && status >= 400;
  const worded = isText(description) && (failed || described !== undefined || saysDeadGrant(description));
  if (!flagged && !worded) return undefined;
  return { code: description ?? 'not_ok', description: undefined, codes: [], hasCode: false };
}

function saysError(value: unknown, index: number): boolean {
  if (index === 0) return value === true || isJsonObject(value);
  return index < 3 ? value === false : Array.isArray(value) && value.length > 0;
}

function isText(value: string | undefined): value is string {
  return value !== undefined;
}

/** The objects in which providers wrap an error, `error` itself first. */
function nestedIn(response: JsonObject): readonly JsonObject[] {
  const direct = places
    .map((name) => (Array.isArray(response[name]) ? response[name][0] : response[name]))
    .filter(isJsonObject);
  const deeper = direct.flatMap((place) => [place.error, place.detail, place.errors].map(first));
  return [...direct, ...deeper.filter(isJsonObject)];
}

function first(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : value;
}

/** A boolean is no code. */
function codeIn(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value.trim() !== '' ? value.slice(0, MAX_READ) : undefined;
}

function wordsIn(value: unknown): string | undefined {
  return codeIn(Array.isArray(value) ? value[0] : value);
}

/** What the codes of the standards, and the ones that many providers share, mean. */
const meaningOfCodes: Readonly<Record<string, Reason>> = {
  bad_refresh_token: 'grant_revoked',
  interaction_required: 'grant_revoked',
  login_required: 'grant_revoked',
  consent_required: 'grant_revoked',
  invalid_client: 'client_rejected',
  invalid_client_id: 'client_rejected',
  invalid_client_secret: 'client_rejected',
  invalid_client_credentials: 'client_rejected',
  bad_client_secret: 'client_rejected',
  incorrect_client_credentials: 'client_rejected',
  unknown_client: 'client_rejected',
  client_not_found: 'client_rejected',
  deleted_client: 'client_rejected',
  unauthorized_client: 'client_rejected',
  unsupported_grant_type: 'client_rejected',
  invalid_request: 'request_rejected',
  invalid_scope: 'request_rejected',
  access_denied: 'request_rejected',
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
export function readErrorResponse(
  answer: HttpResponse,
  response: JsonObject | undefined,
  profile: Profile,
  secrets: readonly string[],
  now: number,
): ErrorResponse & { readonly error: ProviderError | undefined } {
  const { status } = answer;
  const error = response === undefined ? undefined : errorOf(response, profile, status);
  const retryAfter = retryAfterSeconds(answer.retryAfter, now);
  const reason = reasonOf(status, error, profile, retryAfter !== undefined);
  return {
    kind: 'error',
    reason,
    detail: withoutSecrets(describe(answer, error, reason), [...secrets, ...secretValuesOf(profile)]),
    retryAfter,
    mayHaveRotated: mayHaveRotated(answer, error, reason),
    cut: !answer.complete && !answer.tooLarge && error === undefined,
    error,
  };
}

/** Whether the answer says something that this code knows: then nothing of it need be kept. */
export function isUnderstood(error: ProviderError | undefined, reason: Reason): boolean {
  return (
    error !== undefined &&
    reason !== 'malformed_response' &&
    (reason !== 'request_rejected' || isStandard(error))
  );
}

function isStandard({ codes }: ProviderError): boolean {
  return codes.some((code) => meaningOf(code) !== undefined);
}

/**
 * A gateway's error, a success that can't be read, a cut answer and an error "in the middle of it" may all follow a
 * rotation. An error that names any other cause was sent instead of one.
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

/** In the order of the contract (`dead_grant_errors`, `transient_errors`, `client_errors`). */
function reasonOf(
  status: number,
  error: ProviderError | undefined,
  profile: Profile,
  saysWhenToRetry: boolean,
): Reason {
  if (names(profile.transient_errors, status, error))
    return status >= 500 ? 'provider_unavailable' : 'rate_limited';
  if (names(profile.dead_grant_errors, status, error)) return 'grant_revoked';
  if (names(profile.client_errors, status, error)) return 'client_rejected';
  if (status === 429) return 'rate_limited';
  const known = error === undefined ? undefined : meaningOfError(error, status);
  if (known !== undefined) return known;
  if (status === 401) return 'client_rejected';
  if (status >= 500) return 'provider_unavailable';
  if (saysWhenToRetry && status >= 400) return 'rate_limited';
  return error?.hasCode ? 'request_rejected' : 'malformed_response';
}

function meaningOfError(error: ProviderError, status: number): Reason | undefined {
  const known = error.codes.map(meaningOf).filter((reason) => reason !== undefined);
  // Where one code blames nobody and another says more, that one counts.
  if (known.length > 0) return known.find((reason) => reason !== 'request_rejected') ?? known[0];
  const said = error.hasCode ? '' : plain(error.code);
  if (Object.hasOwn(meaningOfCodes, said)) return meaningOfCodes[said];
  // A code that only repeats the status says nothing; then the words are looked at, as where there is no code.
  const saysNothing = error.codes.every(
    (code) => code === String(status) || emptyCodes.includes(plain(code)),
  );
  const words = error.hasCode ? error.description : error.code;
  return saysNothing && words !== undefined && saysDeadGrant(words) ? 'grant_revoked' : undefined;
}

const emptyCodes = ['error', 'true', 'bad_request', 'unauthorized', 'forbidden', 'fail', 'failed', 'failure'];

/** To some providers "Invalid refresh token", "INVALID-REFRESH-TOKEN" and `urn:example:invalidRefreshToken` are codes. */
function meaningOf(code: string): Reason | undefined {
  if (code.length > MAX_CODE) return undefined;
  const whole = plain(code);
  const last = plain(code.split(/[./:#]/).at(-1) ?? '');
  for (const name of [whole, last]) {
    if (Object.hasOwn(meaningOfCodes, name)) return meaningOfCodes[name];
    if (namesDeadGrant(name.split('_'))) return 'grant_revoked';
  }
  return undefined;
}

const MAX_CODE = 120;

/** A code in small letters, its words joined by `_`, whatever its spelling was. */
function plain(code: string): string {
  return code
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_|_$|_exception$/g, '')
    .replace(/refreshtoken/g, 'refresh_token')
    .replace(/^(?:err|error|e)_(?=.)/, '');
}

/** What a code says of a refresh token that has come to its end. */
const ends = [
  ...['reused', 'reuse', 'replay', 'replayed', 'used', 'consumed', 'redeemed', 'rotated', 'superseded'],
  ...['revoked', 'revocation', 'invalidated', 'cancelled', 'canceled', 'deleted', 'deactivated', 'disabled'],
  ...[
    'expired',
    'expiry',
    'expiration',
    'unknown',
    'invalid',
    'inactive',
    'incorrect',
    'unrecognized',
    'bad',
  ],
];
const negatable = ['found', 'valid', 'active', 'recognized', 'known', 'exist', 'exists'];
/** With one of these words a code speaks of something else, such as a grant type. */
const others = ['type', 'types', 'client', 'request', 'required', 'missing', 'unsupported', 'scope', 'error'];

/** Whether a code names the refresh token or the grant, and says that it is dead. */
function namesDeadGrant(words: readonly string[]): boolean {
  const ofToken = words.some((word, at) => word === 'refresh' && /^tokens?$/.test(words[at + 1] ?? ''));
  if (!ofToken && !words.includes('grant')) return false;
  if (words.some((word, at) => others.includes(word) && !(word === 'error' && at === words.length - 1)))
    return false;
  return words.some((word, at) => {
    const denied = at > 0 && ['not', 'no', 'longer', 'doesnt', 'non'].includes(words[at - 1] ?? '');
    return denied ? negatable.includes(word) : ends.includes(word);
  });
}

const between = [
  ...[
    'the',
    'a',
    'an',
    'this',
    'your',
    'provided',
    'given',
    'supplied',
    'passed',
    'oauth',
    'oauth2',
    'access',
  ],
  ...['is', 'was', 'has', 'have', 'been', 'be', 'already', 'or', 'and', 'either', 'are', 'as', 'it', 'to'],
  ...['authorization', 'session', 'due', 'because', 'no', 'not', 'longer', 'does', 'token', 'you', 'sent'],
];

/**
 * Whether words say that the refresh token or the grant is dead: the one beside the other, with nothing but small words
 * between them. "Refresh tokens can't be used now" says something else.
 */
function saysDeadGrant(text: string): boolean {
  const words = text
    .slice(0, MAX_WORDS)
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .replace(/['’]/g, '')
    .replace(/refresh_?token\b/g, 'refresh token')
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
  const isEnd = (at: number) => {
    const word = words[at] ?? '';
    const before = words[at - 1] ?? '';
    if (['not', 'longer'].includes(before) || (before === 'not' && words[at - 2] === 'does'))
      return negatable.includes(word);
    if (word === 'used') return ['already', 'been', 'was'].includes(before);
    return word !== 'disabled' && ends.includes(word);
  };
  const reaches = (from: number, step: 1 | -1) => {
    for (let at = from, gap = 0; gap < MAX_GAP && at >= 0 && at < words.length; at += step, gap++) {
      if (isEnd(at)) return words[at + 1] !== 'error' && words[at + 1] !== 'request';
      if (!between.includes(words[at] ?? '') && !ends.includes(words[at] ?? '')) return false;
    }
    return false;
  };
  return words.some((word, at) => {
    const isToken = word === 'refresh' && words[at + 1] === 'token';
    const isGrant = word === 'grant' && words[at + 1] !== 'type' && words[at + 1] !== 'types';
    if (!isToken && !isGrant) return false;
    const after = at + (isToken ? 2 : 1);
    if (words[after] === 'grant' && words[after + 1] === 'type') return false;
    return reaches(after, 1) || reaches(at - 1, -1);
  });
}

const MAX_WORDS = 600;
const MAX_GAP = 7;

/** Whether a profile's list of codes names this answer: by code, by `http_<status>`, or within the description. */
function names(codes: readonly string[], status: number, error: ProviderError | undefined): boolean {
  return codes.some(
    (code) =>
      (error !== undefined && (error.codes.includes(code) || code === error.code)) ||
      (code === `http_${status}` && !error?.hasCode) ||
      [error?.description, error?.hasCode === false ? error.code : undefined].some(
        (words) => words !== undefined && hasWord(words, code),
      ),
  );
}

function hasWord(text: string, word: string): boolean {
  return new RegExp(`(?:^|[^A-Za-z0-9_])${escapeRegExp(word)}(?:$|[^A-Za-z0-9_])`).test(text);
}

function describe(
  { status, body, complete, tooLarge, undecodable }: HttpResponse,
  error: ProviderError | undefined,
  reason: Reason,
): string {
  if (status === 0) return 'The token endpoint sent something that is no HTTP answer';
  if (error !== undefined) {
    const description = error.description === undefined ? '' : ` (${error.description})`;
    return `The provider answered ${status} ${error.code}${description}`;
  }
  if (tooLarge) return `The token endpoint's answer (HTTP ${status}) was too large (over 256 KB)`;
  if (!complete) return `The token endpoint's answer (HTTP ${status}) was cut short`;
  if (undecodable !== undefined) return `The token endpoint answered HTTP ${status} with what is no text`;
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

/** Nobody makes an account wait for longer. */
const LONGEST_WAIT = 21_600;

/** Retry-After as seconds from now: a number, or a date. */
function retryAfterSeconds(value: string | undefined, now: number): number | undefined {
  const text = value?.trim().slice(0, 100) ?? '';
  if (/^\d+(?:\.\d+)?$/.test(text)) return Math.min(LONGEST_WAIT, Math.ceil(Number(text)));
  // Without this, "-1" would be a date too.
  if (!/[A-Za-z]{3}.*\d{4}|^\d{4}-\d\d-\d\d/.test(text)) return undefined;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.min(LONGEST_WAIT, Math.max(0, Math.ceil(date / 1000 - now)));
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
