import { isJsonObject, type JsonObject } from '../json-object.ts';
import { MAX_SECRET_BYTES } from '../secret-size.ts';
import { candidateIn } from './candidate.ts';
import { type ErrorResponse, isUnderstood, readErrorResponse } from './error-response.ts';
import { findTokens } from './find-tokens.ts';
import { type Granted, grantedIn } from './granted-tokens.ts';
import type { HttpResponse } from './http-response.ts';
import { hasEnded, type ReadDocument, readDocument } from './read-document.ts';
import type { RequestContext } from './request-context.ts';
import type { TokenPlace } from './token-place.ts';
import { LONG_WORD } from './token-value.ts';

/**
 * What a token endpoint's response means: `granted` is a plain success, 2xx with an access token that can be read.
 *
 * Working this out never throws: from the response to its storage, nothing may drop a refresh token.
 */
export type TokenResponse = ({ readonly kind: 'granted' } & Granted) | ErrorResponse;

/**
 * Reads the response to a `refresh_token` grant (RFC 6749 sections 5.1 and 5.2), as providers really send it.
 *
 * In a success, the tokens are taken from where the profile says, then from where the standard says, then from anywhere. In
 * any other response, what looks like a new refresh token is a candidate: it is kept, and tried before it is believed.
 */
export function interpretTokenResponse(received: HttpResponse, context: RequestContext): TokenResponse {
  const succeeded = received.status >= 200 && received.status < 300;
  const ended = received.undecodable === undefined ? hasEnded(received.body) : undefined;
  const isOpen = ended === false && !holdsOddToken(received.body) && (succeeded || !isMarkup(received.body));
  const response = isOpen ? { ...received, complete: false } : received;
  const read = readDocument(response.body, response.complete);
  const places = findTokens(response.body, read, response.complete);
  const whole = response.complete || read.whole;
  if (succeeded) {
    const granted = grantedIn(read.document, places, context);
    // A form or lines without a length may have been cut anywhere.
    const mayBeCut = received.unframed && ended !== true && context.previous.refresh_token !== undefined;
    if (granted !== undefined && ((whole && !mayBeCut) || granted.tokens.refreshToken !== undefined))
      return { kind: 'granted', ...granted };
    if (granted !== undefined || (mayBeCut && beginsAsForm(response.body))) {
      const error = notGranted({ ...response, complete: false }, { ...read, whole: false }, places, context);
      return granted === undefined ? error : { ...error, cut: true };
    }
  }
  return notGranted(response, read, places, context);
}

/** For a response on which `interpretTokenResponse` failed: nothing is known about it, so all of it is kept. */
export function uninterpreted({ status, body, undecodable }: HttpResponse): ErrorResponse {
  return {
    kind: 'error',
    reason: 'malformed_response',
    detail: `The token endpoint's response (HTTP ${status}) could not be judged`,
    mayHaveRotated: true,
    cut: false,
    unread: undecodable ?? body.slice(0, MAX_SECRET_BYTES),
  };
}

function isMarkup(body: string): boolean {
  return /^[\uFEFF\s]*</.test(body);
}

/** A name and a `=` or `:`, or the beginning of that. */
function beginsAsForm(body: string): boolean {
  return /^\s*[\w.%-]{0,40}(?:[=:]|$)/.test(body);
}

/** A refresh token in a form that we can't read. The response is kept as it is; asking again would spend another one. */
function holdsOddToken(body: string): boolean {
  return /refresh[_-]?token["']\s{0,9}:\s{0,9}[{[][^}\]]{0,200}?"[^"\s]{16,}"/i.test(body);
}

function notGranted(
  response: HttpResponse,
  read: ReadDocument,
  places: readonly TokenPlace[],
  context: RequestContext,
): ErrorResponse {
  const { profile, previous, sent, secrets: more = [], now } = context;
  // Tokens that an odd response issued are as secret as those that were sent.
  const idToken = isJsonObject(read.document) ? read.document.id_token : undefined;
  const issued = [
    ...(typeof idToken === 'string' ? [idToken] : []),
    ...places.flatMap(({ accessToken, refreshTokens }) => [accessToken, ...refreshTokens]),
  ].filter((token) => token !== undefined && isNoWord(token));
  const own = [sent, previous.access_token, previous.refresh_token];
  const secrets = [...own, ...more, ...issued].filter((secret) => secret !== undefined);
  const fields = errorFields(read, places);
  const { error, ...base } = readErrorResponse(response, fields, { profile, secrets, now });
  const candidate = candidateIn(response, read.document, places, context);
  const succeeded = response.status >= 200 && response.status < 300;
  const cut = base.cut && !read.whole && candidate === undefined;
  const illegible = response.undecodable !== undefined || (succeeded && !isUnderstood(error, base.reason));
  const unread = response.undecodable ?? response.body.slice(0, MAX_SECRET_BYTES);
  const keepsUnread = illegible && candidate === undefined && !cut && unread.length > 0;
  const detail =
    succeeded && error === undefined && response.complete && isJsonObject(read.document)
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

/** Where to look for the error: in the JSON or form, or else in what was found by name. */
function errorFields({ document }: ReadDocument, places: readonly TokenPlace[]): JsonObject | undefined {
  if (isJsonObject(document)) return document;
  if (Array.isArray(document) && isJsonObject(document[0])) return document[0];
  const fields = places.find((place) => place.fields.error !== undefined)?.fields;
  const looksLikeCode = typeof fields?.error === 'string' && /^[\w.:-]{1,100}$/.test(fields.error);
  return looksLikeCode ? { error: fields.error, error_description: fields.error_description } : undefined;
}

/** In the place of a token there may be a remark, such as `expired`. */
function isNoWord(token: string): boolean {
  return !/\s/.test(token) && (token.length >= LONG_WORD || !/^[A-Za-z_-]*$/.test(token));
}
