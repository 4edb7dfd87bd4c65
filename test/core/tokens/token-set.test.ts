import { describe, expect, test } from 'vitest';
import { type GrantedTokens, mergeTokenSet, serializeTokenSet } from '../../../core/tokens/token-set.ts';
import { aTokenSet, NOW } from '../../support/builders.ts';

function grant(differences: Partial<GrantedTokens> = {}): GrantedTokens {
  return {
    fields: {},
    accessToken: 'access-2',
    tokenType: 'Bearer',
    expiresAt: NOW + 3_600,
    ...differences,
  };
}

describe('the token set after a grant', () => {
  test('holds the response field for field, the standard names, and when', () => {
    const fields = { access_token: 'access-2', instance_url: 'https://x.example', expires_in: 3600 };
    expect(mergeTokenSet(aTokenSet(), grant({ fields, refreshToken: 'refresh-2' }), NOW)).toEqual({
      ...fields,
      token_type: 'Bearer',
      refresh_token: 'refresh-2',
      obtained_at: NOW,
      expires_at: NOW + 3_600,
    });
  });

  test('keeps the refresh token, the scope and what only an earlier response said', () => {
    const previous = aTokenSet({ scope: 'x', instance_url: 'https://x.example', expires_in: 1 });
    const merged = mergeTokenSet(previous, grant(), NOW);
    expect(merged).toMatchObject({
      refresh_token: 'refresh-1',
      scope: 'x',
      instance_url: 'https://x.example',
    });
    expect(merged).not.toHaveProperty('expires_in');
  });

  const expiries: readonly { name: string; granted?: Partial<GrantedTokens>; expiresAt?: number }[] = [
    {
      name: 'a new refresh token has its own expiry',
      granted: { refreshToken: 'refresh-2', refreshTokenExpiresAt: NOW + 900 },
      expiresAt: NOW + 900,
    },
    { name: 'a new refresh token without an expiry has none', granted: { refreshToken: 'refresh-2' } },
    {
      name: 'the same refresh token again does not live longer',
      granted: { refreshToken: 'refresh-1', refreshTokenExpiresAt: NOW + 900 },
      expiresAt: NOW + 60,
    },
    {
      name: 'the same refresh token again may live shorter',
      granted: { refreshToken: 'refresh-1', refreshTokenExpiresAt: NOW + 5 },
      expiresAt: NOW + 5,
    },
    { name: 'no refresh token leaves the expiry as it was', expiresAt: NOW + 60 },
  ];
  test.each(expiries)('$name', ({ granted = {}, expiresAt }) => {
    const previous = aTokenSet({ refresh_token_expires_at: NOW + 60 });
    expect(mergeTokenSet(previous, grant(granted), NOW).refresh_token_expires_at).toBe(expiresAt);
  });

  test('without an access token is due at once', () => {
    const merged = mergeTokenSet(
      aTokenSet(),
      grant({ accessToken: undefined, refreshToken: 'refresh-2' }),
      NOW,
    );
    expect(merged).toMatchObject({ refresh_token: 'refresh-2', expires_at: NOW });
    expect(merged).not.toHaveProperty('access_token');
  });

  test('that is too large for a secret drops the extra fields, never a token', () => {
    const merged = mergeTokenSet(
      aTokenSet(),
      grant({ fields: { extra: 'x'.repeat(70_000) }, refreshToken: 'r2' }),
      NOW,
    );
    const stored = JSON.parse(serializeTokenSet(merged));
    expect(stored).toMatchObject({ access_token: 'access-2', refresh_token: 'r2', expires_at: NOW + 3_600 });
    expect(stored).not.toHaveProperty('extra');
  });
});
