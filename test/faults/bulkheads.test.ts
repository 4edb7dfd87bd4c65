import { beforeEach, describe, expect, test } from 'vitest';
import type { RunResult } from '../../lambda/run-result.ts';
import type { FaultRule } from '../../local/aws/server.ts';
import { startPatientAws } from '../support/aws-endpoint.ts';
import { type StrictProvider, startStrictProvider } from '../support/strict-provider.ts';
import { createWorld, type World } from '../support/world.ts';
import { fileServers } from '../support/world-test.ts';

/** One account's trouble never becomes the fleet's, and one profile's never another's (docs/failures.md). */
let troubled: StrictProvider;
let world: World;
/** Seconds that have passed without anybody waiting for them. */
let offset = 0;
let eventsBefore = 0;
const now = () => Date.now() + offset * 1000;
const { aws, provider: sound } = await fileServers(startPatientAws({ now }), { now });

beforeEach(async () => {
  aws.inject(undefined);
  troubled = await startStrictProvider({ now });
  eventsBefore = aws.putEventsLog().length;
  world = await createWorld(aws.url);
  await world.profile('sound', sound.profile);
  await world.profile('troubled', troubled.profile);
  return async () => {
    world.close();
    await troubled.close();
  };
});

async function runLater(seconds: number, event: unknown = {}, timeout?: number): Promise<RunResult> {
  offset += seconds;
  return await world.runAt(offset, event, timeout);
}

/** Accounts of a profile, in whichever order the table scans them. */
async function add(profile: 'sound' | 'troubled', count: number, name = profile): Promise<readonly string[]> {
  const provider = profile === 'sound' ? sound : troubled;
  const ids = Array.from({ length: count }, (_, i) => `${name}-${offset}-${i + 1}`);
  for (const accountId of ids)
    await world.account({ accountId, oauthProfile: profile }, provider.issue(accountId));
  return ids;
}

async function statuses(ids: readonly string[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const id of ids) {
    const { status = 'never tried', failure } = await world.item(id);
    const reason = (failure as { reason?: string } | undefined)?.reason;
    const key = reason === undefined ? String(status) : `${status}, ${reason}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

function requestsTo(provider: StrictProvider, ids: readonly string[]): number {
  return ids.reduce((sum, id) => sum + provider.truth(id).requests, 0);
}

const events = (type: string) =>
  aws
    .putEventsLog()
    .slice(eventsBefore)
    .filter(({ detailType, detail }) => detailType === type && JSON.stringify(detail).includes('troubled'));

const refusing = (accountId: string, type: string, status = 400): FaultRule => {
  return ({ operation, input }) =>
    operation === 'PutSecretValue' && JSON.stringify(input).includes(`accounts/${accountId}"`)
      ? { kind: 'error', status, type, message: 'no' }
      : undefined;
};

describe('one account can not be stored', () => {
  const rows = [
    {
      name: 'as its secret may not be written (A1)',
      type: 'AccessDeniedException',
      status: 400,
      reason: 'permission_missing',
    },
    {
      name: 'as Secrets Manager fails for its secret alone',
      type: 'InternalServiceError',
      status: 500,
      reason: 'store_unavailable',
    },
    {
      name: 'as its secret is in a state that refuses writes',
      type: 'InvalidRequestException',
      status: 400,
      reason: 'store_unavailable',
    },
  ];
  test.each(rows)('$name: it is in escrow, and all others are refreshed', async ({
    type,
    status,
    reason,
  }) => {
    const [one = ''] = await add('troubled', 1);
    const others = await add('sound', 30);
    aws.inject(refusing(one, type, status));
    expect(await runLater(0, {}, 25_000)).toMatchObject({ refreshed: 30, failed: 1 });
    expect(await statuses(others)).toEqual({ healthy: 30 });
    expect(await statuses([one])).toEqual({ [`failing, ${reason}`]: 1 });
    expect(await world.item(one)).toMatchObject({ escrow: { kind: 'token' } });
    // Nothing more is spent for it, however often it is looked at.
    for (const seconds of [60, 120, 240]) await runLater(seconds, {}, 25_000);
    expect(troubled.truth(one)).toMatchObject({ requests: 1, reuses: 0 });
    aws.inject(undefined);
    await runLater(900);
    expect(await statuses([one])).toEqual({ healthy: 1 });
    expect(troubled.truth(one)).toMatchObject({ reuses: 0, revokedBecause: undefined });
  });

  test('as its token set is too large for a secret (A2): its refresh token is kept, and no grant is bought each minute', async () => {
    const [one = ''] = await add('troubled', 1);
    const others = await add('sound', 30);
    const access_token = 'a'.repeat(70_000);
    troubled.inject(() => ({
      kind: 'odd_body',
      make: (answer) => ({ body: JSON.stringify({ ...answer, access_token }) }),
    }));
    expect(await runLater(0)).toMatchObject({ refreshed: 30, failed: 1 });
    expect(await statuses(others)).toEqual({ healthy: 30 });
    expect(await statuses([one])).toEqual({ 'failing, token_set_too_large': 1 });
    expect(troubled.accepts(one, (await world.tokens(one)).refresh_token)).toBe(true);
    for (const seconds of [60, 60, 600]) await runLater(seconds);
    expect(troubled.truth(one)).toMatchObject({ grants: 1, reuses: 0 });
    troubled.inject(undefined);
    await runLater(3_600);
    expect(await statuses([one])).toEqual({ healthy: 1 });
  });

  test('whole, but is without the fields that nobody has named', async () => {
    const [one = ''] = await add('troubled', 1);
    troubled.inject(() => ({
      kind: 'odd_body',
      make: (answer) => ({ body: JSON.stringify({ ...answer, permissions: 'p'.repeat(70_000) }) }),
    }));
    expect(await runLater(0)).toMatchObject({ refreshed: 1 });
    expect(await world.tokens(one)).not.toHaveProperty('permissions');
    expect(await statuses([one])).toEqual({ healthy: 1 });
  });
});

describe('accounts of one profile are in trouble of their own', () => {
  test('refused with invalid_request (A3): each backs off by itself, the live ones of the same profile are refreshed', async () => {
    const dead = await add('troubled', 20, 'a-dead' as 'troubled');
    const live = await add('troubled', 10, 'live' as 'troubled');
    const body = JSON.stringify({ error: 'invalid_request', error_description: 'Bad refresh token value' });
    const isDead = new Set(dead);
    troubled.inject(({ accountId = '' }) =>
      isDead.has(accountId) ? { kind: 'answer', status: 400, body } : undefined,
    );
    expect(await runLater(0)).toMatchObject({ refreshed: 10, failed: 20 });
    expect(await statuses(live)).toEqual({ healthy: 10 });
    expect(await statuses(dead)).toEqual({ 'failing, request_rejected': 20 });
  });

  test('one whose client is refused though the others’ is not holds nobody back', async () => {
    const [odd = ''] = await add('troubled', 1, 'odd' as 'troubled');
    const others = await add('troubled', 30);
    troubled.inject(({ accountId }) =>
      accountId === odd ? { kind: 'answer', status: 401, body: '{"error":"invalid_client"}' } : undefined,
    );
    expect(await runLater(0)).toMatchObject({ refreshed: 30, failed: 1 });
    expect(await statuses(others)).toEqual({ healthy: 30 });
    // From then on it is in trouble of its own, and no evidence about its profile.
    for (const id of others) await world.account({ accountId: id, oauthProfile: 'troubled' });
    expect(await runLater(120, { force: true })).toMatchObject({ refreshed: 30, failed: 1, deferred: 0 });
    expect(await world.item('#profile:troubled')).not.toHaveProperty('failure');
  });
});

describe('a whole profile is in trouble', () => {
  const rows = [
    { name: 'its client secret is wrong', status: 401, body: '{"error":"invalid_client"}' },
    { name: 'it is told with a number (A5)', status: 401, body: '{"error":401}' },
    {
      name: 'it is told in a home-made way (A5)',
      status: 401,
      body: '{"error":{"type":"invalid_request_error"}}',
    },
  ];
  test.each(rows)('$name: few are tried, it is told once, and one grant ends it in the same run', async ({
    status,
    body,
  }) => {
    const ids = await add('troubled', 100);
    const others = await add('sound', 20);
    troubled.inject(() => ({ kind: 'answer', status, body }));
    expect(await runLater(0)).toMatchObject({ refreshed: 20, reauthorizationRequired: 0 });
    expect(await statuses(others)).toEqual({ healthy: 20 });
    const first = requestsTo(troubled, ids);
    // Those in flight when the first refusal came, and five more; each of them asks once.
    expect(first).toBeLessThanOrEqual(8 + 5);
    expect(await world.item('#profile:troubled')).toMatchObject({
      failure: { reason: 'client_rejected', accounts: 100 },
    });
    for (let minute = 0; minute < 3; minute++) await runLater(60);
    expect(requestsTo(troubled, ids) - first).toBeLessThanOrEqual(3 * 5);
    expect(events('OAuth Profile Failing').length).toBe(1);
    expect(events('OAuth Account Failing')).toEqual([]);
    troubled.inject(undefined);
    await runLater(60);
    const soonHealthy = (await statuses(ids)).healthy ?? 0;
    expect(soonHealthy).toBeGreaterThan(80);
    expect(await world.item('#profile:troubled')).not.toHaveProperty('failure');
    await runLater(900);
    expect(await statuses(ids)).toEqual({ healthy: 100 });
    expect(events('OAuth Account Recovered')).toEqual([]);
  });

  test('a provider that calls every grant dead, and recovers an hour later (A4), costs nobody a sign-in', async () => {
    const ids = await add('troubled', 100);
    troubled.inject(() => ({ kind: 'answer', status: 400, body: '{"error":"invalid_grant"}' }));
    await runLater(0);
    const asked = requestsTo(troubled, ids);
    for (let minutes = 0; minutes < 60; minutes += 5) await runLater(300);
    // Gently: five in a quarter of an hour.
    expect(requestsTo(troubled, ids) - asked).toBeLessThanOrEqual(5 * 5);
    expect(await statuses(ids)).not.toHaveProperty('reauthorization_required, grant_revoked');
    expect((await statuses(ids))['failing, provider_wide_refusal']).toBeGreaterThan(90);
    expect(events('OAuth Reauthorization Required')).toEqual([]);
    troubled.inject(undefined);
    for (let minutes = 0; minutes < 20; minutes += 5) await runLater(300);
    expect(await statuses(ids)).toEqual({ healthy: 100 });
  });

  test('a provider that hangs takes its share, and no more', async () => {
    const hanging = await add('troubled', 50);
    const ids = await add('sound', 200);
    troubled.inject(() => ({ kind: 'hang_before' }));
    const begun = performance.now();
    const done = new Promise<number>((resolve) => {
      let stored = 0;
      aws.onEffect(({ operation, input }) => {
        if (operation === 'PutSecretValue' && JSON.stringify(input).includes('accounts/sound'))
          if (++stored === ids.length) resolve(performance.now() - begun);
      });
    });
    const result = runLater(0, {}, 40_000);
    const lastStored = await done;
    aws.onEffect(undefined);
    // At 48 starts a second; a hang of any slot that counts would take longer than all of them together.
    expect(lastStored).toBeLessThan(20_000);
    expect(await result).toMatchObject({ refreshed: 200 });
    expect(requestsTo(troubled, hanging)).toBeLessThanOrEqual(2 * (8 + 5));
  });

  test('a Retry-After beyond all reason ends after six hours (C2)', async () => {
    const [one = ''] = await add('troubled', 1);
    troubled.inject(() => ({ kind: 'answer', status: 429, headers: { 'retry-after': '999999999' } }));
    await runLater(0);
    const begun = Math.floor(now() / 1000);
    expect((await world.item(one)).nextAttemptAt).toBeLessThanOrEqual(begun + 6 * 3_600);
    troubled.inject(undefined);
    await runLater(6 * 3_600 + 60);
    expect(await statuses([one])).toEqual({ healthy: 1 });
  });
});

test('An escrow key that can not be used stops nothing, and is found out when the run begins (F6)', async () => {
  const ids = await add('sound', 3);
  aws.inject(({ service }) =>
    service === 'kms'
      ? { kind: 'error', status: 400, type: 'AccessDeniedException', message: 'no' }
      : undefined,
  );
  const fn = world.process({ clockOffsetSeconds: offset });
  expect(await fn.invoke({})).toMatchObject({ payload: { refreshed: 3 } });
  expect(await statuses(ids)).toEqual({ healthy: 3 });
  const log = fn.takeLog().join('\n');
  expect(log).toContain('permission_missing');
  expect(log).toMatch(/"EscrowUnavailable":\s*1/);
});
