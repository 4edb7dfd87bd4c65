/** Compares the clock here with those of the providers, by the `date` of their responses. */
export interface ClockCheck {
  /** @param date of a response's header; @param at when it was heard, seconds since the epoch */
  heard(profile: string, date: string | undefined, at: number): void;
  /** By how many seconds this clock is ahead, below 0 if it is behind; undefined while it may be right. */
  secondsAhead(): number | undefined;
}

/** Seconds. A response can be on its way for half of it, and clocks may be wrong by the other half. */
const MAY_DIFFER = 60;

/** One provider's clock can be wrong, so the middle one of all profiles counts. */
export function createClockCheck(): ClockCheck {
  const differences = new Map<string, number>();
  return {
    heard: (profile, date, at) => {
      const difference = at - Date.parse(date ?? '') / 1_000;
      const before = differences.get(profile);
      if (Number.isNaN(difference) || Math.abs(difference) >= Math.abs(before ?? Number.POSITIVE_INFINITY))
        return;
      differences.set(profile, difference);
    },
    secondsAhead: () => {
      const sorted = [...differences.values()].sort((a, b) => a - b);
      const middle = sorted[Math.floor((sorted.length - 1) / 2)];
      return middle === undefined || Math.abs(middle) <= MAY_DIFFER ? undefined : Math.round(middle);
    },
  };
}
