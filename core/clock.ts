/** Time. It is passed in, so that tests don't have to wait. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  sleep(milliseconds: number): Promise<void>;
}

/** Seconds since the epoch. */
export function secondsOf(clock: Clock): number {
  return Math.floor(clock.now() / 1000);
}
