import { describe, expect, test } from 'vitest';
import type { HttpAnswer } from '../../lambda/https-request.ts';
import { interpretTokenAnswer } from '../../lambda/token-response.ts';
import { aProfile, aTokenSet, NOW } from '../support/builders.ts';

const SENT = 'sent-refresh-token';

function answer(body: unknown, differences: Partial<HttpAnswer> = {}): HttpAnswer {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { status: 200, retryAfter: undefined, body: text, complete: true, ...differences };
}

function interpret(http: HttpAnswer, profile: Record<string, unknown> = {}) {
  return interpretTokenAnswer(http, aProfile(profile), [SENT], NOW, aTokenSet());
}

function granted(http: HttpAnswer, profile: Record<string, unknown> = {}) {
  const result = interpret(http, profile);
  if (result.kind !== 'granted') throw new Error(`not granted but ${JSON.stringify(result)}`);
  return result.tokens;
}

describe('a grant', () => {
  test('is taken from a standard answer', () => {
    const body = {
      access_token: 'a',
      token_type: 'bearer',
      refresh_token: 'r',
      expires_in: 3600,
      scope: 'x y',
    };
    expect(granted(answer(body))).toEqual({
      response: body,
      accessToken: 'a',
      tokenType: 'bearer',
      refreshToken: 'r',
      scope: 'x y',
      expiresAt: NOW + 3600,
      refreshTokenExpiresAt: undefined,
    });
  });

  const odd: readonly [string, string, Record<string, unknown>, object][] = [
    ['without token_type is a bearer token', '{"access_token":"a"}', {}, { tokenType: 'Bearer' }],
    ['without a refresh token names none', '{"access_token":"a"}', {}, { refreshToken: undefined }],
    [
      'with an empty refresh token names none',
      '{"access_token":"a","refresh_token":""}',
      {},
      { refreshToken: undefined },
    ],
    [
      'as a form is read',
      'access_token=a%2Bb&refresh_token=r&expires_in=60',
      {},
      { accessToken: 'a+b', refreshToken: 'r', expiresAt: NOW + 60 },
    ],
    ['with a byte order mark is read', '\uFEFF {"access_token":"a"}\n', {}, { accessToken: 'a' }],
    ['with scopes in an array joins them', '{"access_token":"a","scope":["x","y"]}', {}, { scope: 'x y' }],
    ['with ok: true is a grant', '{"ok":true,"access_token":"a"}', {}, { accessToken: 'a' }],
    [
      'nested is found by pointers',
      '{"data":{"access_token":"a","refresh":"r"},"expiresAt":"2027-01-15T09:00:00Z"}',
      {
        token_response_fields: {
          access_token: '/data/access_token',
          refresh_token: '/data/refresh',
          expires_at: '/expiresAt',
        },
      },
      { accessToken: 'a', refreshToken: 'r', expiresAt: 1_800_003_600 },
    ],
    ['in an array is found by pointers', '[{"access_token":"a"}]'.slice(1, -1), {}, { accessToken: 'a' }],
    [
      'with an error beside the token is a grant all the same',
      '{"access_token":"a","error":"warning"}',
      {},
      { accessToken: 'a' },
    ],
  ];
  test.each(odd)('%s', (_, body, profile, expected) => {
    expect(granted(answer(body), profile)).toMatchObject(expected);
  });

  test('never keeps an id_token, wherever it stands', () => {
    const body = { access_token: 'a', id_token: 'secret-id', data: { id_token: 'secret-id' } };
    expect(JSON.stringify(granted(answer(body)))).not.toContain('secret-id');
    expect(JSON.stringify(granted(answer('access_token=a&id_token=secret-id')))).not.toContain('secret-id');
  });
});

describe('the lifetime of an access token', () => {
  const rows: readonly [string, Record<string, unknown>, Record<string, unknown>, number][] = [
    ['as a number is seconds', { expires_in: 3599 }, {}, 3599],
    ['as a string is seconds', { expires_in: '3599' }, {}, 3599],
    ['with a fraction is cut', { expires_in: 59.9 }, {}, 59],
    ['of an hour in milliseconds is an hour', { expires_in: 3_600_000 }, {}, 3600],
    ['of 8 hours in milliseconds is 8 hours', { expires_in: 28_800_000 }, {}, 28_800],
    ['of 24 hours in milliseconds is 24 hours', { expires_in: 86_400_000 }, {}, 86_400],
    ['of an odd number of milliseconds is taken as that', { expires_in: 3_599_123 }, {}, 3599],
    ['of a week in seconds is a week', { expires_in: 604_800 }, {}, 604_800],
    ['of 60 days in seconds is 60 days', { expires_in: 5_184_000 }, {}, 5_184_000],
    ['of 60 days less a second is that', { expires_in: 5_183_999 }, {}, 5_183_999],
    ['of a year in seconds is a year', { expires_in: 31_536_000 }, {}, 31_536_000],
    ['that is absent is an hour', {}, {}, 3600],
    ['that is absent is what the profile says', {}, { default_expires_in: 7200 }, 7200],
    ['that is zero is what the profile says', { expires_in: 0 }, { default_expires_in: 7200 }, 7200],
    ['that is negative is what the profile says', { expires_in: -1 }, { default_expires_in: 7200 }, 7200],
    [
      'that is no number is what the profile says',
      { expires_in: 'soon' },
      { default_expires_in: 7200 },
      7200,
    ],
    ['as an instant in seconds counts from now', { expires_at: NOW + 90 }, {}, 90],
    ['as an instant in milliseconds counts from now', { expires_at: (NOW + 90) * 1000 }, {}, 90],
    ['as an instant in ISO 8601 counts from now', { expires_at: '2027-01-15T08:01:30.500Z' }, {}, 90],
    ['as an instant with an offset counts from now', { expires_at: '2027-01-15T10:01:30+02:00' }, {}, 90],
    ['as an instant without a zone is UTC', { expires_at: '2027-01-15 08:01:30' }, {}, 90],
    ['is taken from expires_in where both are there', { expires_in: 60, expires_at: NOW + 90 }, {}, 60],
    [
      'is taken from the instant where the profile points at it',
      { expires_in: 60, until: NOW + 90 },
      { token_response_fields: { expires_at: '/until' } },
      90,
    ],
    ['is found by a pointer', { ttl: { s: 45 } }, { token_response_fields: { expires_in: '/ttl/s' } }, 45],
  ];
  test.each(rows)('%s', (_, fields, profile, lifetime) => {
    expect(granted(answer({ access_token: 'a', ...fields }), profile).expiresAt).toBe(NOW + lifetime);
  });
});

describe("the refresh token's own lifetime", () => {
  const rows: readonly [string, Record<string, unknown>, number | undefined][] = [
    ['is refresh_token_expires_in', { refresh_token_expires_in: 86_400 }, NOW + 86_400],
    ['is refresh_expires_in', { refresh_expires_in: '1800' }, NOW + 1_800],
    ['is x_refresh_token_expires_in', { x_refresh_token_expires_in: 8_726_400 }, NOW + 8_726_400],
    ['may be an instant', { refresh_token_expires_at: NOW + 5 }, NOW + 5],
    ['of zero means that it does not expire', { refresh_expires_in: 0 }, undefined],
    ['that is absent means that it does not expire', {}, undefined],
  ];
  test.each(rows)('%s', (_, fields, expiresAt) => {
    expect(granted(answer({ access_token: 'a', ...fields })).refreshTokenExpiresAt).toBe(expiresAt);
  });
});

describe('a refresh token is saved from a success that', () => {
  const rows: readonly [string, HttpAnswer][] = [
    ['has no access token', answer({ refresh_token: 'new' })],
    ['is cut short behind it', answer('{"refresh_token": "new", "access_tok', { complete: false })],
    [
      'is cut short behind both',
      answer('{"access_token":"a","refresh_token":"new","sco', { complete: false }),
    ],
    ['is not JSON', answer('callback({"refresh_token":"new"})')],
    ['carries an error too', answer({ error: 'odd', refresh_token: 'new' })],
    [
      'is a form that is cut short behind it',
      answer('access_token=a&refresh_token=new&expi', { complete: false }),
    ],
  ];
  test.each(rows)('%s', (_, http) => {
    const result = interpret(http);
    expect(result).toMatchObject({
      kind: 'rescued',
      tokens: { refreshToken: 'new', accessToken: undefined },
    });
  });

  test('is cut within it: there is nothing to save, and the provider may have rotated', () => {
    const result = interpret(answer('{"access_token":"a","refresh_token":"ne', { complete: false }));
    expect(result).toMatchObject({ kind: 'error', reason: 'malformed_response', mayHaveRotated: true });
  });
});

describe('an error', () => {
  const atlassian = { dead_grant_errors: ['unauthorized_client'] };
  const microsoft = { transient_errors: ['AADSTS50196'] };
  const rows: readonly [string, HttpAnswer, Record<string, unknown>, string, boolean][] = [
    [
      'invalid_grant is a dead grant',
      answer({ error: 'invalid_grant' }, { status: 400 }),
      {},
      'grant_revoked',
      false,
    ],
    [
      'invalid_grant is a dead grant under any status',
      answer({ error: 'invalid_grant' }, { status: 500 }),
      {},
      'grant_revoked',
      false,
    ],
    [
      'invalid_grant with HTTP 200 is a dead grant',
      answer({ error: 'invalid_grant' }),
      {},
      'grant_revoked',
      false,
    ],
    [
      'a code of the profile is a dead grant',
      answer({ error: 'unauthorized_client' }, { status: 403 }),
      atlassian,
      'grant_revoked',
      false,
    ],
    [
      'the same code without that is the client',
      answer({ error: 'unauthorized_client' }, { status: 403 }),
      {},
      'client_rejected',
      false,
    ],
    [
      'a bare status of the profile is a dead grant',
      answer('', { status: 500 }),
      { dead_grant_errors: ['http_500'] },
      'grant_revoked',
      false,
    ],
    [
      'a bare 500 is an outage that may have rotated',
      answer('', { status: 500 }),
      {},
      'provider_unavailable',
      true,
    ],
    [
      'a number may be a code',
      answer({ error: 4711 }, { status: 400 }),
      { dead_grant_errors: ['4711'] },
      'grant_revoked',
      false,
    ],
    [
      'an object may hold the code',
      answer({ error: { code: 'invalid_grant' } }, { status: 400 }),
      {},
      'grant_revoked',
      false,
    ],
    [
      'a code within the description is throttling',
      answer({ error: 'invalid_grant', error_description: 'AADSTS50196: loop' }, { status: 400 }),
      microsoft,
      'rate_limited',
      false,
    ],
    [
      'a longer code within the description is another',
      answer({ error: 'invalid_grant', error_description: 'AADSTS501967: x' }, { status: 400 }),
      microsoft,
      'grant_revoked',
      false,
    ],
    [
      'a field of the profile holds the code',
      answer({ status: 'BAD_REFRESH_TOKEN', message: 'm' }, { status: 400 }),
      { token_error_fields: { error: '/status' }, dead_grant_errors: ['BAD_REFRESH_TOKEN'] },
      'grant_revoked',
      false,
    ],
    [
      'invalid_client is the profile',
      answer({ error: 'invalid_client' }, { status: 401 }),
      {},
      'client_rejected',
      false,
    ],
    ['a bare 401 is the profile', answer('', { status: 401 }), {}, 'client_rejected', false],
    [
      'invalid_scope is the profile',
      answer({ error: 'invalid_scope' }, { status: 400 }),
      {},
      'client_rejected',
      false,
    ],
    ['429 asks to slow down', answer('', { status: 429 }), {}, 'rate_limited', false],
    ['503 is an outage', answer('<html>', { status: 503 }), {}, 'provider_unavailable', false],
    ['504 is an outage that may have rotated', answer('', { status: 504 }), {}, 'provider_unavailable', true],
    [
      'a page with HTTP 200 is malformed, and may have rotated',
      answer('<!doctype html>'),
      {},
      'malformed_response',
      true,
    ],
    ['nothing with HTTP 200 is malformed, and may have rotated', answer(''), {}, 'malformed_response', true],
    ['a redirect is malformed', answer('', { status: 302 }), {}, 'malformed_response', false],
    ['ok: false without a code is malformed', answer({ ok: false }), {}, 'malformed_response', false],
    [
      'a code that nobody knows is malformed',
      answer({ error: 'weird' }, { status: 400 }),
      {},
      'malformed_response',
      false,
    ],
  ];
  test.each(rows)('%s', (_, http, profile, reason, mayHaveRotated) => {
    expect(interpret(http, profile)).toMatchObject({ kind: 'error', reason, mayHaveRotated });
  });

  const waits: readonly [string, string, number | undefined][] = [
    ['seconds', '120', 120],
    ['a date', 'Fri, 15 Jan 2027 08:01:00 GMT', 60],
    ['a date in the past', 'Fri, 15 Jan 2027 07:00:00 GMT', 0],
    ['rubbish', 'soon', undefined],
  ];
  test.each(waits)('says when to try again in %s', (_, retryAfter, seconds) => {
    const result = interpret(answer('', { status: 429, retryAfter }));
    expect(result).toMatchObject({ retryAfter: seconds });
  });

  test('is quoted without what was sent, and without anything like a token', () => {
    const description = `token ${SENT} or eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.e30 is\nbad`;
    const result = interpret(
      answer({ error: 'invalid_grant', error_description: description }, { status: 400 }),
    );
    expect(result).toMatchObject({
      detail: 'The provider answered 400 invalid_grant (token [redacted] or [redacted] is bad)',
    });
  });
});
