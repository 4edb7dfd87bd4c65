import { describe, expect, test } from 'vitest';
import type { Account, AccountStatus, Failure } from '../../lambda/account.ts';
import { ambiguousSince, backOff, conclude, type Trouble } from '../../lambda/outcome.ts';
import type { Reason } from '../../lambda/reason.ts';
import { anAccount, aTokenSet, NOW } from '../support/builders.ts';

function aFailure(reason: Reason, differences: Partial<Failure> = {}): Failure {
  return { reason, message: '', count: 1, since: NOW - 600, at: NOW - 60, ...differences };
}

function trouble(reason: Reason, differences: Partial<Trouble> = {}): Trouble {
  return { kind: 'trouble', reason, ...differences };
}

describe('the state of an account after trouble', () => {
  const rows: readonly [string, Partial<Account>, Reason, AccountStatus, string | undefined][] = [
    [
      'a healthy account whose provider is down fails, and that is told',
      {},
      'provider_unavailable',
      'failing',
      'OAuth Account Failing',
    ],
    [
      'a failing account that fails again is not told again',
      { status: 'failing' },
      'provider_unavailable',
      'failing',
      undefined,
    ],
    [
      'a missing refresh token needs a person at once',
      {},
      'no_refresh_token',
      'reauthorization_required',
      'OAuth Reauthorization Required',
    ],
    [
      'an expired refresh token needs a person at once',
      {},
      'refresh_token_expired',
      'reauthorization_required',
      'OAuth Reauthorization Required',
    ],
    ['a dead grant is not believed the first time', {}, 'grant_revoked', 'failing', 'OAuth Account Failing'],
    [
      'a dead grant is believed the second time',
      { status: 'failing', failure: aFailure('grant_revoked') },
      'grant_revoked',
      'reauthorization_required',
      'OAuth Reauthorization Required',
    ],
    [
      'a lost grant is believed after a dead one',
      { status: 'failing', failure: aFailure('grant_revoked') },
      'grant_possibly_lost',
      'reauthorization_required',
      'OAuth Reauthorization Required',
    ],
    [
      'a dead grant after an outage is not believed the first time',
      { status: 'failing', failure: aFailure('provider_unavailable') },
      'grant_revoked',
      'failing',
      undefined,
    ],
    ['a rejected client marks no account as dead', {}, 'client_rejected', 'failing', 'OAuth Account Failing'],
    [
      'an account that waits for a person and is forced in vain goes on waiting',
      { status: 'reauthorization_required' },
      'provider_unavailable',
      'reauthorization_required',
      undefined,
    ],
    [
      'an account that waits for a person and is forced onto a dead grant is not told again',
      { status: 'reauthorization_required' },
      'grant_revoked',
      'reauthorization_required',
      undefined,
    ],
  ];
  test.each(rows)('%s', (_, account, reason, status, event) => {
    const conclusion = conclude(anAccount(account), trouble(reason), NOW);
    expect({ status: conclusion.status, event: conclusion.event }).toEqual({ status, event });
  });

  test('says since when, how often, and when it is tried again', () => {
    const account = anAccount({ status: 'failing', failure: aFailure('rate_limited', { count: 2 }) });
    const { set } = conclude(account, trouble('rate_limited'), NOW).changes;
    expect(set.failure).toMatchObject({ reason: 'rate_limited', count: 3, since: NOW - 600, at: NOW });
    expect(set.nextAttemptAt).toBe(NOW + 180);
  });

  test('waits as long as the provider asks for', () => {
    const { set } = conclude(anAccount(), trouble('rate_limited', { retryAfter: 1_000 }), NOW).changes;
    expect(set.nextAttemptAt).toBe(NOW + 1_000);
  });

  test('keeps in mind since when an answer may have been lost', () => {
    const { set } = conclude(
      anAccount(),
      trouble('provider_unavailable', { ambiguousSince: NOW }),
      NOW,
    ).changes;
    expect(set.failure?.ambiguousSince).toBe(NOW);
  });

  test('keeps what is in escrow unless it has been dealt with', () => {
    const account = anAccount({ escrow: { ciphertext: 'c', attemptId: 'a', at: NOW } });
    expect(conclude(account, trouble('store_unavailable'), NOW).changes.remove).not.toContain('escrow');
    const settled = conclude(account, trouble('rate_limited', { escrowSettled: true }), NOW);
    expect(settled.changes.remove).toContain('escrow');
    expect(settled.changesWithoutTransition.remove).toContain('escrow');
  });

  test('moves no status where its event was not taken', () => {
    const { changesWithoutTransition } = conclude(anAccount(), trouble('no_refresh_token'), NOW);
    expect(changesWithoutTransition.set.status).toBeUndefined();
    expect(changesWithoutTransition.set.nextAttemptAt).toBeGreaterThan(NOW);
  });
});

describe('the state of an account after a refresh', () => {
  const rows: readonly [string, Partial<Account>, string | undefined][] = [
    ['a new account becomes healthy, which is no news', { status: undefined }, undefined],
    ['a healthy account stays healthy, which is no news', {}, undefined],
    [
      'a failing account recovers',
      { status: 'failing', failure: aFailure('rate_limited') },
      'OAuth Account Recovered',
    ],
    [
      'an account that waited for a person recovers',
      { status: 'reauthorization_required' },
      'OAuth Account Recovered',
    ],
  ];
  test.each(rows)('%s', (_, account, event) => {
    const tokenSet = aTokenSet({ obtained_at: NOW, expires_at: NOW + 3_600 });
    const conclusion = conclude(anAccount(account), { kind: 'refreshed', tokenSet, reason: 'expiring' }, NOW);
    expect(conclusion.event).toBe(event);
    expect(conclusion.changes.set).toEqual({
      status: 'healthy',
      accessTokenExpiresAt: NOW + 3_600,
      refreshTokenExpiresAt: undefined,
      lastRefreshedAt: NOW,
    });
    expect(conclusion.changes.remove).toEqual([
      'nextAttemptAt',
      'escrow',
      'refreshTokenExpiresAt',
      'failure',
    ]);
  });
});

describe('the back-off', () => {
  const rows: readonly [Reason, number, number][] = [
    ['provider_unavailable', 1, 45],
    ['provider_unavailable', 2, 90],
    ['provider_unavailable', 5, 720],
    ['provider_unavailable', 6, 900],
    ['provider_unavailable', 5_000, 900],
    ['profile_invalid', 9, 300],
    ['store_unavailable', 9, 45],
    ['grant_revoked', 1, 45],
  ];
  test.each(rows)('of %s, failure %i in a row, is %i s', (reason, count, wait) => {
    expect(backOff(reason, count)).toBe(wait);
  });
});

describe('a doubt about the refresh token', () => {
  const lease = { owner: 'attempt-1', expiresAt: NOW - 60 };
  const read = (versionId: string, obtained_at = NOW - 3_600, createdAt = NOW - 3_600) => ({
    tokenSet: aTokenSet({ obtained_at }),
    version: { versionId, createdAt },
  });
  const rows: readonly [string, Partial<Account>, ReturnType<typeof read> | undefined, number | undefined][] =
    [
      ['is not there after a visit that ended well', {}, read('v'), undefined],
      ['is there where a run died holding the lease', { lease }, read('v'), NOW - 60],
      ['is not there where that run had stored what it got', { lease }, read('attempt-1'), undefined],
      [
        'is not there where that run had put it into escrow',
        { lease, escrow: { ciphertext: 'c', attemptId: 'attempt-1', at: NOW } },
        read('v'),
        undefined,
      ],
      [
        'stays while the failure that it came from stands',
        { failure: aFailure('provider_unavailable', { ambiguousSince: NOW - 90 }) },
        read('v'),
        NOW - 90,
      ],
      [
        'ends with a token set that is newer',
        { failure: aFailure('provider_unavailable', { ambiguousSince: NOW - 90 }) },
        read('v', NOW - 30),
        undefined,
      ],
      [
        'is not there where the provider had called this refresh token dead before that run',
        { lease, failure: aFailure('grant_revoked', { at: NOW - 600 }) },
        read('v'),
        undefined,
      ],
      [
        'is there where a newer token set was spent by a run that died',
        { lease, failure: aFailure('grant_revoked', { at: NOW - 600 }) },
        read('v', NOW - 500, NOW - 500),
        NOW - 60,
      ],
      ['stays where the secret can not be read', { lease }, undefined, NOW - 60],
    ];
  test.each(rows)('%s', (_, account, secret, since) => {
    expect(ambiguousSince(anAccount(account), secret)).toBe(since);
  });
});
