import { describe, expect, test } from 'vitest';
import { sliceOf } from '../../lambda/sample-secrets.ts';

const MINUTE = 60;
const HALF_A_DAY = 43_200;

/** Which shares of the table are read in half a day, by runs so many seconds apart. */
function read(items: number, every: number): number {
  const parts = 1_000;
  const seen = new Set<number>();
  for (let at = 0; at < HALF_A_DAY; at += every) {
    const { segment, totalSegments } = sliceOf({ items, before: at - every }, at);
    for (
      let part = Math.ceil((segment * parts) / totalSegments);
      part < ((segment + 1) * parts) / totalSegments;
      part++
    )
      seen.add(part);
  }
  return seen.size / parts;
}

describe('slices of the table', () => {
  test.each([
    [1, MINUTE],
    [30, MINUTE],
    [1_000, MINUTE],
    [100_000, MINUTE],
    [100_000, 5 * MINUTE],
    [100_000, 60 * MINUTE],
  ])('cover %i items in half a day with a run every %i s', (items, every) => {
    expect(read(items, every)).toBe(1);
  });

  test('hold about two accounts of a small table, and a 720th of a large one', () => {
    const before = 0;
    expect(sliceOf({ items: 100, before }, MINUTE).totalSegments).toBe(50);
    expect(sliceOf({ items: 1_000_000, before }, MINUTE).totalSegments).toBe(720);
    expect(sliceOf({ items: 0, before }, MINUTE)).toEqual({ segment: 0, totalSegments: 1 });
  });

  test('hold about ten accounts in the first run of a process', () => {
    const first = (items: number) => sliceOf({ items, before: undefined }, MINUTE).totalSegments;
    expect([first(3), first(10), first(100), first(1_000_000)]).toEqual([1, 1, 10, 100_000]);
  });
});
