import { isJsonObject, type JsonObject } from '../json-object.ts';
import type { Profile } from '../profile/profile.ts';
import { MAX_SECRET_BYTES } from '../secret-size.ts';
import { namedFields, pointedAt, textAt, valueAt } from '../tokens/response-fields.ts';
import { accessTokenExpiry, refreshTokenExpiry } from '../tokens/token-lifetime.ts';
import type { GrantedTokens } from '../tokens/token-set.ts';
import { errorOf } from './provider-error.ts';
import type { RequestContext } from './request-context.ts';
import type { TokenPlace } from './token-place.ts';
import { canBeToken, isRemark } from './token-value.ts';

export interface Granted {
  readonly tokens: GrantedTokens;
  /** What in it was not believed, as sentences for the log. */
  readonly doubts: readonly string[];
}

/**
 * The tokens in a response that says success; undefined where it has no access token.
 *
 * @param document the body, where it is JSON or a form
 * @param places where tokens were found in it
 */
export function grantedIn(
  document: unknown,
  places: readonly TokenPlace[],
  context: RequestContext,
): Granted | undefined {
  const { profile, previous, sent } = context;
  const fields = isJsonObject(document) ? document : {};
  const isAccessToken = (value: unknown): value is string => canBeToken(value) && value !== sent;
  const isNewToken = (value: unknown): value is string =>
    canBeToken(value) && !isRemark(value, previous.refresh_token ?? sent);
  const plain = [pointedAt(document, profile, 'access_token'), fields.access_token].find(isAccessToken);
  const place =
    plain === undefined
      ? places.find(({ accessToken }) => isAccessToken(accessToken))
      : places.find(({ accessToken }) => accessToken === plain);
  const accessToken = plain ?? place?.accessToken;
  if (accessToken === undefined) return undefined;
  // An error may quote the old access token. That grants nothing.
  if (plain === undefined && accessToken === previous.access_token && errorOf(fields, profile) !== undefined)
    return undefined;
  // A refresh token beside another access token belongs to another grant.
  const near = places.filter(
    (other) => other === place || other.accessToken === undefined || other.accessToken === accessToken,
  );
  const found = [...(place === undefined ? [] : [place]), ...near].flatMap(
    ({ refreshTokens }) => refreshTokens,
  );
  const refreshToken =
    [pointedAt(document, profile, 'refresh_token'), fields.refresh_token].find(isNewToken) ??
    found.find((token) => token !== sent && isNewToken(token)) ??
    found.find(isNewToken);
  return described(fields, place, context, { accessToken, refreshToken });
}

/** The tokens with what the response says about them. */
function described(
  fields: JsonObject,
  place: TokenPlace | undefined,
  { profile, previous, now }: RequestContext,
  { accessToken, refreshToken }: Pick<GrantedTokens, 'accessToken' | 'refreshToken'>,
): Granted {
  // What was found beside the access token describes it. Fields at the top win only where the access token is there too.
  const beside = place?.fields ?? {};
  const isOnTop = fields.access_token === accessToken;
  const about = isOnTop ? { ...beside, ...fields } : { ...fields, ...beside };
  const known = { ...previous, refresh_token: refreshToken ?? previous.refresh_token };
  const access = accessTokenExpiry(about, accessToken, { profile, previous: known, now });
  const refresh = refreshTokenExpiry(about, { profile, previous: known, now });
  return {
    tokens: {
      fields: fitting(storableFields(fields), profile),
      accessToken,
      refreshToken,
      // RFC 6749 requires a token_type. Providers that leave it out all mean a bearer token.
      tokenType: textAt(about, profile, 'token_type') ?? 'Bearer',
      scope: scopeOf(valueAt(about, profile, 'scope')),
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

/** JSON that is nested deeper can be read, but not written again. */
const MAX_DEPTH = 200;

/** The provider's fields without any `id_token`, without the field that is ours, and without what can't be written. */
function storableFields(fields: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) => {
      if (name === 'kept_by' || isIdToken(name)) return [];
      const kept = withoutIdToken(value);
      return kept === undefined ? [] : [[name, kept]];
    }),
  );
}

/**
 * As many of the fields as a secret has room for. The others are dropped now rather than when the secret is written: a
 * hundred thousand small objects take thirty times the memory of their text.
 */
function fitting(fields: JsonObject, profile: Profile): JsonObject {
  const names = namedFields(profile);
  const named = Object.fromEntries(Object.entries(fields).filter(([name]) => names.includes(name)));
  return [fields, named].find((some) => JSON.stringify(some).length <= MAX_SECRET_BYTES) ?? {};
}

function isIdToken(name: string): boolean {
  return name.length < 20 && name.toLowerCase().replace(/[_-]/g, '') === 'idtoken';
}

/** Changes the value itself: it was just parsed, and nobody else has it. */
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
