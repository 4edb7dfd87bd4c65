import type { Bundles } from './bundles.ts';
import type { Servers } from './servers.ts';
import { exact, type Sample } from './statistics.ts';
import type { Chart } from './svg.ts';

/** How much is measured. `guard`: enough for wide bounds, within two minutes; `nightly`: also a million accounts. */
export type Scale = 'guard' | 'default' | 'nightly';

export interface Bench {
  readonly scale: Scale;
  readonly servers: Servers;
  readonly bundles: Bundles;
  /** Says what is being done. */
  readonly progress: (what: string) => void;
}

/** What a figure must be, and what the regression guard lets pass: a ratio, never a time. */
export interface Target {
  readonly kind: 'at_least' | 'at_most' | 'exactly';
  readonly bound: number;
  /** Far enough away that a busy machine never crosses it. */
  readonly guard: number;
}

/** One figure against its floor or baseline, both taken in the same run. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly value: Sample;
  /** What it is held against. */
  readonly baseline: { readonly name: string; readonly value: Sample };
  readonly ratio: Sample;
  readonly target?: Target;
}

export interface Findings {
  readonly title: string;
  /** The commit at which they were taken. */
  readonly commit?: string;
  readonly figures: readonly Figure[];
  /** Facts that have no baseline, as rows of text. */
  readonly facts?: readonly (readonly [name: string, value: string])[];
  readonly tables?: readonly {
    readonly head: readonly string[];
    readonly rows: readonly (readonly string[])[];
  }[];
  readonly charts?: readonly Chart[];
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
/** Seconds for the clock of the next run: tokens that the run before has refreshed are due again. */
export function laterClock(): number {
  clock += 4_000;
  return clock;
}

/** A count, which must be just this. */
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
