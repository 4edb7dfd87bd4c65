import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { FIRST_PAGE } from '../../../adapters/aws/accounts-table.ts';
import { shareOf } from '../../../core/account/spread.ts';
import type { RunResult } from '../../../lambda/run-result.ts';
import { awsEndpoint } from '../../support/aws-endpoint.ts';
import { createGuardedWorld } from '../../support/iam/guarded-world.ts';
import { resultOf, type World } from '../../support/world.ts';
import { fileWorld } from '../../support/world-test.ts';

const { aws, provider, world } = await fileWorld(awsEndpoint());
const now = () => Math.floor(Date.now() / 1000);

/** A world of a test's own. */
async function ownWorld(environment?: Record<string, string>): Promise<World> {
  const own = await createGuardedWorld(aws.url, environment);
  onTestFinished(() => own.close());
  await own.profile('crm', provider.profile);
  return own;
}

/** An account that was never looked at. */
async function addDue(accountId: string, tokens: Record<string, unknown> = {}): Promise<void> {
  await world.account({ accountId, oauthProfile: 'crm' }, { ...provider.issue(accountId), ...tokens });
}

/** Runs over one account and says what became of it. */
async function runOver(accountId: string, event: Record<string, unknown> = {}) {
  const result = await world.run({ accountIds: [accountId], ...event });
  return { result, report: result.accounts?.[0] };
}

function linesAbout(accountId: string): { level: string; message: string }[] {
  return world.function
    .takeLog()
    .map((line) => JSON.parse(line))
    .filter((line) => line.accountId === accountId);
}

function tokenTimes(times: { lastRefreshedAt: number; accessTokenExpiresAt: number }) {
  return { obtained_at: times.lastRefreshedAt, expires_at: times.accessTokenExpiresAt };
}

describe('a due account', () => {
  test('is refreshed: the secret holds tokens that the provider accepts, the item says until when', async () => {
    const issued = provider.issue('due');
    await world.account(
      { accountId: 'due', name: 'Due Inc', oauthProfile: 'crm' },
      { ...issued, team: 'kept' },
    );
    const { result, report } = await runOver('due');
    expect(result).toMatchObject({ scanned: 1, due: 1, refreshed: 1, failed: 0 });
    const tokens = await world.tokens('due');
    expect(provider.accepts('due', tokens.refresh_token)).toBe(true);
    expect(tokens).toMatchObject({ token_type: 'Bearer', team: 'kept' });
    expect(tokens.refresh_token).not.toBe(issued.refresh_token);
    expect(report).toEqual({
      accountId: 'due',
      action: 'refresh',
      reason: 'no_access_token',
      accessTokenExpiresAt: tokens.expires_at,
    });
    expect(await world.item('due')).toEqual({
      accountId: 'due',
      name: 'Due Inc',
      authenticationType: 'oauth2',
      oauthProfile: 'crm',
      status: 'healthy',
      accessTokenExpiresAt: tokens.expires_at,
      lastRefreshedAt: tokens.obtained_at,
    });
    expect(linesAbout('due')[0]).toMatchObject({
      level: 'INFO',
      message: 'Refreshing OAuth access token. Account="Due Inc"',
    });
  });

  test('is left alone by the next run', async () => {
    await addDue('left');
    expect((await runOver('left')).result).toMatchObject({ refreshed: 1 });
    const { result, report } = await runOver('left');
    expect(result).toMatchObject({ due: 0, refreshed: 0 });
    expect(report).toMatchObject({ action: 'leave', reason: 'fresh' });
  });

  test('is refreshed all the same under force', async () => {
    await addDue('forced');
    await runOver('forced');
    const { report } = await runOver('forced', { force: true });
    expect(report).toMatchObject({ action: 'refresh', reason: 'forced' });
    expect(provider.truth('forced')).toMatchObject({ grants: 2, reuses: 0 });
  });

  test('keeps its refresh token where the answer has none', async () => {
    const issued = provider.issue('kept');
    await world.account({ accountId: 'kept', oauthProfile: 'crm' }, issued);
    provider.inject(({ accountId }) =>
      accountId === 'kept'
        ? { kind: 'answer', status: 200, body: JSON.stringify({ access_token: 'a', expires_in: 3600 }) }
        : undefined,
    );
    const { report } = await runOver('kept');
    provider.inject(undefined);
    expect(report).toMatchObject({ action: 'refresh' });
    expect(await world.tokens('kept')).toMatchObject({
      access_token: 'a',
      refresh_token: issued.refresh_token,
    });
  });

  test('of a secret that does not show the last store yet is left to a later run', async () => {
    const item = {
      accountId: 'stale',
      oauthProfile: 'crm',
      status: 'healthy',
      lastRefreshedAt: now() + 58,
      accessTokenExpiresAt: now() + 3_000,
    };
    await world.account(item, provider.issue('stale'));
    const { accounts } = await world.runAt(60, { accountIds: ['stale'], force: true });
    expect(accounts).toMatchObject([{ action: 'defer', reason: 'store_unavailable' }]);
    expect(provider.truth('stale').requests).toBe(0);
    expect(await world.item('stale')).toEqual({ ...item, authenticationType: 'oauth2' });
  });

  test('of a secret that is newer than its item is recorded, and nothing is spent', async () => {
    const issued = provider.issue('stored');
    const expiresAt = now() + 3_000;
    await world.account(
      { accountId: 'stored', oauthProfile: 'crm', status: 'healthy', accessTokenExpiresAt: now() - 60 },
      { ...issued, obtained_at: now() - 600, expires_at: expiresAt },
    );
    const { result, report } = await runOver('stored');
    expect(result).toMatchObject({ reconciled: 1, refreshed: 0 });
    expect(report).toMatchObject({ action: 'reconcile', accessTokenExpiresAt: expiresAt });
    expect(provider.truth('stored').requests).toBe(0);
    expect(await world.item('stored')).toMatchObject({ accessTokenExpiresAt: expiresAt, status: 'healthy' });
  });
});

describe('an account that needs a person', () => {
  test.each([
    {
      accountId: 'no-refresh-token',
      tokens: { refresh_token: undefined },
      reason: 'no_refresh_token',
      message: 'No OAuth refresh token. Manual reauthorization required. Account="no-refresh-token"',
    },
    {
      accountId: 'expired',
      tokens: { refresh_token_expires_at: 1_600_000_000 },
      reason: 'refresh_token_expired',
      message: 'OAuth refresh token is expired. Manual reauthorization required. Account="expired"',
    },
  ])('$accountId is marked at once, and said as the old job said it', async ({
    accountId,
    tokens,
    reason,
    message,
  }) => {
    await addDue(accountId, tokens);
    const { result, report } = await runOver(accountId);
    expect(result).toMatchObject({ due: 1, reauthorizationRequired: 1, failed: 0 });
    expect(report).toMatchObject({ action: 'reauthorize', reason });
    expect(linesAbout(accountId)).toMatchObject([{ level: 'ERROR', message }]);
    expect(await world.item(accountId)).toMatchObject({
      status: 'reauthorization_required',
      failure: { reason },
    });
    expect(provider.truth(accountId).requests).toBe(0);
  });

  test('is left alone and counted by later runs, and repaired under force', async () => {
    await addDue('waiting', { refresh_token_expires_at: 1_600_000_000 });
    await runOver('waiting');
    const { result, report } = await runOver('waiting');
    expect(result).toMatchObject({ due: 0, reauthorizationRequired: 1 });
    expect(report).toMatchObject({ action: 'reauthorize', reason: 'refresh_token_expired' });
    await world.clients.putSecret(
      `${world.prefix}accounts/waiting`,
      JSON.stringify(provider.issue('waiting')),
    );
    expect((await runOver('waiting', { force: true })).report).toMatchObject({ action: 'refresh' });
    const item = await world.item('waiting');
    expect(item).toMatchObject({ status: 'healthy' });
    expect(item).not.toHaveProperty('failure');
  });
});

describe('a dry run', () => {
  test('decides and reports, reads everything and changes nothing', async () => {
    await addDue('dry');
    const before = [await world.item('dry'), await world.tokens('dry')];
    const { result, report } = await runOver('dry', { dryRun: true });
    expect(report).toMatchObject({ action: 'refresh', reason: 'no_access_token' });
    expect(result).toMatchObject({ due: 1, refreshed: 0 });
    expect([await world.item('dry'), await world.tokens('dry')]).toEqual(before);
    expect(provider.truth('dry').requests).toBe(0);
  });
});

describe('a scan', () => {
  let result: RunResult;
  let scanned: World;

  beforeAll(async () => {
    scanned = await createGuardedWorld(aws.url);
    await scanned.profile('crm', provider.profile);
    await scanned.profile('eager', { ...provider.profile, refresh_window_seconds: 7_200 });
    const fresh = { status: 'healthy', accessTokenExpiresAt: now() + 3_600, lastRefreshedAt: now() - 3_600 };
    await scanned.account({ accountId: 'scan-due', oauthProfile: 'crm' }, provider.issue('scan-due'));
    await scanned.account(
      { accountId: 'scan-fresh', oauthProfile: 'crm', ...fresh },
      provider.issue('scan-fresh'),
    );
    await scanned.account(
      { accountId: 'scan-eager', oauthProfile: 'eager', ...fresh },
      provider.issue('scan-eager'),
    );
    await scanned.account(
      { accountId: 'scan-disabled', oauthProfile: 'crm', enabled: false },
      provider.issue('scan-disabled'),
    );
    await scanned.account(
      { accountId: 'scan-basic', oauthProfile: 'crm', authenticationType: 'basic' },
      provider.issue('scan-basic'),
    );
    await scanned.account({ accountId: 'scan-no-profile' }, provider.issue('scan-no-profile'));
    result = await scanned.run();
  });

  afterAll(() => scanned.close());

  test('refreshes what is due, by the profile’s own window too', () => {
    expect(result).toMatchObject({ scanned: 6, due: 2, refreshed: 2 });
    expect(provider.truth('scan-due').grants).toBe(1);
    expect(provider.truth('scan-eager').grants).toBe(1);
  });

  test.each([
    'scan-fresh',
    'scan-disabled',
    'scan-basic',
    'scan-no-profile',
  ])('leaves %s alone', (accountId) => {
    expect(provider.truth(accountId).requests).toBe(0);
  });

  test('ends with the result as its last log line, behind the metrics', () => {
    const lines = scanned.function.takeLog().map((line) => JSON.parse(line));
    expect(lines.at(-1)).toMatchObject(result);
    expect(lines.at(-2)).toMatchObject({ TokensRefreshed: 2, service: 'oauth-token-refresher' });
  });

  test.each([
    { accounts: 'one profile', profiles: ['crm'] },
    { accounts: 'profiles of one window', profiles: ['crm', 'other'] },
    { accounts: 'profiles of several windows', profiles: ['crm', 'other', 'eager'] },
  ])('of several pages of accounts of $accounts refreshes what is due, once', async ({ profiles }) => {
    const many = await ownWorld();
    await many.profile('other', provider.profile);
    await many.profile('eager', { ...provider.profile, refresh_window_seconds: 7_200 });
    const count = 2 * FIRST_PAGE + 20;
    for (let i = 0; i < count; i++) {
      const accountId = `${profiles.join('-')}-${i}`;
      const due = i % 42 === 0;
      await many.account(
        {
          accountId,
          oauthProfile: profiles[i % profiles.length],
          status: 'healthy',
          lastRefreshedAt: now() - 3_600,
          accessTokenExpiresAt: now() + (due ? 60 : 10_000),
        },
        due ? provider.issue(accountId) : undefined,
      );
    }
    expect(await many.run()).toMatchObject({ scanned: count, due: 3, refreshed: 3, invalid: 0 });
    expect(await many.run()).toMatchObject({ due: 0 });
  });

  test('with a spread refreshes earlier whom it concerns, beyond the first page too', async () => {
    const spread = await ownWorld({ REFRESH_SPREAD_SECONDS: '3600' });
    const times = { lastRefreshedAt: now() - 2_100, accessTokenExpiresAt: now() + 1_500 };
    let early = 0;
    for (let i = 0; i < FIRST_PAGE + 50; i++) {
      const accountId = `spread-${i}`;
      // Half of the 3,300 s for which such a token is used at most; the accounts of shares near the edge are left out.
      const due = shareOf(accountId) * 1_650 - 1_200;
      if (Math.abs(due) < 30) continue;
      if (due > 0) early++;
      const secret = { ...provider.issue(accountId), ...tokenTimes(times) };
      await spread.account({ accountId, oauthProfile: 'crm', status: 'healthy', ...times }, secret);
    }
    expect(early).toBeGreaterThan(10);
    expect(await spread.run()).toMatchObject({ due: early, refreshed: early, reconciled: 0 });
    expect(await spread.run()).toMatchObject({ due: 0 });
  });

  test('of shares looks at every account once', async () => {
    const shares = await Promise.all(
      [0, 1, 2].map((segment) => scanned.process().invoke({ dryRun: true, segment, totalSegments: 3 })),
    );
    const seen = shares.flatMap((share) => resultOf(share).accounts?.map(({ accountId }) => accountId));
    expect(seen.sort()).toEqual(['scan-disabled', 'scan-due', 'scan-eager', 'scan-fresh']);
  });
});

describe('two runs at once', () => {
  test('over the same accounts spend each refresh token once', async () => {
    const both = await ownWorld();
    const ids = [...Array(20)].map((_, i) => `both-${i}`);
    for (const accountId of ids)
      await both.account({ accountId, oauthProfile: 'crm' }, provider.issue(accountId));
    const ends = await Promise.all(
      [both.function, both.process(), both.process()].map((one) => one.invoke({})),
    );
    expect(ends.map(({ kind }) => kind)).toEqual(['returned', 'returned', 'returned']);
    for (const id of ids) {
      expect(provider.truth(id)).toMatchObject({ grants: 1, reuses: 0, revokedBecause: undefined });
      expect(provider.accepts(id, (await both.tokens(id)).refresh_token)).toBe(true);
    }
  });
});

describe('a run', () => {
  test.each([
    {
      name: 'with an unknown field in its event fails by name',
      event: { dryrun: true },
      message: /InvalidEvent: .*dryrun: is not a known/,
    },
    {
      name: 'without a table fails by name',
      environment: { ACCOUNTS_TABLE_NAME: '' },
      message: /InvalidEnvironment: .*ACCOUNTS_TABLE_NAME/,
    },
    {
      name: 'with a table that is not there fails',
      // Behind its role, whose ARNs name one table, it could not ask for another.
      environment: { ACCOUNTS_TABLE_NAME: 'nowhere', AWS_ENDPOINT_URL: aws.url },
      message: /ResourceNotFoundException/,
    },
  ])('$name', async ({ event = {}, environment = {}, message }) => {
    const end = await world.process({ environment }).invoke(event);
    const said = end.kind === 'failed' ? `${end.errorType}: ${end.errorMessage}` : 'returned';
    expect(said).toMatch(message);
  });

  test.each([13_001, 15_000, 17_003])('of %i ms has time for one account', async (time) => {
    const accountId = `short-run-${time}`;
    await addDue(accountId);
    expect(await world.run({ accountIds: [accountId] }, time)).toMatchObject({ refreshed: 1 });
  });

  test('whose time is up before a large table ends still says what it did', async () => {
    const crowded = await ownWorld();
    const accountIds = Array.from({ length: 800 }, (_, i) => `crowd-${i}`);
    await Promise.all(accountIds.map((accountId) => crowded.account({ accountId, oauthProfile: 'crm' })));
    // At 48 a second these alone would take 17 seconds.
    const result = await crowded.run({}, 13_000);
    expect(result.scanned).toBe(800);
    expect(result.due).toBe(result.deferred + result.invalid);
    expect(result.deferred).toBeGreaterThan(500);
  });

  test('that knows profiles with more windows than a filter can hold goes on to the next page', async () => {
    const varied = await ownWorld();
    // With 12 KB each the table has two pages: the second is filtered by the windows that the first one taught.
    const accountIds = Array.from({ length: 150 }, (_, i) => `varied-${i}`);
    await Promise.all(
      accountIds.map(async (accountId, i) => {
        const profile = { ...provider.profile, refresh_window_seconds: 300 + i };
        await varied.profile(`profile-of-${accountId}`, profile);
        await varied.account({
          accountId,
          oauthProfile: `profile-of-${accountId}`,
          accessTokenExpiresAt: now() + 3_000,
          notes: 'x'.repeat(12_000),
        });
      }),
    );
    expect(await varied.run({})).toMatchObject({ due: 0, scanned: 150 });
  });

  test('with little time left takes no account and says so', async () => {
    await addDue('late');
    const result = await world.run({ accountIds: ['late'] }, 5_000);
    expect(result).toMatchObject({
      deferred: 1,
      refreshed: 0,
      accounts: [{ action: 'defer', reason: 'out_of_time' }],
    });
    expect(provider.truth('late').requests).toBe(0);
  });
});
