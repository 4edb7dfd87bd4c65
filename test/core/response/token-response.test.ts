import { describe, expect, test } from 'vitest';
import type { HttpResponse } from '../../../core/response/http-response.ts';
import { interpretTokenResponse } from '../../../core/response/token-response.ts';
import { aProfile, NOW } from '../../support/builders.ts';

const SENT = 'sent-refresh-token';
const OLD_ACCESS = 'old-access-token-1';

function response(body: unknown, differences: Partial<HttpResponse> = {}): HttpResponse {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { status: 200, retryAfter: undefined, body: text, complete: true, ...differences };
}

function interpret(http: HttpResponse, profile: Record<string, unknown> = {}) {
  return interpretTokenResponse(http, {
    profile: aProfile(profile),
    previous: { access_token: OLD_ACCESS, refresh_token: SENT },
    sent: SENT,
    now: NOW,
  });
}

function granted(http: HttpResponse, profile: Record<string, unknown> = {}) {
  const result = interpret(http, profile);
  if (result.kind !== 'granted') throw new Error(`not granted but ${JSON.stringify(result)}`);
  return result.tokens;
}

describe('a grant', () => {
  test('is taken from a standard response', () => {
    const body = {
      access_token: 'a',
      token_type: 'bearer',
      refresh_token: 'r',
      expires_in: 3600,
      scope: 'x y',
    };
    expect(granted(response(body))).toEqual({
      fields: body,
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
    expect(granted(response(body), profile)).toMatchObject(expected);
  });

  test('never keeps an id_token, wherever it stands', () => {
    const body = { access_token: 'a', id_token: 'secret-id', data: { id_token: 'secret-id' } };
    expect(JSON.stringify(granted(response(body)))).not.toContain('secret-id');
    expect(JSON.stringify(granted(response('access_token=a&id_token=secret-id')))).not.toContain('secret-id');
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
    expect(granted(response({ access_token: 'a', ...fields }), profile).expiresAt).toBe(NOW + lifetime);
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
    expect(granted(response({ access_token: 'a', ...fields })).refreshTokenExpiresAt).toBe(expiresAt);
  });
});

describe('a refresh token is a candidate in', () => {
  const NEW = 'new-refresh-token-1';
  const rows: readonly [string, HttpResponse][] = [
    ['a success without an access token', response({ refresh_token: NEW })],
    [
      'a success that is cut before its access token',
      response(`{"refresh_token": "${NEW}", "access_tok`, { complete: false }),
    ],
    ['a success that is no JSON', response(`callback({"refresh_token":"${NEW}"})`)],
    ['a success with an error', response({ error: 'odd', refresh_token: NEW })],
    ['a whole token set under 400', response({ access_token: 'a', refresh_token: NEW }, { status: 400 })],
    ['a whole token set under 302', response({ access_token: 'a', refresh_token: NEW }, { status: 302 })],
    ['a whole token set under 503', response({ access_token: 'a', refresh_token: NEW }, { status: 503 })],
    ['a response without a status', response({ access_token: 'a', refresh_token: NEW }, { status: 0 })],
    [
      'a redirect that carries it in its address',
      response('', {
        status: 302,
        head: `HTTP/1.1 302 Found\r\nlocation: https://app.example/#access_token=a&refresh_token=${NEW}`,
      }),
    ],
  ];
  test.each(rows)('%s', (_, http) => {
    expect(interpret(http)).toMatchObject({
      kind: 'error',
      candidate: NEW,
      cut: false,
      mayHaveRotated: true,
    });
    expect(interpret(http)).not.toHaveProperty('unread');
  });

  const none: readonly [string, unknown][] = [
    ['a sentence', "Refresh tokens can't be used at the moment."],
    ['a blank', ' '],
    ['a short word', 'expired'],
    ['no text', { not: 'a token' }],
    ['the one that was sent', SENT],
    ['the one that was sent, in capitals', SENT.toUpperCase()],
    ['the beginning of the one that was sent', SENT.slice(0, 17)],
    ['the old access token', OLD_ACCESS],
    ['a mask', 'sent************'],
    ['a value with a control character', 'new-refresh-\u0000token-1'],
    ['a value with a blank', 'new refresh token-1 abcdef'],
  ];
  test.each(none)('no response that names %s', (_, refresh_token) => {
    for (const status of [200, 302, 400, 503])
      expect(interpret(response({ error: 'invalid_request', refresh_token }, { status }))).not.toHaveProperty(
        'candidate',
      );
  });

  test('no sentence of a provider that has rotated nothing (B7)', () => {
    const body = {
      error: 'temporarily_unavailable',
      refresh_token: "Refresh tokens can't be used at the moment.",
    };
    const made = interpret(response(body));
    expect(made).toMatchObject({ kind: 'error', reason: 'provider_unavailable' });
    expect(made).not.toHaveProperty('candidate');
  });
});

describe('what can be no token', () => {
  test.each([
    ['is empty', ''],
    ['is blank', '  '],
    ['is null', null],
    ['is a number', 4711],
    ['is the word null', 'null'],
    ['is the word undefined', 'undefined'],
    ['has a line break', 'new-refresh\ntoken'],
    ['is a mask', '********************'],
    ['is a sentence', 'No refresh token was issued.'],
    ['has half a character', 'new-\ud800-refresh-token'],
  ])('as a refresh token beside an access token counts as absent: it %s', (_, refresh_token) => {
    expect(granted(response({ access_token: 'a', refresh_token })).refreshToken).toBeUndefined();
  });

  test.each([
    [''],
    [' '],
    ['null'],
    ['Bearer'],
    ['No access token was issued.'],
    [SENT],
  ])('as an access token is no success: %j', (access_token) => {
    expect(interpret(response({ access_token }))).toMatchObject({ kind: 'error', mayHaveRotated: true });
  });
});

describe('a new refresh token is stored as it came', () => {
  test.each([
    ['of letters', 'abcdefghijklmnopqrst'],
    ['of words with underscores', 'opaque_token_of_letters'],
    ['of capitals with underscores', 'QWERTZ_UIOPAS_DFGHJK'],
    ['that is short, with digits', 'r2'],
    ['of one letter', 'r'],
    ['that is short, of mixed letters', 'aXbYcZdQ'],
    ['in braces', '{3F2504E0-4F89-11D3-9A0C-0305E82C3301}'],
  ])('%s', (_, refresh_token) => {
    expect(granted(response({ access_token: 'a', refresh_token })).refreshToken).toBe(refresh_token);
  });

  test.each([
    ['with a blank, where the one before had one', 'old token 1', 'new token 2'],
    ['that is a short word, where the one before was short', 'summer', 'winter'],
  ])('%s', (_, before, refresh_token) => {
    const made = interpretTokenResponse(response({ access_token: 'a', refresh_token }), {
      profile: aProfile(),
      previous: { access_token: OLD_ACCESS, refresh_token: before },
      sent: before,
      now: NOW,
    });
    expect(made).toMatchObject({ kind: 'granted', tokens: { refreshToken: refresh_token } });
  });
});

describe('a success in which nothing could be read', () => {
  test('is handed on, and is not cut', () => {
    const made = interpret(response('<p>Thank you!</p>'));
    expect(made).toMatchObject({ reason: 'malformed_response', cut: false, unread: '<p>Thank you!</p>' });
  });

  test('is handed on as its bytes where they are no text, under any status', () => {
    const undecodable = Uint8Array.of(1, 2, 3);
    for (const status of [200, 400])
      expect(interpret(response('\u0001\u0002\u0003', { status, undecodable }))).toMatchObject({
        unread: undecodable,
        mayHaveRotated: true,
      });
  });

  test.each([
    ['says what is wrong', response({ error: 'invalid_grant' })],
    ['is empty', response('')],
    ['is no success', response('<p>Sorry!</p>', { status: 400 })],
  ])('is not where it %s', (_, http) => {
    expect(interpret(http)).not.toHaveProperty('unread');
  });

  test.each([
    ['within the refresh token', '{"access_token":"a","refresh_token":"new-refresh-tok'],
    ['before the refresh token', '{"access_token":"a","exp'],
    ['before everything', '{"acc'],
    ['at once', ''],
    ['within the refresh token of a form', 'access_token=a&refresh_token=new-refresh-tok'],
  ])('is cut where it ends %s', (_, body) => {
    const made = interpret(response(body, { complete: false }));
    expect(made).toMatchObject({ kind: 'error', cut: true, mayHaveRotated: true });
    expect(made).not.toHaveProperty('unread');
  });

  test('is not cut where it is only larger than what is read: asking again would not help', () => {
    const made = interpret(response('x'.repeat(262_144), { complete: false, tooLarge: true }));
    expect(made).toMatchObject({ kind: 'error', cut: false, mayHaveRotated: true });
  });
});

describe('two grants in one response', () => {
  test('are not mixed up: beside another access token stands another grant', () => {
    const body = {
      access_token: 'bot-token-1',
      authed_user: { access_token: 'user-token-1', refresh_token: 'user-refresh-token-1' },
    };
    expect(granted(response(body))).toMatchObject({ accessToken: 'bot-token-1', refreshToken: undefined });
  });

  test('an error that quotes the old access token grants nothing', () => {
    const body = { error: 'invalid_grant', debug: { access_token: OLD_ACCESS } };
    expect(interpret(response(body))).toMatchObject({ kind: 'error', reason: 'grant_revoked' });
  });
});

describe('the fields of a response', () => {
  test('stay as they are, a value under another name once more under the standard one', () => {
    const body = { accessToken: 'a', refreshToken: 'r', expiresIn: 600, tokenType: 'MAC', instance_url: 'u' };
    expect(granted(response(body))).toMatchObject({
      fields: body,
      accessToken: 'a',
      refreshToken: 'r',
      tokenType: 'MAC',
      expiresAt: NOW + 600,
    });
  });

  test('of the place where the access token stands tell how long it lives', () => {
    const body = { expires_in: 9, data: { access_token: 'a', expires_in: 600 } };
    expect(granted(response(body)).expiresAt).toBe(NOW + 600);
  });

  test('that no secret has room for go at once: only those that the profile names are carried on', () => {
    const body = { access_token: 'a', refresh_token: 'r', instance_url: 'u', x: Array(30_000).fill({}) };
    expect(granted(response(body), { public_fields: ['instance_url'] })).toMatchObject({
      fields: { instance_url: 'u' },
      accessToken: 'a',
      refreshToken: 'r',
    });
    expect(granted(response(body), { public_fields: ['x'] }).fields).toEqual({});
  });

  test('that are ours, and identities, are not kept', () => {
    const body = {
      access_token: 'a',
      kept_by: 'somebody',
      idToken: 'secret-id',
      x: [{ id_token: 'secret-id' }],
    };
    expect(granted(response(body)).fields).toEqual({ access_token: 'a', x: [{}] });
  });

  test('that are nested too deep to be written are left out', () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const tokens = granted(response(`{"access_token":"a","refresh_token":"r","deep":${deep}}`));
    expect(tokens.refreshToken).toBe('r');
    expect(JSON.stringify(tokens.fields)).toBe('{"access_token":"a","refresh_token":"r"}');
  });
});

describe('whatever is answered', () => {
  const size = 262_144;
  const fill = (text: string) => text.repeat(Math.ceil(size / text.length)).slice(0, size);
  test.each([
    ['brackets', fill('[')],
    ['braces', fill('{"a":')],
    ['closed brackets', '['.repeat(size / 2) + ']'.repeat(size / 2)],
    ['names', fill('refresh_token')],
    ['brackets in broken percent-encoding', fill('%5B%ff')],
    ['objects for tokens', fill('"refresh_token":{')],
    ['Base64', fill('eyJhY2Nlc3NfdG9rZW4iOiJh')],
    ['names that open', fill('"refresh_token":"')],
    ['names that open in single quotes', fill(`"refresh_token":'`)],
    ['names in tags', fill('<refresh_token ')],
    ['names as attributes', fill('name="refresh_token" ')],
    ['names in parts', fill('name="refresh_token"\r\n')],
    ['elements', fill('<refresh_token>')],
    ['pairs of elements', fill('<key>refresh_token</key><string>')],
    ['assignments', fill('refresh_token=')],
    ['assignments and blanks', fill(`refresh_token${' '.repeat(290)}`)],
    ['backslashes', fill('\\')],
    ['escaped quotes', fill('\\"refresh_token\\":\\"')],
    ['entities', fill('&quot;refresh_token&quot;:&quot;')],
    ['zeros in entities', `&quot;&#${fill('0')}`],
    ['percent signs', fill('%22refresh_token%22%3A%22')],
    ['Base64 and blanks', `eyJ${fill(' ')}!`],
    ['blanks', fill(' ')],
    ['lone surrogates', fill('\ud800')],
    ['strings with tokens in them', JSON.stringify(Array.from({ length: 9_000 }, () => 'refresh_token: "x'))],
    ['empty objects', `{"x":[${fill('{},')}{}]}`],
    ['small errors', `{"errors":[${fill('{"error":"x"},')}{}]}`],
    [
      'JSON in JSON in JSON',
      JSON.stringify(JSON.stringify(JSON.stringify({ refresh_token: '"'.repeat(size / 16) }))),
    ],
    ['words', fill('the refresh token is ')],
    ['one long description', JSON.stringify({ error: true, message: fill('invalid refresh token or ') })],
    ['one long code', JSON.stringify({ error: fill('refresh_token_') })],
  ])('%s: nothing throws, and it takes no time', (_, body) => {
    for (const status of [200, 400])
      for (const complete of [true, false]) {
        const from = process.cpuUsage();
        interpret(response(body, { status, complete }));
        // Far above what it takes, and far below what anything quadratic would.
        expect(process.cpuUsage(from).user / 1000).toBeLessThan(1_000);
      }
  });
});

describe('an error', () => {
  const atlassian = { dead_grant_errors: ['unauthorized_client'] };
  const microsoft = { transient_errors: ['AADSTS50196'] };
  const rows: readonly [string, HttpResponse, Record<string, unknown>, string, boolean][] = [
    [
      'invalid_grant is a dead grant',
      response({ error: 'invalid_grant' }, { status: 400 }),
      {},
      'grant_revoked',
      false,
    ],
    [
      'invalid_grant is a dead grant under any status',
      response({ error: 'invalid_grant' }, { status: 500 }),
      {},
      'grant_revoked',
      false,
    ],
    [
      'invalid_grant with HTTP 200 is a dead grant',
      response({ error: 'invalid_grant' }),
      {},
      'grant_revoked',
      false,
    ],
    [
      'a code of the profile is a dead grant',
      response({ error: 'unauthorized_client' }, { status: 403 }),
      atlassian,
      'grant_revoked',
      false,
    ],
    [
      'the same code without that is the client’s',
      response({ error: 'unauthorized_client' }, { status: 403 }),
      {},
      'client_rejected',
      false,
    ],
    [
      'a bare status of the profile is a dead grant',
      response('', { status: 500 }),
      { dead_grant_errors: ['http_500'] },
      'grant_revoked',
      false,
    ],
    [
      'a bare 500 is an outage that may have rotated',
      response('', { status: 500 }),
      {},
      'provider_unavailable',
      true,
    ],
    [
      'a number may be a code',
      response({ error: 4711 }, { status: 400 }),
      { dead_grant_errors: ['4711'] },
      'grant_revoked',
      false,
    ],
    [
      'an object may hold the code',
      response({ error: { code: 'invalid_grant' } }, { status: 400 }),
      {},
      'grant_revoked',
      false,
    ],
    [
      'a code within the description is throttling',
      response({ error: 'invalid_grant', error_description: 'AADSTS50196: loop' }, { status: 400 }),
      microsoft,
      'rate_limited',
      false,
    ],
    [
      'a longer code within the description is another',
      response({ error: 'invalid_grant', error_description: 'AADSTS501967: x' }, { status: 400 }),
      microsoft,
      'grant_revoked',
      false,
    ],
    [
      'a field of the profile holds the code',
      response({ status: 'BAD_REFRESH_TOKEN', message: 'm' }, { status: 400 }),
      { token_error_fields: { error: '/status' }, dead_grant_errors: ['BAD_REFRESH_TOKEN'] },
      'grant_revoked',
      false,
    ],
    [
      'invalid_client is the profile',
      response({ error: 'invalid_client' }, { status: 401 }),
      {},
      'client_rejected',
      false,
    ],
    ['a bare 401 is the profile', response('', { status: 401 }), {}, 'client_rejected', false],
    [
      'invalid_scope blames nobody',
      response({ error: 'invalid_scope' }, { status: 400 }),
      {},
      'request_rejected',
      false,
    ],
    ['429 asks to slow down', response('', { status: 429 }), {}, 'rate_limited', false],
    ['503 is an outage', response('<html>', { status: 503 }), {}, 'provider_unavailable', false],
    [
      '504 is an outage that may have rotated',
      response('', { status: 504 }),
      {},
      'provider_unavailable',
      true,
    ],
    [
      'a page with HTTP 200 is malformed, and may have rotated',
      response('<!doctype html>'),
      {},
      'malformed_response',
      true,
    ],
    [
      'nothing with HTTP 200 is malformed, and may have rotated',
      response(''),
      {},
      'malformed_response',
      true,
    ],
    ['a redirect is malformed', response('', { status: 302 }), {}, 'malformed_response', false],
    ['ok: false without a code is malformed', response({ ok: false }), {}, 'malformed_response', false],
    [
      'a code that nobody knows is a refusal that blames nobody',
      response({ error: 'weird' }, { status: 400 }),
      {},
      'request_rejected',
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
    ['many years', '999999999', 21_600],
    ['more digits than a number has', '9'.repeat(400), 21_600],
    ['a date in many years', 'Fri, 15 Jan 2099 08:01:00 GMT', 21_600],
    ['a fraction', '1.5', 2],
    ['a negative number', '-5', undefined],
    ['nothing', '', undefined],
    ['rubbish', 'soon', undefined],
  ];
  test.each(waits)('says when to try again in %s', (_, retryAfter, seconds) => {
    const result = interpret(response('', { status: 429, retryAfter }));
    expect(result).toMatchObject({ retryAfter: seconds });
  });

  test('is quoted without what was sent, and without anything like a token', () => {
    const description = `token ${SENT} or eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.e30 is\nbad`;
    const result = interpret(
      response({ error: 'invalid_grant', error_description: description }, { status: 400 }),
    );
    expect(result).toMatchObject({
      detail: 'The provider answered 400 invalid_grant (token [redacted] or [redacted] is bad)',
    });
  });
});

describe('what an error means', () => {
  const at400 = (body: unknown) => response(body, { status: 400 });
  const rows: readonly [string, HttpResponse, Record<string, unknown>, string][] = [
    ['invalid_request blames nobody (A3)', at400({ error: 'invalid_request' }), {}, 'request_rejected'],
    [
      'invalid_request under 401 blames nobody',
      response({ error: 'invalid_request' }, { status: 401 }),
      {},
      'request_rejected',
    ],
    [
      'access_denied blames nobody',
      response({ error: 'access_denied' }, { status: 403 }),
      {},
      'request_rejected',
    ],
    [
      '401 with a number blames the client (A5)',
      response({ error: 401 }, { status: 401 }),
      {},
      'client_rejected',
    ],
    [
      '401 with a type that nobody knows blames the client (A5)',
      response({ error: { type: 'invalid_request_error' } }, { status: 401 }),
      {},
      'client_rejected',
    ],
    [
      '401 with words alone blames the client',
      response({ message: 'No' }, { status: 401 }),
      {},
      'client_rejected',
    ],
    [
      'a code of client_errors blames the client',
      at400({ error: 'app_disabled' }),
      { client_errors: ['app_disabled'] },
      'client_rejected',
    ],
    [
      'client_errors comes before 429',
      response({ error: 'x' }, { status: 429 }),
      { client_errors: ['x'] },
      'client_rejected',
    ],
    [
      'dead_grant_errors comes before client_errors',
      at400({ error: 'x' }),
      { client_errors: ['x'], dead_grant_errors: ['x'] },
      'grant_revoked',
    ],
    [
      'transient_errors comes before dead_grant_errors',
      at400({ error: 'x' }),
      { transient_errors: ['x'], dead_grant_errors: ['x'] },
      'rate_limited',
    ],
    [
      'transient_errors under 5xx is an outage',
      response({ error: 'x' }, { status: 500 }),
      { transient_errors: ['x'] },
      'provider_unavailable',
    ],
    [
      'client_errors may name a code within the description',
      at400({ error: 'invalid_request', error_description: 'AADSTS700016: not found' }),
      { client_errors: ['AADSTS700016'] },
      'client_rejected',
    ],
    [
      '429 comes before a standard code',
      response({ error: 'invalid_grant' }, { status: 429 }),
      {},
      'rate_limited',
    ],
    [
      'a standard code comes before 5xx',
      response({ error: 'invalid_client' }, { status: 500 }),
      {},
      'client_rejected',
    ],
    ['401 comes before Retry-After', response('', { status: 401, retryAfter: '5' }), {}, 'client_rejected'],
    [
      'another code under 5xx is an outage',
      response({ error: 'x' }, { status: 503 }),
      {},
      'provider_unavailable',
    ],
    [
      'another code with Retry-After is throttling',
      response({ error: 'x' }, { status: 403, retryAfter: '5' }),
      {},
      'rate_limited',
    ],
    ['another code under 200 blames nobody', response({ error: 'x' }), {}, 'request_rejected'],
    ['no code under 400 is malformed', at400({ a: 1 }), {}, 'malformed_response'],
    [
      'no code under 200 is malformed',
      response({ status: 'ok', code: 0, message: 'fine' }),
      {},
      'malformed_response',
    ],

    ...[
      'refresh_token_reused',
      'refresh_token_revoked',
      'refresh_token_expired',
      'refresh_token_invalidated',
      'refresh_token_already_used',
      'refresh_token_not_found',
      'refresh_token_unknown',
      'refreshTokenExpired',
      'REFRESH-TOKEN-INVALID',
      'InvalidRefreshToken',
      'RefreshTokenNotFoundException',
      'Refresh token reused',
      'expired_refresh_token',
      'grant_revoked',
      'grant_expired',
      'grant_not_found',
      'unknown_grant',
      'invalidGrant',
      'InvalidGrantException',
      'invalid_grant_error',
      'urn:example:oauth:invalid_grant',
      'https://id.example/errors/refresh-token-revoked',
    ]
      .flatMap((code): [string, HttpResponse, object, string][] => [
        [`a dead grant (E4): ${code}`, at400({ error: code }), {}, 'grant_revoked'],
        [`a dead grant (E4), nested: ${code}`, at400({ error: { code } }), {}, 'grant_revoked'],
        [`a dead grant (E4), flat: ${code}`, response({ code }, { status: 401 }), {}, 'grant_revoked'],
      ])
      .map(([name, ...row]) => [name, ...row] as [string, HttpResponse, Record<string, unknown>, string]),
    ...[
      'unsupported_grant_type',
      'invalid_grant_type',
      'refresh_token_required',
      'refresh_token_missing',
    ].map((code): [string, HttpResponse, Record<string, unknown>, string] => [
      `no dead grant: ${code}`,
      at400({ error: code }),
      {},
      code === 'unsupported_grant_type' ? 'client_rejected' : 'request_rejected',
    ]),
    [
      'a code in a list of errors',
      at400({ errors: [{ code: 'refresh_token_expired', message: 'x' }] }),
      {},
      'grant_revoked',
    ],
    [
      'a code that says more beside one that blames nobody',
      at400({ error: 'invalid_request', reason: 'refresh_token_expired' }),
      {},
      'grant_revoked',
    ],
    ['a code twice nested', at400({ error: { error: 'invalid_grant' } }), {}, 'grant_revoked'],
    ['a code in data', at400({ data: { error: 'invalid_grant' } }), {}, 'grant_revoked'],
    ['a code in a list of responses', at400([{ error: 'invalid_grant' }]), {}, 'grant_revoked'],
    ['a code in a form', at400('error=invalid_grant&error_description=x+y'), {}, 'grant_revoked'],
    ['a code in XML', at400('<OAuth><error>invalid_grant</error></OAuth>'), {}, 'grant_revoked'],
    ['a code in JSON within a page', at400('<pre>{"error":"invalid_grant"}</pre>'), {}, 'grant_revoked'],
    ['a code in JSON within JSON', at400(JSON.stringify('{"error":"invalid_grant"}')), {}, 'grant_revoked'],
    [
      'a code in JSON that was cut',
      response('{"error":"invalid_grant","error_desc', { status: 400, complete: false }),
      {},
      'grant_revoked',
    ],
    ['a class of HTML is no code', response('<div class="error">Oops</div>'), {}, 'malformed_response'],

    ...[
      'The refresh token is invalid.',
      'Invalid refresh token',
      'Refresh token has expired',
      'refresh_token is no longer valid',
      'The provided authorization grant or refresh token is invalid, expired or revoked.',
      'This refreshToken was already used',
      'The refresh token does not exist',
    ].map((message): [string, HttpResponse, Record<string, unknown>, string] => [
      `words beside a flag (E3): ${message}`,
      at400({ error: true, status: 400, message }),
      {},
      'grant_revoked',
    ]),
    ...[
      "Refresh tokens can't be used at the moment.",
      'Invalid request: the refresh token is missing',
      'The refresh token grant type is unsupported',
      'Unknown error while the refresh token was read',
      'Something went wrong',
    ].map((message): [string, HttpResponse, Record<string, unknown>, string] => [
      `other words beside a flag: ${message}`,
      at400({ error: true, status: 400, message }),
      {},
      'malformed_response',
    ]),
    [
      'words beside a code that repeats the status',
      response({ error: 401, message: 'Invalid refresh token' }, { status: 401 }),
      {},
      'grant_revoked',
    ],
    [
      'words beside a flag that a profile names',
      at400({ error: true, message: 'Oops, E17 happened' }),
      { dead_grant_errors: ['E17'] },
      'grant_revoked',
    ],
  ];
  test.each(rows)('%s', (_, http, profile, reason) => {
    expect(interpret(http, profile)).toMatchObject({ kind: 'error', reason });
  });

  test.each([
    ['form-encoded', 'client-secret%2B%2F'],
    ['in entities', 'client-secret&#43;&#47;'],
    ['with escapes', 'client-secret+\\/'],
    ['in hexadecimal', Buffer.from('client-secret+/').toString('hex')],
  ])('is told without the secret, %s', (_, quoted) => {
    const made = interpret(at400({ error: 'invalid_client', error_description: `not ${quoted}` }), {
      client_secret: 'client-secret+/',
    });
    expect(made).toMatchObject({ detail: 'The provider answered 400 invalid_client (not [redacted])' });
  });
});
