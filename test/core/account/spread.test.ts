import { describe, expect, test } from 'vitest';
import {
  type DecisionInput,
  decide,
  decideTokenSet,
  VERSIONS_PER_DAY,
} from '../../../core/account/decision.ts';
import { shareOf } from '../../../core/account/spread.ts';
import { anAccount, aProfile, aTokenSet, NOW } from '../../support/builders.ts';

const MINUTE = 60;
const HOUR = 3_600;
const DAY = 86_400;

describe('the share of an account', () => {
  test.each([
    { ids: 'ids that count up', idOf: (i: number) => `account-${i}` },
    { ids: 'ids that differ in their first letters', idOf: (i: number) => `${i.toString(36)}-customer` },
    { ids: 'bare numbers', idOf: (i: number) => String(i) },
    { ids: 'ids of one letter more each', idOf: (i: number) => 'a'.repeat(i % 400) + i },
  ])('is evenly spread over $ids', ({ idOf }) => {
    const tenths = Array<number>(10).fill(0);
    for (let i = 0; i < 20_000; i++) {
      const tenth = Math.floor(shareOf(idOf(i)) * 10);
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    for (const count of tenths) expect(Math.abs(count - 2_000)).toBeLessThan(200);
  });

  test('is the same today and tomorrow', () => {
    expect(['acme', 'acme-2', ''].map(shareOf)).toEqual([
      0.47022555815055966, 0.7867775629274547, 0.6689221884589642,
    ]);
  });
});

/** Two accounts whose shares are next to nothing and next to all. */
const ids = Array.from({ length: 20_000 }, (_, i) => `account-${i}`).sort((a, b) => shareOf(a) - shareOf(b));
const [least = '', most = ''] = [ids[0], ids.at(-1)];

/** When an account is first due, in seconds before its token expires. */
function dueBefore(
  accountId: string,
  lifetime: number | undefined,
  settings: Partial<DecisionInput>,
): number {
  const expires = NOW + 10 * DAY;
  const account = anAccount({
    accountId,
    accessTokenExpiresAt: expires,
    lastRefreshedAt: lifetime === undefined ? undefined : expires - lifetime,
  });
  for (let before = 5 * DAY; before >= 0; before--) {
    const input = { now: expires - before, refreshWindow: 300, force: false, ...settings };
    if (decide(account, input).action === 'refresh') return before;
  }
  return -1;
}

describe('with a spread', () => {
  interface Row extends Partial<DecisionInput> {
    name: string;
    of?: string;
    lifetime?: number;
    due: number;
  }
  const rows: readonly Row[] = [
    { name: 'of nothing, the window alone counts', lifetime: HOUR, refreshSpread: 0, due: 300 },
    { name: 'left out, the window alone counts', lifetime: HOUR, due: 300 },
    {
      name: 'an account of the least share is due as the window says',
      of: least,
      lifetime: HOUR,
      refreshSpread: 600,
      due: 300,
    },
    {
      name: 'an account of the greatest share is due all of it earlier',
      lifetime: HOUR,
      refreshSpread: 600,
      due: 899,
    },
    {
      name: 'a token of an hour is used for half of its time',
      lifetime: HOUR,
      refreshSpread: DAY,
      due: 300 + 1_649,
    },
    {
      name: 'a token of half an hour is used for a quarter',
      lifetime: 1_800,
      refreshSpread: DAY,
      due: 300 + 599,
    },
    { name: 'a token of 20 minutes has no room for one', lifetime: 1_200, refreshSpread: DAY, due: 300 },
    { name: 'a token shorter than the window has none either', lifetime: 200, refreshSpread: DAY, due: 300 },
    { name: 'a token of unknown lifetime has none either', refreshSpread: 600, due: 300 },
    {
      name: 'a longer window comes on top',
      lifetime: DAY,
      refreshSpread: 600,
      refreshWindow: HOUR,
      due: HOUR + 599,
    },
  ];
  test.each(rows)('$name', ({ name: _, of = most, lifetime, due, ...settings }) => {
    expect(dueBefore(of, lifetime, settings)).toBe(due);
  });

  test('no account is due later than the window says', () => {
    for (const accountId of ids.slice(0, 40))
      expect(dueBefore(accountId, HOUR, { refreshSpread: 1_800 })).toBeGreaterThanOrEqual(300);
  });

  test.each([
    5 * MINUTE,
    10 * MINUTE,
    20 * MINUTE,
    21 * MINUTE,
    40 * MINUTE,
    HOUR,
    8 * HOUR,
    DAY,
  ])('tokens of %i seconds are refreshed at most twice as often, and as often as the version quota allows', (lifetime) => {
    const without = refreshesADay(most, lifetime, 0);
    const spread = refreshesADay(most, lifetime, DAY);
    expect(spread).toBeLessThanOrEqual(Math.max(without, Math.min(2 * without + 1, VERSIONS_PER_DAY)));
  });

  test('the token set and the item agree on what is due, with or without the time it was obtained', () => {
    for (const accountId of ids.slice(0, 500))
      for (const obtained_at of [NOW - 2_000, undefined]) {
        const tokenSet = aTokenSet({ obtained_at, expires_at: NOW + 1_600 });
        const account = anAccount({
          accountId,
          accessTokenExpiresAt: NOW + 1_600,
          lastRefreshedAt: NOW - 2_000,
        });
        const input = { now: NOW, refreshWindow: 300, refreshSpread: 3_000, force: false };
        const due = decide(account, input).action === 'refresh';
        expect(decideTokenSet(tokenSet, account, aProfile(), input).action).toBe(
          due ? 'exchange' : 'reconcile',
        );
      }
  });
});

/** Runs each minute for a day, each refresh bringing a token of the same lifetime. */
function refreshesADay(accountId: string, lifetime: number, refreshSpread: number): number {
  let refreshedAt = NOW;
  let refreshes = 0;
  for (let now = NOW; now < NOW + DAY; now += MINUTE) {
    const account = anAccount({
      accountId,
      accessTokenExpiresAt: refreshedAt + lifetime,
      lastRefreshedAt: refreshedAt,
    });
    if (decide(account, { now, refreshWindow: 300, refreshSpread, force: false }).action !== 'refresh')
      continue;
    refreshes++;
    refreshedAt = now;
  }
  return refreshes;
}
