/** Time, injected so that tests need not wait for it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  sleep(milliseconds: number): Promise<void>;
}

/** Seconds since the epoch. */
export function secondsOf(clock: Clock): number {
  return Math.floor(clock.now() / 1000);
}
