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
import { isFound } from './token-value.ts';

/**
 * Looks for tokens by name, in any spelling and at any depth: in what was read, in texts within it, and in the text
 * itself where it has no form that is known (cut, XML, HTML, a form within something else).
 *
 * Takes time in proportion to the text, and never throws.
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
    // Of a name that stands there twice JSON keeps the last: the other may hold the token.
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
  // An array that grows while it is walked: outer things come before inner ones, and no depth overflows the stack.
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
      if (texts < MAX_TEXTS && mayHold(child)) {
        texts++;
        queue.push({ value: child, level });
      }
    }
  }
  return places;
}

/** So many texts within JSON are looked into. */
const MAX_TEXTS = 1_000;

/** A text within JSON that is worth a look: one that names a token, plainly or in Base64. */
function mayHold(value: unknown): value is string {
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
  // {"access": "…", "refresh": "…"}: the one alone would say too little.
  const { access = object.Access, refresh = object.Refresh } = object;
  if (tokenWithin(access) !== undefined && tokenWithin(refresh) !== undefined) {
    take('access_token', access);
    take('refresh_token', refresh);
  }
  // Beside a refresh token it is clear which token a bare name means.
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

/** A token as it is, or as the value of a small object or the first of a list. */
function tokenWithin(value: unknown): string | undefined {
  if (isFound(value)) return value;
  if (Array.isArray(value)) return isFound(value[0]) ? value[0] : undefined;
  if (!isJsonObject(value)) return undefined;
  const named = (name: string) =>
    wrappers.includes(
      name.length > MAX_NAME ? '' : name === '_' ? name : name.toLowerCase().replace('_', ''),
    );
  return Object.entries(value).find(([name, inner]) => named(name) && isFound(inner))?.[1] as
    | string
    | undefined;
}

/** The text as it is, and as it reads without the encoding in which something may have wrapped it. */
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
