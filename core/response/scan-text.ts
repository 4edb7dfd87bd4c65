import type { JsonObject } from '../json-object.ts';
import { MAX_SECRET_BYTES } from '../secret-size.ts';
import { entitiesDecoded, percentDecoded, unescaped } from './encodings.ts';
import { roleOf } from './field-roles.ts';
import type { TokenPlace } from './token-place.ts';
import { isSolidToken, LONG_WORD } from './token-value.ts';

interface Value {
  readonly value: string;
  /** The signs around it show that it is a value, and not a word of a sentence. */
  readonly sure: boolean;
}

/** One pass over a text of any form: each name that we know, and the value after it. */
export function scanText(text: string, whole: boolean): TokenPlace {
  let accessToken: string | undefined;
  const refreshTokens: string[] = [];
  const fields: JsonObject = {};
  // However the text is made, reading the values takes no longer than a few passes over it.
  const reader = new ValueReader(text, whole);
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
    if (!isSolidToken(found.value) || (!found.sure && found.value.length < LONG_WORD)) continue;
    if (role === 'refresh_token') refreshTokens.push(found.value);
    else accessToken ??= found.value;
  }
  return { accessToken, refreshTokens, fields };
}

function isNumber(text: string): boolean {
  return /^\d{1,15}$/.test(text);
}

/** How far from a name its tag or attribute may be. */
const NEAR = 300;

/** Reads the value that follows a name, in the many ways in which one can be written. */
class ValueReader {
  readonly #text: string;
  readonly #whole: boolean;
  #budget: number;

  constructor(text: string, whole: boolean) {
    this.#text = text;
    this.#whole = whole;
    this.#budget = 4 * text.length + MAX_SECRET_BYTES;
  }

  /** The value of the name from `start` to `end`; undefined where it has none, or the value is cut off. */
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
    // A part of a form (RFC 7578): the value comes after an empty line.
    const part = /^(?:\r?\n[^\r\n]{1,200})*\r?\n\r?\n/.exec(text.slice(end, end + NEAR));
    if (part !== null) return this.#until(end + part[0].length, /[\r\n]/g, true);
    return this.#attributeOrText(start, end);
  }

  /** `<input name="refresh_token" value="…">`, in either order, or `<field name="refresh_token">…`. */
  #attributeOrText(start: number, end: number): Value | undefined {
    const text = this.#text;
    const behind = text.slice(end, end + NEAR);
    const close = behind.indexOf('>');
    const ahead = text.slice(Math.max(0, start - NEAR), start);
    const open = start - ahead.length + ahead.lastIndexOf('<');
    // Any other attribute, such as a class, is no name.
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
    while (end < text.length && text[end] !== quote && end - at <= MAX_SECRET_BYTES)
      end += text[end] === '\\' ? 2 : 1;
    this.#budget -= end - at;
    if (this.#budget < 0 || end >= text.length || text[end] !== quote) return undefined;
    const value = text.slice(at, end);
    return { value: entitiesDecoded(value.includes('\\') ? unescaped(value) : value), sure: true };
  }

  /** The value up to what ends it. If the text may be cut, a value at its end may be cut too. */
  #until(at: number, ends: RegExp, sure: boolean): Value | undefined {
    if (this.#budget < 0) return undefined;
    ends.lastIndex = at;
    const end = ends.exec(this.#text)?.index ?? (this.#whole ? this.#text.length : undefined);
    this.#budget -= (end ?? this.#text.length) - at;
    return end === undefined || end - at > MAX_SECRET_BYTES
      ? undefined
      : { value: this.#text.slice(at, end).trim(), sure };
  }

  #skipBlank(at: number): number {
    let next = at;
    while (next - at < NEAR && ' \t\r\n'.includes(this.#text[next] ?? '.')) next++;
    return next;
  }
}
