import { type DeliberateFault, deliberateFaults } from './deliberate-faults.ts';
import type { Range } from './range.ts';
import { type Ran, type SimulationWorker, startWorker } from './worker.ts';
import type { Broken } from './world.ts';

/** How long it took to find one deliberate fault. */
export interface Hunt {
  readonly fault: string;
  /** Undefined where it was not found. */
  readonly histories: number | undefined;
  readonly seed: number | undefined;
  readonly invariants: readonly Broken['invariant'][];
}

export interface HuntOptions {
  readonly range: Range;
  readonly workers: number;
  /** Of a fault's name; all faults where there are none. */
  readonly words: readonly string[];
  /** Invariants that are known to be broken anyway. */
  readonly ignored: readonly string[];
  readonly signal: AbortSignal;
  readonly onProgress: (fault: string, histories: number) => void;
  readonly onEnd: (hunt: Hunt) => void;
}

const CHUNK = 100;

/**
 * Runs histories with each fault until one breaks an invariant, that without the fault it does not. One worker hunts one
 * fault, seed after seed, so that the count is the same each time.
 */
export async function huntFaults(options: HuntOptions): Promise<readonly Hunt[]> {
  const { workers, words } = options;
  const faults = deliberateFaults.filter(({ name, isRare }) =>
    words.length === 0 ? !isRare : words.some((word) => name.includes(word)),
  );
  const hunts: Hunt[] = [];
  const waiting = [...faults];
  const work = async () => {
    const sound = startWorker({});
    try {
      for (let fault = waiting.shift(); fault && !options.signal.aborted; fault = waiting.shift()) {
        const hunt = await huntFault(fault, sound, options);
        hunts.push(hunt);
        options.onEnd(hunt);
      }
    } finally {
      await sound.end();
    }
  };
  await Promise.all(Array.from({ length: Math.min(workers, faults.length) }, work));
  return hunts;
}

async function huntFault(
  { name: fault }: DeliberateFault,
  sound: SimulationWorker,
  { range, ignored, signal, onProgress }: HuntOptions,
): Promise<Hunt> {
  const faulty = startWorker({ fault });
  try {
    for (let from = range.from; from <= range.to && !signal.aborted; ) {
      const to = Math.min(range.to, from + CHUNK - 1);
      const ran = await faulty.run({ kind: 'run', from, to, untilBroken: true });
      const [found] = ran.broken;
      if (found !== undefined) {
        const { seed } = found;
        const invariants = await newIn(found, ignored, sound);
        if (invariants.length > 0) return { fault, histories: seed - range.from + 1, seed, invariants };
      }
      from = (found?.seed ?? to) + 1;
      onProgress(fault, from - range.from);
    }
    return { fault, histories: undefined, seed: undefined, invariants: [] };
  } finally {
    await faulty.end();
  }
}

/** The invariants that a history does not break without the fault. */
async function newIn(
  { seed, invariants }: Ran['broken'][number],
  ignored: readonly string[],
  sound: SimulationWorker,
): Promise<Hunt['invariants']> {
  const counted = invariants.filter((one) => !ignored.includes(one));
  if (counted.length === 0) return [];
  const { broken } = await sound.run({ kind: 'run', from: seed, to: seed });
  return counted.filter((one) => broken[0]?.invariants.includes(one) !== true);
}
