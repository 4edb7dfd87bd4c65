import { cutTo, padTo, widthOf } from './display-text.ts';
import { paint, type Style } from './paint.ts';
import { copyableName, printable } from './printable.ts';
import { leastWidthOf, shortenedIds } from './shortened-ids.ts';
import { NOTHING, noteLines, stackedLines } from './stacked-rows.ts';

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
  /** It is never cut below this many cells while another column can give way. */
  readonly least?: number;
  /** It is never cut below this many cells at all. Default 3. */
  readonly floor?: number;
  /**
   * How a cell is cut; at its end by default. `id`: in the middle, and never so that two different ones look the same.
   * `never`: what is counted, for one; so is a column that is aligned right.
   */
  readonly cut?: 'id' | 'never';
  readonly align?: 'right';
}

/** Steps that make a table narrower. They are taken in order, only while the line is too long. */
export type Concession =
  | { readonly drop: string }
  /** Drops the columns in which no row has anything. */
  | { readonly dropEmpty: true }
  /** Shows this column's short cells. */
  | { readonly shorten: string }
  /** Cuts this column of ids to this many cells of the terminal. */
  | { readonly squeeze: string; readonly to: number };

export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  /** What stands below a row, such as what is wrong with it; wrapped. */
  readonly notes?: readonly (Cell | undefined)[];
  readonly concessions?: readonly Concession[];
}

const GAP = 2;
const LEAST = 3;
const READABLE_ID = 24;
/** A pipe's lines have no end, but one monstrous id makes no row monstrous. */
const WIDEST_ID = 120;

/**
 * A table for people: one line for each row, none longer than `width` cells. Where the columns can't get as narrow as that, each
 * row takes several lines. Texts are made printable.
 *
 * @returns lines, the titles first
 */
export function renderTable(table: Table, width: number, color: boolean): string[] {
  const { notes = [] } = table;
  const clean = concede(
    {
      ...table,
      rows: table.rows.map((row) => row.map((cell, index) => shownCell(cell, table.columns[index]))),
    },
    width,
  );
  const below = notes.map((note) => note && printableCell(note));
  const widths = columnWidths(clean, width);
  if (widths === undefined) return stackedLines({ ...clean, notes: below }, width, color);
  const { columns, rows } = clean;
  const cuts = columns.map((column, index) => cutter(rows, column, { index, room: widths[index] ?? 0 }));
  const line = (cells: readonly Cell[], cut: (text: string, column: number) => string) =>
    cells
      .map(({ text, style }, index) => {
        const room = widths[index] ?? 0;
        const shown = cut(text, index);
        const filled =
          columns[index]?.align === 'right'
            ? ' '.repeat(Math.max(0, room - widthOf(shown))) + shown
            : padTo(shown, index === cells.length - 1 ? 0 : room);
        return paint(filled, style, color);
      })
      .join(' '.repeat(GAP))
      .trimEnd();
  const titles = columns.map(({ title }): Cell => ({ text: title, style: 'dim' }));
  return [
    line(titles, (title, index) => cutTo(title, widths[index] ?? 0)),
    ...rows.flatMap((row, index) => [
      line(row, (text, column) => cuts[column]?.(text) ?? text),
      ...noteLines(below[index], width, color),
    ]),
  ];
}

/** Ids can be copied as they are shown. */
function shownCell(cell: Cell, column: Column | undefined): Cell {
  const { text } = cell;
  return printableCell(column?.cut === 'id' && text !== '' ? { ...cell, text: copyableName(text) } : cell);
}

function printableCell({ text, short, ...rest }: Cell): Cell {
  return { ...rest, text: printable(text), ...(short !== undefined && { short: printable(short) }) };
}

function cutter(
  rows: Table['rows'],
  { cut }: Column,
  { index, room }: { readonly index: number; readonly room: number },
): (text: string) => string {
  if (cut !== 'id') return (text) => cutTo(text, room);
  const shown = shortenedIds(textsOf(rows, index), room);
  return (text) => shown?.get(text) ?? text;
}

/** Takes one step after another until the narrowest form of the rest fits. */
function concede(table: Table, width: number): Table {
  const [next, ...concessions] = table.concessions ?? [];
  if (next === undefined || lineWidth(leastWidths(table)) <= width) return table;
  return concede({ ...given(table, next), concessions }, width);
}

function given(table: Table, concession: Concession): Table {
  if ('drop' in concession) return without(table, ({ title }) => title === concession.drop);
  if ('dropEmpty' in concession)
    return without(table, (_, index) => textsOf(table.rows, index).every((text) => NOTHING.includes(text)));
  if ('shorten' in concession) return shortened(table, concession.shorten);
  const { squeeze, to } = concession;
  return {
    ...table,
    columns: table.columns.map((column) => (column.title === squeeze ? { ...column, least: to } : column)),
  };
}

function without({ columns, rows }: Table, isLeftOut: (column: Column, index: number) => boolean): Table {
  const kept = columns.map((column, index) => !isLeftOut(column, index));
  const keep = <T>(list: readonly T[]) => list.filter((_, index) => kept[index]);
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

function textsOf(rows: Table['rows'], index: number): string[] {
  return rows.map((row) => row[index]?.text ?? '');
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

/** The fewest cells that a column can do with. */
function floorOf({ columns, rows }: Table, index: number, natural: number): number {
  const { cut, align, floor = LEAST } = columns[index] ?? {};
  if (cut === 'never' || align === 'right') return natural;
  return Math.min(natural, cut === 'id' ? leastWidthOf(textsOf(rows, index)) : floor);
}

/** Natural widths. If the line is too long, columns shrink, from the right; undefined where they can't shrink so far. */
function columnWidths(table: Table, width: number): number[] | undefined {
  const isId = (index: number) => table.columns[index]?.cut === 'id';
  const widths = naturalWidths(table).map((natural, index) =>
    isId(index) && natural > WIDEST_ID
      ? Math.max(WIDEST_ID, leastWidthOf(textsOf(table.rows, index)))
      : natural,
  );
  const least = leastWidths(table);
  const give = (index: number, floor: number) => {
    const [now = 0, tooMuch] = [widths[index], Math.max(0, lineWidth(widths) - width)];
    widths[index] = Math.max(Math.min(now, floor), now - tooMuch);
  };
  const fromTheRight = widths.map((_, index) => index).reverse();
  for (const index of fromTheRight) give(index, least[index] ?? 0);
  const natural = naturalWidths(table);
  const ids = fromTheRight.filter(isId);
  // Whole ids give way last: commands take them. One that is cut already is good for its looks only.
  for (const index of ids.filter((one) => (widths[one] ?? 0) < (natural[one] ?? 0)))
    give(index, Math.max(READABLE_ID, floorOf(table, index, widths[index] ?? 0)));
  for (const index of [...fromTheRight.filter((one) => !isId(one)), ...ids]) {
    if (lineWidth(widths) <= width) break;
    give(index, floorOf(table, index, widths[index] ?? 0));
  }
  if (lineWidth(widths) > width) return undefined;
  return widths.map((room, index) => (isId(index) ? roomForIds(table, index, room) : room));
}

/** As many cells, or the next fewer, as tell the ids apart. */
function roomForIds({ rows }: Table, index: number, room: number): number {
  const ids = textsOf(rows, index);
  for (let less = room; less > 0; less--) if (shortenedIds(ids, less) !== undefined) return less;
  return room;
}

function lineWidth(widths: readonly number[]): number {
  return widths.reduce((sum, one) => sum + one + GAP, -GAP);
}
