import { rowsFitting } from './fitting.ts';
import { pageThrough } from './pager.ts';
import type { Terminal } from './terminal.ts';

/** How much of a list a person wants to see. */
export interface Extent {
  /** At most so many rows. */
  readonly limit?: number;
  readonly all?: boolean;
}

/** A list for people, and as JSON. */
export interface List<Row> {
  readonly rows: readonly Row[];
  /** Draws some of the rows. */
  readonly render: (rows: readonly Row[]) => readonly string[];
  /** The rows as `--json` prints them. */
  readonly value: (rows: readonly Row[]) => unknown;
  /** Lines below the list. */
  readonly below?: readonly string[];
}

/** For the prompt, and the empty line and the words below a list that goes on. */
const LINES_BESIDE = 4;
const FEWEST_ROWS = 5;

/**
 * Prints a list: on a terminal the first screenful, and how many more there are. `all` shows every row, there through the
 * person's pager; a pipe and `--json` always get every row that `limit` allows.
 */
export async function showList<Row>(
  terminal: Terminal,
  { rows, render, value, below = [] }: List<Row>,
  { limit, all = false }: Extent,
): Promise<void> {
  const fitting = all || terminal.json ? rows.length : rowsThatFit(rows, render, terminal, below.length);
  const shown = rows.slice(0, limit ?? fitting);
  if (terminal.json) return terminal.result('', value(shown));
  const more = rows.length - shown.length;
  const text = [
    ...render(shown),
    ...(more > 0 ? ['', `… and ${more.toLocaleString('en-US')} more (--all shows all)`] : []),
    ...below,
  ].join('\n');
  if (all && (await pageThrough(text, terminal))) return;
  terminal.result(text, undefined);
}

/** How many of the first rows fit on the screen; all of them where standard output is no terminal. */
export function rowsThatFit<Row>(
  rows: readonly Row[],
  render: List<Row>['render'],
  { height }: Pick<Terminal, 'height'>,
  below = 0,
): number {
  if (height === undefined) return rows.length;
  const room = Math.max(FEWEST_ROWS, height - LINES_BESIDE - below);
  // The titles are beside.
  return rowsFitting(Math.min(rows.length, room), room + 1, (count) => render(rows.slice(0, count)).length);
}
