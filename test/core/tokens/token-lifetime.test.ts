import { describe, expect, test } from 'vitest';
import type { HttpResponse } from '../../../core/response/http-response.ts';
import { interpretTokenResponse } from '../../../core/response/token-response.ts';
import { accessTokenExpiry, refreshTokenExpiry } from '../../../core/tokens/token-lifetime.ts';
import type { TokenSet } from '../../../core/tokens/token-set.ts';
import { aJwt, aProfile, aTokenSet, NOW } from '../../support/builders.ts';

/** How long a token lives from now on; `endless` where it does not expire. */
function lifetimeOf(
  response: Record<string, unknown>,
  { profile = {}, previous = aTokenSet(), token = 'opaque' }: Given = {},
) {
  const { expiresAt, doubt } = accessTokenExpiry(response, token, {
    profile: aProfile(profile),
    previous,
    now: NOW,
  });
  return { lifetime: expiresAt === undefined ? 'endless' : expiresAt - NOW, doubt };
}

interface Given {
  readonly profile?: Record<string, unknown>;
  readonly previous?: TokenSet;
  readonly token?: string;
}

const until = { token_response_fields: { expires_at: '/until' } };
const ofTenMinutes = aTokenSet({ obtained_at: NOW - 700, expires_at: NOW - 100 });
const withoutRefreshToken = aTokenSet({ refresh_token: undefined });

describe('an access token lives', () => {
  const rows: readonly (Given & { as: string; response: Record<string, unknown>; lifetime: unknown })[] = [
    {
      as: 'until the instant that the profile points at',
      response: { until: NOW + 90, expires_in: 60 },
      profile: until,
      lifetime: 90,
    },
    {
      as: 'for expires_in, before expires_at',
      response: { expires_in: 60, expires_at: NOW + 90 },
      lifetime: 60,
    },
    {
      as: 'until expires_at',
      response: { expires_at: NOW + 90 },
      token: aJwt({ exp: NOW + 50 }),
      lifetime: 90,
    },
    {
      as: 'until its own exp where no lifetime is named',
      response: {},
      token: aJwt({ exp: NOW + 50 }),
      lifetime: 50,
    },
    {
      as: 'until its own exp before what the profile says',
      response: {},
      token: aJwt({ exp: NOW + 50 }),
      profile: { default_expires_in: 7200 },
      lifetime: 50,
    },
    {
      as: 'for what the profile says',
      response: {},
      profile: { default_expires_in: 7200 },
      previous: ofTenMinutes,
      lifetime: 7200,
    },
    {
      as: 'for ever where the profile says so',
      response: {},
      profile: { default_expires_in: 'never' },
      lifetime: 'endless',
    },
    {
      as: 'for expires_in, whatever the profile says',
      response: { expires_in: 60 },
      profile: { default_expires_in: 'never' },
      lifetime: 60,
    },
    {
      as: 'for ever where there is no refresh token',
      response: {},
      previous: withoutRefreshToken,
      lifetime: 'endless',
    },
    { as: 'for ever in a first response that has none', response: {}, previous: {}, lifetime: 'endless' },
    {
      as: 'for an hour in a first response with one',
      response: { refresh_token: 'r' },
      previous: {},
      lifetime: 3_600,
    },
    { as: 'for as long as the one before it', response: {}, previous: ofTenMinutes, lifetime: 600 },
    {
      as: 'for an hour where the one before it was handed out at its end',
      response: {},
      previous: aTokenSet({ obtained_at: NOW - 605, expires_at: NOW - 600 }),
      lifetime: 3_600,
    },
    {
      as: 'for an hour where the one before it has no known beginning',
      response: {},
      previous: aTokenSet({ obtained_at: undefined }),
      lifetime: 3_600,
    },
    {
      as: 'for an hour where no access token was before it',
      response: {},
      previous: aTokenSet({ access_token: undefined, obtained_at: NOW - 700, expires_at: NOW - 100 }),
      lifetime: 3_600,
    },
  ];
  test.each(rows)('$as', ({ response, lifetime, ...given }) => {
    expect(lifetimeOf(response, given)).toEqual({ lifetime, doubt: undefined });
  });
});

describe('not believed, and said so, is', () => {
  const rows: readonly (Given & {
    what: string;
    response: Record<string, unknown>;
    lifetime: unknown;
    named: string;
  })[] = [
    {
      what: 'a mapped expiry in the past',
      response: { until: NOW - 10 },
      profile: until,
      lifetime: 3_600,
      named: 'expires_at',
    },
    {
      what: 'a mapped expiry in the past, where expires_in is sound',
      response: { until: '2020-01-01T00:00:00Z', expires_in: 60 },
      profile: until,
      lifetime: 60,
      named: 'expires_at',
    },
    {
      what: 'a mapped expiry in the past, where the token before it lived ten minutes',
      response: { until: NOW - 10 },
      profile: until,
      previous: ofTenMinutes,
      lifetime: 600,
      named: 'expires_at',
    },
    {
      what: 'an expiry of the year 9999',
      response: { expires_at: '9999-12-31T23:59:59Z' },
      lifetime: 3_600,
      named: 'expires_at',
    },
    { what: 'a lifetime of zero', response: { expires_in: 0 }, lifetime: 3_600, named: 'expires_in' },
    { what: 'a negative lifetime', response: { expires_in: -1 }, lifetime: 3_600, named: 'expires_in' },
    {
      what: 'a lifetime of 68 years',
      response: { expires_in: 2_147_483_647 },
      lifetime: 3_600,
      named: 'expires_in',
    },
    {
      what: 'a lifetime in words',
      response: { expires_in: 'an hour' },
      lifetime: 3_600,
      named: 'expires_in',
    },
    {
      what: "a JWT's exp in the past",
      response: {},
      token: aJwt({ exp: NOW - 1 }),
      lifetime: 3_600,
      named: 'the exp of its access token',
    },
  ];
  test.each(rows)('$what', ({ response, lifetime, named, ...given }) => {
    const read = lifetimeOf(response, given);
    expect(read.lifetime).toBe(lifetime);
    expect(read.doubt).toContain(`response: ${named} (in the past`);
  });
});

describe('a refresh token lives', () => {
  const rows: readonly {
    as: string;
    response: Record<string, unknown>;
    lifetime: unknown;
    doubted?: boolean;
  }[] = [
    { as: 'for ever where nothing is said', response: {}, lifetime: 'endless' },
    { as: 'for ever where zero is said', response: { refresh_expires_in: 0 }, lifetime: 'endless' },
    {
      as: 'until an instant in milliseconds',
      response: { refresh_token_expires_at: (NOW + 90) * 1000 },
      lifetime: 90,
    },
    { as: 'for its lifetime', response: { refresh_token_expires_in: 86_400 }, lifetime: 86_400 },
    {
      as: 'for its lifetime where its instant has passed',
      response: { refresh_token_expires_at: NOW - 1, refresh_token_expires_in: 86_400 },
      lifetime: 86_400,
      doubted: true,
    },
    {
      as: 'for ever where its instant has passed',
      response: { refresh_token_expires_at: NOW - 1 },
      lifetime: 'endless',
      doubted: true,
    },
    {
      as: 'for ever where its lifetime is negative',
      response: { refresh_expires_in: -1 },
      lifetime: 'endless',
      doubted: true,
    },
    {
      as: 'for ever where its lifetime is the largest integer',
      response: { x_refresh_token_expires_in: 2_147_483_647 },
      lifetime: 'endless',
      doubted: true,
    },
  ];
  test.each(rows)('$as', ({ response, lifetime, doubted = false }) => {
    const { expiresAt, doubt } = refreshTokenExpiry(response, {
      profile: aProfile(),
      previous: aTokenSet(),
      now: NOW,
    });
    expect(expiresAt === undefined ? 'endless' : expiresAt - NOW).toBe(lifetime);
    expect(doubt !== undefined).toBe(doubted);
  });
});

describe('a grant', () => {
  const interpret = (body: Record<string, unknown>, previous: TokenSet) =>
    interpretTokenResponse({ status: 200, body: JSON.stringify(body), complete: true } as HttpResponse, {
      profile: aProfile(until),
      previous,
      sent: 'refresh-1',
      now: NOW,
    });

  test('comes with what of it was not believed', () => {
    const body = { access_token: 'access-2', until: NOW - 10, refresh_token_expires_at: NOW - 10 };
    const response = interpret(body, ofTenMinutes);
    expect(response).toMatchObject({ kind: 'granted', tokens: { expiresAt: NOW + 600 } });
    expect(response.kind === 'granted' && response.doubts).toHaveLength(2);
  });

  test('is not endless where its refresh token has another name', () => {
    expect(
      interpret({ accessToken: 'access-2-long-enough', refreshToken: 'refresh-2-long-enough' }, {}),
    ).toMatchObject({
      kind: 'granted',
      tokens: { refreshToken: 'refresh-2-long-enough', expiresAt: NOW + 3_600 },
    });
  });
});
