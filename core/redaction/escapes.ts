/** A text that takes more steps is hidden as a whole. */
const MAX_STEPS = 200_000;

/** How much has been done so far for one text. */
export interface Work {
  steps: number;
}

/** Throws where a text takes too long. */
export function step(work: Work): void {
  if (++work.steps > MAX_STEPS) throw new RangeError();
}

/** UTF-8, one character for each byte. */
export function bytesOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** How long an entity or a tag may be. */
const MAX_MARKUP = 64;

/** One way to read what is at a place: as these bytes, and where to read on. */
export type Way = readonly [bytes: string, next: number];
export type Ways = Way[][];

/** All ways to read each place of a text: the byte itself, and the meaning of an escape that begins there. */
export function waysToRead(bytes: string, work: Work): Ways {
  const ways: Ways = Array.from(bytes, (byte, at) => [[byte, at + 1]]);
  // A line may break anywhere, also within an escape.
  for (const { 0: wrap, index } of bytes.matchAll(/[\r\n]\s*/g))
    ways[index - 1]?.push([bytes.charAt(index - 1), index + wrap.length]);
  // From the end to the beginning, as an escape may be made of later ones.
  for (let at = bytes.length - 1; at >= 0; at--) {
    const here = ways[at] ?? [];
    for (const [first, next] of here) {
      step(work);
      if ('%&\\=+\'"<\x1b'.includes(first))
        for (const way of escaped(ways, first, next, work)) {
          work.steps += here.length;
          if (!here.some(([read, end]) => read === way[0] && end === way[1])) here.push(way);
        }
    }
  }
  return ways;
}

/** What an escape may mean that begins with `first` and continues at `from`. */
function escaped(ways: Ways, first: string, from: number, work: Work): readonly Way[] {
  const after = (signs: string, at: number) =>
    (ways[at] ?? []).flatMap(([read, next]) => (signs.includes(read.toLowerCase()) ? [next] : []));
  const number = (radix: 8 | 10 | 16, least: number, most: number) => (at: number) =>
    numbers(ways, at, { radix, least, most }, work);
  const characters = (found: readonly NumberRead[]) =>
    found.map(([code, next]): Way => [bytesOf(String.fromCodePoint(code)), next]);
  /** `u` and four digits, twice where a character needs two halves. */
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
  /** Characters that are not shown, up to one of `ends`. */
  const hidden = (inner: RegExp, ends: string) =>
    [...reached(ways, from, inner, work).keys()].flatMap((at) => after(ends, at));
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
        // An index, where a list is written as an object.
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
      const names = [...reached(ways, from, /^[a-z]$/i, work)].flatMap(([at, name]): readonly Way[] => {
        const sign = named.get(name);
        // Most of the other names are of spaces, or not of ASCII.
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

export const DIGITS = '0123456789abcdef';

type NumberRead = readonly [value: number, next: number];

/** The numbers that may be at a place, one for each count of digits. */
function numbers(
  ways: Ways,
  from: number,
  { radix, least, most }: { readonly radix: 8 | 10 | 16; readonly least: number; readonly most: number },
  work: Work,
): readonly NumberRead[] {
  const found: NumberRead[] = [];
  let read: readonly NumberRead[] = [[0, from]];
  for (let digits = 1; digits <= most && read.length > 0; digits++) {
    const longer = new Map<string, NumberRead>();
    for (const [value, at] of read)
      for (const [sign, next] of ways[at] ?? []) {
        step(work);
        const digit = sign.length === 1 ? DIGITS.indexOf(sign.toLowerCase()) : -1;
        const more = value * radix + digit;
        if (digit >= 0 && digit < radix && more <= 0x10ffff) longer.set(`${more} ${next}`, [more, next]);
      }
    read = [...longer.values()];
    if (digits >= least) found.push(...read);
  }
  return found;
}

/** Where characters like `inner` lead to, and what they are. */
function reached(ways: Ways, from: number, inner: RegExp, work: Work): ReadonlyMap<number, string> {
  const places = new Map([[from, '']]);
  for (const [place, read] of places)
    for (const [sign, next] of ways[place] ?? []) {
      step(work);
      if (next - from < MAX_MARKUP && inner.test(sign) && !places.has(next))
        places.set(next, read + sign.toLowerCase());
    }
  return places;
}

/** Stands for something that nobody sees. */
const GAP = '\x80';

/** HTML's names for the signs of ASCII, each with its sign. */
const named: ReadonlyMap<string, string> = new Map(
  `amp& lt< gt> quot" apos' excl! num# dollar$ percnt% lpar( rpar) ast* midast* plus+ comma, period. sol/
  colon: semi; equals= quest? commat@ lsqb[ lbrack[ bsol\\ rsqb] rbrack] hat^ lowbar_ grave\` lcub{ lbrace{ verbar| vert|
  rcub} rbrace} tilde~ nbsp${GAP} shy${GAP}`
    .split(/\s+/)
    .map((entry) => [entry.slice(0, -1), entry.slice(-1)]),
);
