import { afterEach, describe, expect, test } from 'vitest';
import type { RunResult } from '../../../lambda/run-result.ts';
import { awsEndpoint } from '../../support/aws-endpoint.ts';
import { createGuardedWorld } from '../../support/iam/guarded-world.ts';
import type { ProviderFault } from '../../support/strict-provider.ts';
import type { World } from '../../support/world.ts';
import { fileServers } from '../../support/world-test.ts';

const { aws, provider } = await fileServers(awsEndpoint());
let world: World;
const now = () => Math.floor(Date.now() / 1000);

afterEach(() => {
  provider.inject(undefined);
  world.close();
});

/** Accounts at two profiles of one provider: those of `crm` are in trouble, those of `mail` are not. */
async function fleet(test: string, crm: Record<string, unknown>, size: number): Promise<readonly string[]> {
  world = await createGuardedWorld(aws.url);
  await world.profile('crm', { ...provider.profile, ...crm });
  await world.profile('mail', provider.profile);
  const troubled = Array.from({ length: size }, (_, i) => `${test}-crm-${i}`);
  for (const accountId of troubled)
    await world.account({ accountId, oauthProfile: 'crm' }, provider.issue(accountId));
  for (const accountId of mailOf(test))
    await world.account({ accountId, oauthProfile: 'mail' }, provider.issue(accountId));
  return troubled;
}

const mailOf = (test: string) => Array.from({ length: 5 }, (_, i) => `${test}-mail-${i}`);

const requestsOf = (accountIds: readonly string[]) =>
  accountIds.reduce((sum, accountId) => sum + provider.truth(accountId).requests, 0);

const answerWith = (accountIds: readonly string[], fault: ProviderFault) =>
  provider.inject(({ accountId = '' }) => (accountIds.includes(accountId) ? fault : undefined));

async function untouched(accountIds: readonly string[]): Promise<number> {
  const items = await Promise.all(accountIds.map((accountId) => world.item(accountId)));
  return items.filter(({ status, failure, lease }) => !status && !failure && !lease).length;
}

async function goesOnElsewhere(test: string, result: RunResult): Promise<void> {
  for (const accountId of mailOf(test)) expect((await world.item(accountId)).status).toBe('healthy');
  expect(result.reauthorizationRequired).toBe(0);
}

test('A profile’s own rate limit holds across a run; the rest of its accounts wait unharmed', async () => {
  const crm = await fleet('limit', { max_requests_per_minute: 4 }, 12);
  const result = await world.run({});
  expect(requestsOf(crm)).toBe(4);
  expect(result).toMatchObject({ refreshed: 9, deferred: 8, failed: 0 });
  expect(await untouched(crm)).toBe(8);
  await goesOnElsewhere('limit', result);
});

test('A provider that is down is not called any more after a few failures; the others go on', async () => {
  const crm = await fleet('down', {}, 40);
  answerWith(crm, { kind: 'answer', status: 503, body: 'Service Unavailable' });
  const result = await world.run({});
  // Three in a row, and what was in flight by then.
  expect(requestsOf(crm)).toBeGreaterThanOrEqual(3);
  expect(requestsOf(crm)).toBeLessThanOrEqual(20);
  expect(result).toMatchObject({ refreshed: 5, failed: requestsOf(crm), deferred: 40 - requestsOf(crm) });
  expect(await untouched(crm)).toBe(40 - requestsOf(crm));
  await goesOnElsewhere('down', result);
  provider.inject(undefined);
  expect(await world.run({ accountIds: [...crm], force: true })).toMatchObject({ refreshed: 40 });
});

describe('Retry-After', () => {
  const rows: { name: string; header: () => string; seconds: number }[] = [
    { name: 'in seconds', header: () => '180', seconds: 180 },
    { name: 'as a date', header: () => new Date(Date.now() + 180_000).toUTCString(), seconds: 180 },
  ];
  test.each(rows)('$name: the account waits until then, and few others of its profile are asked', async ({
    name,
    header,
    seconds,
  }) => {
    const id = `retry-${name.replaceAll(' ', '-')}`;
    const crm = await fleet(id, {}, 20);
    answerWith(crm, { kind: 'answer', status: 429, headers: { 'retry-after': header() } });
    const before = now();
    const result = await world.run({});
    // Those in flight when the first answer came, and one more.
    expect(requestsOf(crm)).toBeLessThanOrEqual(8 + 1);
    const items = await Promise.all(crm.map((accountId) => world.item(accountId)));
    const asked = items.filter(({ failure }) => failure !== undefined);
    expect(asked).toHaveLength(requestsOf(crm));
    for (const { nextAttemptAt, failure } of asked) {
      expect(failure).toMatchObject({ reason: 'rate_limited' });
      expect(Math.abs(Number(nextAttemptAt) - before - seconds)).toBeLessThanOrEqual(10);
    }
    await goesOnElsewhere(id, result);
  });
});
