import { pointedAt } from '../tokens/response-fields.ts';
import { findTokens } from './find-tokens.ts';
import type { HttpResponse } from './http-response.ts';
import type { RequestContext } from './request-context.ts';
import type { TokenPlace } from './token-place.ts';
import { canBeToken, isPlaceholder, LONG_WORD } from './token-value.ts';

/** A text that is named like a refresh token and is not one that we know. It is kept, and tried before it is believed. */
export function candidateIn(
  response: HttpResponse,
  document: unknown,
  places: readonly TokenPlace[],
  { profile, previous, sent }: RequestContext,
): string | undefined {
  const known = [sent, previous.refresh_token, previous.access_token];
  const looksNew = (value: unknown) =>
    canBeToken(value) &&
    value.length >= LONG_WORD &&
    !/\s/.test(value) &&
    !isPlaceholder(value) &&
    !known.some((token) => token !== undefined && isPartOf(value, token));
  const inBody = [
    pointedAt(document, profile, 'refresh_token'),
    ...places.flatMap(({ refreshTokens }) => refreshTokens),
  ];
  const found = inBody.find(looksNew) ?? tokensInHead(response).find(looksNew);
  return typeof found === 'string' ? found : undefined;
}

/** Some providers send the tokens in a redirect or a cookie. */
function tokensInHead({ head }: HttpResponse): readonly string[] {
  if (head === undefined) return [];
  return findTokens(head, { document: undefined, whole: true }, true).flatMap((place) => place.refreshTokens);
}

/** Whether a value is a known token, or the part of it that an error quotes. */
function isPartOf(value: string, token: string): boolean {
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
