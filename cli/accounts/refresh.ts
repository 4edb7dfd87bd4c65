import type { Report } from '../../core/account/outcome.ts';
import { isReason, REASONS } from '../../core/reason.ts';
import { wrapTo } from '../../terminal/display-text.ts';
import { accountColumn, countdown, type FleetItem, squeezeAccount } from '../../terminal/fleet-table.ts';
import type { Style } from '../../terminal/paint.ts';
import { renderTable } from '../../terminal/table.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { CliError, EXIT, type ExitCode } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';
import type { Fleet } from '../shared/fleet.ts';
import { type RunOptions, runForAccounts } from '../shared/run-function.ts';
import { findItem, now, readItems, requireProfile } from './items.ts';
import { count, screenful, statusKey } from './list.ts';

export interface RefreshOptions extends RunOptions {
  readonly allFailing?: boolean;
  readonly profile?: string;
}

/** What became of one account: what the function reports, or why it was not asked. */
interface Result extends Partial<Pick<Report, 'reason' | 'accessTokenExpiresAt'>> {
  readonly accountId: string;
  readonly action: Report['action'] | 'not_found' | 'not_oauth2';
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
  const fleet = await context.fleet();
  const { known, refused } = await select(fleet, accountIds, options, terminal);
  terminal.progress(known.length === 0 ? undefined : `Looking at ${count(known.length)} …`);
  const reports = await runForAccounts(
    fleet,
    known,
    // An account that fails is backing off; who asks for it by hand wants it tried now.
    { force: force || allFailing, dryRun },
    { signal, onProgress: (done) => terminal.progress(`Looked at ${done} of ${count(known.length)} …`) },
  );
  terminal.progress(undefined);
  const results: Result[] = [...refused, ...reports].sort(
    (a, b) => ORDER.indexOf(a.action) - ORDER.indexOf(b.action),
  );
  terminal.result(resultsText(results, dryRun, fleet.label, terminal), results);
  if (results.some(({ action }) => TROUBLE.includes(action)))
    terminal.say('\nWhat to do about one of them: accounts show ACCOUNT');
  return signal.aborted ? EXIT.interrupted : exitCodeOf(results);
}

async function select(
  fleet: Fleet,
  accountIds: readonly string[],
  { profile }: RefreshOptions,
  terminal: Terminal,
): Promise<{ known: readonly string[]; refused: readonly Result[] }> {
  if (accountIds.length === 0) {
    const items = await readItems(fleet, terminal);
    await requireProfile(fleet, items, profile);
    const wanted = (item: FleetItem) =>
      profile === undefined
        ? statusKey(item) === 'failing'
        : item.oauthProfile === profile && !['disabled', 'other'].includes(statusKey(item));
    return { known: items.filter(wanted).map(({ accountId }) => accountId), refused: [] };
  }
  const ids = [...new Set(accountIds)];
  const items = await Promise.all(ids.map((accountId) => findItem(fleet, accountId)));
  const refused = ids.flatMap((accountId, index): Result[] => {
    const item = items[index];
    if (item === undefined) return [{ accountId, action: 'not_found' }];
    return isLookedAt(item) ? [] : [{ accountId, action: 'not_oauth2' }];
  });
  return { known: ids.filter((_, index) => isLookedAt(items[index])), refused };
}

function isLookedAt(item: FleetItem | undefined): boolean {
  return item?.authenticationType === 'oauth2';
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
];
const TROUBLE: readonly Result['action'][] = ['reauthorize', 'retry'];

const NOT_DONE: readonly Result['action'][] = ['not_found', 'not_oauth2', 'retry', 'defer'];

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
    case 'not_oauth2':
      return ['not oauth2', 'red'];
  }
}

function resultsText(results: readonly Result[], dryRun: boolean, label: string, terminal: Terminal): string {
  if (results.length === 0) return `No account in ${label} matches: nothing to do.`;
  const at = now();
  const shown = results.slice(0, screenful(terminal));
  const rows = shown.map((result) => {
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
  const columns = [
    accountColumn,
    { title: 'RESULT', floor: 14 },
    { title: 'REASON', floor: 17 },
    { title: 'ACCESS TOKEN', floor: 7 },
    { title: 'WHICH MEANS', least: 30 },
  ];
  const table = renderTable(
    { columns, rows, concessions: [{ drop: 'WHICH MEANS' }, squeezeAccount] },
    terminal.tableWidth,
    terminal.color,
  );
  const counts = Map.groupBy(results, (result) => said(result, dryRun)[0]);
  const summary = [...counts]
    .map(([what, { length }]) => `${length} ${length === 1 ? what : what.replace(/^needs /, 'need ')}`)
    .join(', ');
  const more = results.length - shown.length;
  const rest = more > 0 ? [`… and ${more} more (--json shows all)`] : [];
  return [...table, ...rest, '', ...wrapTo(`In ${label}: ${summary}`, terminal.width)].join('\n');
}
