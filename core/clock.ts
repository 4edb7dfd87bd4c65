/** Time. It is passed in, so that tests don't have to wait. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  sleep(milliseconds: number): Promise<void>;
  /** Calls `action` again and again, until what it returns is called. */
  every(milliseconds: number, action: () => void): () => void;
}

/** Seconds since the epoch. */
export function secondsOf(clock: Pick<Clock, 'now'>): number {
  return Math.floor(clock.now() / 1000);
}
