import { wrapTo } from '../../terminal/display-text.ts';
import { duration } from '../../terminal/fleet-table.ts';
import { printable } from '../../terminal/printable.ts';
import { type Cell, renderTable, type Table } from '../../terminal/table.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { screenful } from '../accounts/list.ts';

/** How many rows a person wants to see. */
export interface Shown {
  readonly limit?: number;
  readonly all?: boolean;
}

/** An answer for people: sentences, then tables, each followed by what it leaves out, then what is to be known of it. */
export interface Answer {
  /** The answer in a sentence or two. */
  readonly head: readonly string[];
  readonly tables?: readonly (Table & { readonly title?: string })[];
  /** What the answer does not cover. */
  readonly foot?: readonly string[];
}

/** A summary before a list takes so many lines of the screen, at least. */
const LEAST_ROWS = 5;

/**
 * An answer as text that fits the terminal. Only the last table, the list, gives way: its rows beyond a screenful are
 * counted, unless `--all` or `--limit` say otherwise.
 */
export function answerText(
  { head, tables = [], foot = [] }: Answer,
  shown: Shown,
  terminal: Terminal,
): string {
  const { tableWidth, color, width, paint } = terminal;
  const sentences = (texts: readonly string[], dim: boolean) =>
    texts.flatMap((text) => wrapTo(printable(text), width)).map((line) => (dim ? paint('dim', line) : line));
  const above = tables.slice(0, -1).reduce((sum, { rows }) => sum + rows.length + 3, 0);
  const texts = tables.flatMap((table, index) => {
    const { rows } = table;
    if (rows.length === 0) return [];
    const isList = index === tables.length - 1;
    const room = Math.max(LEAST_ROWS, screenful(terminal) - above - head.length - foot.length - 2);
    const most = isList ? (shown.limit ?? (shown.all ? rows.length : room)) : rows.length;
    const lines = renderTable({ ...table, rows: rows.slice(0, most) }, tableWidth, color);
    const more = rows.length - most;
    return [
      '',
      ...(table.title === undefined ? [] : [paint('bold', table.title)]),
      ...lines,
      ...(more > 0 ? [`… and ${more.toLocaleString('en-US')} more (--all, or --limit N)`] : []),
    ];
  });
  const below = foot.length === 0 ? [] : ['', ...sentences(foot, true)];
  return [...sentences(head, false), ...texts, ...below].join('\n');
}

/** "1 account", "2,000 accounts". */
export function plural(count: number, what: string): string {
  return `${count.toLocaleString('en-US')} ${what}${count === 1 ? '' : 's'}`;
}

/** "is" or "are". */
export const are = (count: number) => (count === 1 ? 'is' : 'are');

/** A count in a table; nothing stands out less. */
export function numberCell(value: number): Cell {
  return value === 0 ? { text: '·', style: 'dim' } : { text: value.toLocaleString('en-US') };
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
