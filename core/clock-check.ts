/** Compares the clock here with those of the providers, by the `date` of their responses. */
export interface ClockCheck {
  /** @param date of a response's header; @param at when it was heard, seconds since the epoch */
  heard(profile: string, date: string | undefined, at: number): void;
  /** By how many seconds this clock is ahead, below 0 if it is behind; undefined while it may be right. */
  secondsAhead(): number | undefined;
}

/** Seconds. A response can be on its way for half of it, and clocks may be wrong by the other half. */
const MAY_DIFFER = 60;
/** Seconds. With a clock that is so wrong no AWS call would have worked. */
const IMPOSSIBLE = 86_400;
/** The usual form of RFC 9110, section 5.6.7. */
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** One provider's clock can be wrong, so the middle one of all profiles counts. */
export function createClockCheck(): ClockCheck {
  const differences = new Map<string, number>();
  return {
    heard: (profile, date = '', at) => {
      const difference = at - Date.parse(date) / 1_000;
      const before = differences.get(profile) ?? IMPOSSIBLE;
      if (!HTTP_DATE.test(date) || !(Math.abs(difference) < Math.abs(before))) return;
      differences.set(profile, difference);
    },
    secondsAhead: () => {
      const sorted = [...differences.values()].sort((a, b) => a - b);
      const half = (sorted.length - 1) / 2;
      const [low = 0, high = 0] = [sorted[Math.floor(half)], sorted[Math.ceil(half)]];
      // Half of two is no majority.
      const middle = Math.abs(low) < Math.abs(high) ? low : high;
      return Math.abs(middle) <= MAY_DIFFER ? undefined : Math.round(middle);
    },
  };
}
