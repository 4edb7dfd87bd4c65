import type { JsonObject } from '../json-object.ts';
import { base64Decoded, isBase64, loosePercentDecoded, parsedJson, percentDecoded } from './encodings.ts';
import { roleOf } from './field-roles.ts';

/** A body that was read as JSON or as a form. */
export interface ReadDocument {
  /** JSON, or the fields of a form; undefined where it is neither. */
  readonly document: unknown;
  /** Nothing of it was cut off. */
  readonly whole: boolean;
}

/**
 * Whether JSON or markup has come to its end; undefined where a text is neither. The length in the headers does not tell: a
 * proxy counts what it has, and without a length a body ends where the connection does.
 */
export function hasEnded(body: string): boolean | undefined {
  const text = body.replace(/^[\uFEFF\s]+/, '').trimEnd();
  if (isBase64(text)) return hasEnded(base64Decoded(text) ?? '{');
  const decoded = /^%[57]B/i.test(text) ? loosePercentDecoded(text) : text;
  if (decoded !== text) return hasEnded(decoded);
  if (text.startsWith('<')) {
    // This comes first for speed: from here on each tag that begins has an end.
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
  // One character at a time: an array of matches would take more memory than the text.
  for (let at = from; at < text.length; at++) {
    const mark = text[at];
    if (mark === '\\') at++;
    else if (mark === '"') quoted = !quoted;
    else if (!quoted && (mark === '{' || mark === '[')) depth++;
    else if (!quoted && (mark === '}' || mark === ']')) depth = Math.max(0, depth - 1);
  }
  return !quoted && depth === 0;
}

/** How deep a text within a text is read: JSON in a string of JSON, and so on. */
export const MAX_LEVELS = 4;

/** Reads a body as JSON (also in a string of JSON, or with other text around it) or as a form. Never throws; linear. */
export function readDocument(body: string, complete: boolean): ReadDocument {
  const text = body.replace(/^[\uFEFF\s]+/, '').trimEnd();
  for (let inner: unknown = text, level = 0; level < MAX_LEVELS && typeof inner === 'string'; level++) {
    inner = parsedJson(inner);
    if (typeof inner === 'object' && inner !== null) return { document: inner, whole: true };
  }
  // A form does not show that it was cut short.
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

function formFields(text: string): JsonObject {
  return Object.fromEntries(
    text.split('&').flatMap((pair) => {
      const at = pair.indexOf('=');
      const name = percentDecoded((at < 0 ? pair : pair.slice(0, at)).replaceAll('+', ' '));
      const value = at < 0 ? '' : pair.slice(at + 1);
      const role = roleOf(name);
      // No token has a space: a plus in it is a plus that was not encoded.
      const isToken = role === 'access_token' || role === 'refresh_token';
      return pair === '' ? [] : [[name, percentDecoded(isToken ? value : value.replaceAll('+', ' '))]];
    }),
  );
}
