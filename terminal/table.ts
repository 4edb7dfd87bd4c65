import { cutMiddleTo, cutTo, padTo, widthOf } from './display-text.ts';
import { paint, type Style } from './paint.ts';
import { printable } from './printable.ts';

export interface Cell {
  readonly text: string;
  /** Shown instead if the line is too short. */
  readonly short?: string;
  readonly style?: Style | undefined;
}

export interface Column {
  readonly title: string;
  /** The title when the cells are short. */
  readonly shortTitle?: string;
  /** It is never cut below this many cells. Without it, it is only cut if nothing else helps. */
  readonly least?: number;
  /** It keeps this many cells even then, if there is any other way. Default 3. */
  readonly floor?: number;
  /** Where a cell is cut; at its end by default. */
  readonly cut?: 'middle';
  readonly align?: 'right';
}

/** Steps that make a table narrower. They are taken in order, only while the line is too long. */
export type Concession =
  | { readonly drop: string }
  /** Shows this column's short cells. */
  | { readonly shorten: string }
  /** Cuts this column to this many cells of the terminal. */
  | { readonly squeeze: string; readonly to: number };

export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  readonly concessions?: readonly Concession[];
}

const GAP = 2;
const LEAST = 3;

/**
 * A table for people: one line for each row, none longer than `width` cells. Texts are made printable.
 *
 * @returns lines, the titles first
 */
export function renderTable(
  { columns, rows, concessions = [] }: Table,
  width: number,
  color: boolean,
): string[] {
  const clean = rows.map((row) =>
    row.map(({ text, short, ...rest }) => ({
      ...rest,
      text: printable(text),
      ...(short !== undefined && { short: printable(short) }),
    })),
  );
  const table = concede({ columns, rows: clean, concessions }, width);
  const titles = table.columns.map(({ title }): Cell => ({ text: title, style: 'dim' }));
  const widths = columnWidths(table, width);
  return [titles, ...table.rows].map((row) =>
    row
      .map(({ text, style }, column) => {
        const room = widths[column] ?? 0;
        const cut = cutCell(text, room, table.columns[column]);
        const filled =
          table.columns[column]?.align === 'right'
            ? ' '.repeat(Math.max(0, room - widthOf(cut))) + cut
            : padTo(cut, column === row.length - 1 ? 0 : room);
        return paint(filled, style, color);
      })
      .join(' '.repeat(GAP))
      .trimEnd(),
  );
}

/** Takes one step after another until the narrowest form of the rest fits. */
function concede(table: Table, width: number): Table {
  const [next, ...concessions] = table.concessions ?? [];
  if (next === undefined || lineWidth(leastWidths(table)) <= width) return table;
  return concede({ ...given(table, next), concessions }, width);
}

function given(table: Table, concession: Concession): Table {
  if ('drop' in concession) return without(table, concession.drop);
  return 'shorten' in concession
    ? shortened(table, concession.shorten)
    : squeezed(table, concession.squeeze, concession.to);
}

function squeezed({ columns, rows }: Table, title: string, to: number): Table {
  const index = columns.findIndex((column) => column.title === title);
  const cut = (cell: Cell) => ({ ...cell, text: cutCell(cell.text, to, columns[index]) });
  return { columns, rows: rows.map((row) => row.map((cell, at) => (at === index ? cut(cell) : cell))) };
}

function cutCell(text: string, room: number, column: Column | undefined): string {
  return column?.cut === 'middle' ? cutMiddleTo(text, room) : cutTo(text, room);
}

function without({ columns, rows }: Table, title: string): Table {
  const keep = <T>(list: readonly T[]) => list.filter((_, index) => columns[index]?.title !== title);
  return { columns: keep(columns), rows: rows.map(keep) };
}

function shortened({ columns, rows }: Table, title: string): Table {
  const index = columns.findIndex((column) => column.title === title);
  const short = (cell: Cell) => ({ ...cell, text: cell.short ?? cell.text });
  const renamed = columns.map((column, at) =>
    at === index ? { ...column, title: column.shortTitle ?? column.title } : column,
  );
  return {
    columns: renamed,
    rows: rows.map((row) => row.map((cell, at) => (at === index ? short(cell) : cell))),
  };
}

function naturalWidths({ columns, rows }: Table): number[] {
  return columns.map(({ title }, index) =>
    rows.reduce((most, row) => Math.max(most, widthOf(row[index]?.text ?? '')), widthOf(title)),
  );
}

function leastWidths(table: Table): number[] {
  return naturalWidths(table).map((natural, index) =>
    Math.min(natural, table.columns[index]?.least ?? natural),
  );
}

/** Natural widths. If the line is too long, columns that may be cut shrink, from the right. */
function columnWidths(table: Table, width: number): number[] {
  const { columns } = table;
  const widths = naturalWidths(table);
  const least = leastWidths(table);
  const give = (index: number, floor: number) => {
    const tooMuch = Math.max(0, lineWidth(widths) - width);
    widths[index] = Math.max(floor, (widths[index] ?? 0) - tooMuch);
  };
  const fromTheRight = widths.map((_, index) => index).reverse();
  for (const index of fromTheRight) give(index, Math.min(widths[index] ?? 0, least[index] ?? 0));
  for (const index of fromTheRight) give(index, Math.min(widths[index] ?? 0, columns[index]?.floor ?? LEAST));
  for (const index of fromTheRight) give(index, Math.min(widths[index] ?? 0, LEAST));
  return widths;
}

function lineWidth(widths: readonly number[]): number {
  return widths.reduce((sum, one) => sum + one + GAP, -GAP);
}
