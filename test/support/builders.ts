import type { Account } from '../../core/account/account.ts';
import { parseProfile } from '../../core/profile/parse-profile.ts';
import type { Profile } from '../../core/profile/profile.ts';
import type { TokenSet } from '../../core/tokens/token-set.ts';

/** The moment at which the pure tests stand, seconds since the epoch. */
export const NOW = 1_800_000_000;

/** A healthy account whose access token is good for half an hour; say only what differs. */
export function anAccount(differences: Partial<Account> = {}): Account {
  return {
    accountId: 'acme',
    authenticationType: 'oauth2',
    oauthProfile: 'crm',
    status: 'healthy',
    accessTokenExpiresAt: NOW + 1_800,
    lastRefreshedAt: NOW - 1_800,
    ...differences,
  };
}

/** A token set of an hour whose access token has just run out; say only what differs. */
export function aTokenSet(differences: Partial<TokenSet> = {}): TokenSet {
  return {
    access_token: 'access-1',
    token_type: 'Bearer',
    refresh_token: 'refresh-1',
    obtained_at: NOW - 3_600,
    expires_at: NOW,
    ...differences,
  };
}

/** A profile as its secret would give it; say only what differs. */
export function aProfile(differences: Record<string, unknown> = {}): Profile {
  const fields = {
    client_id: 'client',
    client_secret: 'client-secret',
    token_endpoint: 'https://id.example/token',
  };
  const parsed = parseProfile(JSON.stringify({ ...fields, ...differences }));
  if (parsed.kind === 'invalid') throw new Error(parsed.problem);
  return parsed.profile;
}

/** An access token that is a JWT with these claims; nobody signed it. */
export function aJwt(claims: Readonly<Record<string, unknown>>): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256', typ: 'at+jwt' })}.${part(claims)}.c2lnbmF0dXJl`;
}
