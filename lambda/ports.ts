import type { Logger } from '@aws-lambda-powertools/logger';

/** Time, injected so that tests need not wait for it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  sleep(milliseconds: number): Promise<void>;
}

export const systemClock: Clock = {
  now: Date.now,
  sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};

/** Where the function's own lines go. Errors are never handed over whole: their `cause` may hold tokens. */
export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/** Seconds since the epoch. */
export function secondsOf(clock: Clock): number {
  return Math.floor(clock.now() / 1000);
}
