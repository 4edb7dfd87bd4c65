import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type AwsEndpoint, awsEndpoint } from '../../support/aws-endpoint.ts';
import { type StrictProvider, startStrictProvider } from '../../support/strict-provider.ts';
import { createWorld, type World } from '../../support/world.ts';

/** Issuers that publish their metadata in every way, sound and not; their endpoint is the strict provider's. */
let aws: AwsEndpoint;
let provider: StrictProvider;
let world: World;
let origin = '';
let asked: string[] = [];
let metadata: Readonly<Record<string, readonly [status: number, body: unknown]>> = {};

const server = createServer((request, response) => {
  const path = request.url ?? '';
  asked.push(path);
  const [status, body] = metadata[path] ?? [404, {}];
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
  aws = await awsEndpoint();
  provider = await startStrictProvider();
});

beforeEach(async () => {
  asked = [];
  // A process of its own for each test: what is read of an issuer is kept for an hour.
  world = await createWorld(aws.url);
  return () => world.close();
});

afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await provider.close();
  await aws.close();
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
    ['from OpenID Connect metadata', '', OIDC],
    ['from RFC 8414 metadata, where there is no other', '', OAUTH],
    ['below the path of an issuer that has one (OpenID Connect)', '/realms/sales', `/realms/sales${OIDC}`],
    ['before the path of an issuer that has one (RFC 8414)', '/realms/sales', `${OAUTH}/realms/sales`],
  ])('%s', async (_, issuerPath, path) => {
    const issuer = origin + issuerPath;
    metadata = { [path]: [200, { issuer, token_endpoint: provider.tokenEndpoint }] };
    expect(await refreshBy(issuer)).toEqual({
      action: 'refresh',
      reason: 'no_access_token',
      message: undefined,
    });
  });

  test.each([null, 'none', [], 5])('whatever its aliases for TLS certificates are: %j', async (aliases) => {
    const endpoints = { token_endpoint: provider.tokenEndpoint, mtls_endpoint_aliases: aliases };
    metadata = { [OIDC]: [200, { issuer: origin, ...endpoints, jwks_uri: 17, revocation_endpoint: '/' }] };
    expect(await refreshBy(origin)).toMatchObject({ action: 'refresh' });
  });

  test('once for a profile, and then known for an hour', async () => {
    metadata = { [OIDC]: [200, { issuer: origin, token_endpoint: provider.tokenEndpoint }] };
    for (let account = 0; account < 3; account++) await refreshBy(origin, 'crm');
    expect(asked).toEqual([OIDC]);
    await refreshBy(origin, 'billing');
    expect(asked).toEqual([OIDC, OIDC]);
  });
});

describe('an issuer is refused, and no token sent,', () => {
  const endpoint = () => ({ token_endpoint: provider.tokenEndpoint });
  test.each<[string, () => readonly [number, unknown], string, string]>([
    [
      'whose metadata is another’s',
      () => [200, { issuer: 'https://other.example', ...endpoint() }],
      'profile_invalid',
      'issuer: has no metadata that names this very issuer',
    ],
    [
      'without metadata',
      () => [404, {}],
      'profile_invalid',
      'issuer: has no metadata that names this very issuer',
    ],
    ['whose metadata is not JSON', () => [200, '<html>'], 'profile_invalid', 'issuer: has no metadata'],
    [
      'whose metadata names no token endpoint',
      () => [200, { issuer: origin }],
      'profile_invalid',
      'issuer: its metadata names no token_endpoint',
    ],
    [
      'whose token endpoint is not https',
      () => [200, { issuer: origin, token_endpoint: 'http://id.example/token' }],
      'profile_invalid',
      'token_endpoint: leads to an address that is not allowed',
    ],
    [
      'whose token endpoint is a metadata address',
      () => [200, { issuer: origin, token_endpoint: 'https://169.254.169.254/token' }],
      'profile_invalid',
      'token_endpoint: leads to an address that is not allowed',
    ],
    ['that is out of order', () => [503, {}], 'provider_unavailable', 'HTTP_503'],
    ['that is asked too often', () => [429, {}], 'provider_unavailable', 'HTTP_429'],
    [
      'whose token endpoint is no URL',
      () => [200, { issuer: origin, token_endpoint: 'token' }],
      'profile_invalid',
      'issuer: its metadata names no token_endpoint, or one that is no URL',
    ],
    [
      'whose metadata is larger than is read',
      () => [200, { issuer: origin, ...endpoint(), x: 'x'.repeat(300_000) }],
      'profile_invalid',
      'issuer: has no metadata',
    ],
    ['whose metadata is cut', () => [200, 'CUT'], 'provider_unavailable', 'ANSWER_CUT_SHORT'],
    ['that redirects', () => [302, {}], 'profile_invalid', 'issuer: has no metadata'],
  ])('%s', async (_, answer, reason, says) => {
    metadata = { [OIDC]: answer() };
    const made = await refreshBy(origin);
    expect(made.reason).toBe(reason);
    expect(made.message).toContain(says);
  });
});
