import PQueue from 'p-queue';
import { type Account, type ParsedAccount, parseAccount } from './account.ts';
import type { Item } from './accounts-table.ts';
import { awsFailure } from './aws-error.ts';
import { type Decision, type DecisionInput, decide, decideTokenSet } from './decision.ts';
import type { Edges } from './edges.ts';
import type { RunRequest } from './event.ts';
import { ambiguousSince, conclude } from './outcome.ts';
import { createPace } from './pace.ts';
import { secondsOf } from './ports.ts';
import { type LoadedProfile, windowOf } from './profiles.ts';
import type { Reason } from './reason.ts';
import { announce, type Report, refreshAccount, reportOn } from './refresh-account.ts';
import { createTally, type RunOutcome, type Tally } from './run-result.ts';
import { tokenSecretIdOf } from './secrets.ts';
import { MINIMUM_TIME } from './spend-refresh-token.ts';
import { readTokenSet } from './token-secret.ts';

export interface RunSettings {
  readonly runId: string;
  readonly secretNamePrefix: string;
  /** Seconds; a profile's own window wins. */
  readonly refreshWindow: number;
  /** Seconds; by its own share of them an account is due earlier. */
  readonly refreshSpread: number;
  /** When this process may be gone, milliseconds since the epoch. */
  readonly deadline: number;
}

/** Accounts in flight at once, at most: enough to reach Secrets Manager's 50 writes a second at 800 ms each. */
export const MAX_IN_FLIGHT = 40;
/**
 * Accounts begun in a second, over all segments. Secrets Manager takes 50 writes a second in a Region from all
 * callers together, and a refresh token is better not spent yet than waiting in memory for its turn to be stored.
 */
export const STARTS_PER_SECOND = 48;

/** One thing to be done with an account. `report` is what becomes of it if there is no time for it. */
interface Job {
  readonly kind: 'due' | 'invalid';
  readonly run: () => Promise<Report>;
  readonly tooLate: Report;
}

/**
 * One run: reads the accounts page by page, decides, and refreshes what is due, a bounded number at once. One
 * account's trouble is its report; only a table that can't be read or written makes the run reject.
 */
export async function run(request: RunRequest, settings: RunSettings, edges: Edges): Promise<RunOutcome> {
  const begun = edges.clock.now();
  const tally = createTally(settings.runId, request, edges.clock);
  // What changes nothing needs no caution. Otherwise one account goes alone at first, so that a store that fails is
  // noticed after it and not after 40.
  const turn = request.dryRun
    ? async () => {}
    : createPace(STARTS_PER_SECOND / (request.share?.totalSegments ?? 1), edges.clock);
  const queue = new PQueue({ concurrency: request.dryRun ? MAX_IN_FLIGHT : 1 });
  // By time as well: one provider that does not answer must not hold up the others.
  const ticker = setInterval(() => {
    queue.concurrency = Math.min(MAX_IN_FLIGHT, queue.concurrency * 2);
  }, 1_000);
  let fatal: { readonly error: unknown } | undefined;
  const perform = async (job: Job) => {
    const inVain = () => fatal !== undefined || timeIsUp(settings, edges);
    if (!inVain()) await turn();
    const report = inVain() ? job.tooLate : await job.run();
    tally.settle(report);
    if (report.action === 'refresh') queue.concurrency = MAX_IN_FLIGHT;
  };
  try {
    for await (const items of pagesOf(request, settings, edges, tally)) {
      for (const job of await sift(items, request, settings, edges, tally.settle)) {
        if (job.kind === 'due') tally.add('due', 1);
        // Not by way of the queue: there can be thousands of them.
        if (timeIsUp(settings, edges)) {
          tally.settle(job.tooLate);
          continue;
        }
        // Waiting work is bounded: memory must not grow with the table.
        await queue.onSizeLessThan(MAX_IN_FLIGHT);
        queue
          .add(() => perform(job))
          .catch((error: unknown) => {
            fatal ??= { error };
          });
      }
      if (fatal !== undefined || timeIsUp(settings, edges)) break;
    }
    await queue.onIdle();
  } finally {
    clearInterval(ticker);
  }
  if (fatal !== undefined) throw fatal.error;
  return tally.outcome(edges.clock.now() - begun);
}

function timeIsUp({ deadline }: RunSettings, { clock }: Edges): boolean {
  return deadline - clock.now() < MINIMUM_TIME;
}

async function* pagesOf(
  { accountIds, force, dryRun, share }: RunRequest,
  { refreshSpread }: RunSettings,
  { table, profiles, clock }: Edges,
  tally: Tally,
): AsyncGenerator<readonly Item[]> {
  if (accountIds === undefined) {
    const wanted = force || dryRun ? 'all' : 'due';
    for await (const { items, scanned } of table.scan({
      now: secondsOf(clock),
      wanted,
      windows: profiles.windows,
      spread: refreshSpread,
      segment: share,
    })) {
      tally.add('scanned', scanned);
      yield items;
    }
    return;
  }
  for (const accountId of accountIds) {
    const item = await table.get(accountId);
    if (item !== undefined) tally.add('scanned', 1);
    yield [item ?? { accountId }];
  }
}

/** Sorts a page: what can be left alone is settled at once, the rest becomes jobs. */
async function sift(
  items: readonly Item[],
  request: RunRequest,
  settings: RunSettings,
  edges: Edges,
  settle: (report: Report) => void,
): Promise<readonly Job[]> {
  const parsed = items.map(parseAccount);
  const names = new Set(parsed.flatMap((p) => (p.kind === 'account' ? [p.account.oauthProfile] : [])));
  const loaded = new Map(
    await Promise.all([...names].map(async (name) => [name, await edges.profiles.load(name)] as const)),
  );
  const jobs: Job[] = [];
  for (const [index, one] of parsed.entries()) {
    if (one.account.escrow !== undefined) edges.count('inEscrow');
    const unfit = notLookedAt(items[index]);
    if (unfit !== undefined) {
      edges.log.warn(`The account is left alone: ${unfit}`, { accountId: one.account.accountId });
      settle(reportOn(one.account, 'retry', 'account_invalid'));
      continue;
    }
    if (one.kind === 'invalid') {
      const { nextAttemptAt = 0 } = one.account;
      if (nextAttemptAt > secondsOf(edges.clock) && request.accountIds === undefined)
        settle(reportOn(one.account, 'leave', 'account_invalid'));
      else jobs.push(invalidJob(one, request, edges));
      continue;
    }
    const { account } = one;
    const profile = loaded.get(account.oauthProfile);
    if (profile === undefined) continue;
    const refreshWindow = windowOf(profile, settings.refreshWindow);
    const { refreshSpread } = settings;
    const input = { now: secondsOf(edges.clock), refreshWindow, refreshSpread, force: request.force };
    const decision = decide(account, input);
    if (decision.action === 'refresh')
      jobs.push(dueJob(account, decision, input, profile, request, settings, edges));
    else settle(reportOn(account, decision.action, decision.reason));
  }
  return jobs;
}

/** What a scan filters out can still be asked for by its id; nothing is written to it. */
function notLookedAt(item: Item = {}): string | undefined {
  if (item.authenticationType !== 'oauth2')
    return 'there is no such account, or its authenticationType is not oauth2';
  return item.oauthProfile === undefined ? 'it has no oauthProfile' : undefined;
}

function invalidJob(
  { account, problem }: Extract<ParsedAccount, { kind: 'invalid' }>,
  { dryRun }: RunRequest,
  edges: Edges,
): Job {
  const report = reportOn(account, 'retry', 'account_invalid');
  const detail = `The account's item can't be used: ${problem}`;
  return {
    kind: 'invalid',
    tooLate: report,
    run: async () => {
      if (dryRun) edges.log.warn(detail, { accountId: account.accountId });
      else await noteTrouble(account, 'account_invalid', detail, edges);
      return report;
    },
  };
}

function dueJob(
  account: Account,
  { reason }: Decision,
  input: DecisionInput,
  loaded: LoadedProfile,
  { dryRun }: RunRequest,
  { secretNamePrefix, deadline }: RunSettings,
  edges: Edges,
): Job {
  const refuse = async (trouble: Extract<LoadedProfile, { kind: 'trouble' }>) => {
    if (!dryRun) await noteTrouble(account, trouble.reason, trouble.detail, edges);
    return reportOn(account, 'retry', trouble.reason);
  };
  const refresh = async () => {
    const again = await edges.profiles.load(account.oauthProfile);
    if (again.kind === 'trouble') return await refuse(again);
    if (dryRun) return await preview(account, reason, input, secretNamePrefix, edges);
    const refusal = edges.spending.refusal(account.oauthProfile, secondsOf(edges.clock));
    if (refusal !== undefined) return reportOn(account, 'defer', refusal);
    const visit = { account, reason, profile: again.profile, input, secretNamePrefix, deadline };
    return await refreshAccount(visit, edges).catch((error: unknown) => notLeased(account, error, edges));
  };
  return {
    kind: 'due',
    tooLate: reportOn(account, 'defer', 'out_of_time'),
    run: () => (loaded.kind === 'trouble' ? refuse(loaded) : refresh()),
  };
}

/** What a run would do, from what can be read without changing anything. */
async function preview(
  account: Account,
  reason: Reason,
  input: DecisionInput,
  prefix: string,
  { secrets }: Edges,
): Promise<Report> {
  const read = await readTokenSet(tokenSecretIdOf(prefix, account), secrets);
  if (read.kind === 'trouble') return reportOn(account, 'retry', read.reason);
  const decision = decideTokenSet(read.tokenSet, account, input);
  if (decision.action === 'reauthorize') return reportOn(account, 'reauthorize', decision.reason);
  return reportOn(account, decision.action === 'reconcile' ? 'reconcile' : 'refresh', reason);
}

/** Writes down trouble that was found before there was anything to lease. */
async function noteTrouble(account: Account, reason: Reason, detail: string, edges: Edges): Promise<void> {
  const now = secondsOf(edges.clock);
  const conclusion = conclude(
    account,
    { kind: 'trouble', reason, detail, ambiguousSince: ambiguousSince(account) },
    now,
  );
  const { accountId, oauthProfile } = account;
  edges.log.error(conclusion.message, { accountId, oauthProfile, reason, status: conclusion.status });
  try {
    await edges.table.note(accountId, now, await announce(account, reason, conclusion, edges));
  } catch (error) {
    throwIfFatal(error);
    edges.log.warn('The trouble of an account could not be recorded.', {
      accountId,
      awsError: awsFailure(error).code,
    });
  }
}

/** The lease could not even be asked for. Without the table there is no job to do; anything less is this account's. */
function notLeased(account: Account, error: unknown, { log }: Edges): Report {
  throwIfFatal(error);
  const { kind, code } = awsFailure(error);
  const reason = kind === 'refused' ? 'account_invalid' : 'store_unavailable';
  log.warn(`The account could not be leased (${code}).`, { accountId: account.accountId, reason });
  return reportOn(account, 'retry', reason);
}

function throwIfFatal(error: unknown): void {
  const { kind } = awsFailure(error);
  if (kind === 'denied' || kind === 'not_found') throw error;
}
