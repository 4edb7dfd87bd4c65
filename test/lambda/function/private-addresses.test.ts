import { createServer } from 'node:https';
import { type AddressInfo, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { flawOfPrivateCidr } from '../../../adapters/oauth/addresses.ts';
import { createAuthority } from '../../support/certificates.ts';
import { resultOf } from '../../support/world.ts';
import { test } from '../../support/world-test.ts';

/** A private address of this machine. What is sent to it does not leave the machine. */
const own = Object.values(networkInterfaces())
  .flatMap((all) => all ?? [])
  .map(({ address }) => ({ address, cidr: `${address}/${isIP(address) === 6 ? 128 : 32}` }))
  .find(({ cidr }) => flawOfPrivateCidr(cidr) === undefined);

describe.skipIf(own === undefined)('a provider at a private address, as in a VPC,', async () => {
  const { address = '', cidr = '' } = own ?? {};
  const authority = await createAuthority();
  const spent: (string | null)[] = [];
  const provider = createServer(await authority.issue('CN=provider', address), async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    spent.push(new URLSearchParams(body).get('refresh_token'));
    response.setHeader('content-type', 'application/json');
    response.end('{"access_token":"a-1","token_type":"Bearer","expires_in":3600,"refresh_token":"r-1"}');
  });
  // Tests may not name an address other than a loopback one, so it listens at all of them.
  beforeAll(() => new Promise<void>((resolve) => provider.listen(0, resolve)));
  afterAll(() => {
    provider.closeAllConnections();
    provider.close();
  });

  test('is called only where PRIVATE_ADDRESS_CIDRS lists it', async ({ world }) => {
    const host = isIP(address) === 6 ? `[${address}]` : address;
    await world.profile('inside', {
      client_id: 'inside',
      client_secret: 's3cret',
      token_endpoint: `https://${host}:${(provider.address() as AddressInfo).port}/token`,
      tls_ca_certificate: authority.cert,
    });
    await world.account({ accountId: 'near', oauthProfile: 'inside' }, { refresh_token: 'r-0' });
    const withCidrs = (cidrs: string) =>
      world.process({ environment: { PRIVATE_ADDRESS_CIDRS: cidrs } }).invoke({ accountIds: ['near'] });
    expect(resultOf(await withCidrs('10.99.0.0/16'))).toMatchObject({ refreshed: 0 });
    expect(await world.item('near')).toMatchObject({ failure: { reason: 'profile_invalid' } });
    expect(spent).toEqual([]);
    await world.account({ accountId: 'near', oauthProfile: 'inside' });
    expect(resultOf(await withCidrs(cidr))).toMatchObject({ refreshed: 1 });
    expect(spent).toEqual(['r-0']);
  });
});
