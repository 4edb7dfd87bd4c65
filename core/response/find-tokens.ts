import { isJsonObject, type JsonObject } from '../json-object.ts';
import {
  base64Decoded,
  entitiesDecoded,
  isBase64,
  loosePercentDecoded,
  parsedJson,
  unescaped,
} from './encodings.ts';
import { MAX_NAME, type Role, roleOf } from './field-roles.ts';
import { MAX_LEVELS, type ReadDocument } from './read-document.ts';
import { scanText } from './scan-text.ts';
import { hasToken, type TokenPlace } from './token-place.ts';
import { isSolidToken } from './token-value.ts';

/**
 * Looks for tokens by name, in any spelling and at any depth: in the document, in texts within it, and in the body's text
 * where we don't know its form (cut, XML, HTML, a form within something else).
 *
 * Takes time in proportion to the text. Never throws.
 *
 * @returns the places where something was found, the outer ones first
 */
export function findTokens(
  body: string,
  { document }: ReadDocument,
  complete: boolean,
): readonly TokenPlace[] {
  if (document !== undefined) {
    const places = placesIn(document, 0);
    const lacks = (has: (place: TokenPlace) => boolean) => places.length > 0 && !places.some(has);
    // Of two fields with the same name, JSON keeps the last. The other may hold the token.
    const lacksOne =
      lacks((place) => place.accessToken !== undefined) || lacks((place) => place.refreshTokens.length > 0);
    if (lacksOne) return [...places, ...placesInText(body, complete, 0).filter(hasToken)];
    if (places.length > 0) return places;
  }
  return placesInText(body, complete, 0);
}

function placesIn(document: unknown, from: number): readonly TokenPlace[] {
  const places: TokenPlace[] = [];
  let texts = 0;
  // The array grows while it is walked: outer things come first, and deep nesting can't overflow the stack.
  const queue: { readonly value: unknown; readonly level: number }[] = [{ value: document, level: from }];
  for (const { value, level } of queue) {
    if (typeof value === 'string') {
      if (level < MAX_LEVELS) for (const place of placesWithin(value, level, queue)) places.push(place);
      continue;
    }
    if (typeof value !== 'object' || value === null) continue;
    const place = Array.isArray(value) ? undefined : placeOf(value as JsonObject);
    if (place !== undefined) places.push(place);
    for (const child of Object.values(value)) {
      if (typeof child === 'object' && child !== null) queue.push({ value: child, level });
      if (texts < MAX_TEXTS && mayHoldToken(child)) {
        texts++;
        queue.push({ value: child, level });
      }
    }
  }
  return places;
}

/** No more texts within JSON are looked into. */
const MAX_TEXTS = 1_000;

/** Whether a text within JSON is worth a look: it names a token, or may do so in Base64. */
function mayHoldToken(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length >= 16 &&
    (/(?:access|refresh)[\W_]{0,4}(?:token|jwt)/i.test(value) || isBase64(value))
  );
}

function placesWithin(
  text: string,
  level: number,
  queue: { readonly value: unknown; readonly level: number }[],
): readonly TokenPlace[] {
  const json = parsedJson(text);
  if (typeof json === 'object' && json !== null) {
    queue.push({ value: json, level: level + 1 });
    return [];
  }
  return placesInText(text, true, level + 1).filter(hasToken);
}

function placeOf(object: JsonObject): TokenPlace | undefined {
  let accessToken: string | undefined;
  const refreshTokens: string[] = [];
  const fields: JsonObject = {};
  const take = (role: Role | undefined, value: unknown) => {
    if (role === undefined) return;
    if (role !== 'access_token' && role !== 'refresh_token') {
      if (fields[role] === undefined) fields[role] = value;
      return;
    }
    const token = tokenWithin(value);
    if (token === undefined) return;
    if (role === 'refresh_token') refreshTokens.push(token);
    else accessToken ??= token;
  };
  for (const [name, value] of Object.entries(object)) take(roleOf(name), value);
  // A list of pairs: {"name": "refresh_token", "value": "…"}.
  const label = object.name ?? object.key ?? object.field ?? object['@name'];
  if (typeof label === 'string') take(roleOf(label), object);
  // {"access": "…", "refresh": "…"}: only both together are clear enough.
  const { access = object.Access, refresh = object.Refresh } = object;
  if (tokenWithin(access) !== undefined && tokenWithin(refresh) !== undefined) {
    take('access_token', access);
    take('refresh_token', refresh);
  }
  // Beside a refresh token, a bare `token` is the access token.
  if (refreshTokens.length > 0) for (const name of bareNames) take('access_token', object[name]);
  const place = { accessToken, refreshTokens, fields };
  return hasToken(place) ? place : undefined;
}

const bareNames = ['token', 'Token', 'jwt', 'authToken', 'auth_token', 'bearerToken', 'bearer_token'];
const wrappers = [
  'value',
  'token',
  'jwt',
  'jwttoken',
  'tokenvalue',
  'string',
  'text',
  'content',
  '#text',
  '_',
];

/** A token as it is, or within a small object or a list. */
function tokenWithin(value: unknown): string | undefined {
  if (isSolidToken(value)) return value;
  if (Array.isArray(value)) return isSolidToken(value[0]) ? value[0] : undefined;
  if (!isJsonObject(value)) return undefined;
  const named = (name: string) =>
    wrappers.includes(
      name.length > MAX_NAME ? '' : name === '_' ? name : name.toLowerCase().replace('_', ''),
    );
  return Object.entries(value).find(([name, inner]) => named(name) && isSolidToken(inner))?.[1] as
    | string
    | undefined;
}

/** Looks in the text as it is, then in what it says once decoded. */
function placesInText(text: string, whole: boolean, level: number): readonly TokenPlace[] {
  let read = text;
  const others: TokenPlace[] = [];
  for (let now = level; now < MAX_LEVELS; now++) {
    const place = scanText(read, whole);
    if (hasToken(place)) return [place];
    others.push(place);
    const next = unwrapped(read);
    if (next === undefined) break;
    read = next;
    const json = parsedJson(read);
    if (typeof json === 'object' && json !== null) return placesIn(json, now + 1);
  }
  return others;
}

function unwrapped(text: string): string | undefined {
  if (/&(?:quot|#0*3[49]|#x0*2[27]|lt);/i.test(text)) return entitiesDecoded(text);
  if (text.includes('\\"') || text.includes('\\u0022')) return unescaped(text);
  if (/%[2-7][0-9a-f]/i.test(text)) return loosePercentDecoded(text);
  if (isBase64(text)) return base64Decoded(text);
  return undefined;
}
