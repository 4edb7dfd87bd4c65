import stringWidth from 'string-width';

const ONE_CELL_EACH = /^[ -~█░—…·]*$/;

/** How many cells of a terminal a text takes: wide characters take two, colours none. */
export function widthOf(text: string): number {
  // A large table asks this for every cell, and nearly all cells are this simple.
  return ONE_CELL_EACH.test(text) ? text.length : stringWidth(text);
}

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** What a reader sees as the characters of a text. */
export function segmentsOf(text: string): string[] {
  return ONE_CELL_EACH.test(text)
    ? text.split('')
    : [...graphemes.segment(text)].map(({ segment }) => segment);
}

/** Cuts a text to this many cells, with "…" at its end. */
export function cutTo(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = '';
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    used += widthOf(segment);
    if (used > width - 1) break;
    kept += segment;
  }
  return width > 0 ? `${kept}…` : '';
}

/** Like `cutTo`, but cuts in the middle: ids often differ at their end. */
export function cutMiddleTo(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  const segments = segmentsOf(text);
  const room = Math.max(0, width - 1);
  const start = takeTo(segments, Math.ceil(room / 2));
  const end = takeTo(segments.reverse(), room - widthOf(start.join(''))).reverse();
  return width > 0 ? `${start.join('')}…${end.join('')}` : '';
}

/** The first segments that fit into this many cells. */
function takeTo(segments: readonly string[], width: number): string[] {
  let used = 0;
  const taken = segments.findIndex((segment) => {
    used += widthOf(segment);
    return used > width;
  });
  return segments.slice(0, taken === -1 ? segments.length : taken);
}

export function padTo(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

/** Breaks a text between words into lines of at most this many cells. A longer word breaks at the end of the line. */
export function wrapTo(text: string, width: number): string[] {
  // A name may be as long as an item, so each part is measured only once.
  const known = new Map<string, number>();
  const cellsOf = (part: string) => {
    const cells = known.get(part) ?? widthOf(part);
    known.set(part, cells);
    return cells;
  };
  const lines: string[] = [];
  let used = 0;
  for (const word of text.split(/ +/).flatMap((long) => pieces(long, width, cellsOf))) {
    const cells = cellsOf(word);
    used += 1 + cells;
    if (lines.length > 0 && used <= width) lines[lines.length - 1] += ` ${word}`;
    else {
      lines.push(word);
      used = cells;
    }
  }
  return lines;
}

function pieces(word: string, width: number, cellsOf: (part: string) => number): string[] {
  if (cellsOf(word) <= width) return [word];
  const found: string[] = [];
  let used = 0;
  for (const { segment } of graphemes.segment(word)) {
    const cells = cellsOf(segment);
    used += cells;
    if (found.length > 0 && used <= width) found[found.length - 1] += segment;
    else {
      found.push(segment);
      used = cells;
    }
  }
  return found;
}

/** "1 account", "2,000 accounts". */
export function plural(count: number, what: string): string {
  return `${count.toLocaleString('en-US')} ${what}${count === 1 ? '' : 's'}`;
}
