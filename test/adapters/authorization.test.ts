import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readAccount } from '../../adapters/authorization/account-item.ts';
import { createAuthorizationRequest } from '../../adapters/authorization/authorization-request.ts';
import { identityOf } from '../../adapters/authorization/identity.ts';
import { keepGrant } from '../../adapters/authorization/keep-grant.ts';
import { openProvider, type Provider } from '../../adapters/authorization/provider.ts';
import { tokenSecretOf } from '../../adapters/authorization/secret-of-account.ts';
import type { Stores } from '../../adapters/authorization/stores.ts';
import { systemClock } from '../../adapters/system-clock.ts';
import { parseProfile } from '../../core/profile/parse-profile.ts';
import { anAccount } from '../support/builders.ts';
import { type Connecting, startConnecting } from '../support/connecting.ts';
import { visit } from '../support/person.ts';

let system: Connecting;
beforeAll(async () => {
  system = await startConnecting();
});
afterAll(() => system.close());

const REDIRECT_URI = 'http://127.0.0.1:49151/callback';

/** What a function would have: clients and names, and no command line. */
const stores = (): Stores => {
  const { table, tableName, secrets } = system.clients;
  return { table, tableName, secrets, secretNamePrefix: 'oauth/', clock: systemClock };
};

const profileOf = (fields: object) => {
  const { issuer } = system.authorizationServer;
  const parsed = parseProfile(JSON.stringify({ issuer, ...fields }));
  if (parsed.kind === 'invalid') throw new Error(parsed.problem);
  return parsed.profile;
};

/** Sends a person through the provider. @returns what it sends back with the browser */
async function answerOf(url: string, login: string): Promise<URLSearchParams> {
  let answer = new URLSearchParams();
  await visit(url, {
    login,
    onAddress: (address) => {
      if (!address.startsWith(REDIRECT_URI)) return address;
      answer = new URL(address).searchParams;
      return 'stop';
    },
  });
  return answer;
}

describe('an authorization without the command line', () => {
  const target = async (accountId: string, exists: boolean) => {
    const account = anAccount({ accountId, oauthProfile: 'mail' });
    const profile = profileOf({ client_id: 'mail', scope: 'openid offline_access' });
    const secret = await tokenSecretOf(stores(), account, undefined);
    const known = await readAccount(stores(), accountId);
    const { authorizedAt } = known ?? { authorizedAt: undefined };
    const wanted = { account, profile, profileArn: undefined, secret, exists, authorizedAt, replace: false };
    const keeper = { table: system.clients.tableName, former: [] };
    return {
      stores: stores(),
      wanted,
      wishes: {},
      versionBefore: undefined,
      keeper,
      onWait: () => undefined,
    };
  };
  const connect = async (accountId: string, login: string, exists: boolean) => {
    const asked = await target(accountId, exists);
    const { account, profile } = asked.wanted;
    const provider: Provider = await openProvider(profile, account, REDIRECT_URI, {
      allowHttpLoopback: true,
    });
    try {
      const request = await createAuthorizationRequest(provider, REDIRECT_URI, {});
      return await keepGrant(request.accept(await answerOf(request.url, login)), asked, provider);
    } finally {
      provider.close();
    }
  };

  test('connects a new account, which the next run finds right', async () => {
    const kept = await connect('by-function', 'alice', false);
    expect(kept).toMatchObject({ created: true, identity: { kind: 'known' } });
    expect(await system.tokens('by-function')).toEqual(kept.tokenSet);
    const { accounts } = await system.run({ accountIds: ['by-function'] });
    expect(accounts).toMatchObject([{ accountId: 'by-function', action: 'reconcile' }]);
    expect(await system.item('by-function')).toMatchObject({ status: 'healthy' });
  });

  test('refuses another person by code, and names the next step without words for it', async () => {
    await connect('by-alice', 'alice', false);
    const before = await system.tokens('by-alice');
    const refused = connect('by-alice', 'mallory', true);
    await expect(refused).rejects.toMatchObject({
      name: 'AuthorizationError',
      code: 'ANOTHER_PERSON',
      more: { next: 'use_right_person' },
      message: expect.not.stringContaining('--'),
    });
    expect(await system.tokens('by-alice')).toEqual(before);
    expect(await system.item('by-alice')).not.toHaveProperty('lease');
  });
});

describe('identityOf', () => {
  const identify = async (body: unknown, { server = {} } = {}) => {
    const { access_token } = await system.authorizationServer.seedGrant({
      clientId: 'mail',
      accountId: 'carol',
    });
    const provider = await openProvider(profileOf({ client_id: 'mail' }), anAccount(), undefined, {
      allowHttpLoopback: true,
    });
    try {
      const asked = { ...provider, server: { ...provider.server, ...server } };
      return await identityOf(JSON.stringify(body), access_token, asked);
    } finally {
      provider.close();
    }
  };
  const idToken = (claims: unknown) =>
    `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.signature`;
  const carol = () => ({ kind: 'known', id: `${system.authorizationServer.issuer}#carol` });

  test('asks the userinfo endpoint where there is no ID token', async () => {
    expect(await identify({})).toEqual(carol());
  });
  test("believes no ID token of another client's or another issuer's", async () => {
    const { issuer: iss } = system.authorizationServer;
    expect(await identify({ id_token: idToken({ iss, aud: 'crm', sub: 'mallory' }) })).toEqual(carol());
    const other = { iss: 'https://evil.example', aud: 'mail', sub: 'mallory' };
    expect(await identify({ id_token: idToken(other) })).toEqual(carol());
    expect(await identify({ id_token: idToken({ iss, aud: ['mail'], sub: 'dave' }) })).toEqual({
      kind: 'known',
      id: `${iss}#dave`,
    });
  });
  test('does not keep the tokens waiting for a userinfo endpoint that does not answer', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const asked = { server: { userinfo_endpoint: `http://127.0.0.1:${port}/me` } };
    const begun = performance.now();
    expect(await identify({}, asked)).toEqual({ kind: 'unknown' });
    expect(performance.now() - begun).toBeLessThan(8_000);
    silent.closeAllConnections();
    silent.close();
  });
  test('survives whatever stands there', async () => {
    for (const id_token of [
      '',
      '.',
      'a.b.c',
      7,
      idToken([]),
      idToken({}),
      idToken({ aud: 'mail', sub: 'x\n' }),
    ])
      expect(await identify({ id_token })).toEqual(carol());
  });
});
