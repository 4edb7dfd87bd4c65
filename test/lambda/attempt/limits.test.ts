import { describe, expect, test } from 'vitest';
import { parseProfile } from '../../../core/profile/parse-profile.ts';
import { createLimits } from '../../../lambda/attempt/limits.ts';

const T = 1_800_000_000;

function profileWith(max_requests_per_minute?: number) {
  const parsed = parseProfile(
    JSON.stringify({ client_id: 'c', token_endpoint: 'https://p.example/token', max_requests_per_minute }),
  );
  if (parsed.kind === 'invalid') throw new Error(parsed.problem);
  return parsed.profile;
}

/** Asks for so many requests at a moment and counts those that may be sent. */
function allowed(
  limits: ReturnType<typeof createLimits>,
  requests: number,
  at = T,
  profile = profileWith(10),
) {
  return Array.from({ length: requests }, () => limits.whyNotSend('crm', profile, at)).filter(
    (refusal) => refusal === undefined,
  ).length;
}

describe('max_requests_per_minute', () => {
  const rows: { name: string; shares: number; limit?: number; requests: number; expected: number }[] = [
    { name: 'a limit of 10 lets 10 of 25 pass', shares: 1, limit: 10, requests: 25, expected: 10 },
    { name: 'a limit that is not reached stops nothing', shares: 1, limit: 10, requests: 9, expected: 9 },
    { name: 'no limit stops nothing', shares: 1, requests: 500, expected: 500 },
    { name: 'two shares of the table have half of it each', shares: 2, limit: 10, requests: 25, expected: 5 },
    { name: 'three shares have a third, rounded down', shares: 3, limit: 10, requests: 25, expected: 3 },
    {
      name: 'more shares than requests still let each send one',
      shares: 20,
      limit: 10,
      requests: 25,
      expected: 1,
    },
  ];
  test.each(rows)('$name', ({ shares, limit, requests, expected }) => {
    expect(allowed(createLimits(shares), requests, T, profileWith(limit))).toBe(expected);
  });

  test('counts over any sixty seconds, not by the clock’s minute', () => {
    const limits = createLimits(1);
    expect(allowed(limits, 6, T)).toBe(6);
    expect(allowed(limits, 6, T + 59)).toBe(4);
    expect(allowed(limits, 10, T + 60)).toBe(6);
  });

  test('holds for each profile alone', () => {
    const limits = createLimits(1);
    allowed(limits, 10);
    expect(limits.whyNotSend('crm', profileWith(10), T)).toBe('rate_limited');
    expect(limits.whyNotSend('billing', profileWith(10), T)).toBeUndefined();
  });
});

describe('while stores fail', () => {
  type Put = { readonly fails: string } | { readonly works: string };
  const rows: readonly { readonly name: string; readonly puts: readonly Put[]; readonly stops: boolean }[] = [
    { name: 'one secret that can not be written stops nobody', puts: [{ fails: 'a' }], stops: false },
    {
      name: 'one secret that fails again and again stops nobody',
      puts: [{ fails: 'a' }, { fails: 'a' }, { fails: 'a' }],
      stops: false,
    },
    { name: 'two secrets that fail stop everybody', puts: [{ fails: 'a' }, { fails: 'b' }], stops: true },
    {
      name: 'a success in between begins the count anew',
      puts: [{ fails: 'a' }, { works: 'c' }, { fails: 'b' }],
      stops: false,
    },
    {
      name: 'one success ends it, whichever secret it is of',
      puts: [{ fails: 'a' }, { fails: 'b' }, { works: 'b' }],
      stops: false,
    },
    {
      name: 'the same two begin it again after that',
      puts: [{ fails: 'a' }, { fails: 'b' }, { works: 'c' }, { fails: 'a' }, { fails: 'b' }],
      stops: true,
    },
  ];
  test.each(rows)('$name', ({ puts, stops }) => {
    const limits = createLimits(1);
    for (const put of puts) 'fails' in put ? limits.storeFailed(put.fails) : limits.storeWorked();
    expect(limits.circuitIsOpen()).toBe(stops);
    for (const name of ['crm', 'billing'])
      expect(limits.whyNotSend(name, profileWith(), T)).toBe(stops ? 'store_unavailable' : undefined);
  });

  test('no request is counted against a limit', () => {
    const limits = createLimits(1);
    limits.storeFailed('a');
    limits.storeFailed('b');
    expect(allowed(limits, 25)).toBe(0);
    limits.storeWorked();
    expect(allowed(limits, 25)).toBe(10);
  });
});
