import { turnOf } from '../../core/who-can-help.ts';
import { wrapTo } from '../../terminal/display-text.ts';
import { rowsFitting } from '../../terminal/fitting.ts';
import type { FailingProfile } from '../../terminal/fleet-notes.ts';
import { countdown, duration } from '../../terminal/fleet-table.ts';
import type { Style } from '../../terminal/paint.ts';
import { printable } from '../../terminal/printable.ts';
import { type Cell, renderTable } from '../../terminal/table.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { count } from '../accounts/list.ts';
import { STATUSES, type StatusKey } from '../accounts/statuses.ts';
import type { LastRuns } from './last-runs.ts';
import { type Limits, NEAR } from './limits.ts';

/** How many are shown: profiles, those that are failing, and tokens that expire next. */
interface Shown {
  readonly expiries: number;
  readonly profiles: number;
  readonly failing: number;
}

/** So many are shown on the smallest screen, too. */
const FEWEST = 2;
/** For the prompt. */
const LINES_BELOW = 1;

const COLUMNS: Readonly<Record<StatusKey, { readonly title: string; readonly style: Style }>> = {
  reauthorization_required: { title: 'PERSON', style: 'red' },
  failing: { title: 'FAILING', style: 'yellow' },
  new: { title: 'NEW', style: 'cyan' },
  healthy: { title: 'HEALTHY', style: 'green' },
  disabled: { title: 'DISABLED', style: 'dim' },
  other: { title: 'OTHER', style: 'dim' },
};

/** How the fleet is. Times are seconds since the epoch. */
export interface Status {
  readonly target: string;
  readonly at: number;
  readonly accounts: number;
  readonly byStatus: Readonly<Record<StatusKey, number>>;
  /** What needs attention first, then the largest. */
  readonly byProfile: readonly ({ readonly profile: string; readonly accounts: number } & Record<
    StatusKey,
    number
  >)[];
  readonly nextExpiries: readonly {
    accountId: string;
    oauthProfile: unknown;
    accessTokenExpiresAt: number;
  }[];
  readonly failingProfiles: readonly FailingProfile[];
  /** What people have paused: `everything`, then profiles. */
  readonly paused: readonly string[];
  readonly lastRuns: LastRuns;
  readonly limits: Limits;
  /** Whether no run has ended for longer than the schedule allows. */
  readonly late: boolean;
}

/**
 * The fleet on one screen, however high that is; all of it where standard output is no terminal.
 *
 * @param span how far back the log was looked at, seconds
 * @param all whether every profile is shown, on however many lines
 */
export function statusText(status: Status, span: number, terminal: Terminal, all = false): string {
  const lines = (shown: Shown) => statusLines(status, span, { terminal, shown });
  const { byProfile, failingProfiles, nextExpiries } = status;
  const whole = {
    profiles: byProfile.length,
    failing: failingProfiles.length,
    expiries: nextExpiries.length,
  };
  if (all || terminal.height === undefined) return lines(whole).join('\n');
  const room = terminal.height - LINES_BELOW;
  const most = { profiles: Math.min(whole.profiles, room), failing: Math.min(whole.failing, room) };
  // What fails comes first, but not so that it takes all the room.
  const share = Math.max(FEWEST, Math.floor(room / 4));
  const few = { profiles: Math.min(FEWEST, most.profiles), failing: Math.min(FEWEST, most.failing) };
  const expiries = rowsFitting(whole.expiries, room, (rows) => lines({ ...few, expiries: rows }).length);
  const failing = Math.max(
    few.failing,
    rowsFitting(
      Math.min(share, most.failing),
      room,
      (rows) => lines({ ...few, expiries, failing: rows }).length,
    ),
  );
  const profiles = Math.max(
    few.profiles,
    rowsFitting(most.profiles, room, (rows) => lines({ profiles: rows, failing, expiries }).length),
  );
  const rest = rowsFitting(most.failing, room, (rows) => lines({ profiles, failing: rows, expiries }).length);
  return lines({ profiles, failing: Math.max(failing, rest), expiries }).join('\n');
}

function statusLines(
  status: Status,
  span: number,
  { terminal, shown }: { readonly terminal: Terminal; readonly shown: Shown },
): string[] {
  const { target, at, accounts, paused } = status;
  const time = new Date(at * 1000).toISOString().slice(11, 19);
  const heading = `${count(accounts)} in ${printable(target)} at ${time}Z`;
  return [
    ...wrapTo(heading, terminal.tableWidth).map((line) => terminal.paint('bold', line)),
    // In place of the empty line, so that the screen stays as high.
    paused.length === 0 ? '' : terminal.paint('yellow', pausedText(paused, terminal.width)),
    ...profileLines(status, terminal, shown.profiles),
    '',
    ...failingLines(status, terminal, shown.failing),
    ...expiryLines({ ...status, nextExpiries: status.nextExpiries.slice(0, shown.expiries) }, terminal),
    '',
    ...runLines(status, span, terminal),
    ...wholeLines(status, span, terminal),
    ...limitLines(status, terminal),
  ];
}

/** On one line; names that have no room are counted. */
function pausedText(paused: readonly string[], width: number): string {
  const all = `Paused: ${paused.map(printable).join(', ')}`;
  return all.length <= width
    ? all
    : `Paused: ${paused[0] === 'everything' ? 'everything' : `${paused.length} profiles`}`;
}

function number(value: number, style?: Style): Cell {
  return value === 0 ? { text: '·', style: 'dim' } : { text: String(value), style };
}

function profileLines(
  { byProfile, byStatus, accounts }: Status,
  { tableWidth, color }: Terminal,
  shown: number,
): string[] {
  const counts = (row: Readonly<Record<StatusKey, number>>) =>
    STATUSES.map((status) => number(row[status], COLUMNS[status].style));
  const rows = byProfile
    .slice(0, shown)
    .map((row) => [{ text: row.profile }, ...counts(row), number(row.accounts)]);
  const all = [{ text: 'all' }, ...counts(byStatus), number(accounts)];
  const columns = [
    { title: 'PROFILE', least: 12, cut: 'id' as const },
    ...STATUSES.map((status) => ({ title: COLUMNS[status].title, align: 'right' as const })),
    { title: 'ALL', align: 'right' as const },
  ];
  const more = byProfile.length - rows.length;
  const rest = {
    text: `… and ${more} more profile${more === 1 ? '' : 's'} (--all shows all)`,
    style: 'dim' as const,
  };
  const notes = rows.map((_, index) => (more > 0 && index === rows.length - 1 ? rest : undefined));
  const concessions = [{ dropEmpty: true }] as const;
  return renderTable({ columns, rows: [...rows, all], notes, concessions }, tableWidth, color);
}

function failingLines(
  { failingProfiles, at }: Status,
  { tableWidth, color, paint }: Terminal,
  shown: number,
): string[] {
  if (failingProfiles.length === 0) return [];
  const rows = failingProfiles
    .slice(0, shown)
    .map(({ profile, reason, since, accounts }): Cell[] => [
      { text: profile, style: 'yellow' },
      { text: reason, style: 'yellow' },
      { text: duration(at - since) },
      number(accounts),
      { text: turnOf(reason) ?? '—' },
    ]);
  const columns = [
    { title: 'FAILING PROFILE', least: 12, cut: 'id' as const },
    { title: 'REASON', floor: 17 },
    { title: 'FOR', cut: 'never' as const },
    { title: 'WAITING', align: 'right' as const },
    { title: 'WHOSE TURN', cut: 'never' as const },
  ];
  const more = failingProfiles.length - rows.length;
  const rest = more > 0 ? [paint('dim', `… and ${more} more (--all shows all)`)] : [];
  return [...renderTable({ columns, rows }, tableWidth, color), ...rest, ''];
}

function expiryLines(
  { nextExpiries, byStatus, at }: Status,
  { tableWidth, width, color, paint }: Terminal,
): string[] {
  if (nextExpiries.length === 0)
    return [
      paint('dim', 'EXPIRES NEXT'),
      ...wrapTo(
        byStatus.healthy === 0 ? 'No account is healthy.' : 'No access token of a healthy account expires.',
        width,
      ),
    ];
  const rows = nextExpiries.map(({ accountId, oauthProfile, accessTokenExpiresAt }): Cell[] => {
    const left = accessTokenExpiresAt - at;
    return [
      { text: accountId },
      { text: typeof oauthProfile === 'string' ? oauthProfile : '—' },
      left > 0 ? { text: `in ${countdown(left)}` } : { text: `${duration(-left)} ago`, style: 'red' },
    ];
  });
  const columns = [
    { title: 'EXPIRES NEXT', least: 20, cut: 'id' as const },
    { title: 'PROFILE', least: 12, cut: 'id' as const },
    { title: 'WHEN', cut: 'never' as const },
  ];
  return renderTable({ columns, rows }, tableWidth, color);
}

function runLines(
  { lastRuns, at, late }: Status,
  span: number,
  { tableWidth, width, color, paint }: Terminal,
): string[] {
  if (lastRuns.kind === 'unreadable')
    return [paint('dim', 'LAST RUNS'), ...wrapTo(printable(lastRuns.problem), width)];
  if (lastRuns.runs.length === 0)
    return [
      paint('dim', 'LAST RUNS'),
      paint('red', `No run has ended in the last ${Math.round(span / 3_600)} hours.`),
    ];
  const rows = lastRuns.runs.map((run, index) => [
    { text: `${duration(at - run.at)} ago`, style: late && index === 0 ? ('red' as const) : undefined },
    number(run.scanned),
    number(run.due),
    number(run.refreshed, 'green'),
    number(run.reconciled, 'green'),
    number(run.failed, 'yellow'),
    number(run.invalid, 'yellow'),
    number(run.reauthorizationRequired, 'red'),
    number(run.deferred, 'cyan'),
    { text: `${(run.durationMs / 1000).toFixed(1)} s` },
  ]);
  const titles = [
    'SCANNED',
    'DUE',
    'REFRESHED',
    'RECONCILED',
    'FAILED',
    'INVALID',
    'PERSON',
    'DEFERRED',
    'TOOK',
  ];
  const columns = [
    { title: 'LAST RUNS', cut: 'never' as const },
    ...titles.map((title) => ({ title, align: 'right' as const })),
  ];
  const concessions = [{ dropEmpty: true }] as const;
  return renderTable({ columns, rows, concessions }, tableWidth, color);
}

/** Says which run has seen every account, where that isn't the last one. */
function wholeLines({ lastRuns, at }: Status, span: number, { paint, width }: Terminal): string[] {
  if (lastRuns.kind === 'unreadable' || lastRuns.runs[0]?.incomplete !== true) return [];
  const { lastWhole } = lastRuns;
  const said =
    lastWhole === undefined
      ? `cut off; none has seen all in ${Math.round(span / 3_600)} hours`
      : `cut off; ${duration(at - lastWhole.at)} ago one saw all`;
  return wrapTo(`The last run was ${said}.`, width).map((line) => paint('red', line));
}

/** How near the fleet is to its limits, on one line of 80 cells: red and with a mark from 80 % on. */
function limitLines({ limits }: Status, { paint, width }: Terminal): string[] {
  const { time, writes, versions } = limits;
  const parts = [
    ...(time === undefined ? [] : [{ text: `time ${time.used} of ${time.limit} s`, ...time }]),
    { text: `writes ${writes.used} of ${writes.limit}/s`, ...writes },
    { text: `versions ${versions.used} of ${versions.limit} a day`, ...versions },
  ];
  const phrases = parts.map(({ text, used, limit }, index) => {
    const isNear = used / limit >= NEAR;
    const phrase = `${text}${isNear ? ' (!)' : ''}`.replaceAll(' ', UNBROKEN);
    return `${isNear ? paint('red', phrase) : phrase}${index < parts.length - 1 ? ',' : ''}`;
  });
  return [
    ...wrapTo(`${paint('dim', 'LIMITS')} ${phrases.join(' ')}`, width).map((line) =>
      line.replaceAll(UNBROKEN, ' '),
    ),
    ...(versions.used / versions.limit >= NEAR ? wrapTo(versionsText(versions), width) : []),
  ];
}

/** Whose secret is replaced too often, and what to do. */
function versionsText({ accountId = '', oauthProfile, alike }: Limits['versions']): string {
  const others = alike > 1 ? ` and ${alike - 1} more` : '';
  const whose = `${printable(accountId)} (${printable(oauthProfile ?? '—')})${others}`;
  return `Too many versions: ${whose}. Ask for tokens of 20 min.`;
}

const UNBROKEN = '\u00a0';
