/** A figure that was measured several times. */
export interface Sample {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

/** Median, least and greatest. @throws RangeError without values */
export function sampleOf(values: readonly number[]): Sample {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[0], sorted.at(-1)];
  if (low === undefined || high === undefined) throw new RangeError('A sample needs a value.');
  const middle = (sorted.length - 1) / 2;
  const median = ((sorted[Math.floor(middle)] ?? low) + (sorted[Math.ceil(middle)] ?? low)) / 2;
  return { median, low, high, count: sorted.length };
}

/** The ratio of each pair that was measured one after the other. */
export function ratiosOf(values: readonly number[], baseline: readonly number[]): Sample {
  return sampleOf(values.map((value, i) => value / (baseline[i] ?? Number.NaN)));
}

/** Takes several measurements in turn, A B A B …: a busy moment of the machine then hits all of them. */
export async function interleaved<const Names extends string, T>(
  rounds: number,
  measurements: Readonly<Record<Names, () => Promise<T>>>,
): Promise<Record<Names, T[]>> {
  const names = Object.keys(measurements) as Names[];
  const taken = Object.fromEntries(names.map((name) => [name, [] as T[]])) as Record<Names, T[]>;
  for (let round = 0; round < rounds; round++)
    for (const name of names) taken[name].push(await measurements[name]());
  return taken;
}

/** A figure that does not vary. */
export function exact(value: number): Sample {
  return { median: value, low: value, high: value, count: 1 };
}
