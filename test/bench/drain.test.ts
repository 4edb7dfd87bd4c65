import { describe, expect, test } from 'vitest';
import { drain } from '../../bench/models/drain.ts';

const HOUR = 3_600;
const base = {
  accounts: 3_000,
  pace: 10,
  refreshWindow: 120,
  refreshSpread: 0,
  expiry: (at: number) => at + HOUR,
  start: 1_800_000_000,
  end: 1_800_000_000 + 4 * HOUR,
};
const lateOf = (minutes: ReturnType<typeof drain>) => minutes.reduce((sum, { late }) => sum + late, 0);

describe('accounts that all expire in the same second', () => {
  test('are late but for those whose turn comes within the window', () => {
    // 10 a second for 120 s before and until the second of the expiry itself.
    expect(lateOf(drain(base))).toBe(3_000 - 10 * 120 - 10);
  });

  test('are none of them late where the window has room for all', () => {
    expect(lateOf(drain({ ...base, refreshWindow: 300 }))).toBe(0);
  });

  test('are none of them late with a spread that has room for all', () => {
    expect(lateOf(drain({ ...base, refreshSpread: 300 }))).toBe(0);
  });

  test('do not come back together: the draining has spread them', () => {
    const minutes = drain(base);
    expect(Math.max(...minutes.slice(80).map(({ waiting }) => waiting))).toBe(0);
    expect(minutes.slice(80).reduce((sum, { refreshed }) => sum + refreshed, 0)).toBeGreaterThan(6_000);
  });

  test('are begun no faster than the pace', () => {
    for (const { refreshed } of drain(base)) expect(refreshed).toBeLessThanOrEqual(600);
  });
});
