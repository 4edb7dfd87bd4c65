import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { createAuthority } from '../../support/certificates.ts';
import { type ConnectProxy, startConnectProxy } from '../../support/connect-proxy.ts';
import { resultOf } from '../../support/world.ts';
import { test } from '../../support/world-test.ts';

/** A provider whose name only the proxy can resolve, as in a private network. */
const NAME = 'id.provider.example';
const authority = await createAuthority();
const identity = await authority.issue('CN=provider', NAME);
const spent: (string | null)[] = [];
const provider = createServer(identity, async (request, response) => {
  const body = Buffer.concat(await request.toArray()).toString();
  spent.push(new URLSearchParams(body).get('refresh_token'));
  response.setHeader('content-type', 'application/json');
  response.end('{"access_token":"a-1","token_type":"Bearer","expires_in":3600,"refresh_token":"r-1"}');
});
let proxy: ConnectProxy;

beforeAll(async () => {
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve));
  proxy = await startConnectProxy((provider.address() as AddressInfo).port);
});

afterAll(async () => {
  await proxy.close();
  provider.closeAllConnections();
  provider.close();
});

describe('with HTTPS_PROXY', () => {
  test('the function refreshes through the proxy, and calls AWS without it', async ({ world }) => {
    await world.profile('behind', {
      client_id: 'behind',
      client_secret: 's3cret',
      token_endpoint: `https://${NAME}/token`,
      tls_ca_certificate: authority.cert,
    });
    await world.account({ accountId: 'far', oauthProfile: 'behind' }, { refresh_token: 'r-0' });
    const fn = world.process({ environment: { HTTPS_PROXY: proxy.url } });
    expect(resultOf(await fn.invoke({}))).toMatchObject({ refreshed: 1, failed: 0 });
    expect(spent).toEqual(['r-0']);
    expect(await world.tokens('far')).toMatchObject({ access_token: 'a-1', refresh_token: 'r-1' });
    expect(new Set(proxy.asked)).toEqual(new Set([`${NAME}:443`]));
    expect(proxy.passed()).not.toMatch(/r-0|s3cret/);
  });

  test('it may speak to the proxy over TLS', async ({ world }) => {
    const folder = mkdtempSync(join(tmpdir(), 'proxy-'));
    const trusted = join(folder, 'ca.pem');
    writeFileSync(trusted, authority.cert);
    const { port } = provider.address() as AddressInfo;
    const secure = await startConnectProxy(port, await authority.issue('CN=proxy', '127.0.0.1'));
    await world.account({ accountId: 'secure', oauthProfile: 'behind' }, { refresh_token: 'r-secure' });
    const environment = { HTTPS_PROXY: secure.url, NODE_EXTRA_CA_CERTS: trusted };
    const fn = world.process({ environment });
    expect(resultOf(await fn.invoke({ accountIds: ['secure'] }))).toMatchObject({ refreshed: 1 });
    expect(secure.asked).toEqual([`${NAME}:443`]);
    await secure.close();
    rmSync(folder, { recursive: true });
  });

  test('an account keeps its token where the proxy refuses', async ({ world }) => {
    proxy.conduct = 'refuse';
    await world.account({ accountId: 'refused', oauthProfile: 'behind' }, { refresh_token: 'r-kept' });
    const fn = world.process({ environment: { HTTPS_PROXY: proxy.url } });
    expect(resultOf(await fn.invoke({ accountIds: ['refused'] }))).toMatchObject({ refreshed: 0, failed: 1 });
    expect(await world.item('refused')).toMatchObject({
      status: 'failing',
      failure: {
        reason: 'provider_unavailable',
        message: expect.stringContaining('let it allow CONNECT to this host'),
      },
    });
    expect(await world.tokens('refused')).toMatchObject({ refresh_token: 'r-kept' });
    expect(spent).not.toContain('r-kept');
  });
});
