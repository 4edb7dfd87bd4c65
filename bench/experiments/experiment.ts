import type { Bundles } from '../programs/bundles.ts';
import type { Servers } from '../servers/servers.ts';
import { exact, ratiosOf, type Sample, sampleOf } from './statistics.ts';

/** How much we measure. `guard`: enough for wide bounds, within two minutes; `nightly`: also a million accounts. */
export type Scale = 'guard' | 'default' | 'nightly';

export interface Bench {
  readonly scale: Scale;
  readonly servers: Servers;
  readonly bundles: Bundles;
  /** Tells the person who waits what is going on. */
  readonly progress: (what: string) => void;
}

/** What we want of a ratio, and what the guard in CI still accepts. */
export interface Target {
  readonly kind: 'at_least' | 'at_most' | 'exactly';
  readonly bound: number;
  /** So wide that a busy machine never crosses it. */
  readonly guard: number;
}

/** One figure and its baseline, both measured in the same run. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly value: Sample;
  /** What we compare it with. */
  readonly baseline: { readonly name: string; readonly value: Sample };
  readonly ratio: Sample;
  readonly target?: Target;
}

export interface Findings {
  readonly title: string;
  /** The commit that was measured. */
  readonly commit?: string;
  /** The day, such as 2026-01-31. */
  readonly date?: string;
  readonly figures: readonly Figure[];
  /** What has no baseline. */
  readonly facts?: readonly (readonly [name: string, value: string])[];
  readonly tables?: readonly {
    readonly head: readonly string[];
    readonly rows: readonly (readonly string[])[];
  }[];
}

export type Experiment = (bench: Bench) => Promise<Findings>;

export function isMet({ ratio, target }: Figure, which: 'bound' | 'guard'): boolean {
  if (target === undefined) return true;
  switch (target.kind) {
    case 'at_least':
      return ratio.median >= target[which];
    case 'at_most':
      return ratio.median <= target[which];
    case 'exactly':
      return ratio.low === target[which] && ratio.high === target[which];
  }
}

let clock = 0;
/** Seconds to move the next run's clock ahead, so that the tokens just refreshed are due again. */
export function laterClock(): number {
  clock += 4_000;
  return clock;
}

/** One value of each measurement, against those of a baseline that was measured in turn. */
export function compared<T>(
  what: Pick<Figure, 'name' | 'unit' | 'target'>,
  read: (measured: T) => number,
  measured: readonly T[],
  baseline: { readonly name: string; readonly measured: readonly T[] },
): Figure {
  const [values, others] = [measured.map(read), baseline.measured.map(read)];
  const against = { name: baseline.name, value: sampleOf(others) };
  return { ...what, value: sampleOf(values), baseline: against, ratio: ratiosOf(values, others) };
}

/** A count that must be exactly this. */
export function exactly(name: string, value: number, expected: number, what: string): Figure {
  return {
    name,
    unit: '',
    value: exact(value),
    baseline: { name: what, value: exact(expected) },
    ratio: exact(expected === 0 ? 1 + value : value / expected),
    target: { kind: 'exactly', bound: 1, guard: 1 },
  };
}
