import type { Clock } from './clock.ts';

/** How much lateness is made up for, milliseconds. */
const SLACK = 250;

/**
 * Lets its callers pass evenly, so many a second. Time lost by a late timer or a pause is made up for, but no more than a quarter
 * of a second of it. So no burst is larger than a quarter of `perSecond`.
 */
export function createPace(perSecond: number, clock: Pick<Clock, 'now' | 'sleep'>): () => Promise<void> {
  let next = 0;
  return async () => {
    const now = clock.now();
    const turn = Math.max(next, now - SLACK);
    next = turn + 1_000 / perSecond;
    if (turn > now) await clock.sleep(turn - now);
  };
}
