import { styleText } from 'node:util';
import type { Account } from '../lambda/account.ts';
import type { RunResult } from '../lambda/run-result.ts';

/** An account as the table shows it; items of every kind, also those that the function can't use. */
export type FleetItem = Readonly<Record<string, unknown>> & { readonly accountId: string };

export interface TableOptions {
  /** Seconds since the epoch. */
  readonly now: number;
  /** Characters in a line. */
  readonly width: number;
  readonly color: boolean;
  /** The items as they were after the run before; empty for the first. */
  readonly before: readonly FleetItem[];
}

type Style = Parameters<typeof styleText>[0];
interface Cell {
  readonly text: string;
  readonly style?: Style;
}

const BAR = 10;

/**
 * The accounts as a table for people: what needs attention first, what changed since the run before marked with ●.
 */
export function renderFleet(items: readonly FleetItem[], options: TableOptions): string {
  const { width, color } = options;
  const known = new Map(options.before.map((item) => [item.accountId, item]));
  const rows = [...items]
    .sort((a, b) => rank(a) - rank(b) || nameOf(a).localeCompare(nameOf(b)))
    .map((item) => cellsOf(item, known.get(item.accountId), options));
  const header = ['', 'ACCOUNT', 'PROFILE', 'STATUS', 'REASON', 'ACCESS TOKEN', 'REFRESHED'].map(
    (text): Cell => ({ text, style: 'dim' }),
  );
  const table = fitted([header, ...rows], width);
  const widths = columnWidths(table, width);
  return table
    .map((row) =>
      row
        .map(({ text, style }, column) => {
          const room = widths[column] ?? 0;
          const cut = text.length > room ? `${text.slice(0, Math.max(0, room - 1))}…` : text;
          return paint(cut.padEnd(room), style, color);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** One line that says what a run did. */
export function renderResult(result: RunResult, color: boolean): string {
  const { scanned, due, refreshed, reconciled, leasedElsewhere, failed, invalid, deferred, durationMs } =
    result;
  const { reauthorizationRequired } = result;
  const parts: readonly (readonly [number, string, Style])[] = [
    [refreshed, 'refreshed', 'green'],
    [reconciled, 'reconciled', 'green'],
    [failed, 'failed', 'yellow'],
    [invalid, 'invalid', 'yellow'],
    [leasedElsewhere, 'leased elsewhere', 'cyan'],
    [deferred, 'deferred', 'cyan'],
    [reauthorizationRequired, 'need a person', 'red'],
  ];
  const said = parts
    .filter(([count]) => count > 0)
    .map(([count, what, style]) => paint(`${count} ${what}`, style, color));
  return `${scanned} scanned, ${due} due: ${said.length > 0 ? said.join(', ') : 'nothing to do'} (${durationMs} ms)`;
}

function cellsOf(
  item: FleetItem,
  before: FleetItem | undefined,
  { now, before: all }: TableOptions,
): readonly Cell[] {
  const account = item as Partial<Account>;
  const changed = all.length > 0 && (before === undefined || signature(before) !== signature(item));
  const [status, style] = statusOf(item);
  return [
    { text: changed ? '●' : ' ', style: 'cyan' },
    changed ? { text: nameOf(item), style: 'bold' } : { text: nameOf(item) },
    { text: typeof item.oauthProfile === 'string' ? item.oauthProfile : '—' },
    { text: status, style },
    { text: reasonOf(item, now), style },
    tokenCell(account, now),
    {
      text:
        typeof account.lastRefreshedAt === 'number' ? `${duration(now - account.lastRefreshedAt)} ago` : '—',
    },
  ];
}

/** What must differ for a row to have changed: not the clock. */
function signature({ status, failure, lastRefreshedAt, lease, enabled }: FleetItem): string {
  const { reason } = (failure ?? {}) as { reason?: unknown };
  return JSON.stringify([status, reason, lastRefreshedAt, lease !== undefined, enabled]);
}

function statusOf(item: FleetItem): readonly [string, Style] {
  if (item.authenticationType !== 'oauth2') return ['not oauth2', 'dim'];
  if (item.enabled === false) return ['disabled', 'dim'];
  switch (item.status) {
    case 'healthy':
      return ['healthy', 'green'];
    case 'failing':
      return ['failing', 'yellow'];
    case 'reauthorization_required':
      return ['needs a person', 'red'];
    default:
      return ['new', 'cyan'];
  }
}

function reasonOf({ failure, lease }: FleetItem, now: number): string {
  const { expiresAt } = (lease ?? {}) as { expiresAt?: unknown };
  if (typeof expiresAt === 'number' && expiresAt > now) return 'leased_elsewhere';
  const { reason } = (failure ?? {}) as { reason?: unknown };
  return typeof reason === 'string' ? reason : '';
}

function tokenCell({ accessTokenExpiresAt, lastRefreshedAt }: Partial<Account>, now: number): Cell {
  if (typeof accessTokenExpiresAt !== 'number') return { text: '—' };
  const left = accessTokenExpiresAt - now;
  const lifetime = accessTokenExpiresAt - (lastRefreshedAt ?? accessTokenExpiresAt - 3600);
  const share = Math.min(1, Math.max(0, left / Math.max(1, lifetime)));
  const full = left > 0 ? Math.max(1, Math.round(share * BAR)) : 0;
  const bar = '█'.repeat(full) + '░'.repeat(BAR - full);
  const style: Style = left <= 0 ? 'red' : share < 0.34 ? 'yellow' : 'green';
  return { text: `${bar} ${left > 0 ? countdown(left) : 'expired'}`, style };
}

/** Seconds left: minutes and seconds below an hour. */
function countdown(seconds: number): string {
  if (seconds >= 3_600) return duration(seconds);
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;
}

/** Seconds as people say them: 45 s, 12 min, 3 h, 5 d. */
export function duration(seconds: number): string {
  if (seconds < 120) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

function rank(item: FleetItem): number {
  const order = ['needs a person', 'failing', 'new', 'healthy', 'disabled', 'not oauth2'];
  return order.indexOf(statusOf(item)[0]);
}

function nameOf({ name, accountId }: FleetItem): string {
  return typeof name === 'string' && name !== '' ? name : accountId;
}

/** Leaves columns out where the line is too short for all of them: when it was refreshed, then the profile. */
function fitted(rows: readonly (readonly Cell[])[], width: number): readonly (readonly Cell[])[] {
  const without = (column: number) => rows.map((row) => row.filter((_, index) => index !== column));
  const columns = rows[0]?.length ?? 0;
  const shortest = lineWidth(
    naturalWidths(rows).map((one, column) => (column === 1 || column === 2 ? Math.min(one, 12) : one)),
  );
  if (shortest <= width || columns < 6) return rows;
  return fitted(without(columns === 7 ? 6 : 2), width);
}

function naturalWidths(rows: readonly (readonly Cell[])[]): number[] {
  return (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.text.length ?? 0)));
}

function lineWidth(widths: readonly number[]): number {
  return widths.reduce((sum, one) => sum + one + 2, -2);
}

/** Natural widths; where the line is too long, names and then everything else in words give way. */
function columnWidths(rows: readonly (readonly Cell[])[], width: number): number[] {
  const widths = naturalWidths(rows);
  for (const column of [1, 2, 3, 4]) {
    const tooMuch = Math.max(0, lineWidth(widths) - width);
    widths[column] = Math.max(8, (widths[column] ?? 0) - tooMuch);
  }
  return widths;
}

function paint(text: string, style: Style | undefined, color: boolean): string {
  return color && style !== undefined ? styleText(style, text, { validateStream: false }) : text;
}
