import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PutSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { seconds } from '../support/fleet.ts';
import { type ReportFleet, startReportFleet } from '../support/report-fleet.ts';

const HOUR = 3_600;
const DAY = 24 * HOUR;

let fleet: ReportFleet;
beforeAll(async () => {
  fleet = await startReportFleet();
});
beforeEach(async () => {
  writeFileSync(join(fleet.data, 'logs', 'function.log'), '');
  await fleet.empty();
});
afterEach(() => fleet.system.aws.inject(() => undefined));
afterAll(() => fleet.close());

/** The line of an account's outcome, so many seconds ago. */
const outcome = (accountId: string, ago: number, more: object = {}) => ({
  ago,
  level: 'INFO',
  message: 'OAuth access token refreshed (expiring).',
  runId: `run-${ago}`,
  accountId,
  oauthProfile: 'crm',
  reason: 'expiring',
  status: 'healthy',
  attemptId: `attempt-${accountId}-${ago}`,
  httpStatus: 200,
  providerRequestId: `request-${ago}`,
  exchangeMs: 120,
  ...more,
});
const failed = (accountId: string, ago: number, reason = 'rate_limited', more: object = {}) =>
  outcome(accountId, ago, {
    reason,
    status: 'failing',
    httpStatus: 429,
    message: 'It was refused.',
    ...more,
  });

const denied = {
  kind: 'error',
  status: 400,
  type: 'AccessDeniedException',
  message: 'not authorized',
} as const;

describe('accounts history', () => {
  type History = { attempts: Record<string, unknown>[]; secret: unknown; log: Record<string, unknown> };
  const history = async (accountId: string, ...args: string[]) => {
    const { code, value, text } = await fleet.ask('accounts', 'history', accountId, ...args);
    return { code, text, ...(value as History) };
  };
  const store = async (accountId: string, ...versionIds: string[]) => {
    const SecretId = `oauth/accounts/${accountId}`;
    await fleet.system.clients.putSecret(SecretId, '{}');
    for (const ClientRequestToken of versionIds)
      await fleet.system.clients.secrets.send(
        new PutSecretValueCommand({
          SecretId,
          ClientRequestToken,
          SecretString: `{"n":"${ClientRequestToken}"}`,
        }),
      );
  };

  test('tells of a real run what the function has logged of it, also how many requests that were', async () => {
    const { authorizationServer, clients, function: fn } = fleet.system;
    const { refresh_token } = await authorizationServer.seedGrant({ clientId: 'crm', accountId: 'real' });
    await clients.putSecret('oauth/accounts/real', JSON.stringify({ refresh_token }));
    await fleet.put({ accountId: 'real', authenticationType: 'oauth2', oauthProfile: 'crm' });
    const run = await fn.invoke({});
    const { runId } = (run as { payload: { runId: string } }).payload;
    const { attempts, secret } = await history('real');
    const [refreshed] = attempts.filter(({ outcome }) => outcome === 'refreshed');
    expect(refreshed).toMatchObject({ runId, reason: 'no_access_token', httpStatus: 200 });
    expect(refreshed?.exchangeMs).toBeGreaterThan(0);
    const { ListSecretVersionIdsCommand } = await import('@aws-sdk/client-secrets-manager');
    const { Versions = [] } = await clients.secrets.send(
      new ListSecretVersionIdsCommand({ SecretId: 'oauth/accounts/real' }),
    );
    const current = Versions.find(({ VersionStages }) => VersionStages?.includes('AWSCURRENT'));
    expect(refreshed?.attemptId).toBe(current?.VersionId);
    // What was put by hand, the claim, and the refresh: each once.
    expect(secret).toMatchObject({ versions: 3 });
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['refreshed', 'claimed', 'stored']);
    expect(attempts[1]).toMatchObject({ runId });
    const { value } = await fleet.ask('report', 'requests', '--since', '1h');
    const { profiles } = value as { profiles: { profile: string; requests: number }[] };
    expect(profiles.find(({ profile }) => profile === 'crm')?.requests).toBe(1);
  });

  test('has the run and the answer of the log, and each version of the secret once', async () => {
    const attemptId = randomUUID();
    await fleet.put({ accountId: 'acme', authenticationType: 'oauth2', oauthProfile: 'crm' });
    await store('acme', attemptId);
    fleet.log(
      outcome('acme', 1, { attemptId }),
      failed('acme', 61, 'provider_unavailable', { httpStatus: 503 }),
      outcome('acme', 3_600, {
        reason: 'grant_revoked',
        status: 'reauthorization_required',
        httpStatus: 400,
      }),
      outcome('acme', 8 * DAY),
      outcome('acme-2', 30),
      { ago: 2, message: 'Refreshing OAuth access token.', accountId: 'acme' },
    );
    const { attempts, log, text } = await history('acme');
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['stored', 'refreshed', 'failed', 'needs_person']);
    expect(attempts[1]).toMatchObject({
      attemptId,
      runId: 'run-1',
      reason: 'expiring',
      httpStatus: 200,
      providerRequestId: 'request-1',
      exchangeMs: 120,
    });
    expect(log.scannedBytes).toBeGreaterThan(100);
    expect(text).toMatch(/ago +failed +provider_unavailable +503/);
    expect(text).toContain('The log answered');
    const { attempts: longer } = await history('acme', '--since', '30d');
    expect(longer).toHaveLength(5);
  });

  test('ends with the last ten, or as many as are asked for', async () => {
    await fleet.put({ accountId: 'acme', authenticationType: 'oauth2', oauthProfile: 'crm' });
    fleet.log(...Array.from({ length: 14 }, (_, n) => outcome('acme', 60 * (14 - n))));
    const { attempts } = await history('acme');
    expect(attempts).toHaveLength(10);
    expect((await history('acme', '--limit', '3')).attempts).toHaveLength(3);
  });

  test.each([
    'a "quoted" id',
    'back\\slash',
    'with | filter 1 = 1',
    "it's",
    'ünïcode 日本',
  ])('of the id %s finds its own lines alone', async (accountId) => {
    await fleet.put({ accountId, authenticationType: 'oauth2', oauthProfile: 'crm' });
    fleet.log(outcome(accountId, 10), outcome('other', 5));
    const { code, attempts } = await history(accountId);
    expect({ code, runs: attempts.map(({ runId }) => runId) }).toEqual({ code: 0, runs: ['run-10'] });
  });

  test('an account that is healthy without a request was not refreshed', async () => {
    await fleet.put({ accountId: 'looked-at', authenticationType: 'oauth2', oauthProfile: 'crm' });
    fleet.log(outcome('looked-at', 5, { exchangeMs: undefined, httpStatus: undefined, reason: 'expiring' }));
    expect((await history('looked-at')).attempts[0]?.outcome).toBe('healthy');
  });

  test('without the log still tells when, and why the rest is missing', async () => {
    await fleet.put({ accountId: 'acme', authenticationType: 'oauth2', oauthProfile: 'crm' });
    fleet.system.aws.inject(({ operation }) => (operation === 'StartQuery' ? denied : undefined));
    const { code, attempts, log, text } = await history('acme');
    expect({ code, problem: log.problem }).toEqual({
      code: 0,
      problem: 'AccessDeniedException: not authorized',
    });
    expect(attempts.length).toBeGreaterThan(0);
    expect(text).toContain('The log can’t be asked');
  });

  test('an account that was never looked at, or is not there', async () => {
    await fleet.put({ accountId: 'new', authenticationType: 'oauth2', oauthProfile: 'crm' });
    const { code, attempts, text } = await history('new');
    expect({ code, attempts }).toEqual({ code: 0, attempts: [] });
    expect(text).toContain('Nothing is known of an attempt at new');
    expect(await fleet.json(['accounts', 'history', 'nix'])).toMatchObject({
      code: 1,
      value: { error: { code: 'NO_ACCOUNT' } },
    });
  });
});

describe('how many requests', () => {
  /** Seconds since midnight, UTC, so that a test at one minute past it has something to look back at. */
  const sinceHour = ['--since', '1h'];
  const minutesAgo = (minutes: number) => {
    const inThisMinute = seconds() % 60;
    return inThisMinute + 60 * minutes - 30;
  };

  beforeEach(async () => {
    const profile = (more: object) =>
      JSON.stringify({
        client_id: 'c',
        client_secret: 's',
        token_endpoint: 'https://id.example/token',
        ...more,
      });
    await fleet.system.clients.putSecret('oauth/profiles/limited', profile({ max_requests_per_minute: 4 }));
    await fleet.system.clients.putSecret('oauth/profiles/limitless', profile({}));
  });

  test('each profile had, in its busiest minute against its limit; nobody’s lines of another kind or day', async () => {
    const of = (oauthProfile: string, ago: number, more: object = {}) =>
      outcome('a', ago, { oauthProfile, ...more });
    fleet.log(
      ...[0, 1, 2].map((n) => of('limited', minutesAgo(5) + n)),
      of('limited', minutesAgo(7), { status: 'failing', httpStatus: 429 }),
      ...[0, 1].map((n) => of('limitless', minutesAgo(9) + n)),
      of('limitless', 30 * HOUR),
      of('limitless', minutesAgo(3), { exchangeMs: undefined }),
      { ago: 60, message: 'Run finished.', refreshed: 900 },
    );
    const { value, text } = await fleet.ask('report', 'requests', ...sinceHour);
    const { profiles, providers } = value as {
      profiles: Record<string, unknown>[];
      providers: Record<string, unknown>[];
    };
    expect(profiles.slice(0, 2)).toEqual([
      {
        profile: 'limited',
        provider: 'id.example',
        requests: 4,
        busiestMinute: 3,
        maxRequestsPerMinute: 4,
        ofLimit: 0.75,
      },
      { profile: 'limitless', provider: 'id.example', requests: 2, busiestMinute: 2 },
    ]);
    expect(profiles.find(({ profile }) => profile === 'mail')).toMatchObject({
      requests: 0,
      busiestMinute: 0,
    });
    expect(providers[0]).toEqual({ provider: 'id.example', requests: 6 });
    expect(text).toMatch(/^limited +id\.example +4 +3 +4 +75 %/m);
  });

  test('a limit that was reached is said', async () => {
    fleet.log(...[0, 1, 2, 3].map((n) => outcome('a', minutesAgo(5) + n, { oauthProfile: 'limited' })));
    const { text } = await fleet.ask('report', 'requests', ...sinceHour);
    expect(text).toContain('1 profile reached the limit in a minute');
  });

  test('is stopped at Ctrl-C, and the query with it', async () => {
    const stop = new AbortController();
    fleet.system.aws.inject(({ operation }) => {
      if (operation === 'GetQueryResults') stop.abort();
      return undefined;
    });
    const { code } = await fleet.run(['report', 'requests'], { signal: stop.signal });
    const operations = fleet.system.aws.calls().map(({ operation }) => operation);
    expect({ code, last: operations.at(-1) }).toEqual({ code: 130, last: 'StopQuery' });
  });

  test('who may not ask the log is told so', async () => {
    fleet.system.aws.inject(({ operation }) => (operation === 'StartQuery' ? denied : undefined));
    expect(await fleet.json(['report', 'requests'])).toMatchObject({
      code: 1,
      value: { error: { code: 'ACCESS_DENIED' } },
    });
  });

  test('a throttled log is asked again', async () => {
    let throttled = 0;
    fleet.system.aws.inject(({ operation }) =>
      operation === 'GetQueryResults' && throttled++ === 0 ? { kind: 'throttle' } : undefined,
    );
    expect((await fleet.json(['report', 'requests'])).code).toBe(0);
    expect(throttled).toBeGreaterThan(1);
  });
});

describe('what changed', () => {
  const now = seconds();
  const changes = async (...args: string[]) => {
    const { code, value, text } = await fleet.ask('report', 'changes', ...args);
    const { changes, ...rest } = value as {
      changes: { what: string; of: string }[];
      refreshed: number;
      log: object;
    };
    return { code, text, said: changes.map(({ what, of }) => `${what} ${of}`), ...rest };
  };
  const failure = (since: number) => ({ reason: 'rate_limited', message: 'm', count: 1, since, at: now });

  test('since a time: by the table, by the secrets and by the log', async () => {
    const put = (accountId: string, more: object) =>
      fleet.put({
        accountId,
        authenticationType: 'oauth2',
        oauthProfile: 'sound',
        status: 'healthy',
        ...more,
      });
    await put('recovered', { lastRefreshedAt: now - 60 });
    await put('still-failing', { status: 'failing', failure: failure(now - HOUR) });
    await put('long-failing', { status: 'failing', failure: failure(now - 3 * DAY) });
    await put('signed-in', {
      authorizedAt: now - HOUR,
      authorizedBy: 'https://id.example#7',
      lastRefreshedAt: now - HOUR,
    });
    await put('signed-in-long-ago', { authorizedAt: now - 3 * DAY, lastRefreshedAt: now - 2 * DAY });
    await put('waits', {
      oauthProfile: 'refused',
      accessTokenExpiresAt: now - 1,
      lastRefreshedAt: now - 2 * DAY,
    });
    await fleet.put({ accountId: '#profile:refused', failure: { ...failure(now - 2 * HOUR), accounts: 1 } });
    await fleet.put({ accountId: '#pause:mail', at: now - HOUR });
    fleet.log(
      failed('recovered', 2 * HOUR),
      outcome('recovered', HOUR),
      failed('still-failing', HOUR),
      failed('removed-since', HOUR),
      failed('signed-in-long-ago', 3 * DAY),
      {
        ago: HOUR,
        message: 'The profile works again.',
        oauthProfile: 'crm-down',
        reason: 'provider_unavailable',
      },
    );
    await fleet.system.clients.putSecret('oauth/profiles/new-one', '{}');
    const { said, refreshed, text } = await changes();
    expect(said.filter((one) => !one.startsWith('profile_c')).sort()).toEqual([
      'authorized signed-in',
      'broke still-failing',
      'paused mail',
      'profile_failing refused',
      'profile_recovered crm-down',
      'recovered recovered',
    ]);
    expect(said).toContain('profile_created new-one');
    expect(refreshed).toBe(2);
    expect(text.replaceAll(/\s+/g, ' ')).toContain(
      '1 broke, 1 more waits for a profile that fails, 1 recovered, 1 authorized, 2 accounts refreshed',
    );
    expect((await changes('--since', '90m')).said.filter((one) => one === 'profile_failing refused')).toEqual(
      [],
    );
  });

  test('a profile’s secret that was changed is no new one', async () => {
    const { said } = await changes();
    expect(said).toContain('profile_created crm');
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const since = new Date().toISOString();
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await fleet.system.clients.putSecret('oauth/profiles/crm', '{"client_id": "other"}');
    expect((await changes('--since', since)).said).toEqual(['profile_changed crm']);
  });

  test('without the log: the rest, and what is missing', async () => {
    await fleet.put({
      accountId: 'a',
      authenticationType: 'oauth2',
      oauthProfile: 'crm',
      status: 'failing',
      failure: failure(now),
    });
    fleet.system.aws.inject(({ operation }) => (operation === 'StartQuery' ? denied : undefined));
    const { code, said, text, log } = await changes();
    expect({ code, log }).toMatchObject({
      code: 0,
      log: { problem: expect.stringContaining('AccessDenied') },
    });
    expect(said).toContain('broke a');
    expect(text).toContain('recoveries are missing');
  });
});

describe('status', () => {
  const finished = (ago: number, more: object = {}) => ({
    ago,
    message: 'Run finished.',
    runId: `run-${ago}`,
    scanned: 100,
    due: 0,
    refreshed: 0,
    reconciled: 0,
    leasedElsewhere: 0,
    failed: 0,
    reauthorizationRequired: 0,
    invalid: 0,
    deferred: 0,
    durationMs: 4_000,
    ...more,
  });
  const status = async () => {
    const { value, text } = await fleet.ask('status');
    return {
      text,
      ...(value as {
        lastWholeRun: { at: number; durationMs: number } | null;
        limits: Record<string, { used: number; limit: number }>;
      }),
    };
  };

  test('a run that was cut off is not whole: the one before is, however long ago', async () => {
    fleet.log(
      finished(2 * HOUR, { durationMs: 60_000 }),
      finished(30, { incomplete: true, durationMs: 119_000 }),
    );
    const { lastWholeRun, limits, text } = await status();
    expect(lastWholeRun).toMatchObject({ runId: `run-${2 * HOUR}`, durationMs: 60_000 });
    expect(limits.time).toEqual({ used: 60, limit: 120 });
    expect(text).toContain('The last run was cut off; 2 h ago one saw all.');
    expect(text.split('\n').length).toBeLessThanOrEqual(24);
  });

  test('none was whole', async () => {
    fleet.log(finished(30, { incomplete: true }));
    const { lastWholeRun, limits, text } = await status();
    expect({ lastWholeRun, time: limits.time }).toEqual({ lastWholeRun: null, time: undefined });
    expect(text).toContain('cut off; none has seen all in 24 hours');
  });

  test('the pace and the versions are those of who is refreshed', async () => {
    const now = seconds();
    fleet.log(finished(30));
    const put = (accountId: string, lifetime: number, more: object = {}) =>
      fleet.put({
        accountId,
        authenticationType: 'oauth2',
        oauthProfile: 'crm',
        status: 'healthy',
        lastRefreshedAt: now - 10,
        accessTokenExpiresAt: now - 10 + lifetime,
        ...more,
      });
    for (let n = 0; n < 20; n++) await put(`hour-${n}`, HOUR);
    await put('off', 60, { enabled: false });
    await put('person', 60, { status: 'reauthorization_required' });
    const { limits } = await status();
    // 20 accounts every 55.5 minutes; 25.9 versions a day.
    expect(limits.versions).toMatchObject({ used: 26, limit: 96, alike: 0 });
    expect(limits.writes).toEqual({ used: 0, limit: 48 });
    await put('short', 1_200);
    expect((await status()).limits.versions?.used).toBe(93);
  });
});
