import { MAX_SECRET_BYTES } from '../secret-size.ts';
import { codedRuns, readings, type Span } from './coded-runs.ts';
import { bytesOf, step, type Ways, type Work, waysToRead } from './escapes.ts';

/** No more of a provider's words is read. A response may have a megabyte of them. */
const MAX_READ = 1_000;
/** No more of them is shown. */
const MAX_SHOWN = 300;
/** Shorter values would hide ordinary words, and protect nothing. */
const SHORTEST_SECRET = 4;
/** So many letters and digits don't come together by chance, whatever is between them. */
const LOOSE = /^[a-z0-9]{6,}$/;
/** How deep Base64, hexadecimal and numbers may be within one another. */
const MAX_DEPTH = 2;

const HIDDEN = '[redacted]';
const UNSEARCHABLE = 'These words are not shown, as they could not be searched for secrets';

/**
 * A provider's words for logs, items, events, terminals and pages: one short line, without the secrets and without anything that
 * looks like a token. Never throws.
 */
export function withoutSecrets(text: string, secrets: Iterable<string>): string {
  return withoutKnownSecrets(text, secrets)
    .replace(/[A-Za-z0-9_\-.~+/=%]{24,}/g, (word) => (/[A-Z0-9]/.test(word) ? HIDDEN : word))
    .replace(/[^\x20-\x7e’]+/g, ' ')
    .slice(0, MAX_SHOWN)
    .trim();
}

/**
 * The same for words that may have long names, such as AWS's: only the secrets go.
 *
 * A secret is found however it is written. Each character may be escaped in its own way (URL, form, HTML, JSON, JavaScript, and
 * one over another), in capitals or small letters, over several lines, or with anything between letters and digits. All of it
 * may be within Base64, hexadecimal or a list of numbers. So there is no list of forms: the text is read in every way in which
 * it can be read. Never throws, and no text can make it slow.
 */
export function withoutKnownSecrets(text: string, secrets: Iterable<string>): string {
  try {
    // The cut may be within a secret: its beginning must go too.
    const isCut = text.length > MAX_READ;
    const read = isCut ? text.slice(0, MAX_READ).replace(/\S*$/, '') : text;
    return replaced(read, secretSpans(read, knownSecrets(secrets), isCut));
  } catch {
    return UNSEARCHABLE;
  }
}

function replaced(text: string, spans: readonly Span[]): string {
  let made = '';
  let done = 0;
  for (const [from, to] of [...spans].sort(([a], [b]) => a - b)) {
    if (from > done || made === '') made += text.slice(done, from) + HIDDEN;
    done = Math.max(done, to);
  }
  return made + text.slice(done);
}

/** The bytes of a secret in small letters, or only its letters and digits. */
interface Secret {
  readonly bytes: string;
  /** What may be between its bytes. */
  readonly between: RegExp;
}

/** The secrets by their first byte. */
type Secrets = ReadonlyMap<string, readonly Secret[]>;

function knownSecrets(secrets: Iterable<string>): Secrets {
  const known = new Set<string>();
  for (const secret of secrets)
    for (const value of [secret, withoutScheme(secret), percentDecoded(secret)]) {
      const read = value.slice(0, MAX_SECRET_BYTES);
      // Bytes are compared in small letters of ASCII. Other letters are needed in both cases.
      for (const one of [read, read.toLowerCase(), read.toUpperCase()])
        for (const form of [one, one.normalize(), one.normalize('NFD')]) {
          const bytes = bytesOf(form).toLowerCase();
          if (form.length >= SHORTEST_SECRET) known.add(bytes);
          const letters = bytes.replace(/[^a-z0-9]+/g, '');
          if (LOOSE.test(letters)) known.add(letters);
        }
    }
  const all = Array.from(
    known,
    (bytes): Secret => ({
      bytes,
      between: LOOSE.test(bytes) ? /^[^a-z0-9]+$/ : /^[^!-~]+$/,
    }),
  );
  return Map.groupBy(all, ({ bytes }) => bytes.charAt(0));
}

/** `Bearer x` may be quoted as `x`. */
function withoutScheme(secret: string): string {
  return /^[A-Za-z-]{1,20} +(\S+)$/.exec(secret)?.[1] ?? '';
}

function percentDecoded(secret: string): string {
  try {
    return decodeURIComponent(secret);
  } catch {
    return '';
  }
}

function secretSpans(text: string, secrets: Secrets, isCut: boolean): readonly Span[] {
  if (secrets.size === 0) return [];
  const places: number[] = [];
  let at = 0;
  for (const character of text) {
    for (let byte = Buffer.byteLength(character); byte > 0; byte--) places.push(at);
    at += character.length;
  }
  places.push(at);
  const isAscii = [...secrets.values()].flat().every(({ bytes }) => !/[\x80-\xff]/.test(bytes));
  const stretch = new RegExp(`[\\0\\s -~${isAscii ? '' : '\x80-\xff'}]{4,}`, 'g');
  const search = { secrets, stretch, steps: 0 };
  const spans = spansInBytes(bytesOf(text), search, isCut);
  return spans.map(([from, to]) => [places[from] ?? 0, places[to] ?? at]);
}

interface Search extends Work {
  readonly secrets: Secrets;
  /** Decoded bytes that may be text. UTF-16 has zeros in it. */
  readonly stretch: RegExp;
}

/** @param isCut there may be the beginning of a secret at the end */
function spansInBytes(bytes: string, search: Search, isCut: boolean, depth = 0): readonly Span[] {
  const ways = waysToRead(bytes, search);
  const spans = matches(ways, search, isCut);
  if (depth < MAX_DEPTH)
    for (const reading of readings(bytes, ways))
      for (const run of codedRuns(reading, search.stretch))
        for (const [from, to] of spansInBytes(run.bytes, search, isCut && run.isLast, depth + 1)) {
          const span: Span = [run.placeOf(from)[0], run.placeOf(to - 1)[1]];
          spans.push(depth === 0 ? wholeWord(bytes, span) : span);
        }
  return spans;
}

/**
 * Where the secrets are, in whatever way each character is read. Invisible characters within them are skipped; where only
 * letters and digits count, all other signs are too.
 */
function matches(ways: Ways, search: Search, isCut: boolean): Span[] {
  const spans: Span[] = [];
  /** At each place: the secrets that may be under way there, how far, and where they began. */
  const open: (Map<Secret, Map<number, number>> | undefined)[] = [];
  const goOn = (secret: Secret, done: number, from: number, next: number) => {
    step(search);
    if (done === secret.bytes.length) {
      spans.push([from, next]);
      return;
    }
    open[next] ??= new Map();
    const reached = open[next].get(secret) ?? new Map<number, number>();
    open[next].set(secret, reached);
    reached.set(done, Math.min(from, reached.get(done) ?? from));
  };
  for (const [at, here] of ways.entries()) {
    for (const [written, next] of here) {
      const read = written.toLowerCase();
      for (const secret of search.secrets.get(read.charAt(0)) ?? []) {
        step(search);
        if (secret.bytes.startsWith(read)) goOn(secret, read.length, at, next);
      }
      for (const [secret, reached] of open[at] ?? [])
        for (const [done, from] of reached) {
          if (secret.bytes.startsWith(read, done)) goOn(secret, done + read.length, from, next);
          if (secret.between.test(read)) goOn(secret, done, from, next);
        }
    }
    open[at] = undefined;
  }
  if (isCut)
    for (const reached of open[ways.length]?.values() ?? [])
      for (const from of reached.values()) spans.push([from, ways.length]);
  return spans;
}

/** The rest of a word with a coded secret in it may give it away, too. */
function wholeWord(bytes: string, [from, to]: Span): Span {
  const isPart = (at: number) => /[\w+/=%-]/.test(bytes.charAt(at));
  let [start, end] = [from, to];
  while (isPart(start - 1)) start--;
  while (isPart(end)) end++;
  return [start, end];
}
