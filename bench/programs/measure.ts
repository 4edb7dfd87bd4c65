import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** One invocation, measured in the program's own process. */
export interface Measurement {
  readonly result: unknown;
  readonly milliseconds: number;
  /** User and system time of all threads. */
  readonly cpuMilliseconds: number;
  /** The process's highest resident memory so far. */
  readonly peakMegabytes: number;
  readonly loadMilliseconds: number;
  readonly loadCpuMilliseconds: number;
  readonly logBytes: number;
}

/** What the host sends: first how long loading took, then each invocation. */
export type Invoked = Omit<Measurement, 'loadMilliseconds' | 'loadCpuMilliseconds' | 'logBytes'>;
type Message = Partial<Invoked> & {
  readonly loadMilliseconds?: number;
  readonly loadCpuMilliseconds?: number;
  readonly error?: string;
};

interface Program {
  readonly module: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Seconds that its clock is ahead, so that the accounts just refreshed are due again. */
  readonly clockOffsetSeconds?: number;
}

const shiftedClock = new URL('../../test/support/shifted-clock.ts', import.meta.url).href;
const host = fileURLToPath(new URL('host.ts', import.meta.url));

/**
 * Runs the program in a fresh process, once for each event, and ends it. Rejects if an invocation fails.
 *
 * @param timeout milliseconds that an invocation has
 */
export async function measure(
  { module, environment = {}, clockOffsetSeconds }: Program,
  events: readonly unknown[] = [{}],
  timeout = 900_000,
): Promise<Measurement[]> {
  const shifted = clockOffsetSeconds !== undefined;
  const child = fork(host, [module], {
    env: {
      PATH: process.env.PATH ?? '',
      ...environment,
      ...(shifted && { CLOCK_OFFSET_SECONDS: String(clockOffsetSeconds) }),
    },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    execArgv: ['--enable-source-maps', ...(shifted ? ['--import', shiftedClock] : [])],
  });
  let logBytes = 0;
  child.stdout?.on('data', (data: Buffer) => {
    logBytes += data.length;
  });
  try {
    const { loadMilliseconds = 0, loadCpuMilliseconds = 0 } = await nextMessage(child);
    const measurements: Measurement[] = [];
    for (const event of events) {
      child.send({ event, timeout });
      const message = await nextMessage(child);
      if (message.error !== undefined)
        throw new Error(`The program under measurement failed: ${message.error}`);
      measurements.push({ ...(message as Invoked), loadMilliseconds, loadCpuMilliseconds, logBytes });
    }
    return measurements;
  } finally {
    child.kill('SIGKILL');
  }
}

export async function measureOnce(
  program: Program,
  event: unknown = {},
  timeout?: number,
): Promise<Measurement> {
  const [measurement] = await measure(program, [event], timeout);
  if (measurement === undefined) throw new Error('Nothing was measured.');
  return measurement;
}

function nextMessage(child: ChildProcess): Promise<Message> {
  return new Promise((resolve, reject) => {
    const died = () => reject(new Error('The process under measurement ended too early.'));
    child.once('exit', died);
    child.once('message', (message) => {
      child.off('exit', died);
      resolve(message as Message);
    });
  });
}
