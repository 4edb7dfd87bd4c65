import { type Account, NOTE } from '../core/account/account.ts';
import type { RunResult } from '../lambda/run-result.ts';
import { wrapTo } from './display-text.ts';
import { rowsFitting } from './fitting.ts';
import { paint, type Style } from './paint.ts';
import { type Cell, type Column, type Concession, renderTable } from './table.ts';

/** Any item of the accounts table, also one that the function can't use. */
export type FleetItem = Readonly<Record<string, unknown>> & { readonly accountId: string };

interface TableOptions {
  /** Seconds since the epoch. */
  readonly now: number;
  readonly width: number;
  /** Lines, with the titles. */
  readonly height: number;
  readonly color: boolean;
  /** The items after the run before; empty for the first run. */
  readonly before: readonly FleetItem[];
}

const BAR = 10;

/** Whether an item is an account, and not one of the function's notes. */
export function isAccount({ accountId }: FleetItem): boolean {
  return !accountId.startsWith(NOTE);
}

/**
 * The accounts as `npm start` shows them after each run: those that need attention first, then by id, so that rows stay
 * in their place. ● marks what changed since the run before. If there is no room for all, healthy ones go first.
 */
export function renderFleet(
  items: readonly FleetItem[],
  { now, width, height, color, before }: TableOptions,
): string {
  const known = new Map(before.map((item) => [item.accountId, item]));
  const isChanged = (item: FleetItem) => {
    const last = known.get(item.accountId);
    return before.length > 0 && (last === undefined || signature(last) !== signature(item));
  };
  const accounts = items.filter(isAccount);
  const linesFor = (rows: number) =>
    linesOf(first(accounts, isChanged, rows), isChanged, { now, width, color });
  const more = (rows: number) => accounts.length - rows;
  // A row may take several lines, and how many are left out takes one.
  const shown = rowsFitting(
    Math.min(accounts.length, height - 1),
    height,
    (rows) => linesFor(rows).length + Math.min(1, more(rows)),
  );
  return [...linesFor(shown), ...(more(shown) > 0 ? [`   … and ${more(shown)} more`] : [])].join('\n');
}

function linesOf(
  shown: readonly FleetItem[],
  isChanged: (item: FleetItem) => boolean,
  { now, width, color }: Pick<TableOptions, 'now' | 'width' | 'color'>,
): string[] {
  const rows = shown
    .toSorted((a, b) => rank(a) - rank(b) || a.accountId.localeCompare(b.accountId))
    .map((item): readonly Cell[] => [
      { text: isChanged(item) ? '●' : ' ', style: 'cyan' },
      { text: item.accountId, style: isChanged(item) ? 'bold' : undefined },
      { text: nameOf(item) === item.accountId ? '' : nameOf(item) },
      ...stateCells(item, now),
    ]);
  const columns = [{ title: '' }, accountColumn, { title: 'NAME', least: 12 }, ...stateColumns];
  const concessions: readonly Concession[] = [
    { drop: 'NAME' },
    { drop: 'REFRESHED' },
    squeezeAccount,
    { drop: 'PROFILE' },
    { shorten: 'ACCESS TOKEN' },
  ];
  return renderTable({ columns, rows, concessions }, width, color);
}

/** Ranks in the order in which they are left out: healthy, not looked at, disabled, new, failing, needs a person. */
const GIVES_WAY = [3, 5, 4, 2, 1, 0];

/** So many accounts, those first that must not be left out. */
function first(
  accounts: readonly FleetItem[],
  isChanged: (item: FleetItem) => boolean,
  rows: number,
): readonly FleetItem[] {
  if (accounts.length <= rows) return accounts;
  const importance = (item: FleetItem) => GIVES_WAY.indexOf(rank(item)) * 2 + (isChanged(item) ? 1 : 0);
  return accounts.toSorted((a, b) => importance(b) - importance(a)).slice(0, rows);
}

/** Commands take ids, so only a very long one is cut, in its middle. */
export const accountColumn: Column = { title: 'ACCOUNT', cut: 'id' };
export const squeezeAccount: Concession = { squeeze: 'ACCOUNT', to: 36 };

/** The columns of `stateCells`. */
export const stateColumns: readonly Column[] = [
  { title: 'PROFILE', least: 10, cut: 'id' },
  { title: 'STATUS', floor: 15 },
  { title: 'REASON', floor: 17 },
  { title: 'ACCESS TOKEN', shortTitle: 'TOKEN', floor: 7 },
  { title: 'REFRESHED', cut: 'never' },
];

/** An account's state, in the same words and colours everywhere. */
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

/** What a run did, in lines of at most `width` cells that break between phrases. */
export function renderResult(result: RunResult, width: number, color: boolean): string[] {
  const { scanned, due, refreshed, reconciled, leasedElsewhere, failed, invalid, deferred, durationMs } =
    result;
  const parts: readonly (readonly [number, string, Style])[] = [
    [refreshed, 'refreshed', 'green'],
    [reconciled, 'reconciled', 'green'],
    [failed, 'failed', 'yellow'],
    [invalid, 'invalid', 'yellow'],
    [leasedElsewhere, 'leased elsewhere', 'cyan'],
    [deferred, 'deferred', 'cyan'],
  ];
  const said = parts
    .filter(([count]) => count > 0)
    .map(([count, what, style]) => paint(`${count} ${what}`, style, color));
  const person = result.reauthorizationRequired;
  const phrases = [
    `${scanned} scanned,`,
    `${due} due:`,
    ...(said.length > 0 ? said : ['nothing to do']).map((phrase, index, all) =>
      index < all.length - 1 ? `${phrase},` : phrase + (person > 0 ? ';' : ''),
    ),
    // These are not among the due ones.
    ...(person > 0 ? [paint(`${person} ${person === 1 ? 'needs' : 'need'} a person`, 'red', color)] : []),
    `(${durationMs} ms)`,
  ];
  return wrapTo(phrases.map((phrase) => phrase.replaceAll(' ', UNBROKEN)).join(' '), width).map((line) =>
    line.replaceAll(UNBROKEN, ' '),
  );
}

const UNBROKEN = '\u00a0';

/** A row has changed if this differs. The clock doesn't count. */
function signature({ status, failure, lastRefreshedAt, lease, enabled }: FleetItem): string {
  const { reason } = (failure ?? {}) as { reason?: unknown };
  return JSON.stringify([status, reason, lastRefreshedAt, lease !== undefined, enabled]);
}

/** An account's state in everyday words, and its colour. A pause stands beside it: it ends, and changes nothing about that. */
export function statusOf(item: FleetItem): readonly [string, Style] {
  const [status, style] = ownStatusOf(item);
  if (item.paused === undefined || status === 'disabled' || status === 'not oauth2') return [status, style];
  return [`${status === 'needs a person' ? 'person' : status}, paused`, style];
}

function ownStatusOf(item: FleetItem): readonly [string, Style] {
  if (item.authenticationType !== 'oauth2') return ['not oauth2', 'dim'];
  if (item.enabled === false) return ['disabled', 'dim'];
  switch (item.status) {
    case 'healthy':
      return ['healthy', 'green'];
    case 'failing':
      return ['failing', 'yellow'];
    case 'reauthorization_required':
      return ['needs a person', 'red'];
    case undefined:
      return ['new', 'cyan'];
    default:
      // From a newer version.
      return [String(item.status), 'dim'];
  }
}

/** The reason for that state, or an empty text. */
export function reasonOf({ failure, lease }: FleetItem, now: number): string {
  const { expiresAt } = (lease ?? {}) as { expiresAt?: unknown };
  if (typeof expiresAt === 'number' && expiresAt > now) return 'leased_elsewhere';
  const { reason } = (failure ?? {}) as { reason?: unknown };
  return typeof reason === 'string' ? reason : '';
}

function tokenCell(
  { accessTokenExpiresAt, lastRefreshedAt, doesNotExpire }: Partial<Account>,
  now: number,
): Cell {
  if (doesNotExpire === true) return { text: 'does not expire', short: 'no end', style: 'green' };
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

/** The time left: minutes and seconds below an hour. */
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

/** 0 for accounts that need a person, then failing, new, healthy, disabled, and the rest. */
export function rank(item: FleetItem): number {
  const order = ['needs a person', 'failing', 'new', 'healthy', 'disabled', 'not oauth2'];
  const [status] = ownStatusOf(item);
  const place = order.indexOf(status);
  return place === -1 ? order.length - 1 : place;
}

export function nameOf({ name, accountId }: FleetItem): string {
  return typeof name === 'string' && name !== '' ? name : accountId;
}
