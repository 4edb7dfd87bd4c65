import { describe, expect, test } from 'vitest';
import type { HttpResponse } from '../../../core/response/http-response.ts';
import { interpretTokenResponse } from '../../../core/response/token-response.ts';
import { aProfile, NOW } from '../../support/builders.ts';

/** A row of a table: a response, and the profile of those who asked, where that matters. */
interface Row {
  readonly name: string;
  readonly body?: unknown;
  readonly status?: number;
  readonly retryAfter?: string;
  readonly complete?: boolean;
  readonly head?: string;
  readonly profile?: Record<string, unknown>;
}

const SENT = 'sent-refresh-token';
const OLD_ACCESS = 'old-access-token-1';

function response(body: unknown, differences: Partial<HttpResponse> = {}): HttpResponse {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { status: 200, retryAfter: undefined, body: text, complete: true, ...differences };
}

function at400(body: unknown, differences: Partial<HttpResponse> = {}): HttpResponse {
  return response(body, { status: 400, ...differences });
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

  const odd: readonly (Row & { gives: object })[] = [
    {
      name: 'without token_type is a bearer token',
      body: '{"access_token":"a"}',
      gives: { tokenType: 'Bearer' },
    },
    {
      name: 'without a refresh token names none',
      body: '{"access_token":"a"}',
      gives: { refreshToken: undefined },
    },
    {
      name: 'with an empty refresh token names none',
      body: '{"access_token":"a","refresh_token":""}',
      gives: { refreshToken: undefined },
    },
    {
      name: 'as a form is read',
      body: 'access_token=a%2Bb&refresh_token=r&expires_in=60',
      gives: { accessToken: 'a+b', refreshToken: 'r', expiresAt: NOW + 60 },
    },
    {
      name: 'with a byte order mark is read',
      body: '\uFEFF {"access_token":"a"}\n',
      gives: { accessToken: 'a' },
    },
    {
      name: 'with scopes in an array joins them',
      body: '{"access_token":"a","scope":["x","y"]}',
      gives: { scope: 'x y' },
    },
    { name: 'with ok: true is a grant', body: '{"ok":true,"access_token":"a"}', gives: { accessToken: 'a' } },
    {
      name: 'nested is found by pointers',
      body: '{"data":{"access_token":"a","refresh":"r"},"expiresAt":"2027-01-15T09:00:00Z"}',
      profile: {
        token_response_fields: {
          access_token: '/data/access_token',
          refresh_token: '/data/refresh',
          expires_at: '/expiresAt',
        },
      },
      gives: { accessToken: 'a', refreshToken: 'r', expiresAt: 1_800_003_600 },
    },
    {
      name: 'in an array is found by pointers',
      body: '[{"access_token":"a"}]'.slice(1, -1),
      gives: { accessToken: 'a' },
    },
    {
      name: 'with an error beside the token is a grant all the same',
      body: '{"access_token":"a","error":"warning"}',
      gives: { accessToken: 'a' },
    },
  ];
  test.each(odd)('$name', ({ body, profile, gives }) => {
    expect(granted(response(body), profile)).toMatchObject(gives);
  });

  test('never keeps an id_token, wherever it stands', () => {
    const body = { access_token: 'a', id_token: 'secret-id', data: { id_token: 'secret-id' } };
    expect(JSON.stringify(granted(response(body)))).not.toContain('secret-id');
    expect(JSON.stringify(granted(response('access_token=a&id_token=secret-id')))).not.toContain('secret-id');
  });
});

describe('the lifetime of an access token', () => {
  const twoHours = { default_expires_in: 7200 };
  const rows: readonly (Row & { fields?: object; lifetime: number })[] = [
    { name: 'as a number is seconds', fields: { expires_in: 3599 }, lifetime: 3599 },
    { name: 'as a string is seconds', fields: { expires_in: '3599' }, lifetime: 3599 },
    { name: 'with a fraction is cut', fields: { expires_in: 59.9 }, lifetime: 59 },
    { name: 'of an hour in milliseconds is an hour', fields: { expires_in: 3_600_000 }, lifetime: 3600 },
    { name: 'of 8 hours in milliseconds is 8 hours', fields: { expires_in: 28_800_000 }, lifetime: 28_800 },
    { name: 'of 24 hours in milliseconds is 24 hours', fields: { expires_in: 86_400_000 }, lifetime: 86_400 },
    {
      name: 'of an odd number of milliseconds is taken as that',
      fields: { expires_in: 3_599_123 },
      lifetime: 3599,
    },
    { name: 'of a week in seconds is a week', fields: { expires_in: 604_800 }, lifetime: 604_800 },
    { name: 'of 60 days in seconds is 60 days', fields: { expires_in: 5_184_000 }, lifetime: 5_184_000 },
    { name: 'of 60 days less a second is that', fields: { expires_in: 5_183_999 }, lifetime: 5_183_999 },
    { name: 'of a year in seconds is a year', fields: { expires_in: 31_536_000 }, lifetime: 31_536_000 },
    { name: 'that is absent is an hour', lifetime: 3600 },
    { name: 'that is absent is what the profile says', profile: twoHours, lifetime: 7200 },
    {
      name: 'that is zero is what the profile says',
      fields: { expires_in: 0 },
      profile: twoHours,
      lifetime: 7200,
    },
    {
      name: 'that is negative is what the profile says',
      fields: { expires_in: -1 },
      profile: twoHours,
      lifetime: 7200,
    },
    {
      name: 'that is no number is what the profile says',
      fields: { expires_in: 'soon' },
      profile: twoHours,
      lifetime: 7200,
    },
    { name: 'as an instant in seconds counts from now', fields: { expires_at: NOW + 90 }, lifetime: 90 },
    {
      name: 'as an instant in milliseconds counts from now',
      fields: { expires_at: (NOW + 90) * 1000 },
      lifetime: 90,
    },
    {
      name: 'as an instant in ISO 8601 counts from now',
      fields: { expires_at: '2027-01-15T08:01:30.500Z' },
      lifetime: 90,
    },
    {
      name: 'as an instant with an offset counts from now',
      fields: { expires_at: '2027-01-15T10:01:30+02:00' },
      lifetime: 90,
    },
    {
      name: 'as an instant without a zone is UTC',
      fields: { expires_at: '2027-01-15 08:01:30' },
      lifetime: 90,
    },
    {
      name: 'is taken from expires_in where both are there',
      fields: { expires_in: 60, expires_at: NOW + 90 },
      lifetime: 60,
    },
    {
      name: 'is taken from the instant where the profile points at it',
      fields: { expires_in: 60, until: NOW + 90 },
      profile: { token_response_fields: { expires_at: '/until' } },
      lifetime: 90,
    },
    {
      name: 'is found by a pointer',
      fields: { ttl: { s: 45 } },
      profile: { token_response_fields: { expires_in: '/ttl/s' } },
      lifetime: 45,
    },
  ];
  test.each(rows)('$name', ({ fields, profile, lifetime }) => {
    expect(granted(response({ access_token: 'a', ...fields }), profile).expiresAt).toBe(NOW + lifetime);
  });
});

describe("the refresh token's own lifetime", () => {
  const rows: readonly (Row & { fields?: object; expiresAt?: number })[] = [
    {
      name: 'is refresh_token_expires_in',
      fields: { refresh_token_expires_in: 86_400 },
      expiresAt: NOW + 86_400,
    },
    { name: 'is refresh_expires_in', fields: { refresh_expires_in: '1800' }, expiresAt: NOW + 1_800 },
    {
      name: 'is x_refresh_token_expires_in',
      fields: { x_refresh_token_expires_in: 8_726_400 },
      expiresAt: NOW + 8_726_400,
    },
    { name: 'may be an instant', fields: { refresh_token_expires_at: NOW + 5 }, expiresAt: NOW + 5 },
    { name: 'of zero means that it does not expire', fields: { refresh_expires_in: 0 } },
    { name: 'that is absent means that it does not expire' },
  ];
  test.each(rows)('$name', ({ fields, expiresAt }) => {
    expect(granted(response({ access_token: 'a', ...fields })).refreshTokenExpiresAt).toBe(expiresAt);
  });
});

describe('a refresh token is a candidate in', () => {
  const NEW = 'new-refresh-token-1';
  const rows: readonly Row[] = [
    { name: 'a success without an access token', body: { refresh_token: NEW } },
    {
      name: 'a success that is cut before its access token',
      body: `{"refresh_token": "${NEW}", "access_tok`,
      complete: false,
    },
    { name: 'a success that is no JSON', body: `callback({"refresh_token":"${NEW}"})` },
    { name: 'a success with an error', body: { error: 'odd', refresh_token: NEW } },
    { name: 'a whole token set under 400', body: { access_token: 'a', refresh_token: NEW }, status: 400 },
    { name: 'a whole token set under 302', body: { access_token: 'a', refresh_token: NEW }, status: 302 },
    { name: 'a whole token set under 503', body: { access_token: 'a', refresh_token: NEW }, status: 503 },
    { name: 'a response without a status', body: { access_token: 'a', refresh_token: NEW }, status: 0 },
    {
      name: 'a redirect that carries it in its address',
      body: '',
      status: 302,
      head: `HTTP/1.1 302 Found\r\nlocation: https://app.example/#access_token=a&refresh_token=${NEW}`,
    },
  ];
  test.each(rows)('$name', ({ body, ...http }) => {
    const made = interpret(response(body, http));
    expect(made).toMatchObject({ kind: 'error', candidate: NEW, cut: false, mayHaveRotated: true });
    expect(made).not.toHaveProperty('unread');
  });

  const none: readonly { what: string; refresh_token: unknown }[] = [
    { what: 'a sentence', refresh_token: "Refresh tokens can't be used at the moment." },
    { what: 'a blank', refresh_token: ' ' },
    { what: 'a short word', refresh_token: 'expired' },
    { what: 'no text', refresh_token: { not: 'a token' } },
    { what: 'the one that was sent', refresh_token: SENT },
    { what: 'the one that was sent, in capitals', refresh_token: SENT.toUpperCase() },
    { what: 'the beginning of the one that was sent', refresh_token: SENT.slice(0, 17) },
    { what: 'the old access token', refresh_token: OLD_ACCESS },
    { what: 'a mask', refresh_token: 'sent************' },
    { what: 'a value with a control character', refresh_token: 'new-refresh-\u0000token-1' },
    { what: 'a value with a blank', refresh_token: 'new refresh token-1 abcdef' },
  ];
  test.each(none)('no response that names $what', ({ refresh_token }) => {
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
    { it: 'is empty', refresh_token: '' },
    { it: 'is blank', refresh_token: '  ' },
    { it: 'is null', refresh_token: null },
    { it: 'is a number', refresh_token: 4711 },
    { it: 'is the word null', refresh_token: 'null' },
    { it: 'is the word undefined', refresh_token: 'undefined' },
    { it: 'has a line break', refresh_token: 'new-refresh\ntoken' },
    { it: 'is a mask', refresh_token: '********************' },
    { it: 'is a sentence', refresh_token: 'No refresh token was issued.' },
    { it: 'has half a character', refresh_token: 'new-\ud800-refresh-token' },
  ])('as a refresh token beside an access token counts as absent: it $it', ({ refresh_token }) => {
    expect(granted(response({ access_token: 'a', refresh_token })).refreshToken).toBeUndefined();
  });

  test.each([
    '',
    ' ',
    'null',
    'Bearer',
    'No access token was issued.',
    SENT,
  ])('as an access token is no success: %j', (access_token) => {
    expect(interpret(response({ access_token }))).toMatchObject({ kind: 'error', mayHaveRotated: true });
  });
});

describe('a new refresh token is stored as it came', () => {
  test.each([
    { name: 'of letters', refresh_token: 'abcdefghijklmnopqrst' },
    { name: 'of words with underscores', refresh_token: 'opaque_token_of_letters' },
    { name: 'of capitals with underscores', refresh_token: 'QWERTZ_UIOPAS_DFGHJK' },
    { name: 'that is short, with digits', refresh_token: 'r2' },
    { name: 'of one letter', refresh_token: 'r' },
    { name: 'that is short, of mixed letters', refresh_token: 'aXbYcZdQ' },
    { name: 'in braces', refresh_token: '{3F2504E0-4F89-11D3-9A0C-0305E82C3301}' },
  ])('$name', ({ refresh_token }) => {
    expect(granted(response({ access_token: 'a', refresh_token })).refreshToken).toBe(refresh_token);
  });

  test.each([
    {
      name: 'with a blank, where the one before had one',
      before: 'old token 1',
      refresh_token: 'new token 2',
    },
    {
      name: 'that is a short word, where the one before was short',
      before: 'summer',
      refresh_token: 'winter',
    },
  ])('$name', ({ before, refresh_token }) => {
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
    { it: 'says what is wrong', body: { error: 'invalid_grant' } },
    { it: 'is empty', body: '' },
    { it: 'is no success', body: '<p>Sorry!</p>', status: 400 },
  ])('is not where it $it', ({ body, status = 200 }) => {
    expect(interpret(response(body, { status }))).not.toHaveProperty('unread');
  });

  test.each([
    { where: 'within the refresh token', body: '{"access_token":"a","refresh_token":"new-refresh-tok' },
    { where: 'before the refresh token', body: '{"access_token":"a","exp' },
    { where: 'before everything', body: '{"acc' },
    { where: 'at once', body: '' },
    { where: 'within the refresh token of a form', body: 'access_token=a&refresh_token=new-refresh-tok' },
  ])('is cut where it ends $where', ({ body }) => {
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
    { what: 'brackets', body: fill('[') },
    { what: 'braces', body: fill('{"a":') },
    { what: 'closed brackets', body: '['.repeat(size / 2) + ']'.repeat(size / 2) },
    { what: 'names', body: fill('refresh_token') },
    { what: 'brackets in broken percent-encoding', body: fill('%5B%ff') },
    { what: 'objects for tokens', body: fill('"refresh_token":{') },
    { what: 'Base64', body: fill('eyJhY2Nlc3NfdG9rZW4iOiJh') },
    { what: 'names that open', body: fill('"refresh_token":"') },
    { what: 'names that open in single quotes', body: fill(`"refresh_token":'`) },
    { what: 'names in tags', body: fill('<refresh_token ') },
    { what: 'names as attributes', body: fill('name="refresh_token" ') },
    { what: 'names in parts', body: fill('name="refresh_token"\r\n') },
    { what: 'elements', body: fill('<refresh_token>') },
    { what: 'pairs of elements', body: fill('<key>refresh_token</key><string>') },
    { what: 'assignments', body: fill('refresh_token=') },
    { what: 'assignments and blanks', body: fill(`refresh_token${' '.repeat(290)}`) },
    { what: 'backslashes', body: fill('\\') },
    { what: 'escaped quotes', body: fill('\\"refresh_token\\":\\"') },
    { what: 'entities', body: fill('&quot;refresh_token&quot;:&quot;') },
    { what: 'zeros in entities', body: `&quot;&#${fill('0')}` },
    { what: 'percent signs', body: fill('%22refresh_token%22%3A%22') },
    { what: 'Base64 and blanks', body: `eyJ${fill(' ')}!` },
    { what: 'blanks', body: fill(' ') },
    { what: 'lone surrogates', body: fill('\ud800') },
    {
      what: 'strings with tokens in them',
      body: JSON.stringify(Array.from({ length: 9_000 }, () => 'refresh_token: "x')),
    },
    { what: 'empty objects', body: `{"x":[${fill('{},')}{}]}` },
    { what: 'small errors', body: `{"errors":[${fill('{"error":"x"},')}{}]}` },
    {
      what: 'JSON in JSON in JSON',
      body: JSON.stringify(JSON.stringify(JSON.stringify({ refresh_token: '"'.repeat(size / 16) }))),
    },
    { what: 'words', body: fill('the refresh token is ') },
    {
      what: 'one long description',
      body: JSON.stringify({ error: true, message: fill('invalid refresh token or ') }),
    },
    { what: 'one long code', body: JSON.stringify({ error: fill('refresh_token_') }) },
  ])('$what: nothing throws, and it takes no time', ({ body }) => {
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
  const rows: readonly (Row & { reason: string; mayHaveRotated?: boolean })[] = [
    { name: 'invalid_grant is a dead grant', body: { error: 'invalid_grant' }, reason: 'grant_revoked' },
    {
      name: 'invalid_grant is a dead grant under any status',
      body: { error: 'invalid_grant' },
      status: 500,
      reason: 'grant_revoked',
    },
    {
      name: 'invalid_grant with HTTP 200 is a dead grant',
      body: { error: 'invalid_grant' },
      status: 200,
      reason: 'grant_revoked',
    },
    {
      name: 'a code of the profile is a dead grant',
      body: { error: 'unauthorized_client' },
      status: 403,
      profile: atlassian,
      reason: 'grant_revoked',
    },
    {
      name: 'the same code without that is the client’s',
      body: { error: 'unauthorized_client' },
      status: 403,
      reason: 'client_rejected',
    },
    {
      name: 'a bare status of the profile is a dead grant',
      status: 500,
      profile: { dead_grant_errors: ['http_500'] },
      reason: 'grant_revoked',
    },
    {
      name: 'a bare 500 is an outage that may have rotated',
      status: 500,
      reason: 'provider_unavailable',
      mayHaveRotated: true,
    },
    {
      name: 'a number may be a code',
      body: { error: 4711 },
      profile: { dead_grant_errors: ['4711'] },
      reason: 'grant_revoked',
    },
    {
      name: 'an object may hold the code',
      body: { error: { code: 'invalid_grant' } },
      reason: 'grant_revoked',
    },
    {
      name: 'a code within the description is throttling',
      body: { error: 'invalid_grant', error_description: 'AADSTS50196: loop' },
      profile: microsoft,
      reason: 'rate_limited',
    },
    {
      name: 'a longer code within the description is another',
      body: { error: 'invalid_grant', error_description: 'AADSTS501967: x' },
      profile: microsoft,
      reason: 'grant_revoked',
    },
    {
      name: 'a field of the profile holds the code',
      body: { status: 'BAD_REFRESH_TOKEN', message: 'm' },
      profile: { token_error_fields: { error: '/status' }, dead_grant_errors: ['BAD_REFRESH_TOKEN'] },
      reason: 'grant_revoked',
    },
    {
      name: 'invalid_client is the profile',
      body: { error: 'invalid_client' },
      status: 401,
      reason: 'client_rejected',
    },
    { name: 'a bare 401 is the profile', status: 401, reason: 'client_rejected' },
    { name: 'invalid_scope blames nobody', body: { error: 'invalid_scope' }, reason: 'request_rejected' },
    { name: '429 asks to slow down', status: 429, reason: 'rate_limited' },
    { name: '503 is an outage', body: '<html>', status: 503, reason: 'provider_unavailable' },
    {
      name: '504 is an outage that may have rotated',
      status: 504,
      reason: 'provider_unavailable',
      mayHaveRotated: true,
    },
    {
      name: 'a page with HTTP 200 is malformed, and may have rotated',
      body: '<!doctype html>',
      status: 200,
      reason: 'malformed_response',
      mayHaveRotated: true,
    },
    {
      name: 'nothing with HTTP 200 is malformed, and may have rotated',
      status: 200,
      reason: 'malformed_response',
      mayHaveRotated: true,
    },
    { name: 'a redirect is malformed', status: 302, reason: 'malformed_response' },
    {
      name: 'ok: false without a code is malformed',
      body: { ok: false },
      status: 200,
      reason: 'malformed_response',
    },
    {
      name: 'a code that nobody knows is a refusal that blames nobody',
      body: { error: 'weird' },
      reason: 'request_rejected',
    },
  ];
  test.each(rows)('$name', ({ body = '', profile, reason, mayHaveRotated = false, ...http }) => {
    expect(interpret(at400(body, http), profile)).toMatchObject({ kind: 'error', reason, mayHaveRotated });
  });

  const waits: readonly { what: string; retryAfter: string; seconds?: number }[] = [
    { what: 'seconds', retryAfter: '120', seconds: 120 },
    { what: 'a date', retryAfter: 'Fri, 15 Jan 2027 08:01:00 GMT', seconds: 60 },
    { what: 'a date in the past', retryAfter: 'Fri, 15 Jan 2027 07:00:00 GMT', seconds: 0 },
    { what: 'many years', retryAfter: '999999999', seconds: 21_600 },
    { what: 'more digits than a number has', retryAfter: '9'.repeat(400), seconds: 21_600 },
    { what: 'a date in many years', retryAfter: 'Fri, 15 Jan 2099 08:01:00 GMT', seconds: 21_600 },
    { what: 'a fraction', retryAfter: '1.5', seconds: 2 },
    { what: 'a negative number', retryAfter: '-5' },
    { what: 'nothing', retryAfter: '' },
    { what: 'rubbish', retryAfter: 'soon' },
  ];
  test.each(waits)('says when to try again in $what', ({ retryAfter, seconds }) => {
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
  const rows: readonly (Row & { reason: string })[] = [
    {
      name: 'invalid_request blames nobody (A3)',
      body: { error: 'invalid_request' },
      reason: 'request_rejected',
    },
    {
      name: 'invalid_request under 401 blames nobody',
      body: { error: 'invalid_request' },
      status: 401,
      reason: 'request_rejected',
    },
    {
      name: 'access_denied blames nobody',
      body: { error: 'access_denied' },
      status: 403,
      reason: 'request_rejected',
    },
    {
      name: '401 with a number blames the client (A5)',
      body: { error: 401 },
      status: 401,
      reason: 'client_rejected',
    },
    {
      name: '401 with a type that nobody knows blames the client (A5)',
      body: { error: { type: 'invalid_request_error' } },
      status: 401,
      reason: 'client_rejected',
    },
    {
      name: '401 with words alone blames the client',
      body: { message: 'No' },
      status: 401,
      reason: 'client_rejected',
    },
    {
      name: 'a code of client_errors blames the client',
      body: { error: 'app_disabled' },
      profile: { client_errors: ['app_disabled'] },
      reason: 'client_rejected',
    },
    {
      name: 'client_errors comes before 429',
      body: { error: 'x' },
      status: 429,
      profile: { client_errors: ['x'] },
      reason: 'client_rejected',
    },
    {
      name: 'dead_grant_errors comes before client_errors',
      body: { error: 'x' },
      profile: { client_errors: ['x'], dead_grant_errors: ['x'] },
      reason: 'grant_revoked',
    },
    {
      name: 'transient_errors comes before dead_grant_errors',
      body: { error: 'x' },
      profile: { transient_errors: ['x'], dead_grant_errors: ['x'] },
      reason: 'rate_limited',
    },
    {
      name: 'transient_errors under 5xx is an outage',
      body: { error: 'x' },
      status: 500,
      profile: { transient_errors: ['x'] },
      reason: 'provider_unavailable',
    },
    {
      name: 'client_errors may name a code within the description',
      body: { error: 'invalid_request', error_description: 'AADSTS700016: not found' },
      profile: { client_errors: ['AADSTS700016'] },
      reason: 'client_rejected',
    },
    {
      name: '429 comes before a standard code',
      body: { error: 'invalid_grant' },
      status: 429,
      reason: 'rate_limited',
    },
    {
      name: 'a standard code comes before 5xx',
      body: { error: 'invalid_client' },
      status: 500,
      reason: 'client_rejected',
    },
    { name: '401 comes before Retry-After', status: 401, retryAfter: '5', reason: 'client_rejected' },
    {
      name: 'another code under 5xx is an outage',
      body: { error: 'x' },
      status: 503,
      reason: 'provider_unavailable',
    },
    {
      name: 'another code with Retry-After is throttling',
      body: { error: 'x' },
      status: 403,
      retryAfter: '5',
      reason: 'rate_limited',
    },
    {
      name: 'another code under 200 blames nobody',
      body: { error: 'x' },
      status: 200,
      reason: 'request_rejected',
    },
    { name: 'no code under 400 is malformed', body: { a: 1 }, reason: 'malformed_response' },
    {
      name: 'no code under 200 is malformed',
      body: { status: 'ok', code: 0, message: 'fine' },
      status: 200,
      reason: 'malformed_response',
    },

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
    ].flatMap((code) => [
      { name: `a dead grant (E4): ${code}`, body: { error: code }, reason: 'grant_revoked' },
      { name: `a dead grant (E4), nested: ${code}`, body: { error: { code } }, reason: 'grant_revoked' },
      { name: `a dead grant (E4), flat: ${code}`, body: { code }, status: 401, reason: 'grant_revoked' },
    ]),
    ...[
      'unsupported_grant_type',
      'invalid_grant_type',
      'refresh_token_required',
      'refresh_token_missing',
    ].map((code) => ({
      name: `no dead grant: ${code}`,
      body: { error: code },
      reason: code === 'unsupported_grant_type' ? 'client_rejected' : 'request_rejected',
    })),
    ...[
      {
        name: 'a code in a list of errors',
        body: { errors: [{ code: 'refresh_token_expired', message: 'x' }] },
      },
      {
        name: 'a code that says more beside one that blames nobody',
        body: { error: 'invalid_request', reason: 'refresh_token_expired' },
      },
      { name: 'a code twice nested', body: { error: { error: 'invalid_grant' } } },
      { name: 'a code in data', body: { data: { error: 'invalid_grant' } } },
      { name: 'a code in a list of responses', body: [{ error: 'invalid_grant' }] },
      { name: 'a code in a form', body: 'error=invalid_grant&error_description=x+y' },
      { name: 'a code in XML', body: '<OAuth><error>invalid_grant</error></OAuth>' },
      { name: 'a code in JSON within a page', body: '<pre>{"error":"invalid_grant"}</pre>' },
      { name: 'a code in JSON within JSON', body: JSON.stringify('{"error":"invalid_grant"}') },
      { name: 'a code in JSON that was cut', body: '{"error":"invalid_grant","error_desc', complete: false },
    ].map((row) => ({ ...row, reason: 'grant_revoked' })),
    {
      name: 'a class of HTML is no code',
      body: '<div class="error">Oops</div>',
      status: 200,
      reason: 'malformed_response',
    },

    ...[
      'The refresh token is invalid.',
      'Invalid refresh token',
      'Refresh token has expired',
      'refresh_token is no longer valid',
      'The provided authorization grant or refresh token is invalid, expired or revoked.',
      'This refreshToken was already used',
      'The refresh token does not exist',
    ].map((message) => ({
      name: `words beside a flag (E3): ${message}`,
      body: { error: true, status: 400, message },
      reason: 'grant_revoked',
    })),
    ...[
      "Refresh tokens can't be used at the moment.",
      'Invalid request: the refresh token is missing',
      'The refresh token grant type is unsupported',
      'Unknown error while the refresh token was read',
      'Something went wrong',
    ].map((message) => ({
      name: `other words beside a flag: ${message}`,
      body: { error: true, status: 400, message },
      reason: 'malformed_response',
    })),
    {
      name: 'words beside a code that repeats the status',
      body: { error: 401, message: 'Invalid refresh token' },
      status: 401,
      reason: 'grant_revoked',
    },
    {
      name: 'words beside a flag that a profile names',
      body: { error: true, message: 'Oops, E17 happened' },
      profile: { dead_grant_errors: ['E17'] },
      reason: 'grant_revoked',
    },
  ];
  test.each(rows)('$name', ({ body = '', profile, reason, ...http }) => {
    expect(interpret(at400(body, http), profile)).toMatchObject({ kind: 'error', reason });
  });

  test.each([
    { how: 'form-encoded', quoted: 'client-secret%2B%2F' },
    { how: 'in entities', quoted: 'client-secret&#43;&#47;' },
    { how: 'with escapes', quoted: 'client-secret+\\/' },
    { how: 'in hexadecimal', quoted: Buffer.from('client-secret+/').toString('hex') },
  ])('is told without the secret, $how', ({ quoted }) => {
    const made = interpret(at400({ error: 'invalid_client', error_description: `not ${quoted}` }), {
      client_secret: 'client-secret+/',
    });
    expect(made).toMatchObject({ detail: 'The provider answered 400 invalid_client (not [redacted])' });
  });
});
