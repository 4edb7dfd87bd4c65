import { describe, expect, test } from 'vitest';
import type { Account } from '../../../core/account/account.ts';
import {
  decide,
  decideTokenSet,
  isShortLived,
  isStaleRead,
  isUrgent,
  nextObtainedAt,
  obtainedAtOf,
  roomForVersion,
} from '../../../core/account/decision.ts';
import type { TokenSet } from '../../../core/tokens/token-set.ts';
import { anAccount, aProfile, aTokenSet, NOW } from '../../support/builders.ts';

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
  const leave = (reason: string) => ({ action: 'leave', reason });
  const refresh = (reason: string) => ({ action: 'refresh', reason });
  const reauthorize = (reason: string) => ({ action: 'reauthorize', reason });
  const rows: readonly { name: string; account: Partial<Account>; decision: object }[] = [
    {
      name: 'whose access token lives a second longer than the window is left alone',
      account: { accessTokenExpiresAt: NOW + 301 },
      decision: leave('fresh'),
    },
    {
      name: 'whose access token lives just as long as the window is refreshed',
      account: { accessTokenExpiresAt: NOW + 300 },
      decision: refresh('expiring'),
    },
    {
      name: 'whose access token has run out is refreshed',
      account: { accessTokenExpiresAt: NOW - 1 },
      decision: refresh('expiring'),
    },
    {
      name: 'of which no access token is known is refreshed',
      account: { accessTokenExpiresAt: undefined },
      decision: refresh('no_access_token'),
    },
    {
      name: 'that was never looked at is refreshed',
      account: { accessTokenExpiresAt: undefined, status: undefined, lastRefreshedAt: undefined },
      decision: refresh('no_access_token'),
    },
    {
      name: 'that is disabled is left alone, due or not',
      account: { enabled: false, accessTokenExpiresAt: NOW - 1 },
      decision: leave('disabled'),
    },
    {
      name: 'that says enabled is as good as one that says nothing',
      account: { enabled: true, accessTokenExpiresAt: NOW },
      decision: refresh('expiring'),
    },
    {
      name: 'under a live lease is left alone',
      account: { lease: { owner: 'o', expiresAt: NOW + 1 }, accessTokenExpiresAt: NOW },
      decision: leave('leased_elsewhere'),
    },
    {
      name: 'under a lease that ended this second is refreshed',
      account: { lease: { owner: 'o', expiresAt: NOW }, accessTokenExpiresAt: NOW },
      decision: refresh('expiring'),
    },
    {
      name: 'that backs off is left alone, for the reason it failed',
      account: { nextAttemptAt: NOW + 1, failure, status: 'failing', accessTokenExpiresAt: NOW },
      decision: leave('provider_unavailable'),
    },
    {
      name: 'whose back-off is over is refreshed',
      account: { nextAttemptAt: NOW, failure, status: 'failing', accessTokenExpiresAt: NOW },
      decision: refresh('expiring'),
    },
    {
      name: 'with a token in escrow whose store backs off waits for that',
      account: { escrow, nextAttemptAt: NOW + 60, failure, status: 'failing' },
      decision: leave('provider_unavailable'),
    },
    {
      name: 'with a token in escrow is due though its access token is fresh: it goes home first',
      account: { escrow, nextAttemptAt: NOW, failure, status: 'failing' },
      decision: refresh('expiring'),
    },
    {
      name: 'with a candidate in escrow does not wait either: it may be the live refresh token',
      account: { escrow: { ...escrow, kind: 'candidate' } },
      decision: refresh('expiring'),
    },
    {
      name: 'with an answer in escrow, which waits for a person, is as good as its access token',
      account: { escrow: { ...escrow, kind: 'answer' } },
      decision: leave('fresh'),
    },
    {
      name: 'that waits for a person is looked at again where its refresh token is in escrow',
      account: {
        escrow,
        status: 'reauthorization_required',
        failure: { ...failure, reason: 'grant_revoked' },
      },
      decision: refresh('expiring'),
    },
    {
      name: 'that waits for a person goes on waiting where an answer is in escrow',
      account: {
        escrow: { ...escrow, kind: 'answer' },
        status: 'reauthorization_required',
        failure: { ...failure, reason: 'grant_possibly_lost' },
      },
      decision: reauthorize('grant_possibly_lost'),
    },
    {
      name: 'whose access token does not expire is left alone until its secret is read again',
      account: { accessTokenExpiresAt: undefined, doesNotExpire: true, nextAttemptAt: NOW + 1 },
      decision: leave('does_not_expire'),
    },
    {
      name: 'whose access token does not expire has its secret read again after that',
      account: { accessTokenExpiresAt: undefined, doesNotExpire: true, nextAttemptAt: NOW },
      decision: refresh('no_access_token'),
    },
    {
      name: 'whose expiry lies beyond all reason is refreshed: the secret knows better',
      account: { accessTokenExpiresAt: (NOW + 3_600) * 1000 },
      decision: refresh('no_access_token'),
    },
    {
      name: 'that failed for a reason of a later version backs off all the same',
      account: {
        nextAttemptAt: NOW + 1,
        failure: { ...failure, reason: 'a_reason_of_a_later_version' },
        status: 'failing',
        accessTokenExpiresAt: NOW,
      },
      decision: leave('rate_limited'),
    },
    {
      name: 'that waits for a person goes on waiting',
      account: {
        status: 'reauthorization_required',
        failure: { ...failure, reason: 'no_refresh_token' },
        accessTokenExpiresAt: NOW,
      },
      decision: reauthorize('no_refresh_token'),
    },
  ];
  test.each(rows)('$name', ({ account, decision }) => {
    expect(decide(anAccount(account), input)).toEqual(decision);
  });

  const forcedRows: readonly { name: string; account?: Partial<Account>; decision: object }[] = [
    { name: 'is refreshed though it is fresh', decision: refresh('forced') },
    {
      name: 'is refreshed though it waits for a person',
      account: { status: 'reauthorization_required' },
      decision: refresh('forced'),
    },
    {
      name: 'is refreshed though it backs off',
      account: { nextAttemptAt: NOW + 60 },
      decision: refresh('forced'),
    },
    { name: 'stays disabled', account: { enabled: false }, decision: leave('disabled') },
    {
      name: 'never breaks a live lease',
      account: { lease: { owner: 'o', expiresAt: NOW + 1 } },
      decision: leave('leased_elsewhere'),
    },
  ];
  test.each(forcedRows)('under force $name', ({ account, decision }) => {
    expect(decide(anAccount(account), { ...input, force: true })).toEqual(decision);
  });
});

test('What an account waited for is over: its back-off does not count', () => {
  const account = anAccount({
    nextAttemptAt: NOW + 600,
    failure: { ...failure, reason: 'provider_wide_refusal' },
    status: 'failing',
    accessTokenExpiresAt: NOW,
  });
  expect(decide(account, { ...input, dueAgain: true })).toEqual({ action: 'refresh', reason: 'expiring' });
  expect(decide({ ...account, enabled: false }, { ...input, dueAgain: true }).reason).toBe('disabled');
});

test.each([
  { name: 'a refresh token that waits to be stored is', urgent: true },
  { name: 'one by its name is', kind: 'token', urgent: true },
  { name: 'a candidate is', kind: 'candidate', urgent: true },
  { name: 'an answer is not: nobody but a person can do anything with it', kind: 'answer', urgent: false },
] as const)('Of what is in escrow, $name urgent', ({ kind, urgent }) => {
  expect(isUrgent({ ...escrow, kind })).toBe(urgent);
  expect(isUrgent(undefined)).toBe(false);
});

describe('a token set', () => {
  const exchange = { action: 'exchange', refreshToken: 'refresh-1' };
  const expired = { action: 'reauthorize', reason: 'refresh_token_expired' };
  const rows: readonly {
    name: string;
    tokens?: Partial<TokenSet>;
    account?: Partial<Account>;
    decision: object;
  }[] = [
    { name: 'that is due is exchanged', decision: exchange },
    {
      name: 'that is fresh was stored by a run that died, and is only recorded',
      tokens: { expires_at: NOW + 301 },
      decision: { action: 'reconcile' },
    },
    {
      name: 'without an access token is exchanged, whatever its expiry says',
      tokens: { access_token: undefined, expires_at: NOW + 900 },
      decision: exchange,
    },
    {
      name: 'without an expiry, with a refresh token, is exchanged',
      tokens: { expires_at: undefined },
      decision: exchange,
    },
    {
      name: 'with neither expiry nor refresh token is left alone: its access token has no end',
      tokens: { expires_at: undefined, refresh_token: undefined },
      decision: { action: 'leave' },
    },
    {
      name: 'that holds nothing needs a person',
      tokens: { access_token: undefined, expires_at: undefined, refresh_token: undefined },
      decision: { action: 'reauthorize', reason: 'no_refresh_token' },
    },
    {
      name: 'without a refresh token whose access token is still good is only recorded',
      tokens: { refresh_token: undefined, expires_at: NOW + 301 },
      decision: { action: 'reconcile' },
    },
    {
      name: 'without a refresh token needs a person',
      tokens: { refresh_token: undefined },
      decision: { action: 'reauthorize', reason: 'no_refresh_token' },
    },
    {
      name: 'whose refresh token has no second left needs a person',
      tokens: { refresh_token_expires_at: NOW },
      decision: expired,
    },
    {
      name: 'whose refresh token has one second left is exchanged',
      tokens: { refresh_token_expires_at: NOW + 1 },
      decision: exchange,
    },
    {
      name: 'without an expiry of its refresh token follows the item',
      account: { refreshTokenExpiresAt: NOW - 1 },
      decision: expired,
    },
    {
      name: 'knows the expiry of its refresh token better than the item',
      tokens: { refresh_token_expires_at: NOW + 9 },
      account: { refreshTokenExpiresAt: NOW - 1 },
      decision: exchange,
    },
  ];
  test.each(rows)('$name', ({ tokens, account, decision }) => {
    expect(decideTokenSet(aTokenSet(tokens), anAccount(account), aProfile(), input)).toEqual(decision);
  });

  test('under force is exchanged though it is fresh', () => {
    const decision = decideTokenSet(aTokenSet({ expires_at: NOW + 900 }), anAccount(), aProfile(), {
      ...input,
      force: true,
    });
    expect(decision).toEqual(exchange);
  });

  test('under force does not follow what the item noted of an earlier refresh token', () => {
    const account = anAccount({ refreshTokenExpiresAt: NOW - 1 });
    expect(decideTokenSet(aTokenSet(), account, aProfile(), { ...input, force: true })).toEqual(exchange);
  });
});

describe('an access token that has no end', () => {
  const never = { default_expires_in: 'never' };
  const rows: readonly {
    name: string;
    profile?: Record<string, unknown>;
    tokens?: Partial<TokenSet>;
    force?: boolean;
    action: string;
  }[] = [
    { name: 'is left alone', tokens: { refresh_token: undefined }, action: 'leave' },
    {
      name: 'is left alone though it is forced: there is nothing to spend',
      tokens: { refresh_token: undefined },
      force: true,
      action: 'leave',
    },
    {
      name: 'is left alone, with a refresh token, where the profile says so',
      profile: never,
      action: 'leave',
    },
    {
      name: 'is exchanged under force where there is a refresh token',
      profile: never,
      force: true,
      action: 'exchange',
    },
    {
      name: 'has an end where its set says so, whatever the profile says',
      profile: never,
      tokens: { expires_at: NOW },
      action: 'exchange',
    },
  ];
  test.each(rows)('$name', ({ profile, tokens, force = false, action }) => {
    const tokenSet = aTokenSet({ expires_at: undefined, ...tokens });
    expect(decideTokenSet(tokenSet, anAccount(), aProfile(profile), { ...input, force }).action).toBe(action);
  });
});

describe('the versions of a secret', () => {
  test.each([
    { name: 'an hour-long token is not short-lived', lifetime: 3_600, expected: false },
    { name: 'a 20-minute token is not, with a window of 5 minutes', lifetime: 1_200, expected: false },
    { name: 'a 19-minute token is', lifetime: 1_199, expected: true },
    { name: 'a token that lives no longer than the window is', lifetime: 300, expected: true },
  ])('$name', ({ lifetime, expected }) => {
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
  interface Row {
    readonly name: string;
    readonly obtainedAt: number | undefined;
    readonly createdAt: number | undefined;
    readonly newest: number | undefined;
    readonly stale: boolean;
  }
  const rows: readonly Row[] = [
    {
      name: 'from before the refresh that was just recorded is a stale read',
      obtainedAt: NOW - 3_600,
      createdAt: NOW - 3_600,
      newest: NOW - 5,
      stale: true,
    },
    {
      name: 'of the refresh that was just recorded is not',
      obtainedAt: NOW - 5,
      createdAt: NOW - 5,
      newest: NOW - 5,
      stale: false,
    },
    {
      name: 'newer than what was recorded is not',
      obtainedAt: NOW - 1,
      createdAt: NOW - 1,
      newest: NOW - 5,
      stale: false,
    },
    {
      name: 'that says no date is judged by the date of its version',
      obtainedAt: undefined,
      createdAt: NOW - 3_600,
      newest: NOW - 5,
      stale: true,
    },
    {
      name: 'that says no date and was put there since is not',
      obtainedAt: undefined,
      createdAt: NOW - 1,
      newest: NOW - 5,
      stale: false,
    },
    {
      name: 'that was surely put there since, though it was obtained before, is not',
      obtainedAt: NOW - 3_600,
      createdAt: NOW - 5 + 31,
      newest: NOW - 5,
      stale: false,
    },
    {
      name: 'of which two wrong clocks leave open whether it was put there since is stale',
      obtainedAt: NOW - 3_600,
      createdAt: NOW - 5 + 30,
      newest: NOW - 5,
      stale: true,
    },
    {
      name: 'from before a refresh of two minutes ago is stale: two clocks may be wrong by 30 s each',
      obtainedAt: NOW - 3_600,
      createdAt: NOW - 3_600,
      newest: NOW - 179,
      stale: true,
    },
    {
      name: 'from before a refresh of some time ago is not',
      obtainedAt: NOW - 3_600,
      createdAt: NOW - 3_600,
      newest: NOW - 300,
      stale: false,
    },
    {
      name: 'for an item that was never refreshed is not',
      obtainedAt: NOW - 3_600,
      createdAt: NOW - 3_600,
      newest: undefined,
      stale: false,
    },
    {
      name: 'of a version of unknown date is judged by what it says itself',
      obtainedAt: NOW - 3_600,
      createdAt: undefined,
      newest: NOW - 5,
      stale: true,
    },
    {
      name: 'without any date is not believed so soon after a refresh',
      obtainedAt: undefined,
      createdAt: undefined,
      newest: NOW - 5,
      stale: true,
    },
  ];
  const times = { now: NOW, longestLease: 180 };
  test.each(rows)('$name', ({ obtainedAt, createdAt, newest, stale }) => {
    const tokenSet = aTokenSet({ obtained_at: obtainedAt });
    expect(isStaleRead({ tokenSet, version: { versionId: 'v', createdAt } }, newest, times)).toBe(stale);
  });
});

describe('the time at which a token set counts as obtained', () => {
  const read = (obtained_at: number | undefined, createdAt: number | undefined) => ({
    tokenSet: aTokenSet({ obtained_at }),
    version: { versionId: 'v', createdAt },
  });
  test('is what the set says, else just before its version was written', () => {
    expect(obtainedAtOf(read(NOW - 9, NOW - 5))).toBe(NOW - 9);
    expect(obtainedAtOf(read(undefined, NOW - 4.5))).toBe(NOW - 6);
    expect(obtainedAtOf(read(undefined, undefined))).toBeUndefined();
  });

  interface Row {
    readonly name: string;
    readonly read: ReturnType<typeof read>;
    readonly known?: readonly (number | undefined)[];
    readonly next: number;
  }
  const rows: readonly Row[] = [
    { name: 'is now where all before it is past', read: read(NOW - 3_600, NOW - 3_600), next: NOW },
    { name: 'lies after a set that a faster clock stored', read: read(NOW + 20, NOW + 20), next: NOW + 21 },
    {
      name: 'is no earlier than a version whose set says nothing',
      read: read(undefined, NOW + 4.5),
      next: NOW + 4,
    },
    {
      name: 'lies after what the item knows',
      read: read(NOW - 9, NOW - 9),
      known: [NOW + 7, undefined],
      next: NOW + 8,
    },
    { name: 'lies after a set of this very second', read: read(NOW, NOW), next: NOW + 1 },
    { name: 'does not follow a time far in the future', read: read(NOW + 9_999_999, NOW - 5), next: NOW },
    { name: 'is now where nothing is known', read: read(undefined, undefined), next: NOW },
  ];
  test.each(rows)('$name', ({ read, known = [], next }) => {
    expect(nextObtainedAt(NOW, read, ...known)).toBe(next);
  });
});
