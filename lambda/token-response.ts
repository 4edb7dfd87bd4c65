import type { HttpAnswer } from './https-request.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';
import type { Profile } from './profile.ts';
import { type ErrorAnswer, errorAnswer, errorOf } from './provider-error.ts';
import { textAt, valueAt } from './response-fields.ts';
import { accessTokenExpiry, refreshTokenExpiry } from './token-lifetime.ts';
import type { GrantedTokens, TokenSet } from './token-set.ts';

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

/**
 * Interprets the answer to a `refresh_token` grant (RFC 6749 sections 5.1 and 5.2), as providers really send it.
 *
 * @param secrets what was sent and must not stand in any message, such as the refresh token; the profile's are known
 * @param now seconds since the epoch
 */
export function interpretTokenAnswer(
  answer: HttpAnswer,
  profile: Profile,
  secrets: readonly string[],
  now: number,
  previous: TokenSet = {},
): TokenAnswer {
  const succeeded = answer.status >= 200 && answer.status < 300;
  const response = parseBody(answer);
  if (!succeeded || response === undefined || errorOf(response, profile) !== undefined) {
    const accessToken = succeeded ? textAt(response, profile, 'access_token') : undefined;
    if (succeeded && response !== undefined && accessToken !== undefined)
      return granted(response, profile, now, previous);
    const rescued = succeeded ? rescueRefreshToken(answer.body, response, profile) : undefined;
    if (rescued !== undefined)
      return {
        kind: 'rescued',
        tokens: tokensFrom({}, profile, { refreshToken: rescued, previous, now }),
        detail: answer.complete
          ? 'The token endpoint answered with success, but not with a token response'
          : 'The token endpoint’s answer was cut short',
      };
    return errorAnswer(answer, response, profile, secrets, now);
  }
  if (textAt(response, profile, 'access_token') !== undefined)
    return granted(response, profile, now, previous);
  const refreshToken =
    textAt(response, profile, 'refresh_token') ?? rescueRefreshToken(answer.body, response, profile);
  const detail = 'The token endpoint answered with success, but without an access token';
  if (refreshToken !== undefined)
    return {
      kind: 'rescued',
      tokens: tokensFrom(response, profile, { refreshToken, previous, now }),
      detail,
    };
  return { kind: 'error', reason: 'malformed_response', detail, mayHaveRotated: true };
}

function granted(response: JsonObject, profile: Profile, now: number, previous: TokenSet): TokenAnswer {
  const tokens = tokensFrom(response, profile, {
    accessToken: textAt(response, profile, 'access_token'),
    refreshToken: textAt(response, profile, 'refresh_token'),
    previous,
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
  readonly previous: TokenSet;
  readonly now: number;
}

function tokensFrom(
  response: JsonObject,
  profile: Profile,
  { accessToken, refreshToken, ...asked }: Found,
): GrantedTokens {
  const asking = { profile, ...asked };
  const tokenType = textAt(response, profile, 'token_type');
  return {
    response,
    accessToken,
    refreshToken,
    // RFC 6749 requires a token_type; the providers that leave it out all mean a bearer token.
    tokenType: tokenType ?? 'Bearer',
    scope: scopeOf(valueAt(response, profile, 'scope')),
    expiresAt: accessTokenExpiry(response, accessToken, asking).expiresAt,
    refreshTokenExpiresAt: refreshTokenExpiry(response, asking).expiresAt,
  };
}

function scopeOf(value: unknown): string | undefined {
  if (Array.isArray(value)) return value.filter((part) => typeof part === 'string').join(' ');
  return typeof value === 'string' ? value : undefined;
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
