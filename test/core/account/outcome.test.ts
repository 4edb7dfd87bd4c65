import { describe, expect, test } from 'vitest';
import type { Account, AccountStatus, Failure } from '../../../core/account/account.ts';
import { ambiguousSince } from '../../../core/account/doubt.ts';
import { backOff, conclude, type Failed } from '../../../core/account/outcome.ts';
import type { Reason } from '../../../core/reason.ts';
import { anAccount, aTokenSet, NOW } from '../../support/builders.ts';

function aFailure(reason: Reason, differences: Partial<Failure> = {}): Failure {
  return { reason, message: '', count: 1, since: NOW - 600, at: NOW - 60, ...differences };
}

function failed(reason: Reason, differences: Partial<Failed> = {}): Failed {
  return { kind: 'failed', reason, ...differences };
}

describe('the state of an account after trouble', () => {
  const rows: readonly {
    name: string;
    account?: Partial<Account>;
    reason: Reason;
    status: AccountStatus;
    event?: string;
  }[] = [
    {
      name: 'a healthy account whose provider is down fails, and that is told',
      reason: 'provider_unavailable',
      status: 'failing',
      event: 'OAuth Account Failing',
    },
    {
      name: 'a failing account that fails again is not told again',
      account: { status: 'failing' },
      reason: 'provider_unavailable',
      status: 'failing',
    },
    {
      name: 'a missing refresh token needs a person at once',
      reason: 'no_refresh_token',
      status: 'reauthorization_required',
      event: 'OAuth Reauthorization Required',
    },
    {
      name: 'an expired refresh token needs a person at once',
      reason: 'refresh_token_expired',
      status: 'reauthorization_required',
      event: 'OAuth Reauthorization Required',
    },
    {
      name: 'a dead grant is not believed the first time',
      reason: 'grant_revoked',
      status: 'failing',
      event: 'OAuth Account Failing',
    },
    {
      name: 'a dead grant is not believed for being refused again: see evidence.ts',
      account: { status: 'failing', failure: aFailure('grant_revoked') },
      reason: 'grant_revoked',
      status: 'failing',
    },
    {
      name: 'a grant that was possibly lost is not believed for being refused again either',
      account: { status: 'failing', failure: aFailure('grant_revoked') },
      reason: 'grant_possibly_lost',
      status: 'failing',
    },
    {
      name: 'a refusal of nearly all accounts marks no account as dead',
      account: { status: 'failing', failure: aFailure('grant_revoked') },
      reason: 'provider_wide_refusal',
      status: 'failing',
    },
    {
      name: 'a dead grant after an outage is not believed the first time',
      account: { status: 'failing', failure: aFailure('provider_unavailable') },
      reason: 'grant_revoked',
      status: 'failing',
    },
    {
      name: 'what the function may not do is nobody’s to sign in for',
      reason: 'permission_missing',
      status: 'failing',
      event: 'OAuth Account Failing',
    },
    {
      name: 'a rejected request marks no account as dead',
      reason: 'request_rejected',
      status: 'failing',
      event: 'OAuth Account Failing',
    },
    {
      name: 'a token set that is too large marks no account as dead',
      reason: 'token_set_too_large',
      status: 'failing',
      event: 'OAuth Account Failing',
    },
    {
      name: 'a rejected client marks no account as dead',
      reason: 'client_rejected',
      status: 'failing',
      event: 'OAuth Account Failing',
    },
    {
      name: 'an account that waits for a person and is forced in vain goes on waiting',
      account: { status: 'reauthorization_required' },
      reason: 'provider_unavailable',
      status: 'reauthorization_required',
    },
    {
      name: 'an account that waits for a person and is forced onto a dead grant is not told again',
      account: { status: 'reauthorization_required' },
      reason: 'grant_revoked',
      status: 'reauthorization_required',
    },
  ];
  test.each(rows)('$name', ({ account, reason, status, event }) => {
    const conclusion = conclude(anAccount(account), failed(reason), NOW);
    expect({ status: conclusion.status, event: conclusion.event }).toEqual({ status, event });
  });

  test.each([
    'grant_revoked',
    'grant_possibly_lost',
  ] as const)('a refusal that is believed needs a person, and that is told (%s)', (reason) => {
    const account = anAccount({ status: 'failing', failure: aFailure('grant_revoked') });
    const conclusion = conclude(account, failed(reason, { believed: true }), NOW);
    expect(conclusion.status).toBe('reauthorization_required');
    expect(conclusion.event).toBe('OAuth Reauthorization Required');
    expect(conclusion.message).toContain('Manual reauthorization required.');
    expect(conclusion.changes.remove).toContain('nextAttemptAt');
  });

  test('a refusal that is not believed yet says that it is tried again', () => {
    const { message } = conclude(anAccount(), failed('grant_revoked'), NOW);
    expect(message).toContain('It is tried again before anybody is asked to sign in.');
    expect(message).not.toContain('Manual reauthorization required');
  });

  test('says since when, how often, and when it is tried again', () => {
    const account = anAccount({ status: 'failing', failure: aFailure('rate_limited', { count: 2 }) });
    const { set } = conclude(account, failed('rate_limited'), NOW).changes;
    expect(set.failure).toMatchObject({ reason: 'rate_limited', count: 3, since: NOW - 600, at: NOW });
    expect(set.nextAttemptAt).toBe(NOW + 180);
  });

  test('waits as long as the provider asks for', () => {
    const { set } = conclude(anAccount(), failed('rate_limited', { retryAfter: 1_000 }), NOW).changes;
    expect(set.nextAttemptAt).toBe(NOW + 1_000);
  });

  const sinceRows: readonly {
    readonly name: string;
    readonly before: Failure | undefined;
    readonly now: Failed;
    readonly since: number;
    readonly count: number;
  }[] = [
    {
      name: 'trouble begins when it is first seen',
      before: undefined,
      now: failed('rate_limited'),
      since: NOW,
      count: 1,
    },
    {
      name: 'other trouble after it counts anew, and is as old',
      before: aFailure('rate_limited', { count: 7 }),
      now: failed('provider_unavailable'),
      since: NOW - 600,
      count: 1,
    },
    {
      name: 'the time of a dead grant runs from its first refusal, whatever was wrong before',
      before: aFailure('provider_unavailable', { count: 7 }),
      now: failed('grant_revoked'),
      since: NOW,
      count: 1,
    },
    {
      name: 'the time of a dead grant runs on where it is called lost, or refused with all others',
      before: aFailure('grant_revoked'),
      now: failed('provider_wide_refusal'),
      since: NOW - 600,
      count: 1,
    },
    {
      name: 'other trouble after a dead grant is as new as it is',
      before: aFailure('grant_revoked'),
      now: failed('provider_unavailable'),
      since: NOW,
      count: 1,
    },
    {
      name: 'another refresh token that is refused begins anew',
      before: aFailure('grant_revoked', { count: 3 }),
      now: failed('grant_revoked', { anew: true }),
      since: NOW,
      count: 1,
    },
  ];
  test.each(sinceRows)('$name', ({ before, now, since, count }) => {
    const account = anAccount({ status: before === undefined ? 'healthy' : 'failing', failure: before });
    expect(conclude(account, now, NOW).changes.set.failure).toMatchObject({ since, count, at: NOW });
  });

  test('a store that is out of order is tried by each run, however long it lasts', () => {
    const account = anAccount({ status: 'failing', failure: aFailure('store_unavailable', { count: 9 }) });
    const steady = conclude(account, failed('store_unavailable', { steady: true }), NOW).changes.set;
    expect(steady.nextAttemptAt).toBe(NOW + 45);
    const lasting = conclude(account, failed('store_unavailable'), NOW).changes.set;
    expect(lasting.nextAttemptAt).toBe(NOW + 900);
  });

  test('notes what was stored all the same', () => {
    const stored = failed('token_set_too_large', { obtainedAt: NOW - 2 });
    const { set } = conclude(anAccount(), stored, NOW).changes;
    expect(set).toMatchObject({ lastRefreshedAt: NOW - 2, nextAttemptAt: NOW + 3_600 });
  });

  test('keeps the end of an access token that a person has to replace', () => {
    const { set, remove } = conclude(anAccount(), failed('no_refresh_token'), NOW).changes;
    expect(set).not.toHaveProperty('accessTokenExpiresAt');
    expect(remove).not.toContain('accessTokenExpiresAt');
  });

  test('keeps in mind since when an answer may have been lost', () => {
    const { set } = conclude(
      anAccount(),
      failed('provider_unavailable', { ambiguousSince: NOW }),
      NOW,
    ).changes;
    expect(set.failure?.ambiguousSince).toBe(NOW);
  });

  test('keeps what is in escrow unless it has been dealt with', () => {
    const account = anAccount({ escrow: { ciphertext: 'c', attemptId: 'a', at: NOW } });
    expect(conclude(account, failed('store_unavailable'), NOW).changes.remove).not.toContain('escrow');
    const done = conclude(account, failed('rate_limited', { escrow: 'done' }), NOW);
    expect(done.changes.remove).toContain('escrow');
  });

  test('owes the event of a change of state until somebody has put it', () => {
    const { changes, event } = conclude(anAccount(), failed('no_refresh_token'), NOW);
    expect(event).toBe('OAuth Reauthorization Required');
    expect(changes.set).toMatchObject({ status: 'reauthorization_required', eventOwed: event });
  });

  test('goes on owing an event that still tells how the account is', () => {
    const eventOwed = 'OAuth Account Failing';
    const account = anAccount({ status: 'failing', eventOwed, failure: aFailure('rate_limited') });
    expect(conclude(account, failed('rate_limited'), NOW).event).toBe(eventOwed);
  });
});

describe('the state of an account after a refresh', () => {
  const rows: readonly { name: string; account?: Partial<Account>; event?: string }[] = [
    { name: 'a new account becomes healthy, which is no news', account: { status: undefined } },
    { name: 'a healthy account stays healthy, which is no news' },
    {
      name: 'a failing account recovers',
      account: { status: 'failing', failure: aFailure('rate_limited') },
      event: 'OAuth Account Recovered',
    },
    {
      name: 'an account that waited for a person recovers',
      account: { status: 'reauthorization_required' },
      event: 'OAuth Account Recovered',
    },
  ];
  test.each(rows)('$name', ({ account, event }) => {
    const tokenSet = aTokenSet({ obtained_at: NOW, expires_at: NOW + 3_600 });
    const outcome = { kind: 'refreshed', tokenSet, reason: 'expiring', obtainedAt: NOW } as const;
    const conclusion = conclude(anAccount(account), outcome, NOW);
    expect(conclusion.event).toBe(event);
    expect(conclusion.changes.set).toEqual({
      status: 'healthy',
      accessTokenExpiresAt: NOW + 3_600,
      refreshTokenExpiresAt: undefined,
      lastRefreshedAt: NOW,
      eventOwed: event,
    });
    expect([...conclusion.changes.remove].sort()).toEqual([
      'doesNotExpire',
      'escrow',
      'failure',
      'nextAttemptAt',
      'refreshTokenExpiresAt',
    ]);
  });

  test('is noted as of when the set was obtained, not of when it was found', () => {
    const tokenSet = aTokenSet({ obtained_at: NOW - 90, expires_at: NOW + 3_600 });
    const outcome = { kind: 'reconciled', tokenSet, reason: 'expiring', obtainedAt: NOW - 90 } as const;
    expect(conclude(anAccount(), outcome, NOW).changes.set.lastRefreshedAt).toBe(NOW - 90);
  });

  test('knows of an access token that has no end, and looks at its secret once a day', () => {
    const tokenSet = aTokenSet({ expires_at: undefined, refresh_token: undefined });
    const outcome = {
      kind: 'does_not_expire',
      tokenSet,
      reason: 'does_not_expire',
      obtainedAt: NOW - 9,
      escrow: 'done',
    } as const;
    const { changes, event, message } = conclude(
      anAccount({ failure: aFailure('rate_limited'), status: 'failing' }),
      outcome,
      NOW,
    );
    expect(changes.set).toMatchObject({
      status: 'healthy',
      doesNotExpire: true,
      nextAttemptAt: NOW + 86_400,
    });
    expect([...changes.remove].sort()).toEqual([
      'accessTokenExpiresAt',
      'escrow',
      'failure',
      'refreshTokenExpiresAt',
    ]);
    expect(event).toBe('OAuth Account Recovered');
    expect(message).toBe('OAuth access token does not expire. Nothing was spent. Account="acme"');
  });

  test('says which account, in the wording of the job before it', () => {
    const tokenSet = aTokenSet();
    const messages = (['refreshed', 'reconciled'] as const).map(
      (kind) =>
        conclude(
          anAccount({ name: 'Acme Inc.' }),
          { kind, tokenSet, reason: 'expiring', obtainedAt: NOW },
          NOW,
        ).message,
    );
    expect(messages).toEqual([
      'OAuth access token refreshed (expiring). Account="Acme Inc."',
      'OAuth access token is already fresh in the token secret. Nothing was spent. Account="Acme Inc."',
    ]);
  });

  test('ends the loan of its usual secret once the account has it back', () => {
    const tokenSet = aTokenSet();
    const outcome = { kind: 'refreshed', tokenSet, reason: 'expiring', obtainedAt: NOW } as const;
    const remove = (account: Partial<Account>) => conclude(anAccount(account), outcome, NOW).changes.remove;
    expect(remove({ secretLentTo: 'other' })).toContain('secretLentTo');
    expect(remove({ secretLentTo: 'other', tokenSecretId: 'oauth/shared' })).not.toContain('secretLentTo');
  });
});

describe('trouble that is told as one with its profile', () => {
  const untold = (reason: Reason) => aFailure(reason, { untold: true });
  interface Row {
    readonly name: string;
    readonly account: Partial<Account>;
    readonly failed: Failed;
    /** The reason of the profile's trouble, while it stands. */
    readonly profile: Reason | undefined;
    readonly event: string | undefined;
    readonly untold: boolean | undefined;
  }
  const rows: readonly Row[] = [
    {
      name: 'an account that begins to fail for it is not told',
      account: {},
      failed: failed('client_rejected'),
      profile: 'client_rejected',
      event: undefined,
      untold: true,
    },
    {
      name: 'a new account that begins to fail for it is not told',
      account: { status: undefined },
      failed: failed('provider_unavailable'),
      profile: 'provider_unavailable',
      event: undefined,
      untold: true,
    },
    {
      name: 'an account that begins to fail for something else is told',
      account: {},
      failed: failed('request_rejected'),
      profile: 'client_rejected',
      event: 'OAuth Account Failing',
      untold: undefined,
    },
    {
      name: 'an account that fails on while it stands stays untold',
      account: { status: 'failing', failure: untold('client_rejected') },
      failed: failed('client_rejected'),
      profile: 'client_rejected',
      event: undefined,
      untold: true,
    },
    {
      name: 'an account that still fails after its end is told then',
      account: { status: 'failing', failure: untold('client_rejected') },
      failed: failed('client_rejected'),
      profile: undefined,
      event: 'OAuth Account Failing',
      untold: undefined,
    },
    {
      name: 'an account that fails for something else by then is told of that',
      account: { status: 'failing', failure: untold('client_rejected') },
      failed: failed('malformed_response'),
      profile: 'client_rejected',
      event: 'OAuth Account Failing',
      untold: undefined,
    },
    {
      name: 'an account that was told before it began is not told again, and not taken back',
      account: { status: 'failing', failure: aFailure('provider_unavailable') },
      failed: failed('provider_unavailable'),
      profile: 'provider_unavailable',
      event: undefined,
      untold: undefined,
    },
    {
      name: 'an account that needs a person after all is told',
      account: { status: 'failing', failure: untold('provider_wide_refusal') },
      failed: failed('grant_revoked', { believed: true }),
      profile: undefined,
      event: 'OAuth Reauthorization Required',
      untold: undefined,
    },
  ];
  test.each(rows)('$name', ({ account, failed, profile, event, untold }) => {
    const conclusion = conclude(anAccount(account), failed, NOW, profile);
    expect(conclusion.event).toBe(event);
    expect(conclusion.changes.set.failure?.untold).toBe(untold);
  });

  test('an account of which nobody was told recovers without a word', () => {
    const account = anAccount({ status: 'failing', failure: untold('client_rejected') });
    const outcome = {
      kind: 'refreshed',
      tokenSet: aTokenSet(),
      reason: 'expiring',
      obtainedAt: NOW,
    } as const;
    expect(conclude(account, outcome, NOW).event).toBeUndefined();
  });
});

describe('the back-off', () => {
  const rows: readonly { reason: Reason; count: number; wait: number }[] = [
    { reason: 'token_set_too_large', count: 1, wait: 3_600 },
    { reason: 'store_unavailable', count: 9, wait: 900 },
    { reason: 'permission_missing', count: 9, wait: 900 },
    { reason: 'request_rejected', count: 9, wait: 900 },
    { reason: 'provider_unavailable', count: 1, wait: 45 },
    { reason: 'provider_unavailable', count: 2, wait: 90 },
    { reason: 'provider_unavailable', count: 5, wait: 720 },
    { reason: 'provider_unavailable', count: 6, wait: 900 },
    { reason: 'provider_unavailable', count: 5_000, wait: 900 },
    { reason: 'profile_invalid', count: 9, wait: 300 },
    { reason: 'grant_revoked', count: 1, wait: 45 },
  ];
  test.each(rows)('of $reason, failure $count in a row, is $wait s', ({ reason, count, wait }) => {
    expect(backOff({ reason }, count)).toBe(wait);
  });
});

describe('a doubt about the refresh token', () => {
  const lease = { owner: 'attempt-1', expiresAt: NOW - 60 };
  const read = (versionId: string, obtained_at = NOW - 3_600, createdAt = NOW - 3_600) => ({
    tokenSet: aTokenSet({ obtained_at }),
    version: { versionId, createdAt },
  });
  const rows: readonly {
    name: string;
    account?: Partial<Account>;
    secret?: ReturnType<typeof read>;
    since?: number;
  }[] = [
    { name: 'is not there after a visit that ended well', secret: read('v') },
    {
      name: 'is there where a run died holding the lease',
      account: { lease },
      secret: read('v'),
      since: NOW - 60,
    },
    {
      name: 'is not there where that run had stored what it got',
      account: { lease },
      secret: read('attempt-1'),
    },
    {
      name: 'is not there where that run had put it into escrow',
      account: { lease, escrow: { ciphertext: 'c', attemptId: 'attempt-1', at: NOW } },
      secret: read('v'),
    },
    {
      name: 'is there where that run had put what has not worked yet into escrow',
      account: { lease, escrow: { kind: 'candidate', ciphertext: 'c', attemptId: 'attempt-1', at: NOW } },
      secret: read('v'),
      since: NOW - 60,
    },
    {
      name: 'is there where that run had put what could not be read into escrow',
      account: { lease, escrow: { kind: 'answer', ciphertext: 'c', attemptId: 'attempt-1', at: NOW } },
      secret: read('v'),
      since: NOW - 60,
    },
    {
      name: 'stays while the failure that it came from stands',
      account: { failure: aFailure('provider_unavailable', { ambiguousSince: NOW - 90 }) },
      secret: read('v'),
      since: NOW - 90,
    },
    {
      name: 'ends with a token set that is newer',
      account: { failure: aFailure('provider_unavailable', { ambiguousSince: NOW - 90 }) },
      secret: read('v', NOW - 30, NOW - 30),
    },
    {
      name: 'is not there where this refresh token was believed to be dead before that run',
      account: {
        lease,
        status: 'reauthorization_required',
        failure: aFailure('grant_revoked', { at: NOW - 600 }),
      },
      secret: read('v'),
    },
    {
      name: 'is there where the provider had only once called this refresh token dead before that run',
      account: { lease, status: 'failing', failure: aFailure('grant_revoked', { at: NOW - 600 }) },
      secret: read('v'),
      since: NOW - 60,
    },
    {
      name: 'begins anew where a run died while there was one',
      account: { lease, failure: aFailure('provider_unavailable', { ambiguousSince: NOW - 900 }) },
      secret: read('v', NOW - 500, NOW - 500),
      since: NOW - 60,
    },
    {
      name: 'is there where a newer token set was spent by a run that died',
      account: { lease, failure: aFailure('grant_revoked', { at: NOW - 600 }) },
      secret: read('v', NOW - 500, NOW - 500),
      since: NOW - 60,
    },
    { name: 'stays where the secret can not be read', account: { lease }, since: NOW - 60 },
  ];
  test.each(rows)('$name', ({ account, secret, since }) => {
    expect(ambiguousSince(anAccount(account), secret)).toBe(since);
  });
});
