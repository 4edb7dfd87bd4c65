import { isJsonObject, type JsonObject } from '../json-object.ts';

/** What stands together in one object, or in one text, of an answer, under its standard names. */
export interface TokenPlace {
  readonly accessToken: string | undefined;
  /** In the order in which they stand. */
  readonly refreshTokens: readonly string[];
  /** Everything else that has a standard name, such as `expires_in`. */
  readonly fields: JsonObject;
}

/** An answer's text, read as far as it has a form. */
export interface ReadDocument {
  /** JSON (whatever stood around it), or the fields of a form; undefined where it is neither. */
  readonly document: unknown;
  /** `document` is all that was sent, so nothing was cut off. */
  readonly whole: boolean;
}

type Role =
  | 'access_token'
  | 'refresh_token'
  | 'expires_in'
  | 'expires_at'
  | 'refresh_token_expires_in'
  | 'refresh_token_expires_at'
  | 'token_type'
  | 'scope'
  | 'error'
  | 'error_description';

/** Names without case, `_` and `-`. A name that only begins like one of these is another field. */
const roles = new Map<string, Role>([
  ...['', 'x', 'oauth', 'oauth2', 'new', 'user'].flatMap((prefix): [string, Role][] =>
    ['token', 'jwt', 'tokenvalue', 'tokenstring'].flatMap((noun): [string, Role][] => [
      [`${prefix}access${noun}`, 'access_token'],
      [`${prefix}refresh${noun}`, 'refresh_token'],
    ]),
  ),
  ['expiresin', 'expires_in'],
  ['accesstokenexpiresin', 'expires_in'],
  ['accessexpiresin', 'expires_in'],
  ['expiresat', 'expires_at'],
  ['expireson', 'expires_at'],
  ['accesstokenexpiresat', 'expires_at'],
  ['refreshtokenexpiresin', 'refresh_token_expires_in'],
  ['refreshexpiresin', 'refresh_token_expires_in'],
  ['xrefreshtokenexpiresin', 'refresh_token_expires_in'],
  ['refreshtokenexpiresat', 'refresh_token_expires_at'],
  ['refreshexpiresat', 'refresh_token_expires_at'],
  ['tokentype', 'token_type'],
  ['scope', 'scope'],
  ['scopes', 'scope'],
  ['error', 'error'],
  ['errorcode', 'error'],
  ['errordescription', 'error_description'],
  ['errormessage', 'error_description'],
]);

/** Longer names are none of these. */
const MAX_NAME = 40;

function roleOf(name: string): Role | undefined {
  return name.length > MAX_NAME ? undefined : roles.get(name.toLowerCase().replaceAll(/[_$ -]/g, ''));
}

const nothing = [
  'null',
  'undefined',
  'none',
  'nil',
  'nan',
  'n/a',
  'true',
  'false',
  'bearer',
  'mac',
  'dpop',
  'object object',
  'redacted',
  'unchanged',
  'hidden',
  'not applicable',
];

/** What hides a token is no longer than this. */
const LONGEST_MASK = 64;

/**
 * Whether a value can be a token. It can't where it is no string, empty, blank, with control characters or broken
 * characters, or plainly says something else: `null`, a mask of asterisks, a sentence.
 */
export function canBeToken(value: unknown): value is string {
  if (typeof value !== 'string' || value.trim() === '') return false;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\x00-\x1f\x7f-\x9f\ufffd]/.test(value) || !value.isWellFormed()) return false;
  if (value.length <= 20 && nothing.includes(bare(value))) return false;
  if (value.length <= LONGEST_MASK && /^[$%]?[<({[%]+[A-Za-z_ .-]+[>)}\]%]+$/.test(value)) return false;
  if (value.length <= LONGEST_MASK && /\*{3}|\.\.\.$|…|^(.)\1{3,}$/.test(value)) return false;
  return !isSentence(value);
}

/** A word without what may stand around it. */
function bare(value: string): string {
  return value
    .toLowerCase()
    .replaceAll('_', ' ')
    .replace(/^[\s<({[-]+|[\s>)}\]-]+$/g, '');
}

/** Words alone, such as `same_as_before`, in the place of a token that is known to be longer. */
const WORDS = /^[<({[]*(?:[A-Z]?[a-z]{2,}|[A-Z]{2,})(?:[ _/-]+(?:[A-Z]?[a-z]+|[A-Z]+))*[>)}\]]*$/;

/**
 * Whether what stands in the place of a new refresh token is words about it, judged by the one before: this one has
 * blanks and that one none, or it is short words and that one is long.
 */
export function isRemark(value: string, before: string): boolean {
  if (/\s/.test(value) && !/\s/.test(before)) return true;
  return value.length < LONG && before.length >= LONG && WORDS.test(value);
}

/** Whether a value stands for a token in an example: `YOUR_REFRESH_TOKEN_HERE`, words in capitals. */
export function isPlaceholder(value: string): boolean {
  return (
    /EXAMPLE|^[A-Z]+(?:[_-][A-Z]+)+$/.test(value) || /^(?:your|example|dummy|insert|put)[_-]/i.test(value)
  );
}

/** Several words, and nothing in them but letters and what people write between words. */
function isSentence(value: string): boolean {
  if (!/\s/.test(value.trim())) return false;
  return value.split(/\s+/).every((word) => word.length <= 24 && /^[\p{L}\p{P}]*$/u.test(word));
}

/** A token without a blank: a search believes nothing else. */
function isFound(value: unknown): value is string {
  return canBeToken(value) && !/\s/.test(value);
}

/**
 * Whether JSON (whatever stands before it) or markup has come to its end; undefined where a text is neither.
 * Framing does not tell: a proxy counts what it has, and a body without framing ends where the connection does.
 */
export function hasEnded(body: string): boolean | undefined {
  const text = body.replace(/^[\uFEFF\s]+/, '').trimEnd();
  if (isBase64(text)) return hasEnded(base64Decoded(text) ?? '{');
  const decoded = /^%[57]B/i.test(text) ? loosePercentDecoded(text) : text;
  if (decoded !== text) return hasEnded(decoded);
  if (text.startsWith('<')) {
    // First, for speed: from here on each tag that begins has an end.
    if (text.lastIndexOf('<') > text.lastIndexOf('>')) return false;
    const first = /<([A-Za-z][\w:.-]*)[^>]*>/.exec(text);
    if (first === null) return false;
    const isEmpty = first[0].endsWith('/>') || /^(?:br|hr|img|input|link|meta|p)$/i.test(first[1] ?? '');
    if (!isEmpty && !text.toLowerCase().includes(`</${first[1]?.toLowerCase()}`)) return false;
    if (text.endsWith('>')) return true;
  }
  const from = text.startsWith('"') ? 0 : text.search(/[{[]/);
  if (from < 0) return undefined;
  let depth = 0;
  let quoted = false;
  // Character by character: a match for each bracket would be the largest garbage of all.
  for (let at = from; at < text.length; at++) {
    const mark = text[at];
    if (mark === '\\') at++;
    else if (mark === '"') quoted = !quoted;
    else if (!quoted && (mark === '{' || mark === '[')) depth++;
    else if (!quoted && (mark === '}' || mark === ']')) depth = Math.max(0, depth - 1);
  }
  return !quoted && depth === 0;
}

/** JSON that is wrapped in JSON is unwrapped so often. */
const MAX_LEVELS = 4;

/** Reads a body as JSON (alone, within JSON, or with something around it) or as a form. Never throws; linear. */
export function readDocument(body: string, complete: boolean): ReadDocument {
  const text = body.replace(/^[\uFEFF\s]+/, '').trimEnd();
  for (let inner: unknown = text, level = 0; level < MAX_LEVELS && typeof inner === 'string'; level++) {
    inner = parsedJson(inner);
    if (typeof inner === 'object' && inner !== null) return { document: inner, whole: true };
  }
  // Of a form that was cut short nobody can tell that it was.
  if (complete && /^[A-Za-z0-9_.%-]+=[^<\s{]*$/.test(text))
    return { document: formFields(text), whole: true };
  for (const [open, close] of brackets) {
    const from = text.indexOf(open);
    const wrapped = from < 0 ? undefined : parsedJson(text.slice(from, text.lastIndexOf(close) + 1));
    if (typeof wrapped === 'object' && wrapped !== null) return { document: wrapped, whole: complete };
  }
  return { document: undefined, whole: false };
}

const brackets = [
  ['{', '}'],
  ['[', ']'],
] as const;

function parsedJson(text: string): unknown {
  // What can't be an object, a list or a text is not tried: that it fails takes long.
  if (!/^\s*[{["]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function formFields(text: string): JsonObject {
  return Object.fromEntries(
    text.split('&').flatMap((pair) => {
      const at = pair.indexOf('=');
      const name = percentDecoded((at < 0 ? pair : pair.slice(0, at)).replaceAll('+', ' '));
      const value = at < 0 ? '' : pair.slice(at + 1);
      const role = roleOf(name);
      // Who encodes writes a plus as %2B, and no token has a blank: a bare plus is a plus that wasn't encoded.
      const isToken = role === 'access_token' || role === 'refresh_token';
      return pair === '' ? [] : [[name, percentDecoded(isToken ? value : value.replaceAll('+', ' '))]];
    }),
  );
}

function percentDecoded(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

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

function hasToken({ accessToken, refreshTokens }: TokenPlace): boolean {
  return accessToken !== undefined || refreshTokens.length > 0;
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
    const place = scan(read, whole);
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

const entities: Readonly<Record<string, string>> = { quot: '"', amp: '&', lt: '<', gt: '>', apos: "'" };

function entitiesDecoded(text: string): string {
  return text.replaceAll(/&(?:([a-z]{2,4})|#(\d{1,7})|#x([0-9a-f]{1,6}));/gi, (all, name, decimal, hex) => {
    if (name !== undefined) return entities[String(name).toLowerCase()] ?? all;
    const point = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return point <= 0x10ffff ? String.fromCodePoint(point) : all;
  });
}

/** What JSON escapes; a backslash before anything else goes too. */
function unescaped(text: string): string {
  return text.replaceAll(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, hex, character) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    return { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' }[String(character)] ?? character;
  });
}

function loosePercentDecoded(text: string): string {
  return text.replaceAll(/(?:%[0-9a-fA-F]{2})+/g, percentDecoded);
}

function isBase64(text: string): boolean {
  // `eyJ`, `ew`, `PD`, `W3`: how "{" and "<" and "[{" begin.
  return /^"?(?:eyJ|eyA|ew|PD|W3)[A-Za-z0-9+/_\s-]{20,}={0,2}"?$/.test(text.trim());
}

function base64Decoded(text: string): string | undefined {
  try {
    // As Latin-1: what is looked for, names and tokens, is ASCII.
    return atob(text.replaceAll(/["\s]/g, '').replaceAll('-', '+').replaceAll('_', '/'));
  } catch {
    return undefined;
  }
}

interface Value {
  readonly value: string;
  /** What stands around it shows that it is a value and not a word of a sentence. */
  readonly sure: boolean;
}

/** A word that stands after a name without quotes is taken for a token from this length on. */
const LONG = 16;

/** One pass over a text: each name that is known, and what stands after it. */
function scan(text: string, whole: boolean): TokenPlace {
  let accessToken: string | undefined;
  const refreshTokens: string[] = [];
  const fields: JsonObject = {};
  // Reading values never takes longer than a few passes over the text, however it is made.
  const reader = new Reader(text, whole);
  for (const match of text.matchAll(/[A-Za-z_][\w-]*/g)) {
    const role = roleOf(match[0]);
    if (role === undefined) continue;
    const found = reader.valueAfter(match.index, match.index + match[0].length);
    if (found === undefined) continue;
    if (role !== 'access_token' && role !== 'refresh_token') {
      if (fields[role] === undefined && found.value !== '' && (found.sure || isNumber(found.value)))
        fields[role] = found.value;
      continue;
    }
    if (!isFound(found.value) || (!found.sure && found.value.length < LONG)) continue;
    if (role === 'refresh_token') refreshTokens.push(found.value);
    else accessToken ??= found.value;
  }
  return { accessToken, refreshTokens, fields };
}

function isNumber(text: string): boolean {
  return /^\d{1,15}$/.test(text);
}

/** How far a tag, or the attribute beside a name, is followed. */
const NEAR = 300;
/** No secret holds a longer token. */
const MAX_VALUE = 65_536;

class Reader {
  readonly #text: string;
  readonly #whole: boolean;
  #budget: number;

  constructor(text: string, whole: boolean) {
    this.#text = text;
    this.#whole = whole;
    this.#budget = 4 * text.length + MAX_VALUE;
  }

  /** The value of the name that stands from `start` to `end`; undefined where none does, or it is cut off. */
  valueAfter(start: number, end: number): Value | undefined {
    const text = this.#text;
    const before = text[start - 1] ?? '';
    const next = text[end] ?? '';
    if (next === before && (next === '"' || next === "'")) return this.#afterQuotedName(start, end + 1);
    const isElement = before === '<' || /<[\w.-]{1,40}:$/.test(text.slice(Math.max(0, start - 42), start));
    if (isElement) return this.#element(end);
    if (before === '/') return undefined;
    if (before === '>' && next === '<') return this.#nextElement(end);
    // As PHP prints an array: [refresh_token] => …
    if (before === '[' && next === ']') return this.#afterSeparator(end + 1, true);
    if (next === '=') return this.#literal(end + 1, before === '' || '&?#;'.includes(before));
    return this.#afterSeparator(end, false);
  }

  #afterQuotedName(start: number, end: number): Value | undefined {
    const text = this.#text;
    const at = this.#skipBlank(end);
    if (text[at] === ':' || text[at] === '=') return this.#afterSeparator(at, false);
    // As PHP serializes: s:13:"refresh_token";s:3:"…"
    const serialized = /^;s:\d{1,6}:/.exec(text.slice(at, at + 12));
    if (serialized !== null) return this.#literal(at + serialized[0].length, true);
    // A part of a form (RFC 7578): its value follows after a blank line.
    const part = /^(?:\r?\n[^\r\n]{1,200})*\r?\n\r?\n/.exec(text.slice(end, end + NEAR));
    if (part !== null) return this.#until(end + part[0].length, /[\r\n]/g, true);
    return this.#attributeOrText(start, end);
  }

  /** `<input name="refresh_token" value="…">`, either way round, or `<field name="refresh_token">…`. */
  #attributeOrText(start: number, end: number): Value | undefined {
    const text = this.#text;
    const behind = text.slice(end, end + NEAR);
    const close = behind.indexOf('>');
    const ahead = text.slice(Math.max(0, start - NEAR), start);
    const open = start - ahead.length + ahead.lastIndexOf('<');
    // Any other attribute, such as a class, names nothing.
    if (!ahead.includes('<') || !/\b(?:name|key|field|id|n)\s?=\s?["']$/i.test(ahead)) return undefined;
    const inTag = close < 0 ? behind : behind.slice(0, close);
    const later = /\bvalue\s{0,9}=\s{0,9}(?=["'])/i.exec(inTag);
    if (later !== null) return this.#literal(end + later.index + later[0].length, true);
    const earlier = /\bvalue\s{0,9}=\s{0,9}(?=["'])/i.exec(text.slice(open, start));
    if (earlier !== null) return this.#literal(open + earlier.index + earlier[0].length, true);
    return close < 0 ? undefined : this.#elementText(end + close + 1);
  }

  #element(end: number): Value | undefined {
    const close = this.#text.slice(end, end + NEAR).indexOf('>');
    return close < 0 || this.#text[end + close - 1] === '/' ? undefined : this.#elementText(end + close + 1);
  }

  /** `<key>refresh_token</key><string>…</string>` and the like. */
  #nextElement(end: number): Value | undefined {
    const text = this.#text;
    const tags = /^<\/[\w:.-]{1,40}>\s{0,40}(?:<[A-Za-z][^<>]{0,100}>\s{0,40}){1,3}/.exec(
      text.slice(end, end + NEAR),
    );
    return tags === null ? undefined : this.#elementText(end + tags[0].length);
  }

  #elementText(at: number): Value | undefined {
    const start = this.#skipBlank(at);
    if (this.#text.startsWith('<![CDATA[', start)) return this.#until(start + 9, /\]\]>/g, true);
    const found = this.#until(start, /</g, true);
    return found && { ...found, value: entitiesDecoded(found.value).trim() };
  }

  #afterSeparator(at: number, sure: boolean): Value | undefined {
    const text = this.#text;
    const separator = this.#skipBlank(at);
    if (text[separator] !== ':' && text[separator] !== '=') return undefined;
    const arrow = text[separator] === '=' && text[separator + 1] === '>';
    return this.#literal(this.#skipBlank(separator + (arrow ? 2 : 1)), sure);
  }

  #literal(at: number, sure: boolean): Value | undefined {
    const quote = this.#text[at];
    if (quote === '"' || quote === "'") return this.#quoted(at + 1, quote);
    if (quote === '{' || quote === '[') return undefined;
    const found = this.#until(at, /[&;\s<>"',})\]#\\]/g, sure);
    return found && { ...found, value: percentDecoded(found.value) };
  }

  #quoted(at: number, quote: string): Value | undefined {
    const text = this.#text;
    let end = at;
    while (end < text.length && text[end] !== quote && end - at <= MAX_VALUE)
      end += text[end] === '\\' ? 2 : 1;
    this.#budget -= end - at;
    if (this.#budget < 0 || end >= text.length || text[end] !== quote) return undefined;
    const value = text.slice(at, end);
    return { value: entitiesDecoded(value.includes('\\') ? unescaped(value) : value), sure: true };
  }

  /** Up to what ends it. At the end of a text that may have been cut nothing is known to be whole. */
  #until(at: number, ends: RegExp, sure: boolean): Value | undefined {
    if (this.#budget < 0) return undefined;
    ends.lastIndex = at;
    const end = ends.exec(this.#text)?.index ?? (this.#whole ? this.#text.length : undefined);
    this.#budget -= (end ?? this.#text.length) - at;
    return end === undefined || end - at > MAX_VALUE
      ? undefined
      : { value: this.#text.slice(at, end).trim(), sure };
  }

  #skipBlank(at: number): number {
    let next = at;
    while (next - at < NEAR && ' \t\r\n'.includes(this.#text[next] ?? '.')) next++;
    return next;
  }
}
