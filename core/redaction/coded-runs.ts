import { DIGITS, type Way, type Ways } from './escapes.ts';

export type Span = readonly [from: number, to: number];

/** One reading of a text: each character, and which part of the text it stands for. */
type Reading = readonly (readonly [character: string, from: number, to: number])[];

/** The text as it is, and with its escapes decoded. Both may hold Base64 or hexadecimal. */
export function readings(bytes: string, ways: Ways): readonly Reading[] {
  const plain = Array.from(bytes, (byte, at) => [byte, at, at + 1] as const);
  const decoded: (readonly [string, number, number])[] = [];
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes.charAt(at);
    let way: Way = [byte, at + 1];
    // Here a `=` ends Base64, or a name before it.
    if (byte !== '=') for (const other of ways[at] ?? []) if (other[1] > way[1]) way = other;
    // Without the line break after it.
    decoded.push([way[0], at, way[0] === byte ? at + 1 : way[1]]);
    at = way[1];
  }
  return decoded.length === plain.length ? [plain] : [plain, decoded];
}

/** Text that was found within coded text. */
interface CodedRun {
  readonly bytes: string;
  /** The part of the text that a byte stands for. */
  readonly placeOf: (byte: number) => Span;
  /** It may continue where the text is cut off. */
  readonly isLast: boolean;
}

const codes = [
  { name: 'base64', sign: /^[\w+/-]$/, bits: 6 },
  // A space may be a "+" that was read as in a form.
  { name: 'base64', sign: /^[\w+/ -]$/, bits: 6 },
  { name: 'hex', sign: /^[\da-f]$/i, bits: 4 },
] as const;

/**
 * The text within what may be Base64 or hexadecimal, from each place where that may begin, and what the numbers in a text stand
 * for. There may be anything between the characters and the numbers.
 */
export function codedRuns(reading: Reading, stretch: RegExp): readonly CodedRun[] {
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
