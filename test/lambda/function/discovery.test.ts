import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { awsEndpoint } from '../../support/aws-endpoint.ts';
import { createGuardedWorld } from '../../support/iam/guarded-world.ts';
import type { World } from '../../support/world.ts';
import { fileServers } from '../../support/world-test.ts';

/** Issuers that publish their metadata in every way, sound and not; their endpoint is the strict provider's. */
const { aws, provider } = await fileServers(awsEndpoint());
let world: World;
let origin = '';
let asked: string[] = [];
/** By path. */
let metadata: Readonly<Record<string, { readonly status?: number; readonly body?: unknown }>> = {};

const server = createServer((request, response) => {
  const path = request.url ?? '';
  asked.push(path);
  const { status = 200, body = {} } = metadata[path] ?? { status: 404 };
  if (body === 'CUT') {
    response.writeHead(status, { 'content-length': '500' });
    response.write('{"issuer":', () => response.destroy());
    return;
  }
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

beforeEach(async () => {
  asked = [];
  // A process of its own for each test: what is read of an issuer is kept for an hour.
  world = await createGuardedWorld(aws.url);
  return () => world.close();
});

afterAll(() => {
  server.close();
  server.closeAllConnections();
});

let made = 0;
async function refreshBy(issuer: string, profile?: string) {
  const accountId = `discovered-${++made}`;
  const oauthProfile = profile ?? accountId;
  const { client_id, client_secret } = provider.profile;
  await world.profile(oauthProfile, { client_id, client_secret, issuer });
  await world.account({ accountId, oauthProfile }, provider.issue(accountId));
  const { accounts } = await world.run({ accountIds: [accountId] });
  const { failure } = (await world.item(accountId)) as { failure?: { message: string } };
  return { reason: accounts?.[0]?.reason, action: accounts?.[0]?.action, message: failure?.message };
}

const OIDC = '/.well-known/openid-configuration';
const OAUTH = '/.well-known/oauth-authorization-server';

describe('an issuer’s endpoint is found', () => {
  test.each([
    { name: 'from OpenID Connect metadata', path: OIDC },
    { name: 'from RFC 8414 metadata, where there is no other', path: OAUTH },
    {
      name: 'below the path of an issuer that has one (OpenID Connect)',
      issuerPath: '/realms/sales',
      path: `/realms/sales${OIDC}`,
    },
    {
      name: 'before the path of an issuer that has one (RFC 8414)',
      issuerPath: '/realms/sales',
      path: `${OAUTH}/realms/sales`,
    },
  ])('$name', async ({ issuerPath = '', path }) => {
    const issuer = origin + issuerPath;
    metadata = { [path]: { body: { issuer, token_endpoint: provider.tokenEndpoint } } };
    expect(await refreshBy(issuer)).toEqual({
      action: 'refresh',
      reason: 'no_access_token',
      message: undefined,
    });
  });

  test.each([null, 'none', [], 5])('whatever its aliases for TLS certificates are: %j', async (aliases) => {
    const endpoints = { token_endpoint: provider.tokenEndpoint, mtls_endpoint_aliases: aliases };
    metadata = { [OIDC]: { body: { issuer: origin, ...endpoints, jwks_uri: 17, revocation_endpoint: '/' } } };
    expect(await refreshBy(origin)).toMatchObject({ action: 'refresh' });
  });

  test('once for a profile, and then known for an hour', async () => {
    metadata = { [OIDC]: { body: { issuer: origin, token_endpoint: provider.tokenEndpoint } } };
    for (let account = 0; account < 3; account++) await refreshBy(origin, 'crm');
    expect(asked).toEqual([OIDC]);
    await refreshBy(origin, 'billing');
    expect(asked).toEqual([OIDC, OIDC]);
  });
});

describe('an issuer is refused, and no token sent,', () => {
  const endpoint = () => ({ token_endpoint: provider.tokenEndpoint });
  test.each<{
    name: string;
    answer: () => { status?: number; body?: unknown };
    reason?: string;
    says: string;
  }>([
    {
      name: 'whose metadata is another’s',
      answer: () => ({ body: { issuer: 'https://other.example', ...endpoint() } }),
      says: 'issuer: has no metadata that names this very issuer',
    },
    {
      name: 'without metadata',
      answer: () => ({ status: 404 }),
      says: 'issuer: has no metadata that names this very issuer',
    },
    {
      name: 'whose metadata is not JSON',
      answer: () => ({ body: '<html>' }),
      says: 'issuer: has no metadata',
    },
    {
      name: 'whose metadata names no token endpoint',
      answer: () => ({ body: { issuer: origin } }),
      says: 'issuer: its metadata names no token_endpoint',
    },
    {
      name: 'whose token endpoint is not https',
      answer: () => ({ body: { issuer: origin, token_endpoint: 'http://id.example/token' } }),
      says: 'token_endpoint: leads to an address that is not allowed',
    },
    {
      name: 'whose token endpoint is a metadata address',
      answer: () => ({ body: { issuer: origin, token_endpoint: 'https://169.254.169.254/token' } }),
      says: 'token_endpoint: leads to an address that is not allowed',
    },
    {
      name: 'that is out of order',
      answer: () => ({ status: 503 }),
      reason: 'provider_unavailable',
      says: 'HTTP_503',
    },
    {
      name: 'that is asked too often',
      answer: () => ({ status: 429 }),
      reason: 'provider_unavailable',
      says: 'HTTP_429',
    },
    {
      name: 'whose token endpoint is no URL',
      answer: () => ({ body: { issuer: origin, token_endpoint: 'token' } }),
      says: 'issuer: its metadata names no token_endpoint, or one that is no URL',
    },
    {
      name: 'whose metadata is larger than is read',
      answer: () => ({ body: { issuer: origin, ...endpoint(), x: 'x'.repeat(300_000) } }),
      says: 'issuer: has no metadata',
    },
    {
      name: 'whose metadata is cut',
      answer: () => ({ body: 'CUT' }),
      reason: 'provider_unavailable',
      says: 'ANSWER_CUT_SHORT',
    },
    { name: 'that redirects', answer: () => ({ status: 302 }), says: 'issuer: has no metadata' },
  ])('$name', async ({ answer, reason = 'profile_invalid', says }) => {
    metadata = { [OIDC]: answer() };
    const made = await refreshBy(origin);
    expect(made.reason).toBe(reason);
    expect(made.message).toContain(says);
  });
});
