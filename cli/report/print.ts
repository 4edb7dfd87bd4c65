import { wrapTo } from '../../terminal/display-text.ts';
import { duration } from '../../terminal/fleet-table.ts';
import { type Extent, rowsThatFit } from '../../terminal/list.ts';
import { pageThrough } from '../../terminal/pager.ts';
import { printable } from '../../terminal/printable.ts';
import { type Cell, type Column, type Concession, renderTable, type Table } from '../../terminal/table.ts';
import type { Terminal } from '../../terminal/terminal.ts';

type TitledTable = Table & { readonly title?: string };

/** An answer for people: sentences, then tables, each followed by what it leaves out, then what is to be known of it. */
export interface Answer {
  /** The answer in a sentence or two. */
  readonly head: readonly string[];
  readonly tables?: readonly TitledTable[];
  /** What the answer does not cover. */
  readonly foot?: readonly string[];
}

/**
 * Prints an answer, as text or as JSON. Only the last table, the list, gives way: its rows beyond the first screenful are
 * counted, unless more are asked for.
 */
export async function showAnswer(
  terminal: Terminal,
  value: unknown,
  answerOf: () => Answer,
  { limit, all = false }: Extent,
): Promise<undefined> {
  if (terminal.json) {
    terminal.result('', value);
    return undefined;
  }
  const { tableWidth, color, width, height, paint } = terminal;
  const { head, tables = [], foot = [] } = answerOf();
  const sentences = (texts: readonly string[]) => texts.flatMap((text) => wrapTo(printable(text), width));
  const draw = (table: TitledTable) => [
    '',
    ...(table.title === undefined ? [] : [paint('bold', table.title)]),
    ...renderTable(table, tableWidth, color),
  ];
  const filled = tables.filter(({ rows }) => rows.length > 0);
  const list = filled.at(-1);
  const above = [...sentences(head), ...filled.slice(0, -1).flatMap(draw)];
  const below = foot.length === 0 ? [] : ['', ...sentences(foot).map((line) => paint('dim', line))];
  const rows = list?.rows ?? [];
  const render = (some: typeof rows) => (list === undefined ? [] : draw({ ...list, rows: some }));
  const room = { height: height === undefined ? undefined : height - above.length };
  const shown = rows.slice(0, limit ?? (all ? rows.length : rowsThatFit(rows, render, room, below.length)));
  const more = rows.length - shown.length;
  const text = [
    ...above,
    ...render(shown),
    ...(more > 0 ? ['', `… and ${more.toLocaleString('en-US')} more (--all shows all)`] : []),
    ...below,
  ].join('\n');
  if (all && (await pageThrough(text, terminal))) return undefined;
  terminal.result(text, undefined);
  return undefined;
}

/** "is" or "are". */
export const are = (count: number) => (count === 1 ? 'is' : 'are');

/** A count in a table; nothing stands out less. */
export function numberCell(value: number): Cell {
  return value === 0 ? { text: '·', style: 'dim' } : { text: value.toLocaleString('en-US') };
}

/** Whose turn it is: what tells whom to call is never cut or left out. */
export const turnColumn: Column = { title: 'WHOSE TURN', cut: 'never' };
export const shortenTurn: Concession = { shorten: 'WHOSE TURN' };

/** @param turn in words, undefined where it is nobody's or not known */
export function turnCell(turn: string | undefined): Cell {
  return turn === undefined ? { text: '—' } : { text: turn, short: turn.replace(/^the /, '') };
}

/** "in 3 h" or "3 h ago"; a dash where it isn't known. */
export function whenText(seconds: number | undefined, at: number): string {
  if (seconds === undefined) return '—';
  return seconds > at ? `in ${duration(seconds - at)}` : `${duration(at - seconds)} ago`;
}

/** 2026-01-31 09:30Z; a dash for what is no time. */
export function dateText(seconds: number | undefined): string {
  const date = new Date((seconds ?? Number.NaN) * 1000);
  return Number.isNaN(date.getTime()) ? '—' : `${date.toISOString().slice(0, 16).replace('T', ' ')}Z`;
}

/** How often each text occurs, the most frequent first. */
export function tally(
  texts: readonly string[],
): readonly { readonly text: string; readonly count: number }[] {
  return [...Map.groupBy(texts, (text) => text)]
    .map(([text, own]) => ({ text, count: own.length }))
    .sort((a, b) => b.count - a.count || a.text.localeCompare(b.text));
}
