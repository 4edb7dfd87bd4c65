import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { handler as Handler } from '../../lambda/handler.ts';
import { startLocalAws } from '../../local/aws/server.ts';
import { awsEnvironment } from '../../local/clients.ts';
import { fileWorld } from '../support/world-test.ts';

/** A fault of this program's own stands between a provider's answer and the store: what was answered is kept all the same. */
const fault = vi.hoisted(() => ({ at: undefined as string | undefined }));
const failing = (name: string, real: (...args: never[]) => unknown) =>
  vi.fn((...args: never[]) => {
    if (fault.at === name) throw new RangeError('Maximum call stack size exceeded');
    return real(...args);
  });
vi.mock('../../core/response/token-response.ts', async (original) => {
  const real = await original<typeof import('../../core/response/token-response.ts')>();
  return { ...real, interpretTokenResponse: failing('interpretTokenResponse', real.interpretTokenResponse) };
});
vi.mock('../../core/tokens/token-set.ts', async (original) => {
  const real = await original<typeof import('../../core/tokens/token-set.ts')>();
  return {
    ...real,
    mergeTokenSet: failing('mergeTokenSet', real.mergeTokenSet),
    storable: failing('storable', real.storable),
  };
});

const { aws, provider, world } = await fileWorld(startLocalAws());
let handler: typeof Handler;

beforeAll(async () => {
  for (const [name, value] of Object.entries({
    ...awsEnvironment(aws.url),
    ACCOUNTS_TABLE_NAME: world.clients.tableName,
    SECRET_NAME_PREFIX: world.prefix,
    ESCROW_KEY_ID: world.escrowKeyId,
    POWERTOOLS_METRICS_DISABLED: 'true',
    ALLOW_HTTP_LOOPBACK: 'true',
  }))
    vi.stubEnv(name, value);
  ({ handler } = await import('../../lambda/handler.ts'));
});
beforeEach(() => {
  fault.at = undefined;
});
afterAll(() => {
  vi.unstubAllEnvs();
});

test.each([
  'mergeTokenSet',
  'storable',
])('%s fails: the new refresh token goes through escrow', async (name) => {
  await world.account({ accountId: name, oauthProfile: 'crm' }, provider.issue(name));
  fault.at = name;
  expect(await handler({ accountIds: [name], force: true })).toMatchObject({ failed: 1 });
  expect(await world.item(name)).toMatchObject({ status: 'failing', escrow: { kind: 'token' } });
  fault.at = undefined;
  expect(await handler({ accountIds: [name], force: true })).toMatchObject({ failed: 0 });
  expect(await world.item(name)).toMatchObject({ status: 'healthy' });
  expect(provider.truth(name).reuses).toBe(0);
  expect(provider.accepts(name, (await world.tokens(name)).refresh_token)).toBe(true);
});

test('interpretTokenResponse fails: the answer waits in escrow for a person', async () => {
  await world.account({ accountId: 'unjudged', oauthProfile: 'crm' }, provider.issue('unjudged'));
  fault.at = 'interpretTokenResponse';
  expect(await handler({ accountIds: ['unjudged'], force: true })).toMatchObject({ failed: 1 });
  expect(await world.item('unjudged')).toMatchObject({ status: 'failing', escrow: { kind: 'answer' } });
  expect(provider.truth('unjudged')).toMatchObject({ grants: 1, requests: 1 });
});
