import { describe, expect, onTestFinished, test } from 'vitest';
import { createTableItems } from '../../../adapters/aws/table-items.ts';
import { createClockCheck } from '../../../core/clock-check.ts';
import { awsEndpoint } from '../../support/aws-endpoint.ts';
import { createGuardedWorld } from '../../support/iam/guarded-world.ts';
import { startStrictProvider } from '../../support/strict-provider.ts';

const aws = await awsEndpoint();
const provider = await startStrictProvider();
const now = () => Math.floor(Date.now() / 1000);

async function ownWorld() {
  const world = await createGuardedWorld(aws.url);
  onTestFinished(() => world.close());
  await world.profile('crm', provider.profile);
  return world;
}

describe('a pause', () => {
  test('is also read where the table gives it only when asked again', async () => {
    const send = async () =>
      ++calls === 1
        ? { Responses: { t: [] }, UnprocessedKeys: { t: { Keys: [{ accountId: '#pause' }] } } }
        : { Responses: { t: [{ accountId: '#pause' }] }, UnprocessedKeys: {} };
    let calls = 0;
    const items = createTableItems({ send } as never, 't');
    expect(await items.readNotes(['#pause'])).toEqual([{ accountId: '#pause' }]);
  });

  test("also leaves an account alone that can't be used and is its profile's only one", async () => {
    const world = await ownWorld();
    await world.account({ accountId: '#pause', authenticationType: undefined, at: 1 });
    await world.account({ accountId: 'odd', oauthProfile: 'alone', parameters: 7 });
    expect(await world.run()).toMatchObject({ invalid: 0 });
    expect(await world.item('odd')).not.toHaveProperty('status');
  });
});

test("the sample of secrets writes nothing to a newer version's item", async () => {
  const world = await ownWorld();
  const accessTokenExpiresAt = now() + 36_000;
  const good = { status: 'healthy', lastRefreshedAt: now(), accessTokenExpiresAt };
  await world.account({ accountId: 'newer', oauthProfile: 'crm', formatVersion: 2, ...good }, 'moved');
  for (let n = 0; n < 3; n++) await world.run();
  expect(await world.item('newer')).toMatchObject({ accessTokenExpiresAt });
});

test('of two providers, one whose clock is ahead brings no doubt, as one that is behind brings none', () => {
  const check = createClockCheck();
  check.heard('right', new Date(now() * 1000).toUTCString(), now());
  check.heard('ahead', new Date((now() + 3_600) * 1000).toUTCString(), now());
  expect(check.secondsAhead()).toBeUndefined();
});

const REFRESH = 'rt/Ab9-Zk3/Qm7xT2vN8sLq';
const rows: Record<string, { header: string; body?: (json: string) => string }> = {
  'the new refresh token, whose slashes the body escapes': {
    header: REFRESH,
    body: (json) => json.replaceAll('/', '\\/'),
  },
  'the new refresh token behind other letters': { header: `req-${REFRESH}` },
  'the new refresh token in base64': { header: Buffer.from(REFRESH).toString('base64') },
  'the client secret': { header: String(provider.profile.client_secret) },
};
test.each(Object.entries(rows))('%s is not logged as the id of a request', async (name, row) => {
  const world = await ownWorld();
  const accountId = `id-${Object.keys(rows).indexOf(name)}`;
  await world.account({ accountId, oauthProfile: 'crm' }, provider.issue(accountId));
  const json = JSON.stringify({ access_token: 'granted', expires_in: 3600, refresh_token: REFRESH });
  const body = row.body?.(json) ?? json;
  provider.inject(() => ({ kind: 'answer', status: 200, headers: { 'x-request-id': row.header }, body }));
  await world.run();
  provider.inject(undefined);
  expect(world.function.takeLog().join('\n')).not.toContain(row.header);
});
