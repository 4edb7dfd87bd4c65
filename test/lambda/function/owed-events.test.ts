import { afterEach, describe, expect, test } from 'vitest';
import { startLocalAws } from '../../../local/aws/server.ts';
import { createGuardedWorld } from '../../support/iam/guarded-world.ts';
import { startStrictProvider } from '../../support/strict-provider.ts';

const aws = await startLocalAws({ maxClockSkewSeconds: Number.POSITIVE_INFINITY });
const provider = await startStrictProvider();
const world = await createGuardedWorld(aws.url);
await world.profile('crm', provider.profile);

afterEach(() => aws.inject(undefined));

const refused = {
  kind: 'error',
  status: 400,
  type: 'AccessDeniedException',
  message: 'not allowed',
} as const;
const lost = { kind: 'drop_answer' } as const;

const eventsOf = (accountId: string) =>
  aws
    .putEventsLog()
    .filter(({ detail }) => (detail as { accountId?: string }).accountId === accountId)
    .map(({ detailType }) => detailType);

/** A whole run, some seconds later. */
async function runLater(seconds: number) {
  await world.process({ clockOffsetSeconds: seconds }).invoke({});
}

describe('an account whose refresh token is missing, while the bus is out of order', () => {
  test('is marked at once, and told of when the bus is well', async () => {
    await world.account(
      { accountId: 'missing', oauthProfile: 'crm' },
      { access_token: 'old', expires_at: 1_700_000_000 },
    );
    aws.inject(({ operation }) => (operation === 'PutEvents' ? refused : undefined));
    await world.run({ accountIds: ['missing'] });
    expect(await world.item('missing')).toMatchObject({
      status: 'reauthorization_required',
      eventOwed: 'OAuth Reauthorization Required',
      failure: { untold: true },
    });
    aws.inject(undefined);
    await runLater(60);
    expect(eventsOf('missing')).toEqual(['OAuth Reauthorization Required']);
    const { eventOwed, failure } = await world.item('missing');
    expect({ eventOwed, failure }).toMatchObject({ failure: { reason: 'no_refresh_token' } });
    expect(eventOwed).toBeUndefined();
    expect(failure).not.toHaveProperty('untold');
    await runLater(120);
    expect(eventsOf('missing')).toHaveLength(1);
  });

  test('that is well again before the bus has nothing to tell', async () => {
    await world.account(
      { accountId: 'mended', oauthProfile: 'crm' },
      { access_token: 'old', expires_at: 1_700_000_000 },
    );
    aws.inject(({ operation }) => (operation === 'PutEvents' ? refused : undefined));
    await world.run({ accountIds: ['mended'] });
    await world.account({ ...(await world.item('mended')) }, provider.issue('mended'));
    await world.run({ accountIds: ['mended'], force: true });
    const { status, eventOwed } = await world.item('mended');
    expect({ status, eventOwed }).toEqual({ status: 'healthy' });
    aws.inject(undefined);
    await runLater(60);
    expect(eventsOf('mended')).toEqual([]);
  });

  test('of which nobody knows whether it was told is told of once more', async () => {
    await world.account(
      { accountId: 'unsure', oauthProfile: 'crm' },
      { access_token: 'old', expires_at: 1_700_000_000 },
    );
    aws.inject(({ operation }) => (operation === 'PutEvents' ? lost : undefined));
    await world.run({ accountIds: ['unsure'] });
    expect(await world.item('unsure')).toMatchObject({ eventOwed: 'OAuth Reauthorization Required' });
    aws.inject(undefined);
    await runLater(60);
    expect(new Set(eventsOf('unsure'))).toEqual(new Set(['OAuth Reauthorization Required']));
    expect(await world.item('unsure')).not.toHaveProperty('eventOwed');
  });
});

test('a bus that takes nothing does not hold up the other accounts', async () => {
  for (let i = 0; i < 30; i++)
    await world.account(
      {
        accountId: `owed-${i}`,
        oauthProfile: 'crm',
        status: 'reauthorization_required',
        accessTokenExpiresAt: 1,
        eventOwed: 'OAuth Reauthorization Required',
        failure: { reason: 'no_refresh_token', message: 'm', count: 1, since: 1, at: 1 },
      },
      { access_token: 'old', expires_at: 1_700_000_000 },
    );
  await world.account({ accountId: 'sound', oauthProfile: 'crm' }, provider.issue('sound'));
  let puts = 0;
  aws.inject(({ operation }) => (operation === 'PutEvents' && ++puts > 0 ? refused : undefined));
  const result = await world.run({});
  expect(result.refreshed).toBe(1);
  expect(puts).toBeLessThanOrEqual(4);
});
