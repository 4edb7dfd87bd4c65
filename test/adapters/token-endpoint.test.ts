import { createPublicKey, generateKeyPairSync, type KeyPairKeyObjectResult } from 'node:crypto';
import { jwtVerify } from 'jose';
import { describe, expect, test } from 'vitest';
import { type DiscoveryCache, discover } from '../../adapters/oauth/discovery.ts';
import type { HttpsRequest, TlsIdentity } from '../../adapters/oauth/https-request.ts';
import { createTokenEndpoint, type Exchange } from '../../adapters/oauth/token-endpoint.ts';
import type { HttpResponse } from '../../core/response/http-response.ts';
import { anAccount, aProfile, NOW } from '../support/builders.ts';

const aResponse = { status: 200, body: '{}', complete: true } as HttpResponse;

/** The request that a profile makes, as it goes out; or why none does. */
async function requestOf(profile: Record<string, unknown>, parameters: Record<string, string> = {}) {
  const sent: { url: string; request: HttpsRequest }[] = [];
  const endpoint = createTokenEndpoint({
    allowHttpLoopback: false,
    cache: new Map(),
    now: () => NOW * 1000,
    send: async (url, request) => {
      sent.push({ url, request });
      return aResponse;
    },
  });
  const exchange: Exchange = await endpoint.refresh({
    profile: aProfile(profile),
    account: anAccount({ parameters }),
    refreshToken: 'refresh-1',
    timeoutMilliseconds: 1_000,
  });
  const [first] = sent;
  const body = first?.request.body ?? '';
  const fields = body.startsWith('{') ? JSON.parse(body) : Object.fromEntries(new URLSearchParams(body));
  return {
    exchange,
    url: first?.url,
    headers: first?.request.headers ?? {},
    body,
    fields: fields as Record<string, string>,
    basic: Buffer.from(
      first?.request.headers.authorization?.slice('Basic '.length) ?? '',
      'base64',
    ).toString(),
  };
}

describe('HTTP Basic', () => {
  const rows = [
    {
      sends: 'letters, digits and - . _ ~ as they are',
      id: 'Acme-App_1.2~x',
      secret: 'a-B_3.4~',
      basic: 'Acme-App_1.2~x:a-B_3.4~',
    },
    { sends: 'a colon encoded', id: 'a:b', secret: 'c:d', basic: 'a%3Ab:c%3Ad' },
    { sends: 'a space as +', id: 'a b', secret: 'c d', basic: 'a+b:c+d' },
    { sends: '+ / = % encoded', id: 'id', secret: 'a+b/c=%25', basic: 'id:a%2Bb%2Fc%3D%2525' },
    { sends: "! ' ( ) * encoded", id: 'id', secret: "!'()*", basic: 'id:%21%27%28%29%2A' },
    { sends: 'other letters as UTF-8', id: 'id', secret: 'ä€😀', basic: 'id:%C3%A4%E2%82%AC%F0%9F%98%80' },
    { sends: 'an empty secret', id: 'id', secret: '', basic: 'id:' },
  ];
  test.each(rows)('sends $sends', async ({ id, secret, basic }) => {
    const made = await requestOf({ client_id: id, client_secret: secret });
    expect(made.basic).toBe(basic);
    expect(made.fields).toEqual({ grant_type: 'refresh_token', refresh_token: 'refresh-1' });
  });

  test.each(
    rows.filter(({ id }) => !id.includes(':')),
  )('sends all as it is where the profile wants that, not $sends', async ({ id, secret }) => {
    const raw = { client_id: id, client_secret: secret, client_secret_basic_encoding: 'none' };
    expect((await requestOf(raw)).basic).toBe(`${id}:${secret}`);
  });
});

describe('what nobody must be told of a request', () => {
  const secretsOf = async (profile: Record<string, unknown>) => {
    const { exchange, headers, fields } = await requestOf(profile);
    return { secrets: exchange.kind === 'response' ? exchange.secrets : [], headers, fields };
  };

  test('is the refresh token, the secret in whatever form, and what the profile adds, filled in', async () => {
    const { secrets, headers } = await secretsOf({
      token_request_parameters: { scope: 'read', key: 'k-{client_secret}' },
      token_request_headers: { 'x-api-key': 'header-key' },
    });
    expect([...secrets].sort()).toEqual([
      headers.authorization,
      'header-key',
      'k-client-secret',
      'refresh-1',
    ]);
  });

  test('is an assertion', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { secrets, fields } = await secretsOf({
      client_secret: undefined,
      token_endpoint_auth_method: 'private_key_jwt',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    });
    expect(secrets).toEqual(expect.arrayContaining(['refresh-1', fields.client_assertion]));
    expect(fields.client_assertion?.length).toBeGreaterThan(100);
  });
});

describe('a header of the profile', () => {
  test.each(['content-type', 'Content-Type', 'CONTENT-TYPE'])('%s wins over that of JSON', async (name) => {
    const { headers, body } = await requestOf({
      token_request_format: 'json',
      token_request_headers: { [name]: 'application/vnd.api+json' },
    });
    expect(headers['content-type']).toBe('application/vnd.api+json');
    expect(Object.keys(headers).filter((one) => one.toLowerCase() === 'content-type')).toHaveLength(1);
    expect(JSON.parse(body)).toMatchObject({ refresh_token: 'refresh-1' });
  });

  test.each([
    'Content-Type',
    'Accept',
    'User-Agent',
    'AUTHORIZATION',
  ])('%s wins over that of a form', async (name) => {
    const { headers } = await requestOf({ token_request_headers: { [name]: 'mine' } });
    const alike = Object.entries(headers).filter(([one]) => one.toLowerCase() === name.toLowerCase());
    expect(alike.map(([, value]) => value)).toEqual(['mine']);
  });

  test('that can’t be sent once it is filled in is the profile’s trouble', async () => {
    const { exchange } = await requestOf({
      client_secret: 'hüsh',
      token_request_headers: { authorization: 'Bearer {client_secret}' },
    });
    expect(exchange).toEqual({
      kind: 'unsent',
      reason: 'profile_invalid',
      detail: 'token_request_headers.authorization: has other than printable ASCII, once filled in',
    });
  });

  test('whose name looks like a value is not named', async () => {
    const details = await Promise.all(
      ['{client_secret}', '{secret}'].map(async (value) => {
        const token_request_headers = { Eyabc9SECRETname: value };
        const { exchange } = await requestOf({ client_secret: 'hüsh', token_request_headers });
        return exchange.kind === 'unsent' ? exchange.detail : '';
      }),
    );
    expect(details).toEqual([
      'token_request_headers.…: has other than printable ASCII, once filled in',
      "parameters.secret: is missing; the profile's token_request_headers.… needs it",
    ]);
  });

  test('leaves the others as they are', async () => {
    expect((await requestOf({ token_request_format: 'json' })).headers).toMatchObject({
      'content-type': 'application/json',
      accept: 'application/json',
    });
    expect((await requestOf({})).headers['content-type']).toMatch(/^application\/x-www-form-urlencoded/);
  });
});

describe('the client’s id', () => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const rows = [
    { method: 'client_secret_post', more: {} },
    { method: 'none', more: { client_secret: undefined } },
    { method: 'private_key_jwt', more: { private_key: pem(ec) } },
    { method: 'client_secret_post', more: { token_request_format: 'json' } },
  ];
  test.each(rows)('goes under the provider’s own name for it: $method, $more', async ({ method, more }) => {
    const { fields } = await requestOf({
      ...more,
      client_id_parameter: 'client_key',
      token_endpoint_auth_method: method,
    });
    expect(fields.client_key).toBe('client');
    expect(fields).not.toHaveProperty('client_id');
  });

  test('is client_id otherwise', async () => {
    const { fields } = await requestOf({ token_endpoint_auth_method: 'client_secret_post' });
    expect(fields).toMatchObject({ client_id: 'client', client_secret: 'client-secret' });
  });
});

function pem(pair: KeyPairKeyObjectResult): string {
  return pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

describe('a client assertion', () => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ec384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const signed = { token_endpoint_auth_method: 'private_key_jwt' };
  const issuer = 'https://id.example';
  const endpoint = 'https://id.example/token';

  const audiences: readonly { for: string; profile: Record<string, unknown>; aud: string; typ?: string }[] = [
    { for: 'its endpoint, where no issuer is known', profile: {}, aud: endpoint },
    {
      for: 'its issuer, where one is known',
      profile: { issuer },
      aud: issuer,
      typ: 'client-authentication+jwt',
    },
    {
      for: 'its issuer, where that is asked for',
      profile: { issuer, client_assertion_audience: 'issuer' },
      aud: issuer,
      typ: 'client-authentication+jwt',
    },
    {
      for: 'its endpoint, where that is asked for',
      profile: { issuer, client_assertion_audience: 'token_endpoint' },
      aud: endpoint,
    },
    {
      for: 'its own endpoint for refreshing',
      profile: { refresh_token_endpoint: 'https://id.example/refresh' },
      aud: 'https://id.example/refresh',
    },
    {
      for: 'what the profile says',
      profile: { issuer, client_assertion_audience: 'urn:them' },
      aud: 'urn:them',
    },
    {
      for: 'what the profile says, filled in',
      profile: { client_assertion_audience: 'https://{tenant}.example' },
      aud: 'https://acme.example',
    },
    {
      for: 'its issuer, filled in',
      profile: { issuer: 'https://{tenant}.example' },
      aud: 'https://acme.example',
      typ: 'client-authentication+jwt',
    },
  ];
  test.each(audiences)('is for $for', async ({ profile, aud, typ }) => {
    const { fields } = await requestOf({ ...signed, private_key: pem(ec), ...profile }, { tenant: 'acme' });
    const verified = await jwtVerify(
      fields.client_assertion ?? '',
      createPublicKey(ec.publicKey.export({ type: 'spki', format: 'pem' })),
    );
    expect(verified.payload).toMatchObject({ aud, iss: 'client', sub: 'client' });
    expect(verified.protectedHeader.typ).toBe(typ);
  });

  const jwk = (pair: KeyPairKeyObjectResult) => pair.privateKey.export({ format: 'jwk' });
  const keys: readonly {
    is: string;
    pair: KeyPairKeyObjectResult;
    profile: Record<string, unknown>;
    alg: string;
  }[] = [
    { is: 'an RSA key', pair: rsa, profile: { private_key: pem(rsa) }, alg: 'RS256' },
    { is: 'an RSA key for RS384', pair: rsa, profile: { private_key: pem(rsa), alg: 'RS384' }, alg: 'RS384' },
    { is: 'an RSA key for RS512', pair: rsa, profile: { private_key: pem(rsa), alg: 'RS512' }, alg: 'RS512' },
    { is: 'a P-384 key', pair: ec384, profile: { private_key: pem(ec384) }, alg: 'ES384' },
    { is: 'a P-384 key as JWK', pair: ec384, profile: { private_key: jwk(ec384) }, alg: 'ES384' },
    {
      is: 'a JWK that says RS384',
      pair: rsa,
      profile: { private_key: { ...jwk(rsa), alg: 'RS384' } },
      alg: 'RS384',
    },
    {
      is: 'a JWK that says PS256',
      pair: rsa,
      profile: { private_key: { ...jwk(rsa), alg: 'PS256' } },
      alg: 'PS256',
    },
    {
      is: 'a JWK where the profile says more',
      pair: rsa,
      profile: { private_key: { ...jwk(rsa), alg: 'PS256' }, alg: 'RS512' },
      alg: 'RS512',
    },
  ];
  test.each(keys)('is signed by $is', async ({ pair, profile, alg }) => {
    const { fields } = await requestOf({ ...signed, ...profile });
    const { protectedHeader } = await jwtVerify(fields.client_assertion ?? '', pair.publicKey);
    expect(protectedHeader.alg).toBe(alg);
  });

  const small = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' });
  const unusable: readonly { is: string; profile: Record<string, unknown>; says: string }[] = [
    {
      is: 'too short',
      profile: { private_key: pem(small) },
      says: 'private_key: an RSA key must have 2048 bits or more',
    },
    {
      is: 'for another curve',
      profile: { private_key: pem(ec), alg: 'ES384' },
      says: 'private_key: is not a key for alg ES384',
    },
    {
      is: 'of a curve that is not known',
      profile: { private_key: pem(p521) },
      says: 'private_key: is not a key for alg ES256',
    },
    {
      is: 'for what is not known',
      profile: { private_key: { ...jwk(p521), alg: 'ES512' } },
      says: 'private_key.alg: must be one of RS256',
    },
  ];
  test.each(unusable)('with a key that is $is is not made: the profile is wrong', async ({
    profile,
    says,
  }) => {
    const { exchange } = await requestOf({ ...signed, ...profile });
    expect(exchange).toMatchObject({ kind: 'unsent', reason: 'profile_invalid' });
    expect(exchange.kind === 'unsent' && exchange.detail).toContain(says);
  });
});

test('A value that a placeholder may not have is the account’s trouble, and nothing is sent', async () => {
  const made = await requestOf(
    { token_endpoint: 'https://id.{region}/t', placeholder_values: { region: ['com'] } },
    { region: 'com.evil' },
  );
  expect(made.url).toBeUndefined();
  expect(made.exchange).toEqual({
    kind: 'unsent',
    reason: 'account_invalid',
    detail: "parameters.region: must be one of com; the profile's token_endpoint needs it",
  });
});

describe('what is known of an issuer', () => {
  const issuer = 'https://id.example';
  const asked: string[] = [];
  let now = NOW * 1000;
  const options = (cache: DiscoveryCache) => ({
    allowHttpLoopback: false,
    cache,
    now: () => now,
    send: async (url: string, { tls }: HttpsRequest) => {
      asked.push(`${tls?.ca ?? tls?.cert ?? 'usual'} ${url}`);
      const by = new URL(url).origin;
      const body = JSON.stringify({
        issuer: by,
        token_endpoint: `${by}/${(tls?.ca ?? tls?.cert ?? 'usual').slice(0, 9)}`,
        x: 'y'.repeat(9_000),
      });
      return { ...aResponse, body };
    },
  });
  const find = (cache: DiscoveryCache, tls: TlsIdentity, from = issuer, profile = 'crm') =>
    discover({ profile, issuer: from, tls }, AbortSignal.timeout(1_000), options(cache));

  test('is kept apart by what vouched for it', async () => {
    const cache: DiscoveryCache = new Map();
    expect((await find(cache, { ca: 'forged' })).token_endpoint).toBe('https://id.example/forged');
    expect((await find(cache, {})).token_endpoint).toBe('https://id.example/usual');
    expect((await find(cache, { cert: 'client' })).token_endpoint).toBe('https://id.example/client');
    asked.length = 0;
    expect((await find(cache, { ca: 'forged' })).token_endpoint).toBe('https://id.example/forged');
    expect((await find(cache, {})).token_endpoint).toBe('https://id.example/usual');
    expect(asked).toEqual([]);
  });

  test('is asked for by each profile', async () => {
    const cache: DiscoveryCache = new Map();
    await find(cache, {});
    asked.length = 0;
    await find(cache, {}, issuer, 'billing');
    await find(cache, {}, issuer, 'billing');
    expect(asked.length).toBe(1);
  });

  test('is kept of 500 issuers, and no more of each than is used', async () => {
    const cache: DiscoveryCache = new Map();
    for (let n = 0; n < 510; n++) await find(cache, {}, `https://id-${n}.example`);
    expect(cache.size).toBe(500);
    expect(JSON.stringify([...cache.values()])).not.toContain('yyy');
    asked.length = 0;
    await find(cache, {}, 'https://id-509.example');
    expect(asked).toEqual([]);
    // Neither long issuers nor long certificates make it larger.
    await find(cache, { ca: 'x'.repeat(100_000) });
    expect(JSON.stringify([...cache]).length).toBeLessThan(500 * 500);
  });

  test.each([
    { when: 'an hour later', later: 3_600_000 },
    { when: 'by a clock that was set back', later: -1 },
  ])('is read again $when', async ({ later }) => {
    const cache: DiscoveryCache = new Map();
    now = NOW * 1000;
    await find(cache, {});
    asked.length = 0;
    now += later;
    await find(cache, {});
    expect(asked.length).toBe(1);
    now = NOW * 1000;
  });

  test('is nothing where it could not be read: it is asked for again, and who has other metadata keeps it', async () => {
    const cache: DiscoveryCache = new Map();
    await find(cache, {});
    const failing = { ...options(cache), send: async () => ({ ...aResponse, body: '{}' }) };
    await expect(
      discover({ profile: 'crm', issuer: 'https://b.example', tls: {} }, AbortSignal.timeout(1_000), failing),
    ).rejects.toThrow('issuer:');
    await expect(
      discover({ profile: 'crm', issuer, tls: { ca: 'x' } }, AbortSignal.timeout(1_000), failing),
    ).rejects.toThrow('issuer:');
    expect(cache.size).toBe(1);
    expect((await find(cache, {})).token_endpoint).toBe('https://id.example/usual');
  });
});
