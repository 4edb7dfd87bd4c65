import type { Report } from '../../core/account/outcome.ts';
import { isJsonObject } from '../../core/json-object.ts';
import { isReason, REASONS } from '../../core/reason.ts';
import type { RunResult } from '../../lambda/run-result.ts';
import { plural } from '../../terminal/display-text.ts';
import { accountColumn, squeezeAccount } from '../../terminal/fleet-table.ts';
import type { Extent } from '../../terminal/list.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { now } from '../accounts/items.ts';
import { CliError, EXIT } from '../shared/cli-error.ts';
import type { InvokedFunction } from '../shared/fleet.ts';
import { runFunction } from '../shared/run-function.ts';
import { type Answer, numberCell, showAnswer, whenText } from './print.ts';

/** What a run would do for one reason. */
interface PlannedStep {
  readonly action: string;
  readonly reason: string;
  readonly accounts: number;
}

/** What a run would do, by action and reason; what it would do something about comes first. */
export function summaryOf(reports: readonly Report[]): readonly PlannedStep[] {
  const groups = Map.groupBy(reports, ({ action, reason }) => `${action} ${reason}`);
  return [...groups.values()]
    .flatMap(([first, ...rest]): PlannedStep[] =>
      first === undefined ? [] : [{ action: first.action, reason: first.reason, accounts: rest.length + 1 }],
    )
    .sort((a, b) => rankOf(a) - rankOf(b) || b.accounts - a.accounts || a.reason.localeCompare(b.reason));
}

const ORDER = ['refresh', 'reconcile', 'retry', 'defer', 'reauthorize', 'leave'];

function rankOf({ action }: Pick<Report, 'action'> | PlannedStep): number {
  const place = ORDER.indexOf(action);
  return place === -1 ? ORDER.length : place;
}

/** Has the function say what a run would do now. It changes nothing, and nothing is spent. @throws CliError */
export async function showPlan(
  terminal: Terminal,
  fn: InvokedFunction,
  event: unknown,
  shown: Extent,
): Promise<undefined> {
  if (!isJsonObject(event))
    throw new CliError('USAGE', 'With --dry-run the event must be a JSON object.', EXIT.usage);
  terminal.progress('Asking the function what a run would do …');
  let result: RunResult;
  try {
    result = await runFunction(fn, { ...event, dryRun: true });
  } finally {
    terminal.progress(undefined);
  }
  const summary = summaryOf(result.accounts ?? []);
  return await showAnswer(
    terminal,
    {
      summary,
      ...result,
    },
    () => answerOf(result, summary),
    shown,
  );
}

function answerOf(
  { accounts = [], accountsOmitted = 0, scanned, due }: RunResult,
  summary: readonly PlannedStep[],
): Answer {
  const at = now();
  // What is left alone is counted, and not listed.
  const acted = accounts
    .filter(({ action }) => action !== 'leave')
    .toSorted(
      (a, b) => rankOf(a) - rankOf(b) || (a.accessTokenExpiresAt ?? 0) - (b.accessTokenExpiresAt ?? 0),
    );
  return {
    head: [
      `A run would now look at ${plural(scanned, 'item')}, find ${plural(due, 'account')} due, and leave ${plural(accounts.length - acted.length, 'account')} alone. Nothing was changed.`,
      ...(accountsOmitted > 0
        ? [
            `${plural(accountsOmitted, 'account')} more are not in its result, which is full: below they are missing.`,
          ]
        : []),
    ],
    tables: [
      {
        columns: [
          { title: 'ACCOUNTS', align: 'right' },
          { title: 'A RUN WOULD', floor: 11 },
          { title: 'REASON', floor: 12 },
          { title: 'MEANS', least: 12 },
        ],
        rows: summary.map(({ action, reason, accounts: count }) => [
          numberCell(count),
          { text: action },
          { text: reason },
          { text: isReason(reason) ? REASONS[reason].meaning : '' },
        ]),
        concessions: [{ drop: 'MEANS' }],
      },
      {
        columns: [
          accountColumn,
          { title: 'A RUN WOULD', floor: 11 },
          { title: 'REASON', floor: 12 },
          { title: 'TOKEN ENDS', cut: 'never' },
        ],
        rows: acted.map(({ accountId, action, reason, accessTokenExpiresAt }) => [
          { text: accountId },
          { text: action },
          { text: reason },
          { text: whenText(accessTokenExpiresAt ?? undefined, at) },
        ]),
        concessions: [squeezeAccount, { drop: 'TOKEN ENDS' }],
      },
    ],
  };
}
