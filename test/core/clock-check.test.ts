import { describe, expect, test } from 'vitest';
import { createClockCheck } from '../../core/clock-check.ts';

const NOW = 1_800_000_000;
const HOUR = 3_600;
const dateOf = (seconds: number) => new Date(seconds * 1_000).toUTCString();

/** By how much each provider's clock differs, and what comes of it. */
const rows: Record<string, { differ: readonly number[]; ahead: number | undefined }> = {
  'no provider': { differ: [], ahead: undefined },
  'one that agrees': { differ: [0], ahead: undefined },
  'one that is a minute behind, as its response took long': { differ: [-60], ahead: undefined },
  'one that is an hour behind': { differ: [-HOUR], ahead: HOUR },
  'one that is an hour ahead': { differ: [HOUR], ahead: -HOUR },
  'one of two that is behind': { differ: [0, -HOUR], ahead: undefined },
  'one of two that is ahead': { differ: [HOUR, 0], ahead: undefined },
  'two of four that are ahead': { differ: [HOUR, 0, HOUR, 0], ahead: undefined },
  'two of three that are behind': { differ: [-HOUR, 0, -HOUR], ahead: HOUR },
  'one that is years away, with which no AWS call would work': { differ: [-1_000_000], ahead: undefined },
};

describe('the clock here', () => {
  test.each(Object.entries(rows))('beside %s', (_, { differ, ahead }) => {
    const check = createClockCheck();
    for (const [index, seconds] of differ.entries())
      check.heard(`profile-${index}`, dateOf(NOW + seconds), NOW);
    expect(check.secondsAhead()).toBe(ahead);
  });

  test('is right if any response of a provider agrees: others may have been kept somewhere', () => {
    const check = createClockCheck();
    check.heard('crm', dateOf(NOW - HOUR), NOW);
    check.heard('crm', dateOf(NOW), NOW);
    check.heard('crm', dateOf(NOW - 2 * HOUR), NOW);
    expect(check.secondsAhead()).toBeUndefined();
  });

  test.each([
    '',
    '0',
    '1970',
    String(NOW - HOUR),
    'yesterday',
    `${dateOf(NOW - HOUR)}${' '.repeat(10_000)}`,
  ])('is not doubted for the date %j', (date) => {
    const check = createClockCheck();
    check.heard('crm', date, NOW);
    expect(check.secondsAhead()).toBeUndefined();
  });
});
