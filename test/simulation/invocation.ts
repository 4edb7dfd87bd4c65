import { readEnvironment } from '../../lambda/environment.ts';
import { readEvent } from '../../lambda/event.ts';
import { runInvocation } from '../../lambda/invocation.ts';
import { CLOCK_ERROR, LEASE_MARGIN, TIME_LIMIT } from './assumptions.ts';
import { clientsOf } from './clients.ts';
import { BYSTANDER } from './plan.ts';
import { type SimulatedProcess, TIME_IS_UP } from './process.ts';
import { requestsOf } from './provider.ts';
import { TABLE, type World } from './world.ts';

/** Whether a run that begins now, and sees everything as it is, has to refresh the account: nothing is wrong with it. */
function isDue(world: World, accountId: string): boolean {
  const { accessTokenExpiresAt, lease, status } = world.table().item(accountId) ?? {};
  const now = world.time.now / 1_000;
  if (typeof accessTokenExpiresAt !== 'number' || lease !== undefined || status !== 'healthy') return false;
  return accessTokenExpiresAt < now + REFRESH_WINDOW - CLOCK_ERROR;
}

/** Seconds; the function's default. */
const REFRESH_WINDOW = 300;

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** The function, as one invocation of it in a process. Resolves when its handler has returned; never if it dies. */
export async function invoke(
  world: World,
  process: SimulatedProcess,
  event: object,
  table = TABLE,
): Promise<void> {
  const { time } = world;
  const deadline = time.now + TIME_LIMIT * 1_000;
  const holder = { process, deadline, ended: false };
  world.holders.set(process, holder);
  process.thaw();
  world.tell(process.name, `is invoked with ${JSON.stringify(event)}`);
  time.at(deadline, () => endOf());
  const wasDue = isDue(world, BYSTANDER);
  const begunAt = time.now;
  const clients = clientsOf(process, world.services);
  const begun = process.clock.now();
  const environment = readEnvironment({ ACCOUNTS_TABLE_NAME: table, ESCROW_KEY_ID: 'escrow-key' });
  const log = {
    ...silent,
    warn: (message: string) => world.tell(process.name, `says: ${message}`),
    error: (message: string) => world.tell(process.name, `says: ${message}`),
  };
  try {
    const { summary } = await runInvocation(
      {
        runId: process.name,
        begun,
        deadline: begun + TIME_LIMIT * 1_000,
        environment,
        request: readEvent(event),
      },
      {
        ...clients,
        callableTable: table,
        send: requestsOf(process, world),
        discoveryCache: new Map(),
        clock: process.clock,
        log,
      },
    );
    const { runId: _, durationMs: __, scanned: ___, ...counts } = summary.result;
    const said = Object.entries(counts).flatMap(([name, n]) =>
      n === 0 || name === 'accounts' ? [] : `${name} ${n}`,
    );
    world.tell(process.name, `returns: ${said.join(', ') || 'nothing to do'}`);
  } catch (error) {
    world.tell(process.name, `fails: ${(error as Error).name}`);
  }
  holder.ended = true;
  process.freeze();
  const isWhole = table === TABLE && !('accountIds' in event) && !('segment' in event);
  const isUndisturbed = process.lastTrouble < begunAt && (process.plan.lagging ?? 0) === 0;
  // After the table was put back the function waits for who may be at work (docs/guarantee.md).
  if (wasDue && !world.restored && isWhole && isUndisturbed && isDue(world, BYSTANDER))
    world.break('delayed', `${BYSTANDER} was due when ${process.name} began, and is so at its end`);

  /** Lambda ends what runs past its time; a machine that stands still does not notice. */
  function endOf(): void {
    if (holder.ended || process.state === 'dead') return;
    if (process.state === 'running') {
      process.kill(TIME_IS_UP);
      return;
    }
    // By the clock that is furthest ahead.
    const leaseEnds = deadline + (LEASE_MARGIN - CLOCK_ERROR) * 1_000 + process.clockError;
    time.at(leaseEnds, () => {
      if (process.state === 'frozen' && !holder.ended) process.outlived = true;
    });
    time.at(time.now + (process.plan.frozenFor ?? 0) * 1_000, endOf);
  }
}
