import { isJsonObject, type JsonObject } from '../json-object.ts';
import type { Profile } from '../profile/profile.ts';
import { MAX_SECRET_BYTES } from '../secret-size.ts';
import { at, namedFields, textAt, valueAt } from '../tokens/response-fields.ts';
import { accessTokenExpiry, refreshTokenExpiry } from '../tokens/token-lifetime.ts';
import type { GrantedTokens, TokenSet } from '../tokens/token-set.ts';
import { type ErrorResponse, isUnderstood, readErrorResponse } from './error-response.ts';
import { findTokens } from './find-tokens.ts';
import type { HttpResponse } from './http-response.ts';
import { errorOf } from './provider-error.ts';
import { hasEnded, type ReadDocument, readDocument } from './read-document.ts';
import type { TokenPlace } from './token-place.ts';
import { canBeToken, isPlaceholder, isRemark } from './token-value.ts';

/**
 * What a token endpoint's answer means. Pure, and never throws: between an answer and its storage nothing may stand
 * that could drop a refresh token.
 */
export type TokenResponse =
  | {
      /** A plain success: 2xx with a legible access token. */
      readonly kind: 'granted';
      readonly tokens: GrantedTokens;
      /** What of it was not believed, as sentences for the log. */
      readonly doubts: readonly string[];
    }
  | ErrorResponse;

/** What was asked, and what is known beside the answer. */
export interface RequestContext {
  readonly profile: Profile;
  /** The token set as it was stored before. */
  readonly previous: TokenSet;
  /** The refresh token that was sent. */
  readonly sent: string;
  /** Whatever else was sent that nobody must be told. */
  readonly secrets?: readonly string[];
  /** Seconds since the epoch. */
  readonly now: number;
}

/**
 * Interprets the answer to a `refresh_token` grant (RFC 6749 sections 5.1 and 5.2), as providers really send it.
 *
 * In a success the tokens are taken from where the profile says, else from where the standard says, else from wherever
 * they stand. In any other answer whatever looks like a new refresh token is a candidate: kept, and tried before it is
 * believed.
 */
export function interpretTokenResponse(received: HttpResponse, asked: RequestContext): TokenResponse {
  const succeeded = received.status >= 200 && received.status < 300;
  const ended = received.undecodable === undefined ? hasEnded(received.body) : undefined;
  const isOpen = ended === false && !holdsOddToken(received.body) && (succeeded || !isMarkup(received.body));
  const answer = isOpen ? { ...received, complete: false } : received;
  const read = readDocument(answer.body, answer.complete);
  const places = findTokens(answer.body, read, answer.complete);
  const whole = answer.complete || read.whole;
  if (succeeded) {
    const granted = grantedIn(read, places, asked);
    // Where a form or lines without framing end, more may have been to come.
    const mayBeCut = received.unframed && ended !== true && asked.previous.refresh_token !== undefined;
    if (granted !== undefined && ((whole && !mayBeCut) || granted.tokens.refreshToken !== undefined))
      return { kind: 'granted', ...granted };
    if (granted !== undefined || (mayBeCut && beginsAsForm(answer.body))) {
      const error = notGranted({ ...answer, complete: false }, { ...read, whole: false }, places, asked);
      return granted === undefined ? error : { ...error, cut: true };
    }
  }
  return notGranted(answer, read, places, asked);
}

/** What an answer comes to that interpreting it failed on: nothing is known of it, so all of it is kept. */
export function uninterpreted({ status, body, undecodable }: HttpResponse): ErrorResponse {
  return {
    kind: 'error',
    reason: 'malformed_response',
    detail: `The token endpoint's answer (HTTP ${status}) could not be judged`,
    mayHaveRotated: true,
    cut: false,
    unread: undecodable ?? body.slice(0, MAX_SECRET_BYTES),
  };
}

function isMarkup(body: string): boolean {
  return /^[\uFEFF\s]*</.test(body);
}

/** A name and a `=` or `:`, or as much of it as came. */
function beginsAsForm(body: string): boolean {
  return /^\s*[\w.%-]{0,40}(?:[=:]|$)/.test(body);
}

/** A refresh token in a form that can't be read: it is kept as it came rather than asked for again. */
function holdsOddToken(body: string): boolean {
  return /refresh[_-]?token["']\s{0,9}:\s{0,9}[{[][^}\]]{0,200}?"[^"\s]{16,}"/i.test(body);
}

interface Granted {
  readonly tokens: GrantedTokens;
  readonly doubts: readonly string[];
}

function grantedIn(
  { document }: ReadDocument,
  places: readonly TokenPlace[],
  asked: RequestContext,
): Granted | undefined {
  const { profile, previous, sent } = asked;
  const response = isJsonObject(document) ? document : {};
  const isAccessToken = (value: unknown): value is string => canBeToken(value) && value !== sent;
  const isNewToken = (value: unknown): value is string =>
    canBeToken(value) && !isRemark(value, previous.refresh_token ?? sent);
  const plain = [pointed(document, profile, 'access_token'), response.access_token].find(isAccessToken);
  const place =
    plain === undefined
      ? places.find(({ accessToken }) => isAccessToken(accessToken))
      : places.find(({ accessToken }) => accessToken === plain);
  const accessToken = plain ?? place?.accessToken;
  if (accessToken === undefined) return undefined;
  // An error that quotes the token of before, somewhere within, grants nothing.
  if (
    plain === undefined &&
    accessToken === previous.access_token &&
    errorOf(response, profile) !== undefined
  )
    return undefined;
  // Beside another access token stands another grant's refresh token.
  const near = places.filter(
    (other) => other === place || other.accessToken === undefined || other.accessToken === accessToken,
  );
  const found = [...(place === undefined ? [] : [place]), ...near].flatMap(
    ({ refreshTokens }) => refreshTokens,
  );
  const refreshToken =
    [pointed(document, profile, 'refresh_token'), response.refresh_token].find(isNewToken) ??
    found.find((token) => token !== sent && isNewToken(token)) ??
    found.find(isNewToken);
  return tokensFrom(response, place, asked, accessToken, refreshToken);
}

/** What stands where the profile's pointer leads. */
function pointed(document: unknown, profile: Profile, field: 'access_token' | 'refresh_token'): unknown {
  const pointer = profile.token_response_fields[field];
  return pointer === undefined ? undefined : at(document, pointer);
}

function tokensFrom(
  response: JsonObject,
  place: TokenPlace | undefined,
  { profile, previous, now }: RequestContext,
  accessToken: string,
  refreshToken: string | undefined,
): Granted {
  // What stands beside the access token tells of it; the standard names at the top come first where it stands there.
  const beside = place?.fields ?? {};
  const own = response.access_token === accessToken;
  const told = own ? { ...beside, ...response } : { ...response, ...beside };
  const tokenType = textAt(told, profile, 'token_type');
  const known = { ...previous, refresh_token: refreshToken ?? previous.refresh_token };
  const access = accessTokenExpiry(told, accessToken, { profile, previous: known, now });
  const refresh = refreshTokenExpiry(told, { profile, previous: known, now });
  return {
    tokens: {
      response: fitting(keepable(response), profile),
      accessToken,
      refreshToken,
      // RFC 6749 requires a token_type; the providers that leave it out all mean a bearer token.
      tokenType: tokenType ?? 'Bearer',
      scope: scopeOf(valueAt(told, profile, 'scope')),
      expiresAt: access.expiresAt,
      refreshTokenExpiresAt: refresh.expiresAt,
    },
    doubts: [access.doubt, refresh.doubt].filter((doubt) => doubt !== undefined),
  };
}

function scopeOf(value: unknown): string | undefined {
  if (Array.isArray(value)) return value.filter((part) => typeof part === 'string').join(' ');
  return typeof value === 'string' ? value : undefined;
}

/** Deeper nesting could be read, but not be written again. */
const MAX_DEPTH = 200;

/**
 * The provider's fields as they can be stored: no `id_token` at any depth, nothing that is ours, nothing that could not
 * be written.
 */
function keepable(response: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(response).flatMap(([name, value]) => {
      if (name === 'kept_by' || isIdToken(name)) return [];
      const kept = withoutIdToken(value);
      return kept === undefined ? [] : [[name, kept]];
    }),
  );
}

/**
 * What of the fields a secret has room for: what could not be stored isn't carried until then either, as a hundred thousand
 * small objects take thirty times the memory of their text.
 */
function fitting(response: JsonObject, profile: Profile): JsonObject {
  const named = namedFields(profile);
  const ofProfile = Object.fromEntries(Object.entries(response).filter(([name]) => named.includes(name)));
  return [response, ofProfile].find((fields) => JSON.stringify(fields).length <= MAX_SECRET_BYTES) ?? {};
}

function isIdToken(name: string): boolean {
  return name.length < 20 && name.toLowerCase().replace(/[_-]/g, '') === 'idtoken';
}

/** Works on a copy that nobody else has: the answer has just been parsed. */
function withoutIdToken(value: unknown): unknown {
  if (typeof value === 'string') return /\bid_?token\\*"\s*:/i.test(value) ? undefined : value;
  const open: { readonly node: unknown; readonly depth: number }[] = [{ node: value, depth: 1 }];
  for (const { node, depth } of open) {
    if (typeof node !== 'object' || node === null) continue;
    if (depth > MAX_DEPTH) return undefined;
    for (const [name, child] of Object.entries(node))
      if (isIdToken(name)) delete (node as JsonObject)[name];
      else if (typeof child === 'object') open.push({ node: child, depth: depth + 1 });
  }
  return value;
}

function notGranted(
  answer: HttpResponse,
  read: ReadDocument,
  places: readonly TokenPlace[],
  asked: RequestContext,
): ErrorResponse {
  const { profile, previous, sent, secrets: more = [], now } = asked;
  // What an odd answer may have issued is as secret as what was sent.
  const idToken = isJsonObject(read.document) ? read.document.id_token : undefined;
  const issued = [
    ...(typeof idToken === 'string' ? [idToken] : []),
    ...places.flatMap(({ accessToken, refreshTokens }) => [accessToken, ...refreshTokens]),
  ].filter((token) => token !== undefined && isNoWord(token));
  const own = [sent, previous.access_token, previous.refresh_token];
  const secrets = [...own, ...more, ...issued].filter((secret) => secret !== undefined);
  const { error, ...base } = readErrorResponse(answer, errorDocument(read, places), {
    profile,
    secrets,
    now,
  });
  const candidate = candidateIn(answer, read, places, asked);
  const succeeded = answer.status >= 200 && answer.status < 300;
  const cut = base.cut && !read.whole && candidate === undefined;
  const illegible = answer.undecodable !== undefined || (succeeded && !isUnderstood(error, base.reason));
  const unread = answer.undecodable ?? answer.body.slice(0, MAX_SECRET_BYTES);
  const keepsUnread = illegible && candidate === undefined && !cut && unread.length > 0;
  const detail =
    succeeded && error === undefined && answer.complete && isJsonObject(read.document)
      ? 'The token endpoint answered with success, but without an access token'
      : base.detail;
  return {
    ...base,
    detail,
    mayHaveRotated: base.mayHaveRotated || candidate !== undefined,
    cut,
    ...(candidate !== undefined && { candidate }),
    ...(keepsUnread && { unread }),
  };
}

/** Where the answer's error is looked for: in what it says as JSON or a form, else in what was found by name. */
function errorDocument({ document }: ReadDocument, places: readonly TokenPlace[]): JsonObject | undefined {
  if (isJsonObject(document)) return document;
  if (Array.isArray(document) && isJsonObject(document[0])) return document[0];
  const fields = places.find((place) => place.fields.error !== undefined)?.fields;
  const looksLikeCode = typeof fields?.error === 'string' && /^[\w.:-]{1,100}$/.test(fields.error);
  return looksLikeCode ? { error: fields.error, error_description: fields.error_description } : undefined;
}

const SHORTEST_CANDIDATE = 16;

/** Where a token is looked for by its name there may be a remark, such as `expired`. */
function isNoWord(token: string): boolean {
  return !/\s/.test(token) && (token.length >= SHORTEST_CANDIDATE || !/^[A-Za-z_-]*$/.test(token));
}

/** What looks like a refresh token by its name, and is not one that was known before. */
function candidateIn(
  answer: HttpResponse,
  { document }: ReadDocument,
  places: readonly TokenPlace[],
  { profile, previous, sent }: RequestContext,
): string | undefined {
  const known = [sent, previous.refresh_token, previous.access_token];
  const looksNew = (value: unknown) =>
    canBeToken(value) &&
    value.length >= SHORTEST_CANDIDATE &&
    !/\s/.test(value) &&
    !isPlaceholder(value) &&
    !known.some((token) => token !== undefined && quotes(value, token));
  const inBody = [
    pointed(document, profile, 'refresh_token'),
    ...places.flatMap(({ refreshTokens }) => refreshTokens),
  ];
  const found = inBody.find(looksNew) ?? tokensInHead(answer).find(looksNew);
  return typeof found === 'string' ? found : undefined;
}

/** Some answer with a redirect or a cookie that holds the tokens. */
function tokensInHead({ head }: HttpResponse): readonly string[] {
  if (head === undefined) return [];
  return findTokens(head, { document: undefined, whole: true }, true).flatMap((place) => place.refreshTokens);
}

/** Whether a value is a known token, or the part of one that an error quotes. */
function quotes(value: string, token: string): boolean {
  const [quoted, known] = [value.toLowerCase(), token.toLowerCase()];
  return known.startsWith(quoted) || known.endsWith(quoted) || known === decoded(quoted);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text).toLowerCase();
  } catch {
    return text;
  }
}
