import { describe, expect, test } from 'vitest';
import type { Account } from '../../lambda/account.ts';
import { decide, decideTokenSet, isShortLived, isStaleRead, roomForVersion } from '../../lambda/decision.ts';
import type { TokenSet } from '../../lambda/token-set.ts';
import { anAccount, aTokenSet, NOW } from '../support/builders.ts';

const input = { now: NOW, refreshWindow: 300, force: false };
const failure = {
  reason: 'provider_unavailable',
  message: '',
  count: 1,
  since: NOW - 60,
  at: NOW - 60,
} as const;
const escrow = { ciphertext: 'c', attemptId: 'a', at: NOW - 60 };

describe('an account', () => {
  const rows: readonly [string, Partial<Account>, string, string][] = [
    [
      'whose access token lives a second longer than the window is left alone',
      { accessTokenExpiresAt: NOW + 301 },
      'leave',
      'fresh',
    ],
    [
      'whose access token lives just as long as the window is refreshed',
      { accessTokenExpiresAt: NOW + 300 },
      'refresh',
      'expiring',
    ],
    ['whose access token has run out is refreshed', { accessTokenExpiresAt: NOW - 1 }, 'refresh', 'expiring'],
    [
      'of which no access token is known is refreshed',
      { accessTokenExpiresAt: undefined },
      'refresh',
      'no_access_token',
    ],
    [
      'that was never looked at is refreshed',
      { accessTokenExpiresAt: undefined, status: undefined, lastRefreshedAt: undefined },
      'refresh',
      'no_access_token',
    ],
    [
      'that is disabled is left alone, due or not',
      { enabled: false, accessTokenExpiresAt: NOW - 1 },
      'leave',
      'disabled',
    ],
    [
      'that says enabled is as good as one that says nothing',
      { enabled: true, accessTokenExpiresAt: NOW },
      'refresh',
      'expiring',
    ],
    [
      'under a live lease is left alone',
      { lease: { owner: 'o', expiresAt: NOW + 1 }, accessTokenExpiresAt: NOW },
      'leave',
      'leased_elsewhere',
    ],
    [
      'under a lease that ended this second is refreshed',
      { lease: { owner: 'o', expiresAt: NOW }, accessTokenExpiresAt: NOW },
      'refresh',
      'expiring',
    ],
    [
      'that backs off is left alone, for the reason it failed',
      { nextAttemptAt: NOW + 1, failure, status: 'failing', accessTokenExpiresAt: NOW },
      'leave',
      'provider_unavailable',
    ],
    [
      'whose back-off is over is refreshed',
      { nextAttemptAt: NOW, failure, status: 'failing', accessTokenExpiresAt: NOW },
      'refresh',
      'expiring',
    ],
    [
      'with a token in escrow does not wait for its back-off',
      { escrow, nextAttemptAt: NOW + 60, failure, status: 'failing' },
      'refresh',
      'expiring',
    ],
    [
      'that waits for a person goes on waiting',
      {
        status: 'reauthorization_required',
        failure: { ...failure, reason: 'no_refresh_token' },
        accessTokenExpiresAt: NOW,
      },
      'reauthorize',
      'no_refresh_token',
    ],
  ];
  test.each(rows)('%s', (_, differences, action, reason) => {
    expect(decide(anAccount(differences), input)).toEqual({ action, reason });
  });

  const forcedRows: readonly [string, Partial<Account>, string, string][] = [
    ['is refreshed though it is fresh', {}, 'refresh', 'forced'],
    [
      'is refreshed though it waits for a person',
      { status: 'reauthorization_required' },
      'refresh',
      'forced',
    ],
    ['is refreshed though it backs off', { nextAttemptAt: NOW + 60 }, 'refresh', 'forced'],
    ['stays disabled', { enabled: false }, 'leave', 'disabled'],
    ['never breaks a live lease', { lease: { owner: 'o', expiresAt: NOW + 1 } }, 'leave', 'leased_elsewhere'],
  ];
  test.each(forcedRows)('under force %s', (_, differences, action, reason) => {
    expect(decide(anAccount(differences), { ...input, force: true })).toEqual({ action, reason });
  });
});

describe('a token set', () => {
  const exchange = { action: 'exchange', refreshToken: 'refresh-1' };
  const expired = { action: 'reauthorize', reason: 'refresh_token_expired' };
  const rows: readonly [string, Partial<TokenSet>, Partial<Account>, object][] = [
    ['that is due is exchanged', {}, {}, exchange],
    [
      'that is fresh was stored by a run that died, and is only recorded',
      { expires_at: NOW + 301 },
      {},
      { action: 'reconcile' },
    ],
    [
      'without an access token is exchanged, whatever its expiry says',
      { access_token: undefined, expires_at: NOW + 900 },
      {},
      exchange,
    ],
    ['without an expiry is exchanged', { expires_at: undefined }, {}, exchange],
    [
      'without a refresh token needs a person',
      { refresh_token: undefined },
      {},
      { action: 'reauthorize', reason: 'no_refresh_token' },
    ],
    ['whose refresh token has no second left needs a person', { refresh_token_expires_at: NOW }, {}, expired],
    [
      'whose refresh token has one second left is exchanged',
      { refresh_token_expires_at: NOW + 1 },
      {},
      exchange,
    ],
    [
      'without an expiry of its refresh token follows the item',
      {},
      { refreshTokenExpiresAt: NOW - 1 },
      expired,
    ],
    [
      'knows the expiry of its refresh token better than the item',
      { refresh_token_expires_at: NOW + 9 },
      { refreshTokenExpiresAt: NOW - 1 },
      exchange,
    ],
  ];
  test.each(rows)('%s', (_, tokens, account, decision) => {
    expect(decideTokenSet(aTokenSet(tokens), anAccount(account), input)).toEqual(decision);
  });

  test('under force is exchanged though it is fresh', () => {
    const decision = decideTokenSet(aTokenSet({ expires_at: NOW + 900 }), anAccount(), {
      ...input,
      force: true,
    });
    expect(decision).toEqual(exchange);
  });

  test('under force does not follow what the item noted of an earlier refresh token', () => {
    const account = anAccount({ refreshTokenExpiresAt: NOW - 1 });
    expect(decideTokenSet(aTokenSet(), account, { ...input, force: true })).toEqual(exchange);
  });
});

describe('the versions of a secret', () => {
  test.each([
    ['an hour-long token is not short-lived', 3_600, false],
    ['a 20-minute token is not, with a window of 5 minutes', 1_200, false],
    ['a 19-minute token is', 1_199, true],
    ['a token that lives no longer than the window is', 300, true],
  ])('%s', (_, lifetime, expected) => {
    expect(isShortLived(aTokenSet({ obtained_at: NOW, expires_at: NOW + lifetime }), 300)).toBe(expected);
  });

  test('a token set of unknown lifetime does not count as short-lived', () => {
    expect(isShortLived(aTokenSet({ obtained_at: undefined }), 300)).toBe(false);
  });

  test('there is room while fewer than 96 are younger than a day', () => {
    const dates = [...Array(95)].map((_, i) => NOW - i * 60).concat([...Array(50)].map(() => NOW - 86_400));
    expect(roomForVersion(dates, NOW)).toBe(NOW);
  });

  test('with 96 there is room once the oldest of them is a day old', () => {
    const dates = [...Array(96)].map((_, i) => NOW - i * 60);
    expect(roomForVersion(dates, NOW)).toBe(NOW - 95 * 60 + 86_400);
  });
});

describe('a token set that was read', () => {
  const rows: readonly [string, number | undefined, number | undefined, number | undefined, boolean][] = [
    [
      'from before the refresh that was just recorded is a stale read',
      NOW - 3_600,
      NOW - 3_600,
      NOW - 5,
      true,
    ],
    ['of the refresh that was just recorded is not', NOW - 5, NOW - 5, NOW - 5, false],
    ['newer than what was recorded is not', NOW - 1, NOW - 1, NOW - 5, false],
    ['that was put there since, though it was obtained before, is not', NOW - 3_600, NOW - 1, NOW - 5, false],
    ['from before a refresh of some time ago is not', NOW - 3_600, NOW - 3_600, NOW - 120, false],
    ['without a date is what a person put there', undefined, NOW - 3_600, NOW - 5, false],
    ['for an item that was never refreshed is not', NOW - 3_600, NOW - 3_600, undefined, false],
    ['of a version of unknown date is not', NOW - 3_600, undefined, NOW - 5, false],
  ];
  test.each(rows)('%s', (_, obtainedAt, createdAt, lastRefreshedAt, stale) => {
    const tokenSet = aTokenSet({ obtained_at: obtainedAt });
    expect(isStaleRead(tokenSet, createdAt, anAccount({ lastRefreshedAt }), NOW)).toBe(stale);
  });
});
