import { generateKeyPairSync, type KeyPairKeyObjectResult, X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { exportJWK, type JWK } from 'jose';
import type { ClientMetadata, Configuration } from 'oidc-provider';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type AuthorizationServer,
  type LocalClient,
  startAuthorizationServer,
} from '../../../local/authorization-server/server.ts';
import { type AwsEndpoint, awsEndpoint } from '../../support/aws-endpoint.ts';
import { createAuthority, selfSigned } from '../../support/certificates.ts';
import { createGuardedWorld } from '../../support/iam/guarded-world.ts';
import type { World } from '../../support/world.ts';

/**
 * Every way in which a client can prove itself, at an authorization server that checks it: oidc-provider over https,
 * with certificates of an authority that only the profile knows.
 */
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ec384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ed = generateKeyPairSync('ed25519');
const pem = (pair: KeyPairKeyObjectResult) =>
  pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
const jwk = (pair: KeyPairKeyObjectResult) => pair.privateKey.export({ format: 'jwk' }) as object;

const authority = await createAuthority();
const known = await authority.issue('CN=known');
const stranger = await authority.issue('CN=stranger');
const ownCertificate = await selfSigned('CN=self-signed');

interface Case {
  readonly method: LocalClient['token_endpoint_auth_method'];
  readonly secret?: string;
  /** What the server is told about the client. */
  readonly registered?: LocalClient['metadata'];
  /** What the profile says beside the client's id. */
  readonly profile: Readonly<Record<string, unknown>>;
}

const publicKey = async (
  pair: KeyPairKeyObjectResult,
  alg: NonNullable<ClientMetadata['token_endpoint_auth_signing_alg']>,
) => ({
  jwks: { keys: [{ ...(await exportJWK(pair.publicKey)), alg, use: 'sig', kid: `key-${alg}` }] },
  token_endpoint_auth_signing_alg: alg,
});
const tlsClient = { tls_client_certificate: known.cert, tls_client_key: known.key };

const cases: Readonly<Record<string, Case>> = {
  client_secret_basic: {
    method: 'client_secret_basic',
    secret: 's3cret',
    profile: { client_secret: 's3cret' },
  },
  'client_secret_basic, with a secret that must be encoded': {
    method: 'client_secret_basic',
    secret: 'a:b c%2B+&=~/',
    profile: { client_secret: 'a:b c%2B+&=~/' },
  },
  'client_secret_basic, Acme-App_1.2~x': {
    method: 'client_secret_basic',
    secret: 's-3_c.r~t',
    profile: { client_secret: 's-3_c.r~t' },
  },
  client_secret_post: {
    method: 'client_secret_post',
    secret: 'p&st+',
    profile: { client_secret: 'p&st+', token_endpoint_auth_method: 'client_secret_post' },
  },
  none: { method: 'none', profile: {} },
  'private_key_jwt, RS256, PEM': {
    method: 'private_key_jwt',
    registered: await publicKey(rsa, 'RS256'),
    profile: { private_key: pem(rsa) },
  },
  'private_key_jwt, PS256, JWK': {
    method: 'private_key_jwt',
    registered: await publicKey(rsa, 'PS256'),
    profile: { private_key: jwk(rsa), alg: 'PS256', kid: 'key-PS256' },
  },
  'private_key_jwt, ES256, PEM': {
    method: 'private_key_jwt',
    registered: await publicKey(ec, 'ES256'),
    profile: { private_key: pem(ec) },
  },
  'private_key_jwt, RS384, PEM': {
    method: 'private_key_jwt',
    registered: await publicKey(rsa, 'RS384'),
    profile: { private_key: pem(rsa), alg: 'RS384' },
  },
  'private_key_jwt, RS512, JWK that says so': {
    method: 'private_key_jwt',
    registered: await publicKey(rsa, 'RS512'),
    profile: { private_key: { ...jwk(rsa), alg: 'RS512' } },
  },
  'private_key_jwt, ES384, PEM': {
    method: 'private_key_jwt',
    registered: await publicKey(ec384, 'ES384'),
    profile: { private_key: pem(ec384) },
  },
  'private_key_jwt, EdDSA, JWK with a kid of its own': {
    method: 'private_key_jwt',
    registered: await publicKey(ed, 'EdDSA'),
    profile: { private_key: { ...jwk(ed), kid: 'key-EdDSA' } },
  },
  tls_client_auth: {
    method: 'tls_client_auth',
    registered: { tls_client_auth_subject_dn: 'CN=known' },
    profile: tlsClient,
  },
  self_signed_tls_client_auth: {
    method: 'self_signed_tls_client_auth',
    registered: { jwks: { keys: [await certificateJwk(ownCertificate.cert)] } },
    profile: { tls_client_certificate: ownCertificate.cert, tls_client_key: ownCertificate.key },
  },
};

/** A client's certificate as a JWK Set holds it (RFC 8705 section 2.2.2). */
async function certificateJwk(cert: string): Promise<JWK> {
  const certificate = new X509Certificate(cert);
  return { ...(await exportJWK(certificate.publicKey)), x5c: [certificate.raw.toString('base64')] };
}

const assertions: { claims: Record<string, unknown>; header: Record<string, unknown> }[] = [];
const peer = (ctx: { socket: unknown }) => ctx.socket as TLSSocket;
const settings: Configuration = {
  clientAuthMethods: [
    'client_secret_basic',
    'client_secret_post',
    'none',
    'private_key_jwt',
    'tls_client_auth',
    'self_signed_tls_client_auth',
  ],
  enabledJWA: { clientAuthSigningAlgValues: ['RS256', 'RS384', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA'] },
  assertJwtClientAuthClaimsAndHeader: async (_, claims, header) => {
    assertions.push({ claims, header } as (typeof assertions)[number]);
  },
  features: {
    mTLS: {
      enabled: true,
      tlsClientAuth: true,
      selfSignedTlsClientAuth: true,
      getCertificate: (ctx) => peer(ctx).getPeerX509Certificate(),
      certificateAuthorized: (ctx) => peer(ctx).authorized,
      certificateSubjectMatches: (ctx, _, expected) =>
        peer(ctx).getPeerX509Certificate()?.subject === expected,
    },
  },
};

let aws: AwsEndpoint;
let server: AuthorizationServer;
let world: World;

beforeAll(async () => {
  aws = await awsEndpoint();
  world = await createGuardedWorld(aws.url);
  server = await startAuthorizationServer({
    tls: { ...(await authority.issue('CN=server', '127.0.0.1')), ca: authority.cert },
    settings,
    clients: Object.entries(cases).map(([client_id, { method, secret, registered = {} }]) => ({
      client_id,
      client_secret: secret,
      token_endpoint_auth_method: method,
      accessTokenSeconds: 3_600,
      metadata: registered,
    })),
  });
});

afterAll(async () => {
  world.close();
  await server.close();
  await aws.close();
});

let made = 0;

/** A grant of this client, refreshed with this profile: what became of it. */
async function refreshWith(clientId: string, profile: Readonly<Record<string, unknown>>) {
  const name = `client-${++made}`;
  await world.profile(name, {
    client_id: clientId,
    token_endpoint_auth_method: cases[clientId]?.method,
    tls_ca_certificate: authority.cert,
    ...profile,
  });
  const before = await server.seedGrant({ clientId, accountId: name });
  await world.account({ accountId: name, oauthProfile: name }, { refresh_token: before.refresh_token });
  const { accounts } = await world.run({ accountIds: [name] });
  const { failure } = (await world.item(name)) as { failure?: { message: string } };
  return { report: accounts?.[0], message: failure?.message, tokens: await world.tokens(name), before };
}

describe.each([
  { by: 'by its endpoint', where: () => ({ token_endpoint: server.tokenEndpoint }) },
  { by: 'by its issuer', where: () => ({ issuer: server.issuer }) },
  { by: 'by both', where: () => ({ issuer: server.issuer, token_endpoint: server.tokenEndpoint }) },
])('a server found $by', ({ where }) => {
  test.each(Object.entries(cases))('accepts %s', async (clientId, { profile }) => {
    const { report, message, tokens, before } = await refreshWith(clientId, { ...profile, ...where() });
    expect({ action: report?.action, message }).toEqual({ action: 'refresh', message: undefined });
    expect(tokens.refresh_token).not.toBe(before.refresh_token);
    expect(await server.isRefreshTokenLive(String(tokens.refresh_token))).toBe(true);
    expect(await server.isAccessTokenActive(String(tokens.access_token))).toBe(true);
  });
});

test('A signed assertion is about this client, for this server, once, and for a minute', async () => {
  assertions.length = 0;
  const clientId = 'private_key_jwt, ES256, PEM';
  const before = Math.floor(Date.now() / 1000);
  const { issuer, tokenEndpoint: token_endpoint } = server;
  for (const where of [{ token_endpoint }, { issuer }, { issuer, token_endpoint }])
    await refreshWith(clientId, { ...cases[clientId]?.profile, ...where });
  expect(assertions.map(({ header }) => header.alg)).toEqual(['ES256', 'ES256', 'ES256']);
  expect(assertions.map(({ claims }) => claims.aud)).toEqual([token_endpoint, issuer, issuer]);
  expect(assertions.map(({ header }) => header.typ)).toEqual([
    undefined,
    'client-authentication+jwt',
    'client-authentication+jwt',
  ]);
  expect(new Set(assertions.map(({ claims }) => claims.jti)).size).toBe(3);
  for (const { claims } of assertions) {
    expect(claims).toMatchObject({ iss: clientId, sub: clientId });
    expect(Number(claims.iat)).toBeGreaterThanOrEqual(before - 1);
    expect(Number(claims.exp) - Number(claims.iat)).toBe(60);
  }
});

describe('a profile that proves another client', () => {
  const rows: readonly {
    what: string;
    clientId: string;
    profile: Record<string, unknown>;
    reason: string;
    says: string;
  }[] = [
    {
      what: 'a wrong secret',
      clientId: 'client_secret_basic',
      profile: { client_secret: 'wrong' },
      reason: 'client_rejected',
      says: 'invalid_client',
    },
    {
      what: 'a key that is not registered',
      clientId: 'private_key_jwt, ES256, PEM',
      profile: { private_key: pem(generateKeyPairSync('ec', { namedCurve: 'P-256' })) },
      reason: 'client_rejected',
      says: 'invalid_client',
    },
    {
      what: 'a key for another algorithm',
      clientId: 'private_key_jwt, ES256, PEM',
      profile: { private_key: pem(ec), alg: 'RS256' },
      reason: 'profile_invalid',
      says: 'private_key: is not a key for alg RS256',
    },
    {
      what: 'a private key that is none',
      clientId: 'private_key_jwt, ES256, PEM',
      profile: { private_key: 'not a key' },
      reason: 'profile_invalid',
      says: "private_key: can't be read as a private key in PEM (PKCS #8) or as a JWK",
    },
    {
      what: 'a stranger’s certificate',
      clientId: 'tls_client_auth',
      profile: { tls_client_certificate: stranger.cert, tls_client_key: stranger.key },
      reason: 'client_rejected',
      says: 'invalid_client',
    },
    {
      what: 'a certificate that is not registered',
      clientId: 'self_signed_tls_client_auth',
      profile: { tls_client_certificate: stranger.cert, tls_client_key: stranger.key },
      reason: 'client_rejected',
      says: 'invalid_client',
    },
    {
      what: 'a certificate and the key of another',
      clientId: 'tls_client_auth',
      profile: { tls_client_certificate: known.cert, tls_client_key: stranger.key },
      reason: 'profile_invalid',
      says: 'tls_client_key: is not the key of tls_client_certificate',
    },
    {
      what: 'a certificate that is none',
      clientId: 'tls_client_auth',
      profile: { tls_client_certificate: 'none', tls_client_key: known.key },
      reason: 'profile_invalid',
      says: "tls_client_certificate: can't be read as a certificate in PEM",
    },
    {
      what: 'no trust in the server',
      clientId: 'client_secret_basic',
      profile: { client_secret: 's3cret', tls_ca_certificate: undefined },
      reason: 'provider_unavailable',
      says: 'not trusted (SELF_SIGNED_CERT_IN_CHAIN); set tls_ca_certificate',
    },
  ];
  test.each(rows)('with $what is refused by name', async ({ clientId, profile, reason, says }) => {
    const where = { token_endpoint: server.tokenEndpoint };
    const { report, message, before } = await refreshWith(clientId, { ...where, ...profile });
    expect(report?.reason).toBe(reason);
    expect(message).toContain(says);
    expect(await server.isRefreshTokenLive(before.refresh_token)).toBe(true);
  });
});
