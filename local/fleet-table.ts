import type { Account } from '../lambda/account.ts';
import type { RunResult } from '../lambda/run-result.ts';
import { type Cell, type Column, type Concession, paint, renderTable, type Style } from './table.ts';

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

const BAR = 10;

/**
 * The accounts as `npm start` shows them after each run: what needs attention first, then by name, so that rows stay
 * where they are; what changed since the run before is marked with ●.
 */
export function renderFleet(
  items: readonly FleetItem[],
  { now, width, color, before }: TableOptions,
): string {
  const known = new Map(before.map((item) => [item.accountId, item]));
  const rows = [...items]
    .sort((a, b) => rank(a) - rank(b) || nameOf(a).localeCompare(nameOf(b)))
    .map((item): readonly Cell[] => {
      const last = known.get(item.accountId);
      const changed = before.length > 0 && (last === undefined || signature(last) !== signature(item));
      return [
        { text: changed ? '●' : ' ', style: 'cyan' },
        { text: nameOf(item), style: changed ? 'bold' : undefined },
        ...stateCells(item, now),
      ];
    });
  const columns = [{ title: '' }, { title: 'ACCOUNT', least: 12 }, ...stateColumns];
  const concessions: readonly Concession[] = [
    { drop: 'REFRESHED' },
    { drop: 'PROFILE' },
    { shorten: 'ACCESS TOKEN' },
  ];
  return renderTable({ columns, rows, concessions }, width, color).join('\n');
}

/** Ids are what commands take: one that is very long is shortened where it ruins the table, in its middle. */
export const accountColumn: Column = { title: 'ACCOUNT', cut: 'middle' };
export const squeezeAccount: Concession = { squeeze: 'ACCOUNT', to: 36 };

/** The columns that say how an account is, for `stateCells`. */
export const stateColumns: readonly Column[] = [
  { title: 'PROFILE', least: 10 },
  { title: 'STATUS', floor: 14 },
  { title: 'REASON', floor: 17 },
  { title: 'ACCESS TOKEN', shortTitle: 'TOKEN', floor: 7 },
  { title: 'REFRESHED' },
];

/** How an account is, in the same words and colours wherever it is shown. */
export function stateCells(item: FleetItem, now: number): readonly Cell[] {
  const account = item as Partial<Account>;
  const [status, style] = statusOf(item);
  const { lastRefreshedAt } = account;
  return [
    { text: typeof item.oauthProfile === 'string' ? item.oauthProfile : '—' },
    { text: status, style },
    { text: reasonOf(item, now), style },
    tokenCell(account, now),
    { text: typeof lastRefreshedAt === 'number' ? `${duration(now - lastRefreshedAt)} ago` : '—' },
  ];
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

/** What must differ for a row to have changed: not the clock. */
function signature({ status, failure, lastRefreshedAt, lease, enabled }: FleetItem): string {
  const { reason } = (failure ?? {}) as { reason?: unknown };
  return JSON.stringify([status, reason, lastRefreshedAt, lease !== undefined, enabled]);
}

/** What a person calls its state, and its colour. */
export function statusOf(item: FleetItem): readonly [string, Style] {
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

/** Why it is so; the empty text where there is nothing to say. */
export function reasonOf({ failure, lease }: FleetItem, now: number): string {
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
  const short = left > 0 ? countdown(left) : 'expired';
  return { text: `${bar} ${short}`, short, style };
}

/** Seconds left: minutes and seconds below an hour. */
export function countdown(seconds: number): string {
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

/** 0 for what needs a person, then what fails, is new, is healthy, and is not looked at. */
export function rank(item: FleetItem): number {
  const order = ['needs a person', 'failing', 'new', 'healthy', 'disabled', 'not oauth2'];
  return order.indexOf(statusOf(item)[0]);
}

export function nameOf({ name, accountId }: FleetItem): string {
  return typeof name === 'string' && name !== '' ? name : accountId;
}
