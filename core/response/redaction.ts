import { MAX_SECRET_BYTES } from '../secret-size.ts';

/** So much of somebody else's words is looked at; an answer may have a megabyte of them. */
const MAX_READ = 1_000;
const MAX_TOLD = 300;
/** Shorter values would take ordinary words away, and are no protection anyway. */
const SHORTEST_SECRET = 4;
/** So many letters and digits are no chance, whatever stands between them. */
const LOOSE = /^[a-z0-9]{6,}$/;
/** How deep Base64, hexadecimal and numbers may stand within one another. */
const MAX_DEPTH = 2;
/** So far may the end of an entity or a tag be from its beginning. */
const MAX_MARKUP = 64;
/** A text that would take longer is hidden as a whole. */
const MAX_STEPS = 200_000;

const HIDDEN = '[redacted]';
const UNSEARCHABLE = 'These words are not shown, as they could not be searched for secrets';

/**
 * Makes a provider's words fit for logs, items, events, terminals and pages: one line, short, without any of the secrets
 * and without anything that looks like a token. Never throws.
 */
export function withoutSecrets(text: string, secrets: Iterable<string>): string {
  return withoutKnownSecrets(text, secrets)
    .replace(/[A-Za-z0-9_\-.~+/=%]{24,}/g, (word) => (/[A-Z0-9]/.test(word) ? HIDDEN : word))
    .replace(/[^\x20-\x7e’]+/g, ' ')
    .slice(0, MAX_TOLD)
    .trim();
}

/**
 * The same for words in which long names are to stay, such as AWS's: without the secrets, and nothing else is changed.
 *
 * A secret is found in whatever way it is written: each of its characters may be escaped on its own (URL, form, HTML,
 * JSON, JavaScript, and these over one another), in capitals or small letters, over several lines or with anything
 * between its letters and digits, and all of it may stand within Base64, hexadecimal or a list of numbers. So the text is
 * read in all the ways in which it can be read, and the secret is looked for in each; there is no list of forms. Never
 * throws, and takes no longer for a text that is made to be slow.
 */
export function withoutKnownSecrets(text: string, secrets: Iterable<string>): string {
  try {
    // What is cut off may be the end of a secret: its beginning goes too.
    const isCut = text.length > MAX_READ;
    const read = isCut ? text.slice(0, MAX_READ).replace(/\S*$/, '') : text;
    return replaced(read, secretSpans(read, knownSecrets(secrets), isCut));
  } catch {
    return UNSEARCHABLE;
  }
}

/** What of a text, from here to there. */
type Span = readonly [from: number, to: number];

function replaced(text: string, spans: readonly Span[]): string {
  let made = '';
  let done = 0;
  for (const [from, to] of [...spans].sort(([a], [b]) => a - b)) {
    if (from > done || made === '') made += text.slice(done, from) + HIDDEN;
    done = Math.max(done, to);
  }
  return made + text.slice(done);
}

/** A secret as bytes in small letters, or the letters and digits of one. */
interface Secret {
  readonly bytes: string;
  /** What counts for nothing within it. */
  readonly between: RegExp;
}

/** By their first byte. */
type Secrets = ReadonlyMap<string, readonly Secret[]>;

function knownSecrets(secrets: Iterable<string>): Secrets {
  const known = new Set<string>();
  for (const secret of secrets)
    for (const value of [secret, withoutScheme(secret), percentDecoded(secret)]) {
      const read = value.slice(0, MAX_SECRET_BYTES);
      // Bytes are compared whatever the case of ASCII's letters is; others have to be written in both.
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

/** `Bearer x` is quoted as `x`, too. */
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

/** UTF-8, one character for each byte. */
function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1');
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

interface Search {
  readonly secrets: Secrets;
  /** What of decoded bytes may be text at all; that of UTF-16 has zeros in it. */
  readonly stretch: RegExp;
  steps: number;
}

/** @param isCut what stands at the end may be the beginning of a secret */
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

function step(search: Search): void {
  if (++search.steps > MAX_STEPS) throw new RangeError();
}

/** One way to read on from a place: as these bytes, and where it goes on. */
type Way = readonly [bytes: string, next: number];
type Ways = Way[][];

/** For each place of a text all that may be read there: the byte itself, and what an escape that begins there means. */
function waysToRead(bytes: string, search: Search): Ways {
  const ways: Ways = Array.from(bytes, (byte, at) => [[byte, at + 1]]);
  // A line may end anywhere, in the midst of an escape too.
  for (const { 0: wrap, index } of bytes.matchAll(/[\r\n]\s*/g))
    ways[index - 1]?.push([bytes.charAt(index - 1), index + wrap.length]);
  // From the end on, as an escape may be written with those after it.
  for (let at = bytes.length - 1; at >= 0; at--) {
    const here = ways[at] ?? [];
    for (const [first, next] of here) {
      step(search);
      if ('%&\\=+\'"<\x1b'.includes(first))
        for (const way of escaped(ways, first, next, search)) {
          search.steps += here.length;
          if (!here.some(([read, end]) => read === way[0] && end === way[1])) here.push(way);
        }
    }
  }
  return ways;
}

/** What an escape may mean that begins with `first` and goes on at `from`. */
function escaped(ways: Ways, first: string, from: number, search: Search): readonly Way[] {
  const after = (signs: string, at: number) =>
    (ways[at] ?? []).flatMap(([read, next]) => (signs.includes(read.toLowerCase()) ? [next] : []));
  const number = (radix: 8 | 10 | 16, least: number, most: number) => (at: number) =>
    numbers(ways, at, radix, [least, most], search);
  const characters = (found: readonly NumberRead[]) =>
    found.map(([code, next]): Way => [bytesOf(String.fromCodePoint(code)), next]);
  /** `u` and four digits, and the same once more where it takes two halves. */
  const unit = (at: number) => after('u', at).flatMap(number(16, 4, 4));
  const wide = () =>
    unit(from).flatMap(([high, next]): NumberRead[] => [
      [high, next],
      ...after(first, next)
        .flatMap(unit)
        .flatMap(([low, end]): NumberRead[] =>
          high >> 10 === 0x36 && low >> 10 === 0x37
            ? [[0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff), end]]
            : [],
        ),
    ]);
  /** What is not shown: such characters, up to one of these. */
  const hidden = (inner: RegExp, ends: string) =>
    [...reached(ways, from, inner, search).keys()].flatMap((at) => after(ends, at));
  const gaps = (places: readonly number[]) => places.map((next): Way => [GAP, next]);
  switch (first) {
    case '+':
      return [[' ', from]];
    case '<':
      return gaps(hidden(/^[^<>]$/, '>'));
    case '\x1b':
      return gaps(hidden(/^[\d;[]$/, 'mkjhabcdsu'));
    case "'":
    case '"':
      return [
        ...after(first, from).map((next): Way => [first, next]),
        // A place in a list that is written as an object.
        ...gaps(hidden(/^\d$/, first).flatMap((at) => after(':', at))),
      ];
    case '=':
    case '%': {
      const byte = number(16, 2, 2)(from);
      return [
        ...byte.map(([code, next]): Way => [String.fromCharCode(code), next]),
        // Not UTF-8, but ISO 8859-1.
        ...characters([...byte.filter(([code]) => code > 0x7f), ...wide()]),
      ];
    }
    case '&': {
      const hash = after('#', from);
      const hex = hash.flatMap((at) => after('x', at)).flatMap(number(16, 1, 24));
      const names = [...reached(ways, from, /^[a-z]$/i, search)].flatMap(([at, name]): readonly Way[] => {
        const sign = named.get(name);
        // Most of the other names are of blanks and of what is not ASCII.
        return sign === undefined ? gaps(after(';', at)) : [[sign, at]];
      });
      const meant = [...characters([...hash.flatMap(number(10, 1, 24)), ...hex]), ...names];
      return meant.flatMap(([read, next]) => [
        [read, next],
        ...after(';', next).map((end): Way => [read, end]),
      ]);
    }
    default: {
      const braced = after('u', from)
        .flatMap((at) => after('{', at))
        .flatMap(number(16, 1, 8));
      return [
        ...(ways[from] ?? []).map(([sign, next]): Way => [/[bfnrtv]/.test(sign) ? '\n' : sign, next]),
        ...characters([
          ...wide(),
          ...braced.flatMap(([code, next]) => after('}', next).map((end): NumberRead => [code, end])),
          ...after('u', from).flatMap(number(16, 8, 8)),
          ...after('x', from).flatMap(number(16, 2, 2)),
          ...number(8, 1, 3)(from),
        ]),
      ];
    }
  }
}

const DIGITS = '0123456789abcdef';

type NumberRead = readonly [value: number, next: number];

/** The numbers that may stand at a place, by how many digits are taken for theirs. */
function numbers(
  ways: Ways,
  from: number,
  radix: 8 | 10 | 16,
  [least, most]: readonly [number, number],
  search: Search,
): readonly NumberRead[] {
  const found: NumberRead[] = [];
  let read: readonly NumberRead[] = [[0, from]];
  for (let digits = 1; digits <= most && read.length > 0; digits++) {
    const longer = new Map<string, NumberRead>();
    for (const [value, at] of read)
      for (const [sign, next] of ways[at] ?? []) {
        step(search);
        const digit = sign.length === 1 ? DIGITS.indexOf(sign.toLowerCase()) : -1;
        const more = value * radix + digit;
        if (digit >= 0 && digit < radix && more <= 0x10ffff) longer.set(`${more} ${next}`, [more, next]);
      }
    read = [...longer.values()];
    if (digits >= least) found.push(...read);
  }
  return found;
}

/** How far such characters go, and what they are. */
function reached(ways: Ways, from: number, inner: RegExp, search: Search): ReadonlyMap<number, string> {
  const places = new Map([[from, '']]);
  for (const [place, read] of places)
    for (const [sign, next] of ways[place] ?? []) {
      step(search);
      if (next - from < MAX_MARKUP && inner.test(sign) && !places.has(next))
        places.set(next, read + sign.toLowerCase());
    }
  return places;
}

/** What is read where nothing is to be seen. */
const GAP = '\x80';

/** HTML's names for ASCII's signs, each before its sign. */
const named: ReadonlyMap<string, string> = new Map(
  `amp& lt< gt> quot" apos' excl! num# dollar$ percnt% lpar( rpar) ast* midast* plus+ comma, period. sol/
  colon: semi; equals= quest? commat@ lsqb[ lbrack[ bsol\\ rsqb] rbrack] hat^ lowbar_ grave\` lcub{ lbrace{ verbar| vert|
  rcub} rbrace} tilde~ nbsp${GAP} shy${GAP}`
    .split(/\s+/)
    .map((entry) => [entry.slice(0, -1), entry.slice(-1)]),
);

/**
 * Where a secret stands, whichever way each of its characters is read. What can't be seen counts for nothing within it,
 * and neither does any sign within a loose one.
 */
function matches(ways: Ways, search: Search, isCut: boolean): Span[] {
  const spans: Span[] = [];
  /** At each place: how far in which secret one may be there, and where that began. */
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

/** One reading of a text, each of its characters with what of the text it stands for. */
type Reading = readonly (readonly [character: string, from: number, to: number])[];

/** The text as it is, and with its escapes read: in these may stand Base64 and hexadecimal. */
function readings(bytes: string, ways: Ways): readonly Reading[] {
  const plain = Array.from(bytes, (byte, at) => [byte, at, at + 1] as const);
  const decoded: (readonly [string, number, number])[] = [];
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes.charAt(at);
    let way: Way = [byte, at + 1];
    // A `=` here ends Base64, or a name before it.
    if (byte !== '=') for (const other of ways[at] ?? []) if (other[1] > way[1]) way = other;
    // What it stands for does not include the end of its line.
    decoded.push([way[0], at, way[0] === byte ? at + 1 : way[1]]);
    at = way[1];
  }
  return decoded.length === plain.length ? [plain] : [plain, decoded];
}

interface CodedRun {
  readonly bytes: string;
  /** What of the text a byte stands for. */
  readonly placeOf: (byte: number) => Span;
  /** Whether it may go on where the text is cut off. */
  readonly isLast: boolean;
}

const codes = [
  { name: 'base64', sign: /^[\w+/-]$/, bits: 6 },
  // A blank may be what a form's "+" was read as.
  { name: 'base64', sign: /^[\w+/ -]$/, bits: 6 },
  { name: 'hex', sign: /^[\da-f]$/i, bits: 4 },
] as const;

/**
 * The text within what may be Base64 or hexadecimal, whatever may be between its characters, decoded from each place at
 * which that may begin; and what all numbers stand for, whatever may be between them.
 */
function codedRuns(reading: Reading, stretch: RegExp): readonly CodedRun[] {
  const text = reading.map(([character]) => (character.length === 1 ? character : ' ')).join('');
  const runs = [2, 8, 10, 16].map((radix): CodedRun => {
    const found = [...text.matchAll(new RegExp(`[${DIGITS.slice(0, radix)}]+`, 'gi'))];
    return {
      bytes: found
        .map(([digits]) => Number.parseInt(digits, radix))
        .map((code) => String.fromCharCode(code > 31 && code < 256 ? code : 0))
        .join(''),
      placeOf: (byte) => {
        const first = found[byte]?.index ?? 0;
        return spanOf(reading, first, first + (found[byte]?.[0].length ?? 1) - 1);
      },
      isLast: true,
    };
  });
  for (const { name, sign, bits } of codes) {
    const solid = reading.filter(([character]) => sign.test(character));
    const coded = solid.map(([character]) => character).join('');
    for (let start = 0; start < 4; start++) {
      const decoded = Buffer.from(coded.slice(start).replaceAll(' ', '+'), name).toString('latin1');
      for (const { 0: bytes, index } of decoded.matchAll(stretch))
        runs.push({
          bytes,
          placeOf: (byte) => {
            const bit = (index + byte) * 8 + start * bits;
            return spanOf(solid, Math.floor(bit / bits), Math.floor((bit + 7) / bits));
          },
          isLast: index + bytes.length === decoded.length,
        });
    }
  }
  return runs;
}

function spanOf(reading: Reading, first: number, last: number): Span {
  return [reading[first]?.[1] ?? 0, reading[last]?.[2] ?? 0];
}

/** What stands beside a coded secret in the same word tells of it, too. */
function wholeWord(bytes: string, [from, to]: Span): Span {
  const isPart = (at: number) => /[\w+/=%-]/.test(bytes.charAt(at));
  let [start, end] = [from, to];
  while (isPart(start - 1)) start--;
  while (isPart(end)) end++;
  return [start, end];
}
