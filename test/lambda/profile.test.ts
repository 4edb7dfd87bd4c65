import { describe, expect, test } from 'vitest';
import { parseProfile } from '../../lambda/profile.ts';

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

  const mistakes: readonly [string, unknown, string][] = [
    ['that is not JSON', '{', 'the profile secret must hold a JSON object'],
    ['that is an array', '[]', 'the profile secret must hold a JSON object'],
    ['without client_id', { ...good, client_id: undefined }, 'client_id: is missing'],
    ['with an empty client_id', { ...good, client_id: '' }, 'client_id: must not be empty'],
    ['whose secret is a number', { ...good, client_secret: 123456 }, 'client_secret: must be a string'],
    [
      'whose endpoint is no URL',
      { ...good, token_endpoint: 'id.example/token' },
      'token_endpoint: must be an absolute URL',
    ],
    [
      'without any endpoint',
      { client_id: 'c' },
      'token_endpoint: is missing; give token_endpoint, or issuer, or provider',
    ],
    [
      'with an endpoint and an issuer',
      { ...good, issuer: 'https://id.example' },
      'issuer: must not stand beside token_endpoint; keep one of the two',
    ],
    [
      'with an unknown method',
      { ...good, token_endpoint_auth_method: 'basic' },
      'token_endpoint_auth_method: must be one of client_secret_basic, client_secret_post, private_key_jwt, tls_client_auth, self_signed_tls_client_auth, none',
    ],
    [
      'that posts no secret',
      {
        client_id: 'c',
        token_endpoint: 'https://id.example/token',
        token_endpoint_auth_method: 'client_secret_post',
      },
      'client_secret: is missing; token_endpoint_auth_method client_secret_post needs it',
    ],
    [
      'that signs without a key',
      { ...good, token_endpoint_auth_method: 'private_key_jwt' },
      'private_key: is missing; token_endpoint_auth_method private_key_jwt needs it',
    ],
    [
      'that shows no certificate',
      { ...good, token_endpoint_auth_method: 'tls_client_auth' },
      'tls_client_certificate: is missing; token_endpoint_auth_method tls_client_auth needs it',
    ],
    [
      'with a pointer that is none',
      { ...good, token_response_fields: { access_token: 'data.access_token' } },
      'token_response_fields.access_token: must be a JSON pointer, such as "/data/access_token"',
    ],
    [
      'that points at an unknown field',
      { ...good, token_response_fields: { acess_token: '/a' } },
      'token_response_fields.acess_token: is not a known field',
    ],
    [
      'with parameters that are no strings',
      { ...good, token_request_parameters: { a: 1 } },
      'token_request_parameters.a: must be an object of strings',
    ],
    [
      'that sets a parameter of the grant',
      { ...good, token_request_parameters: { grant_type: 'x' } },
      'token_request_parameters.grant_type: must not be set, as the grant itself sets it',
    ],
    [
      'with an unknown preset',
      { client_id: 'c', provider: 'nobody' },
      'provider: is not a known preset; known are ',
    ],
    [
      'with a window of nothing',
      { ...good, refresh_window_seconds: 0 },
      'refresh_window_seconds: must be a whole number from 1 to 2592000',
    ],
    [
      'with codes that are no array',
      { ...good, dead_grant_errors: 'invalid_code' },
      'dead_grant_errors: must be an array of strings',
    ],
  ];
  test.each(mistakes)('%s says what is wrong', (_, fields, problem) => {
    expect(problemIn(fields)).toContain(problem);
  });

  test('with an unknown field names it and lists the known ones', () => {
    expect(problemIn({ ...good, client_ident: 'x' })).toMatch(
      /^client_ident: is not a known field; known are .*client_id/,
    );
  });

  test('never shows a value in a mistake', () => {
    for (const [, fields] of mistakes) expect(problemIn(fields)).not.toContain('hush-hush');
    expect(problemIn({ ...good, hush: 'hush-hush' })).not.toContain('hush-hush');
  });
});
