import { describe, expect, test } from 'vitest';
import { tokenRequestTimeout } from '../../../adapters/oauth/token-endpoint.ts';
import { PRESETS, parseWholeProfile } from '../../../cli/profile/presets.ts';
import { parseProfile } from '../../../core/profile/parse-profile.ts';
import type { Profile } from '../../../core/profile/profile.ts';

const good = { client_id: 'client', client_secret: 'hush-hush', token_endpoint: 'https://id.example/token' };

function problemIn(fields: unknown): string {
  const parsed = parseProfile(typeof fields === 'string' ? fields : JSON.stringify(fields));
  return parsed.kind === 'invalid' ? parsed.problem : 'none';
}

describe('a profile', () => {
  test('with a secret authenticates by Basic, one without not at all', () => {
    const method = (fields: object) => {
      const parsed = parseProfile(JSON.stringify(fields));
      return parsed.kind === 'profile' ? parsed.profile.token_endpoint_auth_method : parsed.problem;
    };
    expect(method(good)).toBe('client_secret_basic');
    expect(method({ ...good, client_secret: '' })).toBe('client_secret_basic');
    expect(method({ client_id: 'client', token_endpoint: 'https://id.example/token' })).toBe('none');
  });

  const mistakes: readonly { name: string; fields: unknown; says: string }[] = [
    { name: 'that is not JSON', fields: '{', says: 'the profile secret must hold a JSON object' },
    { name: 'that is an array', fields: '[]', says: 'the profile secret must hold a JSON object' },
    { name: 'without client_id', fields: { ...good, client_id: undefined }, says: 'client_id: is missing' },
    {
      name: 'with an empty client_id',
      fields: { ...good, client_id: '' },
      says: 'client_id: must not be empty',
    },
    {
      name: 'whose secret is a number',
      fields: { ...good, client_secret: 123456 },
      says: 'client_secret: must be a string',
    },
    {
      name: 'whose endpoint is no URL',
      fields: { ...good, token_endpoint: 'id.example/token' },
      says: 'token_endpoint: must be an absolute URL',
    },
    {
      name: 'without any endpoint',
      fields: { client_id: 'c' },
      says: 'token_endpoint: is missing; give token_endpoint, or issuer, or provider',
    },
    {
      name: 'with an unknown method',
      fields: { ...good, token_endpoint_auth_method: 'basic' },
      says: 'token_endpoint_auth_method: must be one of client_secret_basic, client_secret_post, private_key_jwt, tls_client_auth, self_signed_tls_client_auth, none',
    },
    {
      name: 'that posts no secret',
      fields: {
        client_id: 'c',
        token_endpoint: 'https://id.example/token',
        token_endpoint_auth_method: 'client_secret_post',
      },
      says: 'client_secret: is missing; token_endpoint_auth_method client_secret_post needs it',
    },
    {
      name: 'that signs without a key',
      fields: { ...good, token_endpoint_auth_method: 'private_key_jwt' },
      says: 'private_key: is missing; token_endpoint_auth_method private_key_jwt needs it',
    },
    {
      name: 'that shows no certificate',
      fields: { ...good, token_endpoint_auth_method: 'tls_client_auth' },
      says: 'tls_client_certificate: is missing; token_endpoint_auth_method tls_client_auth needs it',
    },
    {
      name: 'with a pointer that is none',
      fields: { ...good, token_response_fields: { access_token: 'data.access_token' } },
      says: 'token_response_fields.access_token: must be a JSON pointer, such as "/data/access_token"',
    },
    {
      name: 'that points at an unknown field',
      fields: { ...good, token_response_fields: { acess_token: '/a' } },
      says: 'token_response_fields.acess_token: is not a known field',
    },
    {
      name: 'with parameters that are no strings',
      fields: { ...good, token_request_parameters: { a: 1 } },
      says: 'token_request_parameters.a: must be an object of strings',
    },
    {
      name: 'that sets a parameter of the grant',
      fields: { ...good, token_request_parameters: { grant_type: 'x' } },
      says: 'token_request_parameters.grant_type: must not be set, as the grant itself sets it',
    },
    {
      name: 'with an unknown preset',
      fields: { client_id: 'c', provider: 'nobody' },
      says: 'provider: is not a known preset; known are ',
    },
    {
      name: 'with a window of nothing',
      fields: { ...good, refresh_window_seconds: 0 },
      says: 'refresh_window_seconds: must be a whole number from 1 to 2592000',
    },
    {
      name: 'with codes that are no array',
      fields: { ...good, dead_grant_errors: 'invalid_code' },
      says: 'dead_grant_errors: must be an array of strings',
    },
  ];
  test.each(mistakes)('$name says what is wrong', ({ fields, says }) => {
    expect(problemIn(fields)).toContain(says);
  });

  test('with an unknown field names it and lists the known ones', () => {
    expect(problemIn({ ...good, client_ident: 'x' })).toMatch(
      /^client_ident: is not a known field; known are .*client_id/,
    );
  });

  test('never shows a name that looks like a value', () => {
    const token = '1//0gAbcDEF-ghi_jkl';
    for (const fields of [
      { [token]: 'x' },
      { token_request_headers: { [token]: 5 } },
      { token_response_fields: { [token]: '/x' } },
      { token_request_headers: { [token]: 'a', [token.toLowerCase()]: 'b' } },
    ])
      expect(problemIn({ ...good, ...fields })?.toLowerCase()).not.toContain('0gabc');
    expect(problemIn({ ...good, [token]: 'x' })).toMatch(/^a field whose name looks like a value: is not/);
  });

  test('never shows a value in a mistake', () => {
    for (const { fields } of mistakes) expect(problemIn(fields)).not.toContain('hush-hush');
    expect(problemIn({ ...good, hush: 'hush-hush' })).not.toContain('hush-hush');
  });
});

function profileOf(fields: unknown): Profile {
  const parsed = parseProfile(typeof fields === 'string' ? fields : JSON.stringify(fields));
  if (parsed.kind === 'invalid') throw new Error(parsed.problem);
  return parsed.profile;
}

describe('a credential', () => {
  const flaws = [
    { that: 'ends in a line break', value: 'hush\n', says: 'must not hold control characters' },
    { that: 'ends in a line break of Windows', value: 'hush\r\n', says: 'must not hold control characters' },
    { that: 'holds a tab', value: 'hu\tsh', says: 'must not hold control characters' },
    { that: 'holds a null', value: 'hu\u0000sh', says: 'must not hold control characters' },
    { that: 'begins with a byte order mark', value: '\uFEFFhush', says: 'must not hold control characters' },
    { that: 'ends in a space of no width', value: 'hush\u200b', says: 'must not hold control characters' },
    { that: 'ends in a space', value: 'hush ', says: 'must not begin or end with a space' },
    { that: 'begins with a no-break space', value: '\u00a0hush', says: 'must not begin or end with a space' },
  ];
  const rows = flaws.flatMap((flaw) =>
    ['client_id', 'client_secret', 'kid', 'client_assertion_audience'].map((field) => ({ field, ...flaw })),
  );
  test.each(rows)('$field that $that is refused by name, without its value', ({ field, value, says }) => {
    const problem = problemIn({ ...good, [field]: value });
    expect(problem).toContain(`${field}: ${says}`);
    expect(problem).not.toContain('hush');
  });

  test('in a JWK is looked at too', () => {
    const private_key = { kty: 'EC', kid: 'key-1\n' };
    expect(problemIn({ ...good, private_key })).toMatch(/^private_key\.kid: must not hold control/);
  });

  test.each(['scope', 'token_endpoint'])('%s holds no control characters either', (field) => {
    expect(problemIn({ ...good, [field]: 'https://id.example/\u0007' })).toMatch(new RegExp(`^${field}: `));
    expect(problemIn({ ...good, token_request_parameters: { key: 'k\n' } })).toMatch(
      /^token_request_parameters\.key: must not hold control/,
    );
  });

  test('may have spaces and other signs within', () => {
    expect(profileOf({ ...good, client_secret: 'a b:c%&+/=~' }).client_secret).toBe('a b:c%&+/=~');
  });
});

test('A byte order mark before a profile is passed over', () => {
  expect(profileOf(`\uFEFF${JSON.stringify(good)}`).client_id).toBe('client');
});

describe('a header of a profile', () => {
  const rows = [
    'content-length',
    'Content-Length',
    'Transfer-Encoding',
    'connection',
    'HOST',
    'keep-alive',
    'Upgrade',
    'TE',
    'trailer',
    'Expect',
    'proxy-authorization',
    'Proxy-Connection',
    'http2-settings',
  ];
  test.each(rows)('%s is refused, as it is not the profile’s', (name) => {
    expect(problemIn({ ...good, token_request_headers: { [name]: '700' } })).toBe(
      `token_request_headers: must not have ${name.toLowerCase()}, which frames the message or belongs to the connection`,
    );
  });

  test('that is there twice, in another case, is refused', () => {
    const token_request_headers = { 'X-Api-Key': 'a', 'x-api-key': 'b' };
    expect(problemIn({ ...good, token_request_headers })).toBe(
      'token_request_headers: must not have x-api-key twice; header names have no case',
    );
  });

  test.each([
    'content-type',
    'Accept',
    'authorization',
    'user-agent',
    'x-host',
    'if-match',
  ])('%s is allowed', (name) => {
    expect(problemIn({ ...good, token_request_headers: { [name]: 'x' } })).toBe('none');
  });
});

describe('a field of a profile', () => {
  const wrong: readonly { field: string; value: unknown; says: string }[] = [
    { field: 'grant_type', value: 'password', says: 'must be refresh_token; other grants come with a later' },
    { field: 'pkce', value: 'plain', says: 'must be S256 or none' },
    { field: 'client_secret_basic_encoding', value: 'raw', says: 'must be form or none' },
    { field: 'client_id_parameter', value: '', says: 'must be a name' },
    { field: 'client_id_parameter', value: 'refresh_token', says: 'must not be refresh_token' },
    { field: 'authorization_code_parameter', value: 'a b', says: 'must be a name' },
    { field: 'callback_parameters', value: 'realmId', says: 'must be an array of names' },
    { field: 'callback_parameters', value: ['state'], says: 'must not name state' },
    { field: 'placeholder_values', value: { region: 'com' }, says: 'must be an object of arrays of strings' },
    { field: 'placeholder_values', value: { region: [] }, says: 'must have at least one value' },
    { field: 'placeholder_values', value: { region: ['a/b'] }, says: 'must have values of letters' },
    { field: 'client_errors', value: 'x', says: 'must be an array of strings' },
    { field: 'public_fields', value: 'instance_url', says: 'must be an array of names' },
    { field: 'public_fields', value: ['refresh_token'], says: 'must not name refresh_token' },
    { field: 'token_request_timeout_seconds', value: 61, says: 'must be a whole number from 1 to 60' },
    { field: 'token_request_timeout_seconds', value: 0, says: 'must be a whole number from 1 to 60' },
    {
      field: 'default_expires_in',
      value: 'for ever',
      says: 'must be a whole number from 1 to 315360000, or "never"',
    },
    { field: 'default_expires_in', value: 0, says: 'must be a whole number from 1 to 315360000, or "never"' },
    { field: 'expected', value: { realmId: 1 }, says: 'must be an object of strings' },
    { field: 'alg', value: 'HS256', says: 'must be one of RS256, RS384, RS512, PS256, ES256, ES384, EdDSA' },
    { field: 'allowed_claims', value: {}, says: 'is not a known field' },
  ];
  test.each(wrong)('$field that is $value says what it must be', ({ field, value, says }) => {
    const problem = problemIn({ ...good, [field]: value });
    expect(problem).toMatch(new RegExp(`^${field}[^ ]*: `));
    expect(problem).toContain(says);
  });

  test('that holds the refresh token is not public, wherever it stands', () => {
    const token_response_fields = { refresh_token: '/data/refresh' };
    expect(problemIn({ ...good, token_response_fields, public_fields: ['data'] })).toContain(
      'must not name data',
    );
  });

  test('asks for an issuer where the audience is to be one', () => {
    expect(problemIn({ ...good, client_assertion_audience: 'issuer' })).toBe(
      'issuer: is missing; client_assertion_audience issuer needs it',
    );
  });

  test('can’t ask for a raw Basic header that would be read wrongly', () => {
    expect(problemIn({ ...good, client_id: 'a:b', client_secret_basic_encoding: 'none' })).toBe(
      'client_secret_basic_encoding: must be form, as client_id has a colon',
    );
  });

  test('has its default', () => {
    expect(profileOf(good)).toMatchObject({
      grant_type: 'refresh_token',
      pkce: 'S256',
      authorization_code_parameter: 'code',
      client_id_parameter: 'client_id',
      client_secret_basic_encoding: 'form',
      client_assertion_audience: 'token_endpoint',
      callback_parameters: [],
      placeholder_values: {},
      public_fields: [],
      client_errors: [],
    });
    expect(profileOf(good).default_expires_in).toBeUndefined();
    expect(profileOf({ ...good, issuer: 'https://id.example' }).client_assertion_audience).toBe('issuer');
    expect(profileOf({ ...good, default_expires_in: 'never' }).default_expires_in).toBe('never');
  });
});

describe('an issuer and endpoints', () => {
  const endpoint = 'https://other.example/token';
  const issuer = 'https://other.example';
  const preset = PRESETS.gitlab;
  const client = { client_id: 'c', client_secret: 's', provider: 'gitlab' };

  test('may stand together', () => {
    expect(profileOf({ ...good, issuer })).toMatchObject({ issuer, token_endpoint: good.token_endpoint });
  });

  test('of a preset give way to an issuer of the profile’s own', () => {
    const profile = profileOf({ ...client, issuer });
    expect(profile.issuer).toBe(issuer);
    expect(profile.token_endpoint).toBeUndefined();
    expect(profile.authorization_endpoint).toBeUndefined();
  });

  test('of a preset: its issuer goes where the profile names another token endpoint', () => {
    const profile = profileOf({ ...client, token_endpoint: endpoint });
    expect(profile.token_endpoint).toBe(endpoint);
    expect(profile.issuer).toBeUndefined();
    const whole = parseWholeProfile(JSON.stringify({ ...client, token_endpoint: endpoint }));
    expect(whole).toMatchObject({ profile: { authorization_endpoint: preset?.authorization_endpoint } });
  });
});

test('How long a provider may take is 30 s, or what the profile says', () => {
  expect(tokenRequestTimeout(profileOf(good))).toBe(30_000);
  expect(tokenRequestTimeout(profileOf({ ...good, token_request_timeout_seconds: 60 }))).toBe(60_000);
});
