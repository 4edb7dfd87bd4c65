import type { AwsFailure } from '../adapters/aws/aws-error.ts';
import type { Item } from '../adapters/aws/table-items.ts';
import type { Account } from '../core/account/account.ts';
import { type Report, reportOn } from '../core/account/outcome.ts';
import { secondsOf } from '../core/clock.ts';
import type { Ports } from './attempt/ports.ts';
import { MINIMUM_TIME } from './attempt/spend-refresh-token.ts';
import type { RunRequest } from './event.ts';
import { createOwedEvents } from './owed-events.ts';
import { planPage, type RunSettings } from './plan.ts';
import { createTally, type RunSummary, type Tally } from './run-result.ts';
import { createSchedule, type Work } from './schedule.ts';

/** Accounts in flight at once, at most: enough to reach Secrets Manager's 50 writes a second at 800 ms each. */
export const MAX_IN_FLIGHT = 40;
/**
 * Accounts begun in a second, over all segments. Secrets Manager takes 50 writes a second in a Region from all
 * callers together, and a refresh token is better not spent yet than waiting in memory for its turn to be stored.
 */
export const STARTS_PER_SECOND = 48;
/** Milliseconds for which a run waits for stores to work again before it leaves the rest to a later run. */
const STORE_PATIENCE = 5_000;
/** If the buffer is full and nothing has started for so many milliseconds, it is full of accounts that can't start. */
const STUCK_AFTER = 5_000;
/** People may pause a profile while a run is at work. Milliseconds. */
const PAUSES_READ_EVERY = 10_000;
/** Milliseconds for which a run waits for its data key before it goes on without escrow. */
const KEY_PATIENCE = 3_000;

/**
 * One run: reads the accounts page by page, decides, and refreshes what is due, a bounded number at once. One
 * account's failure is its report; only a table that can't be read or written makes the run reject, and then not before
 * all that is in flight has ended: heard, stored, recorded.
 */
export async function run(request: RunRequest, settings: RunSettings, ports: Ports): Promise<RunSummary> {
  const begun = ports.clock.now();
  const tally = createTally(settings.runId, request, ports.clock);
  const worker = createWorker(request, settings, ports, tally);
  const owedEvents = createOwedEvents(settings.deadline, ports);
  let fatal: unknown;
  try {
    await ports.notes.loadPauses();
    let isIncomplete = false;
    for await (const { items, isLast } of pagesOf(request, settings, ports, tally)) {
      for (const plan of await planPage(items, request, settings, ports)) {
        if (plan.kind === 'due') tally.add('due', 1);
        if (plan.kind === 'nothing') {
          worker.finish(plan.account, plan.report);
          if (plan.owed !== undefined) owedEvents.add(plan.owed);
        } else worker.add(plan.work);
      }
      isIncomplete = !isLast;
      if (!(await worker.wantsMore())) break;
    }
    if (isIncomplete) {
      tally.cutOff();
      ports.log.warn(
        'There was no time to read the whole table. If this goes on, raise the timeout or add segments.',
        { reason: 'out_of_time' },
      );
    }
  } catch (error) {
    fatal = error;
    worker.stop(error);
  }
  // Whatever has gone wrong: nothing that can spend or write outlives the run.
  const stopped = await worker.ended();
  await owedEvents.ended();
  checkClock(ports);
  if (!request.dryRun) {
    // A run over a few named accounts does not know who waits.
    if (request.accountIds === undefined) ports.notes.waiting(worker.waitingFor(), segmentOf(request));
    await ports.notes.flushed();
  }
  fatal ??= stopped;
  if (fatal !== undefined) throw fatal;
  return tally.summary(ports.clock.now() - begun);
}

function segmentOf({ share }: RunRequest): string {
  return share === undefined ? '0/1' : `${share.segment}/${share.totalSegments}`;
}

interface Worker {
  add(work: Work): void;
  /** What became of an account. */
  finish(account: Account, report: Report): void;
  /** Resolves when there is room for more work; `false` if no more is wanted. */
  wantsMore(): Promise<boolean>;
  /** Starts nothing more. */
  stop(error: unknown): void;
  /** Resolves when all work is done, with what stopped it. */
  ended(): Promise<unknown>;
  /** How many due accounts of each profile wait for the end of its failure. */
  waitingFor(): ReadonlyMap<string, number>;
}

/** Does the work of a run, as much at once and as fast as its limits allow. */
function createWorker(request: RunRequest, settings: RunSettings, ports: Ports, tally: Tally): Worker {
  const { clock, notes, limits } = ports;
  const schedule = createSchedule({
    maxInFlight: MAX_IN_FLIGHT,
    admit: notes.admit,
  });
  const waitingFor = new Map<string, number>();
  // A dry run needs no caution. Otherwise one account goes first, alone, so that a failing store is noticed after one
  // account and not after 40.
  let limit = request.dryRun ? MAX_IN_FLIGHT : 1;
  let inFlight = 0;
  let complete = false;
  let stopped: { readonly error: unknown } | undefined;
  let openSince: number | undefined;
  let startedAt = clock.now();
  let changed = Promise.withResolvers<void>();
  const wake = () => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  // By time as well: a provider that does not respond must not hold up the others.
  const stopTicking = clock.every(1_000, () => {
    limit = Math.min(MAX_IN_FLIGHT, limit * 2);
    wake();
  });
  const stopLooking = clock.every(PAUSES_READ_EVERY, () => void notes.loadPauses().catch(() => undefined));
  const over = () => stopped !== undefined || timeIsUp(settings, ports);
  const finish = ({ oauthProfile }: Account, report: Report) => {
    if (notes.get(oauthProfile).failure?.reason === report.reason)
      waitingFor.set(oauthProfile, (waitingFor.get(oauthProfile) ?? 0) + 1);
    tally.count(report);
  };
  const start = async (work: Work) => {
    inFlight++;
    const end = notes.begin(work.account);
    let report = work.tooLate;
    try {
      if (!over()) report = await work.run();
      finish(work.account, report);
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
    if (!request.dryRun) await escrowKey(ports);
    while (!complete || schedule.size() > 0 || inFlight > 0) {
      if (over()) {
        for (const work of schedule.drain()) finish(work.account, work.tooLate);
        if (complete && inFlight === 0) return;
        await changed.promise;
        continue;
      }
      if (limits.circuitIsOpen()) {
        openSince ??= clock.now();
        if (clock.now() - openSince > STORE_PATIENCE)
          for (const work of schedule.drain())
            finish(work.account, reportOn(work.account, 'defer', 'store_unavailable'));
        await changed.promise;
        continue;
      }
      openSince = undefined;
      const next = inFlight < limit ? schedule.next() : undefined;
      if (next?.kind === 'end') finish(next.work.account, next.report);
      else if (next?.kind === 'start') {
        if (!request.dryRun) await ports.turn();
        startedAt = clock.now();
        void start(next.work);
      } else {
        // The buffer is full of accounts that can't start, such as those of a provider that hangs: make room for others.
        if (schedule.full() && clock.now() - startedAt > STUCK_AFTER)
          for (const work of schedule.surplus()) finish(work.account, work.tooLate);
        await changed.promise;
      }
    }
  };
  const dispatched = dispatch().finally(() => {
    stopTicking();
    stopLooking();
  });
  return {
    add: (work) => {
      schedule.add(work);
      wake();
    },
    finish,
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
async function escrowKey({ vault, clock, log, count }: Ports): Promise<void> {
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

/** A clock that is ahead refreshes early, one that is behind late; leases are only good for clocks that agree. */
function checkClock({ clockCheck, count, log }: Ports): void {
  const clockAheadSeconds = clockCheck.secondsAhead();
  if (clockAheadSeconds === undefined) return;
  count('clockInDoubt');
  const how = `${Math.abs(clockAheadSeconds)} s ${clockAheadSeconds > 0 ? 'ahead' : 'behind'}`;
  log.error(
    `By the date of the providers' responses, this function's clock is ${how}. See docs/runbook.md#the-clock-is-wrong.`,
    { clockAheadSeconds },
  );
}

function timeIsUp({ deadline }: RunSettings, { clock }: Ports): boolean {
  return deadline - clock.now() < MINIMUM_TIME;
}

async function* pagesOf(
  { accountIds, force, dryRun, share }: RunRequest,
  { refreshSpread }: RunSettings,
  { table, profiles, clock }: Ports,
  tally: Tally,
): AsyncGenerator<{ readonly items: readonly Item[]; readonly isLast: boolean }> {
  if (accountIds === undefined) {
    const wanted = force || dryRun ? 'all' : 'due';
    for await (const { items, scanned, isLast } of table.scan({
      now: secondsOf(clock),
      wanted,
      windows: profiles.windows,
      spread: refreshSpread,
      segment: share,
    })) {
      tally.add('scanned', scanned);
      yield { items, isLast };
    }
    return;
  }
  for (const [index, accountId] of accountIds.entries()) {
    const item = await table.get(accountId);
    if (item !== undefined) tally.add('scanned', 1);
    yield { items: [item ?? { accountId }], isLast: index === accountIds.length - 1 };
  }
}
