import type { Item } from '../adapters/aws/accounts-table.ts';
import { type AwsFailure, awsFailure } from '../adapters/aws/aws-error.ts';
import { type LoadedProfile, windowOf } from '../adapters/aws/profiles.ts';
import { readTokenSet } from '../adapters/aws/token-secret.ts';
import { type Account, NOTE, type ParsedAccount, parseAccount } from '../core/account/account.ts';
import {
  type Decision,
  type DecisionInput,
  decide,
  decideTokenSet,
  isUrgent,
} from '../core/account/decision.ts';
import { isDueAgain } from '../core/account/evidence.ts';
import { ambiguousSince } from '../core/account/outcome.ts';
import { tokenSecretIdOf } from '../core/account/secret-id.ts';
import { secondsOf } from '../core/clock.ts';
import type { Reason } from '../core/reason.ts';
import type { Edges } from './edges.ts';
import { throwIfFatal } from './errors.ts';
import type { RunRequest } from './event.ts';
import { recordEnding } from './record.ts';
import { LEASE_MARGIN, refreshAccount } from './refresh-account.ts';
import { createTally, type Report, type RunOutcome, reportOn, type Tally } from './run-result.ts';
import { createSchedule, type Work } from './schedule.ts';
import { MINIMUM_TIME, type Visit } from './spend-refresh-token.ts';

export interface RunSettings {
  readonly runId: string;
  /** The accounts table's name or ARN, and the tables whose functions have stopped. */
  readonly tableName: string;
  readonly formerTables: readonly string[];
  readonly secretNamePrefix: string;
  /** Seconds; a profile's own window wins. */
  readonly refreshWindow: number;
  /** Seconds; by its own share of them an account is due earlier. */
  readonly refreshSpread: number;
  /** When this run began, and when its process may be gone, milliseconds since the epoch. */
  readonly begun: number;
  readonly deadline: number;
}

/** Accounts in flight at once, at most: enough to reach Secrets Manager's 50 writes a second at 800 ms each. */
export const MAX_IN_FLIGHT = 40;
/**
 * Accounts begun in a second, over all segments. Secrets Manager takes 50 writes a second in a Region from all
 * callers together, and a refresh token is better not spent yet than waiting in memory for its turn to be stored.
 */
export const STARTS_PER_SECOND = 48;
/** Milliseconds for which a run waits for stores to work again before it leaves the rest to a later run. */
const STORE_PATIENCE = 5_000;
/** Milliseconds without a start after which a full hand is stuck. */
const STUCK_AFTER = 5_000;
/** Milliseconds for which a run waits for its data key before it goes on without escrow. */
const KEY_PATIENCE = 3_000;

/**
 * One run: reads the accounts page by page, decides, and refreshes what is due, a bounded number at once. One
 * account's trouble is its report; only a table that can't be read or written makes the run reject, and then not before
 * all that is in flight has ended: answered, stored, recorded.
 */
export async function run(request: RunRequest, settings: RunSettings, edges: Edges): Promise<RunOutcome> {
  const begun = edges.clock.now();
  const tally = createTally(settings.runId, request, edges.clock);
  const worker = createWorker(request, settings, edges, tally);
  let fatal: unknown;
  try {
    for await (const items of pagesOf(request, settings, edges, tally)) {
      for (const { kind, work } of await sift(items, request, settings, edges, worker.settle)) {
        if (kind === 'due') tally.add('due', 1);
        worker.add(work);
      }
      if (!(await worker.wantsMore())) break;
    }
  } catch (error) {
    fatal = error;
    worker.stop(error);
  }
  // Whatever has gone wrong: nothing that can spend or write outlives the run.
  const stopped = await worker.ended();
  if (!request.dryRun) {
    // A run over a few named accounts does not know who waits.
    if (request.accountIds === undefined) edges.notes.waiting(worker.waitingFor(), segmentOf(request));
    await edges.notes.settled();
  }
  fatal ??= stopped;
  if (fatal !== undefined) throw fatal;
  return tally.outcome(edges.clock.now() - begun);
}

function segmentOf({ share }: RunRequest): string {
  return share === undefined ? '0/1' : `${share.segment}/${share.totalSegments}`;
}

interface Worker {
  add(work: Work): void;
  /** What became of an account. */
  settle(report: Report, oauthProfile: string): void;
  /** Resolves when more work is wanted; `false` where none is any more. */
  wantsMore(): Promise<boolean>;
  /** Begins nothing any more. */
  stop(error: unknown): void;
  /** Resolves when all work is done, with what stopped it. */
  ended(): Promise<unknown>;
  /** How many due accounts of each profile wait for the end of its trouble. */
  waitingFor(): ReadonlyMap<string, number>;
}

/** Does the work of a run, as much at once and as fast as its limits allow. */
function createWorker(request: RunRequest, settings: RunSettings, edges: Edges, tally: Tally): Worker {
  const { clock, notes, spending } = edges;
  const schedule = createSchedule({
    maxInFlight: MAX_IN_FLIGHT,
    admit: request.dryRun ? () => 'start' : notes.admit,
  });
  const waitingFor = new Map<string, number>();
  // What changes nothing needs no caution. Otherwise one account goes alone at first, so that a store that fails is
  // noticed after it and not after 40.
  let limit = request.dryRun ? MAX_IN_FLIGHT : 1;
  let inFlight = 0;
  let complete = false;
  let stopped: { readonly error: unknown } | undefined;
  let storesFailSince: number | undefined;
  let startedAt = clock.now();
  let changed = Promise.withResolvers<void>();
  const wake = () => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  // By time as well: one provider that does not answer must not hold up the others.
  const ticker = setInterval(() => {
    limit = Math.min(MAX_IN_FLIGHT, limit * 2);
    wake();
  }, 1_000);
  const over = () => stopped !== undefined || timeIsUp(settings, edges);
  const settleOf = (report: Report, oauthProfile: string) => {
    if (notes.get(oauthProfile).failure?.reason === report.reason)
      waitingFor.set(oauthProfile, (waitingFor.get(oauthProfile) ?? 0) + 1);
    tally.settle(report);
  };
  const settle = ({ account }: Work, report: Report) => settleOf(report, account.oauthProfile);
  const start = async (work: Work) => {
    inFlight++;
    const end = request.dryRun ? () => {} : notes.begin(work.account);
    let report = work.tooLate;
    try {
      if (!over()) report = await work.run();
      settle(work, report);
    } catch (error) {
      stopped ??= { error };
    } finally {
      end();
      inFlight--;
      schedule.ended(work, report);
      if (report.action === 'refresh') limit = MAX_IN_FLIGHT;
      wake();
    }
  };
  const dispatch = async () => {
    if (!request.dryRun) await escrowKey(edges);
    while (!complete || schedule.size() > 0 || inFlight > 0) {
      if (over()) {
        for (const work of schedule.drain()) settle(work, work.tooLate);
        if (complete && inFlight === 0) return;
        await changed.promise;
        continue;
      }
      if (spending.storesFail()) {
        storesFailSince ??= clock.now();
        if (clock.now() - storesFailSince > STORE_PATIENCE)
          for (const work of schedule.drain())
            settle(work, reportOn(work.account, 'defer', 'store_unavailable'));
        await changed.promise;
        continue;
      }
      storesFailSince = undefined;
      const next = inFlight < limit ? schedule.next() : undefined;
      if (next?.kind === 'defer') settle(next.work, reportOn(next.work.account, 'defer', next.reason));
      else if (next?.kind === 'start') {
        if (!request.dryRun) await edges.turn();
        startedAt = clock.now();
        void start(next.work);
      } else {
        // The hand is full of what can't begin, such as the accounts of a provider that hangs: others have their turn.
        if (schedule.full() && clock.now() - startedAt > STUCK_AFTER)
          for (const work of schedule.surplus()) settle(work, work.tooLate);
        await changed.promise;
      }
    }
  };
  const dispatched = dispatch().finally(() => clearInterval(ticker));
  return {
    add: (work) => {
      schedule.add(work);
      wake();
    },
    settle: settleOf,
    wantsMore: async () => {
      while (schedule.full() && !over()) await changed.promise;
      return !over();
    },
    stop: (error) => {
      stopped ??= { error };
      wake();
    },
    ended: async () => {
      complete = true;
      wake();
      await dispatched;
      return stopped?.error;
    },
    waitingFor: () => waitingFor,
  };
}

/** A run gets its data key before it spends anything. Without one it goes on: escrow is the second line. */
async function escrowKey({ vault, clock, log, count }: Edges): Promise<void> {
  if (vault === undefined) return;
  const late: AwsFailure = { kind: 'unavailable', code: 'TIMEOUT' };
  const ready = await Promise.race([vault.prepare(), clock.sleep(KEY_PATIENCE).then(() => late)]);
  if (ready === 'ready') return;
  count('escrowUnavailable');
  log.error(
    'The escrow key can’t be used: a refresh token that can’t be stored could be lost. Check the key, its policy and the function’s role.',
    { reason: 'permission_missing', awsError: ready.code },
  );
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

interface Job {
  readonly kind: 'due' | 'invalid';
  readonly work: Work;
}

/** Sorts a page: what can be left alone is settled at once, the rest becomes jobs. */
async function sift(
  items: readonly Item[],
  request: RunRequest,
  settings: RunSettings,
  edges: Edges,
  settle: (report: Report, oauthProfile: string) => void,
): Promise<readonly Job[]> {
  const parsed = items.map(parseAccount);
  const names = new Set(parsed.flatMap((p) => (p.kind === 'account' ? [p.account.oauthProfile] : [])));
  const load = async (name: string) => {
    const [profile] = await Promise.all([edges.profiles.load(name), edges.notes.load(name)]);
    return [name, profile] as const;
  };
  const loaded = new Map(await Promise.all([...names].map(load)));
  const jobs: Job[] = [];
  for (const [index, one] of parsed.entries()) {
    if (isUrgent(one.account.escrow)) edges.count('inEscrow');
    const unfit = notLookedAt(items[index]);
    if (unfit !== undefined) {
      edges.log.warn(`The account is left alone: ${unfit}`, { accountId: one.account.accountId });
      settle(reportOn(one.account, 'retry', 'account_invalid'), one.account.oauthProfile);
      continue;
    }
    if (one.kind === 'invalid') {
      const { nextAttemptAt = 0 } = one.account;
      if (nextAttemptAt > secondsOf(edges.clock) && request.accountIds === undefined)
        settle(reportOn(one.account, 'leave', 'account_invalid'), one.account.oauthProfile);
      else jobs.push(invalidJob(one, request, edges));
      continue;
    }
    const { account } = one;
    const profile = loaded.get(account.oauthProfile);
    if (profile === undefined) continue;
    const input: DecisionInput = {
      now: secondsOf(edges.clock),
      refreshWindow: windowOf(profile, settings.refreshWindow),
      refreshSpread: settings.refreshSpread,
      force: request.force,
      dueAgain: isDueAgain(account, edges.notes.get(account.oauthProfile)),
    };
    const decision = decide(account, input);
    if (decision.action === 'refresh')
      jobs.push(dueJob({ account, decision, input, loaded: profile }, request, settings, edges));
    else settle(reportOn(account, decision.action, decision.reason), account.oauthProfile);
  }
  return jobs;
}

/** The version of the items that this version of the function writes and understands. */
const FORMAT_VERSION = 1;

/** What a scan filters out can still be asked for by its id; nothing is written to it. */
function notLookedAt(item: Item = {}): string | undefined {
  if (String(item.accountId).startsWith(NOTE)) return "it is one of the function's own notes";
  if (item.authenticationType !== 'oauth2')
    return 'there is no such account, or its authenticationType is not oauth2';
  if (typeof item.formatVersion === 'number' && item.formatVersion > FORMAT_VERSION)
    return 'it was made by a newer version of the function (formatVersion); deploy that version again';
  return item.oauthProfile === undefined ? 'it has no oauthProfile' : undefined;
}

function invalidJob(
  { account, problem }: Extract<ParsedAccount, { kind: 'invalid' }>,
  { dryRun }: RunRequest,
  edges: Edges,
): Job {
  const report = reportOn(account, 'retry', 'account_invalid');
  const bytes = bytesOf(account);
  const detail = `The account's item can't be used: ${problem}`;
  const note = async () => {
    if (dryRun) edges.log.warn(detail, { accountId: account.accountId });
    else await noteTrouble(account, 'account_invalid', detail, edges);
    return report;
  };
  return { kind: 'invalid', work: { account, run: note, tooLate: report, bytes } };
}

function bytesOf(account: Account): number {
  return JSON.stringify(account).length;
}

interface DueAccount {
  readonly account: Account;
  readonly decision: Decision;
  readonly input: DecisionInput;
  readonly loaded: LoadedProfile;
}

function dueJob(
  { account, decision: { reason }, input, loaded }: DueAccount,
  { dryRun }: RunRequest,
  settings: RunSettings,
  edges: Edges,
): Job {
  const { secretNamePrefix, tableName, formerTables, begun, deadline } = settings;
  const refuse = async (trouble: Extract<LoadedProfile, { kind: 'trouble' }>) => {
    if (!dryRun) await noteTrouble(account, trouble.reason, trouble.detail, edges);
    return reportOn(account, 'retry', trouble.reason);
  };
  const refresh = async () => {
    const again = await edges.profiles.load(account.oauthProfile);
    if (again.kind === 'trouble') return await refuse(again);
    const { profile } = again;
    if (dryRun) return await preview({ account, reason, profile, input }, secretNamePrefix, edges);
    const tables = { tableName, formerTables };
    const times = { begun, deadline, longestLease: longestLease(settings) };
    const visit = { account, reason, profile, input, secretNamePrefix, ...tables, ...times };
    return await refreshAccount(visit, edges).catch((error: unknown) => notLeased(account, error, edges));
  };
  const run = () => (loaded.kind === 'trouble' ? refuse(loaded) : refresh());
  const tooLate = reportOn(account, 'defer', 'out_of_time');
  return { kind: 'due', work: { account, run, tooLate, bytes: bytesOf(account) } };
}

/** Seconds that a function is given at most, unless this run was given more. */
const USUAL_TIME = 120;
const MINUTE = 60;

/** Seconds after which any visit that is under way now has ended, its lease included. */
function longestLease({ begun, deadline }: RunSettings): number {
  return Math.max(USUAL_TIME, (deadline - begun) / 1000) + LEASE_MARGIN + MINUTE;
}

/** What a run would do, from what can be read without changing anything. */
async function preview(
  { account, reason, profile, input }: Pick<Visit, 'account' | 'reason' | 'profile' | 'input'>,
  prefix: string,
  { secrets }: Edges,
): Promise<Report> {
  const read = await readTokenSet(tokenSecretIdOf(prefix, account), secrets);
  if (read.kind === 'trouble') return reportOn(account, 'retry', read.reason);
  const decision = decideTokenSet(read.tokenSet, account, profile, input);
  if (decision.action === 'leave') return reportOn(account, 'leave', 'does_not_expire');
  if (decision.action === 'reauthorize') return reportOn(account, 'reauthorize', decision.reason);
  return reportOn(account, decision.action === 'reconcile' ? 'reconcile' : 'refresh', reason);
}

/** Writes down trouble that was found before there was anything to lease. */
async function noteTrouble(account: Account, reason: Reason, detail: string, edges: Edges): Promise<Report> {
  const ending = { kind: 'trouble', reason, detail, ambiguousSince: ambiguousSince(account) } as const;
  return await recordEnding(account, ending, { kind: 'nobody' }, edges);
}

/** The lease could not even be asked for. Without the table there is no job to do; anything less is this account's. */
function notLeased(account: Account, error: unknown, { log }: Edges): Report {
  throwIfFatal(error);
  const { kind, code } = awsFailure(error);
  const reason = kind === 'refused' ? 'account_invalid' : 'store_unavailable';
  log.warn(`The account could not be leased (${code}).`, { accountId: account.accountId, reason });
  return reportOn(account, 'retry', reason);
}
