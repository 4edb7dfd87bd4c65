import { widthOf, wrapTo } from './display-text.ts';
import { paint } from './paint.ts';
import type { Cell, Table } from './table.ts';

const GAP = 2;
const INDENT = 2;

/** Cells that say that there is nothing. */
export const NOTHING: readonly string[] = ['', '·', '—'];

/**
 * The rows of a table that is too narrow for columns: the first cell on a line of its own, below it the others, each after its
 * title. Nothing is cut, only wrapped; cells that say nothing are left out.
 */
export function stackedLines({ columns, rows, notes = [] }: Table, width: number, color: boolean): string[] {
  return rows.flatMap((row, index) => {
    // A column without a title is a mark before the row.
    const first = columns.findIndex(({ title }) => title !== '');
    const marks = row.slice(0, first);
    const mark = marks
      .filter(({ text }) => text.trim() !== '')
      .map(({ text, style }) => `${paint(text, style, color)} `)
      .join('');
    const room =
      width - marks.reduce((sum, { text }) => sum + (text.trim() === '' ? 0 : widthOf(text) + 1), 0);
    const head = row[first];
    const heading = wrapTo(head?.text ?? '', Math.max(1, room)).map(
      (line, at) => `${at === 0 ? mark : ''}${paint(line, head?.style, color)}`,
    );
    const pairs = row.flatMap((cell, at) =>
      at <= first || NOTHING.includes(cell.text) ? [] : [pairOf(columns[at]?.title ?? '', cell)],
    );
    return [...heading, ...pairLines(pairs, width, color), ...noteLines(notes[index], width, color)];
  });
}

/** A title and its cell. */
type Pair = readonly [title: Cell, cell: Cell];

const pairOf = (title: string, cell: Cell): Pair => [{ text: title, style: 'dim' }, cell];

/** As many pairs on a line as fit. */
function pairLines(pairs: readonly Pair[], width: number, color: boolean): string[] {
  const lines: string[] = [];
  let used = 0;
  for (const pair of pairs) {
    const cells = pair.reduce((sum, { text }) => sum + widthOf(text), 1);
    if (INDENT + cells > width) {
      lines.push(...longPair(pair, width, color));
      used = width;
      continue;
    }
    const text = pair.map(({ text, style }) => paint(text, style, color)).join(' ');
    if (lines.length > 0 && used + GAP + cells <= width) {
      lines[lines.length - 1] += `${' '.repeat(GAP)}${text}`;
      used += GAP + cells;
    } else {
      lines.push(`${' '.repeat(INDENT)}${text}`);
      used = INDENT + cells;
    }
  }
  return lines;
}

function longPair([{ text: title }, { text, style }]: Pair, width: number, color: boolean): string[] {
  const room = Math.max(1, width - 2 * INDENT);
  return [
    ...wrapTo(title, Math.max(1, width - INDENT)).map(
      (line) => `${' '.repeat(INDENT)}${paint(line, 'dim', color)}`,
    ),
    ...wrapTo(text, room).map((line) => `${' '.repeat(2 * INDENT)}${paint(line, style, color)}`),
  ];
}

/** What stands below a row. */
export function noteLines(note: Cell | undefined, width: number, color: boolean): string[] {
  if (note === undefined) return [];
  return wrapTo(note.text, Math.max(1, width - INDENT)).map(
    (line) => `${' '.repeat(INDENT)}${paint(line, note.style, color)}`,
  );
}
