import { describe, expect, test } from 'vitest';
import { parseProfile } from '../../lambda/profile.ts';
import { createSpending } from '../../lambda/spending.ts';

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
  spending: ReturnType<typeof createSpending>,
  requests: number,
  at = T,
  profile = profileWith(10),
) {
  return Array.from({ length: requests }, () => spending.request('crm', profile, at)).filter(
    (refusal) => refusal === undefined,
  ).length;
}

describe('max_requests_per_minute', () => {
  const rows: [string, number, number | undefined, number, number][] = [
    ['a limit of 10 lets 10 of 25 pass', 1, 10, 25, 10],
    ['a limit that is not reached stops nothing', 1, 10, 9, 9],
    ['no limit stops nothing', 1, undefined, 500, 500],
    ['two shares of the table have half of it each', 2, 10, 25, 5],
    ['three shares have a third, rounded down', 3, 10, 25, 3],
    ['more shares than requests still let each send one', 20, 10, 25, 1],
  ];
  test.each(rows)('%s', (_, shares, limit, requests, expected) => {
    expect(allowed(createSpending(shares), requests, T, profileWith(limit))).toBe(expected);
  });

  test('counts over any sixty seconds, not by the clock’s minute', () => {
    const spending = createSpending(1);
    expect(allowed(spending, 6, T)).toBe(6);
    expect(allowed(spending, 6, T + 59)).toBe(4);
    expect(allowed(spending, 10, T + 60)).toBe(6);
  });

  test('holds for each profile alone', () => {
    const spending = createSpending(1);
    allowed(spending, 10);
    expect(spending.request('crm', profileWith(10), T)).toBe('rate_limited');
    expect(spending.request('billing', profileWith(10), T)).toBeUndefined();
  });
});

describe('a provider in trouble', () => {
  type Answer = Parameters<ReturnType<typeof createSpending>['answered']>[1];
  const rows: [string, readonly Answer[], Answer][] = [
    ['is asked again after one failure', ['provider_unavailable'], undefined],
    ['is asked again after two', ['provider_unavailable', 'rate_limited'], undefined],
    [
      'is left alone after three in a row',
      ['provider_unavailable', 'provider_unavailable', 'provider_unavailable'],
      'provider_unavailable',
    ],
    [
      'is asked again where a grant came in between',
      ['provider_unavailable', 'provider_unavailable', undefined, 'provider_unavailable'],
      undefined,
    ],
    [
      'is asked again where one account’s dead grant came in between: it answers',
      ['provider_unavailable', 'provider_unavailable', 'grant_revoked', 'provider_unavailable'],
      undefined,
    ],
    ['that rejects the client is not asked again', ['client_rejected'], 'client_rejected'],
    [
      'with three answers that make no sense is asked again: each may be one account’s',
      ['malformed_response', 'malformed_response', 'malformed_response'],
      undefined,
    ],
  ];
  test.each(rows)('%s', (_, answers, expected) => {
    const spending = createSpending(1);
    for (const answer of answers) spending.answered('crm', answer, undefined, T);
    expect(spending.refusal('crm', T + 1_000)).toBe(expected);
    expect(spending.refusal('billing', T)).toBeUndefined();
  });

  test('that says when is asked again then, and not before', () => {
    const spending = createSpending(1);
    spending.answered('crm', 'rate_limited', 30, T);
    expect(spending.refusal('crm', T + 29)).toBe('rate_limited');
    expect(spending.refusal('crm', T + 30)).toBeUndefined();
  });
});

test('While stores fail nothing is spent anywhere, until one works', () => {
  const spending = createSpending(1);
  spending.storeFailed();
  expect(spending.refusal('crm', T)).toBe('store_unavailable');
  expect(spending.request('billing', profileWith(), T)).toBe('store_unavailable');
  spending.storeWorks();
  expect(spending.refusal('crm', T)).toBeUndefined();
});
