import { PutSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { beforeEach, describe, expect, test } from 'vitest';
import { MAX_IN_FLIGHT } from '../../lambda/run.ts';
import type { RunResult } from '../../lambda/run-result.ts';
import type { Fault } from '../../local/aws/server.ts';
import { startPatientAws } from '../support/aws-endpoint.ts';
import { type OddAnswer, startStrictProvider } from '../support/strict-provider.ts';
import { createWorld, type World } from '../support/world.ts';
import { fileServers } from '../support/world-test.ts';

let world: World;
/** Seconds that have passed without anybody waiting for them. */
let offset = 0;
const now = () => Date.now() + offset * 1000;
const { aws, provider } = await fileServers(startPatientAws({ now }), { now });

beforeEach(async () => {
  aws.inject(undefined);
  provider.inject(undefined);
  world = await createWorld(aws.url);
  await world.profile('crm', provider.profile);
  return () => world.close();
});

async function addAccounts(prefix: string, count: number): Promise<string[]> {
  const accountIds = Array.from({ length: count }, (_, i) => `${prefix}-${i + 1}`);
  for (const accountId of accountIds)
    await world.account({ accountId, oauthProfile: 'crm' }, provider.issue(accountId));
  return accountIds;
}

/** A run some seconds later, in a process of its own. */
async function runLater(seconds: number, event: unknown = {}, timeout?: number): Promise<RunResult> {
  offset += seconds;
  return await world.runAt(offset, event, timeout);
}

async function expectAllHealthy(accountIds: readonly string[]): Promise<void> {
  for (const accountId of accountIds) {
    const { status, escrow, lease, failure } = await world.item(accountId);
    expect({ accountId, status, escrow, lease, failure }).toEqual({ accountId, status: 'healthy' });
    expect(provider.accepts(accountId, (await world.tokens(accountId)).refresh_token)).toBe(true);
    expect(provider.truth(accountId).reuses).toBe(0);
  }
}

describe('Secrets Manager refusing every write from the ninth on, for the rest of a run', () => {
  const outages: readonly { name: string; outage: Fault }[] = [
    {
      name: 'with errors',
      outage: { kind: 'error', status: 500, type: 'InternalServiceError', message: 'out of order' },
    },
    {
      name: 'with denials',
      outage: { kind: 'error', status: 400, type: 'AccessDeniedException', message: 'not allowed' },
    },
    { name: 'by throttling', outage: { kind: 'throttle' } },
    { name: 'by not answering', outage: { kind: 'hang' } },
  ];
  test.each(outages)('$name: afterwards every account is healthy, lost 0', async ({ name, outage }) => {
    const accountIds = await addAccounts(`outage-${name.replaceAll(' ', '-')}`, 8 + MAX_IN_FLIGHT + 12);
    let stores = 0;
    aws.inject(({ operation }) => (operation === 'PutSecretValue' && ++stores > 8 ? outage : undefined));
    const during = await runLater(0, {}, 24_000);
    expect(during.refreshed).toBe(8);
    const inEscrow = await Promise.all(accountIds.map(async (id) => (await world.item(id)).escrow));
    expect(inEscrow.filter(Boolean).length).toBeGreaterThan(0);
    // A dead store is noticed after a few accounts: the others keep their refresh token for later. A denial is a
    // secret's own trouble, as far as anybody can tell.
    if (name === 'with denials') expect(during).toMatchObject({ failed: 52, deferred: 0 });
    else expect(during.deferred).toBeGreaterThan(0);
    aws.inject(undefined);
    await runLater(120);
    await expectAllHealthy(accountIds);
  });
});

describe('a profile whose client the provider rejects', () => {
  test('is tried in its previous version, which then counts for the whole run', async () => {
    const accountIds = await addAccounts('previous', 3);
    await world.profile('crm', { ...provider.profile, client_secret: 'not valid there yet' });
    expect(await runLater(0)).toMatchObject({ refreshed: 3, failed: 0 });
    await expectAllHealthy(accountIds);
    // Rejected once, for the first account and for those that were in flight with it, and for none of the others.
    const requests = accountIds.map((id) => provider.truth(id).requests).sort();
    expect(requests[0]).toBe(1);
    expect(requests[2]).toBe(2);
  });

  test('that is wrong in both versions is said once, after few tries; no account is marked', async () => {
    const accountIds = await addAccounts('rejected', 12);
    for (const secret of ['wrong', 'wrong, too'])
      await world.profile('crm', { ...provider.profile, client_secret: secret });
    // Five in trouble, and those in flight when the first refusal came: where this machine is slow, more than one.
    const { failed, deferred, reauthorizationRequired } = await runLater(0);
    expect({ all: failed + deferred, reauthorizationRequired }).toEqual({
      all: 12,
      reauthorizationRequired: 0,
    });
    expect(failed).toBeLessThanOrEqual(5 + 2);
    expect(await world.item('#profile:crm')).toMatchObject({
      failure: { reason: 'client_rejected', accounts: 12 },
    });
    const failing = await Promise.all(accountIds.map(async (id) => (await world.item(id)).failure));
    expect(failing.filter(Boolean)).toEqual(
      Array(failed).fill(expect.objectContaining({ reason: 'client_rejected', untold: true })),
    );
    await world.profile('crm', provider.profile);
    await runLater(120);
    await expectAllHealthy(accountIds);
  });
});

describe('a success that is not what it should be', () => {
  const bodies: readonly { name: string; make: (answer: Record<string, unknown>) => OddAnswer }[] = [
    {
      name: 'wrapped in HTML',
      make: (answer) => ({
        body: `<pre>${JSON.stringify(answer)}</pre>`,
        headers: { 'content-type': 'text/html' },
      }),
    },
    {
      name: 'without an access token',
      make: ({ access_token: _, ...rest }) => ({ body: JSON.stringify(rest) }),
    },
    {
      name: 'with an error beside the tokens',
      make: ({ access_token: _, ...rest }) => ({
        body: JSON.stringify({ ...rest, error: 'partial_failure' }),
      }),
    },
    {
      name: 'cut off in the middle of a later field',
      make: (answer) => ({
        body: JSON.stringify({ refresh_token: answer.refresh_token, access_token: 'cut' }).slice(0, -8),
      }),
    },
    {
      name: 'with an expiry that is no number',
      make: (answer) => ({
        body: JSON.stringify({ ...answer, expires_in: { seconds: 'many' } }),
      }),
    },
    {
      name: 'with an id_token that nobody could check',
      make: (answer) => ({
        body: JSON.stringify({ ...answer, id_token: 'not.a.token' }),
      }),
    },
  ];
  test.each(bodies)('$name: its refresh token is kept', async ({ make }) => {
    const [accountId = ''] = await addAccounts('odd', 1);
    provider.inject(() => ({ kind: 'odd_body', make }));
    await runLater(0);
    provider.inject(undefined);
    // Where no access token was legible its refresh token is tried at the next visit, before it is believed.
    await runLater(120);
    await expectAllHealthy([accountId]);
  });

  test('cut off by the connection: its refresh token is kept, if it had come', async () => {
    const [accountId = ''] = await addAccounts('cut', 1);
    let requests = 0;
    provider.inject(() => (++requests === 1 ? { kind: 'partial_body' } : undefined));
    await runLater(0);
    const { status } = await world.item(accountId);
    // Half of the answer holds the access token; the refresh token behind it never came.
    expect(status).toBe('failing');
    const lost = { reason: 'grant_possibly_lost' };
    await runLater(120);
    expect(await world.item(accountId)).toMatchObject({ status: 'failing', failure: lost });
    // Nobody else of this profile was granted anything since, so that is believed after an hour.
    await runLater(3_600);
    expect(await world.item(accountId)).toMatchObject({ status: 'reauthorization_required', failure: lost });
  });
});

test('A grant that a person replaces while the provider calls the old one dead is used at once', async () => {
  const [accountId = ''] = await addAccounts('replaced', 1);
  const replace = () => {
    const tokens = JSON.stringify({ refresh_token: provider.issue(accountId).refresh_token });
    return world.clients.putSecret(`${world.prefix}accounts/${accountId}`, tokens);
  };
  let replaced: Promise<void> | undefined;
  provider.inject(() => {
    if (replaced !== undefined) return undefined;
    replaced = replace();
    return { kind: 'delay', milliseconds: 300 };
  });
  expect(await runLater(0)).toMatchObject({ refreshed: 1, failed: 0 });
  await replaced;
  await expectAllHealthy([accountId]);
});

test('A secret that forced refreshes have filled with versions is seen, too', async () => {
  const accountId = 'forced-often';
  await world.account({ accountId, oauthProfile: 'crm' }, provider.issue(accountId));
  const SecretId = `${world.prefix}accounts/${accountId}`;
  const SecretString = JSON.stringify(await world.tokens(accountId));
  for (let version = 0; version < 96; version++)
    await world.clients.secrets.send(new PutSecretValueCommand({ SecretId, SecretString }));
  await runLater(0, { accountIds: [accountId], force: true });
  expect(provider.truth(accountId).requests).toBe(0);
  expect(await world.item(accountId)).toMatchObject({ failure: { reason: 'lifetime_too_short' } });
});

test('A secret that is running out of versions is seen before a grant is lost to it', async () => {
  const shortLived = await startStrictProvider({ accessTokenSeconds: 600, now });
  await world.profile('short', shortLived.profile);
  const accountId = 'too-short';
  await world.account({ accountId, oauthProfile: 'short' }, shortLived.issue(accountId));
  const SecretId = `${world.prefix}accounts/${accountId}`;
  const SecretString = JSON.stringify(await world.tokens(accountId));
  for (let version = 0; version < 96; version++)
    await world.clients.secrets.send(new PutSecretValueCommand({ SecretId, SecretString }));
  const begun = Math.floor(now() / 1000);
  await runLater(0);
  expect(shortLived.truth(accountId).requests).toBe(0);
  const item = await world.item(accountId);
  expect(item).toMatchObject({ status: 'failing', failure: { reason: 'lifetime_too_short' } });
  expect(item.nextAttemptAt).toBeGreaterThan(begun + 86_000);
  await runLater(86_500);
  expect(await world.item(accountId)).toMatchObject({ status: 'healthy' });
  expect(shortLived.truth(accountId)).toMatchObject({ grants: 1, reuses: 0 });
  await shortLived.close();
});
