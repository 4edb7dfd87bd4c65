import { expect, test } from 'vitest';
import { createPace } from '../../core/pace.ts';

/** Many who ask for their turn at once, on a clock whose sleepers wake up late. */
interface Conditions {
  readonly perSecond: number;
  readonly idle?: number;
  readonly lateness: () => number;
}

async function turnsOf(options: Conditions): Promise<number[]> {
  let now = 1_000_000;
  const clock = {
    now: () => now,
    sleep: async (milliseconds: number) => {
      now += milliseconds + options.lateness();
    },
  };
  const turn = createPace(options.perSecond, clock);
  await turn();
  now += options.idle ?? 0;
  const begun = now;
  const turns: number[] = [];
  while (now < begun + 10_000) {
    await turn();
    turns.push(now - begun);
  }
  return turns;
}

/** The most turns in any span of so many milliseconds. */
function most(turns: readonly number[], span: number): number {
  return Math.max(...turns.map((from) => turns.filter((at) => at >= from && at < from + span).length));
}

const rows: readonly (Conditions & { name: string })[] = [
  { name: 'timers that are exact', perSecond: 48, lateness: () => 0 },
  { name: 'timers that are a little late', perSecond: 48, lateness: () => 1.5 },
  { name: 'timers that are late by more than a turn', perSecond: 48, lateness: () => 60 },
  { name: 'a pause before, which is not made up for', perSecond: 48, idle: 60_000, lateness: () => 0 },
  { name: 'a share of a quarter', perSecond: 12, lateness: () => 1 },
  { name: 'a share of one in 48', perSecond: 1, lateness: () => 1 },
];

test.each(rows)('keeps the pace with $name', async (options) => {
  const turns = await turnsOf(options);
  const { perSecond } = options;
  expect(turns.length).toBeGreaterThanOrEqual(10 * perSecond - 1);
  expect(turns.length).toBeLessThanOrEqual(10 * perSecond + perSecond / 4 + 2);
  expect(most(turns, 1_000)).toBeLessThanOrEqual(1.25 * perSecond + 1);
});
