import type { Report } from '../../core/account/outcome.ts';
import { isReason, REASONS } from '../../core/reason.ts';
import { wrapTo } from '../../terminal/display-text.ts';
import { accountColumn, countdown, type FleetItem, squeezeAccount } from '../../terminal/fleet-table.ts';
import { rowsThatFit } from '../../terminal/list.ts';
import type { Style } from '../../terminal/paint.ts';
import { startProgress } from '../../terminal/progress.ts';
import { type Column, type Concession, renderTable } from '../../terminal/table.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { type BulkEnd, inBulk, tellLeft, tellStopping } from '../shared/bulk.ts';
import { CliError, EXIT, type ExitCode } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';
import type { Fleet } from '../shared/fleet.ts';
import { ACCOUNTS_A_RUN, type RunOptions, runForAccounts } from '../shared/run-function.ts';
import { noteServiceTime } from '../shared/service-time.ts';
import { repeatThrottled } from '../shared/throttling.ts';
import { findItem, now, readItems, requireProfile } from './items.ts';
import { statusKey } from './list.ts';

export interface RefreshOptions extends RunOptions {
  readonly allFailing?: boolean;
  readonly profile?: string;
  /** Seconds since the epoch: who was refreshed since then, or tried in vain, is left out. */
  readonly untriedSince?: number;
}

/** What became of one account: what the function reports, or why it was not asked. */
interface Result extends Partial<Pick<Report, 'reason' | 'accessTokenExpiresAt'>> {
  readonly accountId: string;
  readonly action: Report['action'] | 'not_found' | 'not_oauth2' | 'not_done';
}

/** Has the function refresh accounts now rather than with its next run. */
export async function refreshAccounts(
  context: Context,
  accountIds: readonly string[],
  options: RefreshOptions,
): Promise<ExitCode> {
  const { terminal, signal } = context;
  const { allFailing = false, profile, force = false, dryRun = false } = options;
  const ways = [accountIds.length > 0, allFailing, profile !== undefined].filter(Boolean).length;
  if (ways !== 1)
    throw new CliError(
      'USAGE',
      'Name accounts, or --all-failing, or --profile: one of the three.',
      EXIT.usage,
    );
  const fleet = repeatThrottled(await context.fleet(), signal);
  const serviceTime = noteServiceTime(fleet.table);
  const { known, refused } = await select(fleet, accountIds, options, terminal);
  // The function's clock is the service's, more than this machine's.
  const begun = Math.floor((serviceTime() ?? Date.now()) / 1_000);
  // An account that fails is backing off; who asks for it by hand wants it tried now.
  const [failing, others] = force ? [known, []] : partition(known, (item) => statusKey(item) === 'failing');
  const forced = new Set(failing.map(({ accountId }) => accountId));
  const progress = startProgress(terminal, known.length);
  tellStopping(context);
  const done: Result[] = [];
  const tellGoOn = (some: BulkEnd<Result>) =>
    tellLeft({ ...some, left: some.left.length }, againLine(some.left, options, begun), context);
  const end = await inBulk(
    [...failing, ...others].map(({ accountId }) => accountId),
    {
      size: ACCOUNTS_A_RUN,
      // One run each: a repetition must not refresh again what another run has done.
      together: (one, other) => forced.has(one) === forced.has(other),
      work: (ids) => runForAccounts(fleet, ids, { force: forced.has(ids[0] ?? ''), dryRun }),
      onDone: (reports) => {
        done.push(...reports);
        progress.step(reports.length, summaryOf(done, dryRun));
      },
      onCutOff: (cut) => void tellGoOn(cut),
      signal,
    },
  );
  progress.end();
  const notDone = end.left.map((accountId): Result => ({ accountId, action: 'not_done' }));
  const results: Result[] = [...refused, ...end.results, ...notDone].sort(
    (a, b) => ORDER.indexOf(a.action) - ORDER.indexOf(b.action) || (a.accountId < b.accountId ? -1 : 1),
  );
  terminal.result(resultsText(results, dryRun, fleet.label, terminal), results);
  if (results.some(({ action }) => TROUBLE.includes(action)))
    terminal.say('\nWhat to do about one of them: accounts show ACCOUNT');
  return tellGoOn(end) ?? exitCodeOf(results);
}

/** What goes on where this ended. Who was refreshed or tried since the beginning is left out. */
function againLine(left: readonly string[], options: RefreshOptions, begun: number): string[] {
  const { allFailing, profile, force, dryRun, untriedSince = begun } = options;
  return [
    'accounts',
    'refresh',
    ...(allFailing ? ['--all-failing'] : profile === undefined ? left : ['--profile', profile]),
    ...(force ? ['--force'] : []),
    ...(dryRun ? ['--dry-run'] : []),
    '--untried-since',
    new Date(untriedSince * 1_000).toISOString(),
  ];
}

async function select(
  fleet: Fleet,
  accountIds: readonly string[],
  { profile, untriedSince = Number.POSITIVE_INFINITY }: RefreshOptions,
  terminal: Terminal,
): Promise<{ known: readonly FleetItem[]; refused: readonly Result[] }> {
  const isLeft = (item: FleetItem) => lastTryOf(item) < untriedSince;
  if (accountIds.length === 0) {
    const items = await readItems(fleet, terminal);
    await requireProfile(fleet, items, profile);
    const wanted = (item: FleetItem) =>
      item.paused === undefined &&
      (profile === undefined
        ? statusKey(item) === 'failing'
        : item.oauthProfile === profile && !['disabled', 'other'].includes(statusKey(item)));
    return { known: items.filter((item) => wanted(item) && isLeft(item)), refused: [] };
  }
  const ids = [...new Set(accountIds)];
  const items = await Promise.all(ids.map((accountId) => findItem(fleet, accountId)));
  const refused = ids.flatMap((accountId, index): Result[] => {
    const item = items[index];
    if (item === undefined) return [{ accountId, action: 'not_found' }];
    return isLookedAt(item) ? [] : [{ accountId, action: 'not_oauth2' }];
  });
  return { known: items.filter((item) => isLookedAt(item)).filter(isLeft), refused };
}

/** Seconds since the epoch; 0 where there was none. */
function lastTryOf({ lastRefreshedAt, failure }: FleetItem): number {
  const { at } = (failure ?? {}) as { at?: unknown };
  return Math.max(...[lastRefreshedAt, at].map((time) => (typeof time === 'number' ? time : 0)));
}

function isLookedAt(item: FleetItem | undefined): item is FleetItem {
  return item?.authenticationType === 'oauth2';
}

function partition<T>(all: readonly T[], is: (one: T) => boolean): readonly [readonly T[], readonly T[]] {
  return [all.filter(is), all.filter((one) => !is(one))];
}

const ORDER: readonly Result['action'][] = [
  'not_found',
  'not_oauth2',
  'reauthorize',
  'retry',
  'defer',
  'leave',
  'reconcile',
  'refresh',
  // Only after what was found: how many are left is said at the end.
  'not_done',
];
const TROUBLE: readonly Result['action'][] = ['reauthorize', 'retry'];

const NOT_DONE: readonly Result['action'][] = ['not_done', 'not_found', 'not_oauth2', 'retry', 'defer'];

/** Trying and failing weighs more than an account that waits for a person, which is no news. */
function exitCodeOf(results: readonly Result[]): ExitCode {
  if (results.some(({ action }) => NOT_DONE.includes(action))) return EXIT.failed;
  return results.some(({ action }) => action === 'reauthorize') ? EXIT.attention : EXIT.done;
}

function said({ action, reason }: Result, dryRun: boolean): readonly [string, Style] {
  if (reason === 'leased_elsewhere') return ['leased elsewhere', 'cyan'];
  switch (action) {
    case 'refresh':
      return [dryRun ? 'would refresh' : 'refreshed', 'green'];
    case 'reconcile':
      return [dryRun ? 'would reconcile' : 'reconciled', 'green'];
    case 'leave':
      return ['left alone', 'dim'];
    case 'retry':
      return [dryRun ? 'would fail' : 'failed', 'yellow'];
    case 'reauthorize':
      return ['needs a person', 'red'];
    case 'defer':
      return ['deferred', 'cyan'];
    case 'not_found':
      return ['no such account', 'red'];
    case 'not_done':
      return ['not done', 'cyan'];
    case 'not_oauth2':
      return ['not oauth2', 'red'];
  }
}

function resultsText(results: readonly Result[], dryRun: boolean, label: string, terminal: Terminal): string {
  if (results.length === 0) return `No account in ${label} matches: nothing to do.`;
  // How many are left is counted below.
  const ended = results.filter(({ action }) => action !== 'not_done');
  const shown = ended.slice(
    0,
    rowsThatFit(ended, (some) => tableOf(some, dryRun, terminal), terminal, 2),
  );
  const more = ended.length - shown.length;
  const rest = more > 0 ? [`… and ${more} more (--json shows all)`] : [];
  return [
    ...(shown.length > 0 ? [...tableOf(shown, dryRun, terminal), ...rest, ''] : []),
    ...wrapTo(`In ${label}: ${summaryOf(results, dryRun)}`, terminal.width),
  ].join('\n');
}

function tableOf(results: readonly Result[], dryRun: boolean, { tableWidth, color }: Terminal): string[] {
  const at = now();
  const rows = results.map((result) => {
    const [what, style] = said(result, dryRun);
    const { accountId, reason, accessTokenExpiresAt: expiresAt } = result;
    const left = (expiresAt ?? 0) - at;
    return [
      { text: accountId },
      { text: what, style },
      { text: reason ?? '' },
      { text: reason === 'does_not_expire' ? 'no end' : left > 0 ? `${countdown(left)} left` : '—' },
      { text: isReason(reason) ? REASONS[reason].meaning : '' },
    ];
  });
  const columns: readonly Column[] = [
    accountColumn,
    { title: 'RESULT', cut: 'never' },
    { title: 'REASON', floor: 17 },
    { title: 'ACCESS TOKEN', cut: 'never' },
    { title: 'WHICH MEANS', least: 30 },
  ];
  const concessions: readonly Concession[] = [{ drop: 'WHICH MEANS' }, squeezeAccount];
  return renderTable({ columns, rows, concessions }, tableWidth, color);
}

function summaryOf(results: readonly Result[], dryRun: boolean): string {
  return [...Map.groupBy(results, (result) => said(result, dryRun)[0])]
    .map(([what, { length }]) => `${length} ${length === 1 ? what : what.replace(/^needs /, 'need ')}`)
    .join(', ');
}
