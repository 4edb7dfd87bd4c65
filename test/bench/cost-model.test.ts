import { describe, expect, test } from 'vitest';
import {
  ALARMS,
  accountsPerRegion,
  type Fleet,
  monthlyCost,
  regionsFor,
  usualFleet,
} from '../../bench/models/cost-model.ts';
import { alarmsOf, templateOf } from '../support/synthesized.ts';

const fleet = (accounts: number, changes: Partial<Fleet> = {}): Fleet => ({
  ...usualFleet,
  profiles: 0,
  accounts,
  ...changes,
});

describe('a month', () => {
  test('of 100,000 accounts with tokens of an hour, term by term as one would on paper', () => {
    const month = monthlyCost(fleet(100_000));
    // An account is refreshed each 55.5 minutes: 778.4 times in 30 days.
    const refreshes = 100_000 * 778.378;
    expect(month.secrets).toBe(40_000);
    // Each secret is read twice a day besides, to see that it is there.
    expect(month.secretsManagerCalls).toBeCloseTo(((2 * refreshes + 100_000 * 60) * 0.05) / 10_000, 0);
    expect(month.tableWrites).toBeCloseTo((2 * refreshes * 0.625) / 1e6, 0);
    // 40 MB are 9,766 blocks of 4 KB, half a unit each, 43,200 times; twice a day more in slices.
    expect(month.scans).toBeCloseTo(((43_200 + 60) * 9_766 * 0.5 * 0.125) / 1e6, 0);
  });

  test('of 10 profiles reads four keys of notes of each with every run, and writes one six times an hour', () => {
    const [none, ten] = [monthlyCost(fleet(1_000)), monthlyCost(fleet(1_000, { profiles: 10 }))];
    expect(none.notes).toBe(0);
    expect(ten.notes).toBeCloseTo((10 * 4 * 43_200 * 0.125) / 1e6, 6);
    expect(ten.tableWrites - none.tableWrites).toBeCloseTo((10 * 720 * 6 * 0.625) / 1e6, 6);
  });

  test('has as many metrics with an alarm as the stack', () => {
    const watched = [...alarmsOf(templateOf()).values()].map(({ Metrics }) =>
      Metrics === undefined ? 1 : Metrics.filter(({ MetricStat }) => MetricStat !== undefined).length,
    );
    expect(ALARMS).toBe(watched.reduce((sum, one) => sum + one, 0));
  });

  test('is the sum of its terms', () => {
    const { total, ...terms } = monthlyCost(fleet(5_000));
    expect(Object.values(terms).reduce((sum, term) => sum + term, 0)).toBeCloseTo(total, 6);
  });

  test.each([1_000, 10_000, 100_000, 1_000_000])('of %i accounts is 94 % secrets at least', (accounts) => {
    const { secrets, total } = monthlyCost(fleet(accounts));
    expect(secrets / total).toBeGreaterThan(0.94);
  });

  test.each([
    {
      name: 'tokens that live twice as long',
      changes: { tokenLifetime: 7_200 },
      term: 'secretsManagerCalls',
    },
    { name: 'a rarer schedule', changes: { schedule: 300 }, term: 'scans' },
    { name: 'smaller items', changes: { itemBytes: 200 }, term: 'scans' },
    { name: 'less memory', changes: { memoryGigabytes: 0.25 }, term: 'lambda' },
    { name: 'a shorter log', changes: { logBytesAccount: 100 }, term: 'logs' },
  ] as const)('of $name costs less for $term', ({ changes, term }) => {
    const [usual, changed] = [monthlyCost(fleet(100_000)), monthlyCost(fleet(100_000, changes))];
    expect(changed[term]).toBeLessThan(usual[term]);
    expect(changed.total).toBeLessThan(usual.total);
  });
});

describe('a Region', () => {
  test('keeps 48 refreshes a second for 55.5 minutes of accounts with tokens of an hour', () => {
    expect(accountsPerRegion(usualFleet)).toBe(48 * 3_330);
  });

  test.each([
    { accounts: 1, regions: 1 },
    { accounts: 159_840, regions: 1 },
    { accounts: 159_841, regions: 2 },
    { accounts: 1_000_000, regions: 7 },
  ])('so $accounts accounts need $regions', ({ accounts, regions }) => {
    expect(regionsFor(fleet(accounts))).toBe(regions);
  });
});
