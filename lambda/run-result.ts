import type { Report } from '../core/account/outcome.ts';
import { type Clock, secondsOf } from '../core/clock.ts';
import { severityOf } from '../core/reason.ts';
import type { RunRequest } from './event.ts';

/** What a run did: counts of accounts. The names are public; the CLI and people's own programs read them. */
export interface RunResult {
  readonly runId: string;
  readonly scanned: number;
  readonly due: number;
  readonly refreshed: number;
  readonly reconciled: number;
  readonly leasedElsewhere: number;
  readonly failed: number;
  readonly reauthorizationRequired: number;
  readonly invalid: number;
  readonly deferred: number;
  readonly durationMs: number;
  /** The run's time was up before it had read all; absent otherwise. */
  readonly incomplete?: true;
  /** Only where `accountIds` or `dryRun` asked for it. */
  readonly accounts?: readonly Report[];
  /** How many more accounts there are than fit into a result; absent where all fit. */
  readonly accountsOmitted?: number;
}

/** Lambda returns 6 MB at most; more accounts than this are counted and not listed. */
const MAX_REPORTS = 25_000;

type Counter = keyof Omit<RunResult, 'runId' | 'accounts' | 'accountsOmitted' | 'durationMs' | 'incomplete'>;

export interface RunSummary {
  readonly result: RunResult;
  /** Accounts whose access token has run out though no person is needed: refreshing them fails, or is late. */
  readonly accessTokensExpired: number;
}

export interface Tally {
  add(counter: 'scanned' | 'due', accounts: number): void;
  /** Counts one account by what became of it. */
  count(report: Report): void;
  /** Not all that was to be read was read. */
  cutOff(): void;
  summary(durationMs: number): RunSummary;
}

/** Counts what becomes of the accounts of one run. */
export function createTally(runId: string, request: RunRequest, clock: Clock): Tally {
  const counts: Record<Counter, number> = {
    scanned: 0,
    due: 0,
    refreshed: 0,
    reconciled: 0,
    leasedElsewhere: 0,
    failed: 0,
    reauthorizationRequired: 0,
    invalid: 0,
    deferred: 0,
  };
  const accounts: Report[] | undefined = request.accountIds !== undefined || request.dryRun ? [] : undefined;
  let accountsOmitted = 0;
  let accessTokensExpired = 0;
  let incomplete = false;
  return {
    add: (counter: Counter, count: number) => {
      counts[counter] += count;
    },
    count: (report: Report) => {
      const counter = request.dryRun ? counterOfDryRun(report) : counterOf(report);
      if (counter !== undefined) counts[counter]++;
      if (isOverdue(report, secondsOf(clock))) accessTokensExpired++;
      if (accounts === undefined) return;
      if (accounts.length < MAX_REPORTS) accounts.push(report);
      else accountsOmitted++;
    },
    cutOff: () => {
      incomplete = true;
    },
    summary: (durationMs: number): RunSummary => ({
      result: {
        runId,
        ...counts,
        durationMs,
        ...(incomplete && { incomplete }),
        ...(accounts && { accounts }),
        ...(accountsOmitted > 0 && { accountsOmitted }),
      },
      accessTokensExpired,
    }),
  };
}

function isOverdue({ action, reason, accessTokenExpiresAt }: Report, now: number): boolean {
  const expired = accessTokenExpiresAt !== null && accessTokenExpiresAt <= now;
  return expired && action !== 'reauthorize' && reason !== 'disabled';
}

function counterOf({ action, reason }: Report): Counter | undefined {
  if (reason === 'leased_elsewhere') return 'leasedElsewhere';
  switch (action) {
    case 'leave':
      return undefined;
    case 'refresh':
      return 'refreshed';
    case 'reconcile':
      return 'reconciled';
    case 'retry':
      return severityOf(reason) === 'invalid' ? 'invalid' : 'failed';
    case 'reauthorize':
      return 'reauthorizationRequired';
    case 'defer':
      return 'deferred';
  }
}

/** A dry run refreshes nothing, so it counts none as refreshed. */
function counterOfDryRun(report: Report): Counter | undefined {
  const counter = counterOf(report);
  return counter === 'refreshed' || counter === 'reconciled' ? undefined : counter;
}
