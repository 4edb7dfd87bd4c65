import type { Clock } from './clock.ts';

/** Milliseconds of lateness that are made up for. */
const SLACK = 250;

/**
 * Lets its callers go on so many a second, evenly. What a late timer or a moment without work has cost is made up for,
 * but no more than a quarter of a second of it: then there is a burst of a quarter of `perSecond`, and no larger one.
 */
export function createPace(perSecond: number, clock: Clock): () => Promise<void> {
  let next = 0;
  return async () => {
    const now = clock.now();
    const turn = Math.max(next, now - SLACK);
    next = turn + 1_000 / perSecond;
    if (turn > now) await clock.sleep(turn - now);
  };
}
