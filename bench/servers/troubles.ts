import type { Escrowed } from '../../adapters/aws/escrow.ts';
import { fingerprintOf } from '../../adapters/aws/escrow.ts';
import type { Escrow } from '../../core/account/account.ts';
import type { Reason } from '../../core/reason.ts';
import type { Fault } from '../../local/aws/server.ts';
import type { ProviderFault } from '../../test/support/strict-provider.ts';

/** A call to AWS that fails for one secret or one item. */
export interface AwsTrouble {
  readonly operation: string;
  readonly fault: Fault;
}

type TokenSet = Record<string, unknown> & { readonly refresh_token: string };

/** What is wrong with an account, or with a whole profile. What is left out is in order. */
export interface Trouble {
  readonly name: string;
  /** The reason that at least some of its accounts show after the run; undefined if none is recorded. */
  readonly shows: Reason | undefined;
  /** Attributes of the item. @param now seconds since the epoch */
  readonly item?: (now: number) => Record<string, unknown>;
  /** The token secret's text; undefined for no secret. */
  readonly tokens?: (issued: TokenSet, now: number) => string | undefined;
  readonly escrow?: (issued: TokenSet) => Pick<Escrow, 'kind'> & { readonly content: Escrowed };
  readonly versions?: number;
  readonly revoked?: boolean;
  readonly provider?: ProviderFault;
  readonly aws?: AwsTrouble;
  /** Only one account may have it: if two secrets can't be stored, the store itself counts as broken. */
  readonly single?: boolean;
}

/** What is wrong with a whole profile: its secret, or its provider's responses for all accounts. */
interface ProfileTrouble extends Omit<Trouble, 'item' | 'tokens' | 'escrow' | 'versions' | 'single'> {
  /** The profile secret's text; undefined for no secret. */
  readonly secret?: (profile: Readonly<Record<string, string>>) => string | undefined;
}

const refusal = (status: number, error: string, headers: Record<string, string> = {}): ProviderFault => ({
  kind: 'answer',
  status,
  body: JSON.stringify({ error }),
  headers: { 'content-type': 'application/json', ...headers },
});
const nonsense: ProviderFault = { kind: 'answer', status: 200, body: '<html>Welcome</html>' };
const tooLarge: ProviderFault = {
  kind: 'odd_body',
  make: (answer) => ({
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...answer, access_token: 'a'.repeat(70_000) }),
  }),
};
const failing = (operation: string, status: number, type: string): AwsTrouble => ({
  operation,
  fault: { kind: 'error', status, type, message: 'no' },
});
const tokensWith = (changes: Record<string, unknown>) => (issued: TokenSet) =>
  JSON.stringify({ ...issued, ...changes });
const SPENT = 'spent-before';

/**
 * Every trouble of one account in the list of reasons, except `out_of_time` and `provider_wide_refusal`, which no account
 * has alone.
 */
export const accountTroubles: readonly Trouble[] = [
  { name: 'disabled', shows: undefined, item: () => ({ enabled: false }) },
  {
    name: 'no-expiry',
    shows: undefined,
    tokens: tokensWith({ refresh_token: undefined, expires_at: undefined }),
  },
  {
    name: 'leased',
    shows: undefined,
    item: (now) => ({ lease: { owner: 'another-run', expiresAt: now + 300 } }),
  },
  { name: 'no-refresh-token', shows: 'no_refresh_token', tokens: tokensWith({ refresh_token: undefined }) },
  {
    name: 'expired',
    shows: 'refresh_token_expired',
    tokens: (issued, now) => JSON.stringify({ ...issued, refresh_token_expires_at: now - 60 }),
  },
  { name: 'revoked', shows: 'grant_revoked', revoked: true },
  {
    name: 'lost',
    shows: 'grant_possibly_lost',
    revoked: true,
    item: (now) => ({ lease: { owner: 'a-run-that-died', expiresAt: now - 600 } }),
  },
  { name: 'client', shows: 'client_rejected', provider: refusal(401, 'invalid_client') },
  { name: 'limited', shows: 'rate_limited', provider: refusal(429, 'slow_down', { 'retry-after': '600' }) },
  { name: 'unavailable', shows: 'provider_unavailable', provider: refusal(503, 'down') },
  { name: 'reset', shows: 'provider_unavailable', provider: { kind: 'drop_request' } },
  { name: 'hanging', shows: 'provider_unavailable', provider: { kind: 'hang_before' } },
  { name: 'malformed', shows: 'malformed_response', provider: nonsense },
  { name: 'rejected', shows: 'request_rejected', provider: refusal(400, 'invalid_request') },
  { name: 'too-large', shows: 'token_set_too_large', provider: tooLarge },
  {
    name: 'short-lived',
    shows: 'lifetime_too_short',
    versions: 96,
    item: (now) => ({ lastRefreshedAt: now - 600 }),
    tokens: (issued, now) => JSON.stringify({ ...issued, obtained_at: now - 600, expires_at: now }),
  },
  {
    name: 'unreadable',
    shows: 'store_unavailable',
    aws: failing('GetSecretValue', 500, 'InternalServiceError'),
  },
  {
    name: 'unwritable',
    shows: 'store_unavailable',
    single: true,
    aws: failing('PutSecretValue', 500, 'InternalServiceError'),
  },
  {
    name: 'no-lease',
    shows: undefined,
    aws: failing('UpdateItem', 500, 'InternalServerError'),
  },
  {
    name: 'read-denied',
    shows: 'permission_missing',
    aws: failing('GetSecretValue', 400, 'AccessDeniedException'),
  },
  {
    name: 'write-denied',
    shows: 'permission_missing',
    aws: failing('PutSecretValue', 400, 'AccessDeniedException'),
  },
  {
    name: 'escrow-lost',
    shows: 'store_unavailable',
    item: (now) => ({
      escrow: { kind: 'token', ciphertext: 'unreadable', attemptId: 'an-old-one', at: now },
    }),
  },
  {
    name: 'escrow-token',
    shows: undefined,
    tokens: tokensWith({ refresh_token: SPENT }),
    escrow: ({ refresh_token, obtained_at }) => ({
      kind: 'token',
      content: {
        refreshToken: refresh_token,
        supersedes: fingerprintOf(SPENT),
        obtainedAt: Number(obtained_at),
      },
    }),
  },
  {
    name: 'candidate',
    shows: undefined,
    escrow: ({ refresh_token, obtained_at }) => ({
      kind: 'candidate',
      content: {
        refreshToken: 'was-no-token',
        supersedes: fingerprintOf(refresh_token),
        obtainedAt: Number(obtained_at),
      },
    }),
  },
  { name: 'no-profile', shows: 'profile_missing', item: () => ({ oauthProfile: 'nowhere' }) },
  { name: 'no-secret', shows: 'secret_missing', tokens: () => undefined },
  { name: 'not-json', shows: 'secret_invalid', tokens: () => 'not JSON' },
  {
    name: 'foreign',
    shows: 'secret_invalid',
    tokens: tokensWith({ kept_by: '000000000000/us-east-1/another-table' }),
  },
  { name: 'invalid-item', shows: 'account_invalid', item: () => ({ parameters: 'no map' }) },
];

/** Every trouble that a whole profile can have. */
export const profileTroubles: readonly ProfileTrouble[] = [
  { name: 'hangs', shows: 'provider_unavailable', provider: { kind: 'hang_before' } },
  { name: 'is-down', shows: 'provider_unavailable', provider: refusal(503, 'down') },
  {
    name: 'is-nowhere',
    shows: 'provider_unavailable',
    secret: (profile) => JSON.stringify({ ...profile, token_endpoint: 'http://127.0.0.1:9/token' }),
  },
  {
    name: 'is-limited',
    shows: 'rate_limited',
    provider: refusal(429, 'slow_down', { 'retry-after': '600' }),
  },
  {
    name: 'limits-itself',
    shows: undefined,
    secret: (profile) => JSON.stringify({ ...profile, max_requests_per_minute: 1 }),
  },
  { name: 'is-refused', shows: 'client_rejected', provider: refusal(401, 'invalid_client') },
  {
    name: 'refuses-all',
    shows: 'provider_wide_refusal',
    provider: refusal(400, 'invalid_grant'),
  },
  { name: 'rejects-all', shows: 'request_rejected', provider: refusal(400, 'invalid_request') },
  { name: 'talks-nonsense', shows: 'malformed_response', provider: nonsense },
  { name: 'is-verbose', shows: 'token_set_too_large', provider: tooLarge },
  { name: 'is-missing', shows: 'profile_missing', secret: () => undefined },
  { name: 'is-invalid', shows: 'profile_invalid', secret: () => '{}' },
  {
    name: 'is-denied',
    shows: 'permission_missing',
    aws: failing('GetSecretValue', 400, 'AccessDeniedException'),
  },
  {
    name: 'is-unreadable',
    shows: 'store_unavailable',
    aws: failing('GetSecretValue', 500, 'InternalServiceError'),
  },
];
