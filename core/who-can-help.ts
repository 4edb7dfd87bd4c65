import { isReason, type Reason } from './reason.ts';

/** Whose turn it is: the account's holder, whoever keeps the profile, the provider, or the operator of this function. */
export type Helper = 'nobody' | 'account' | 'profile' | 'provider' | 'operator';

/** Who can help, by reason. The function itself tells nobody, so that this is not in its bundle. */
export const HELPERS: Readonly<Record<Reason, Helper>> = {
  fresh: 'nobody',
  expiring: 'nobody',
  no_access_token: 'nobody',
  forced: 'nobody',
  disabled: 'nobody',
  does_not_expire: 'nobody',
  leased_elsewhere: 'nobody',
  out_of_time: 'operator',
  no_refresh_token: 'account',
  refresh_token_expired: 'account',
  grant_revoked: 'account',
  grant_possibly_lost: 'account',
  client_rejected: 'profile',
  rate_limited: 'provider',
  provider_unavailable: 'provider',
  malformed_response: 'provider',
  store_unavailable: 'operator',
  permission_missing: 'operator',
  request_rejected: 'profile',
  provider_wide_refusal: 'provider',
  token_set_too_large: 'provider',
  lifetime_too_short: 'provider',
  profile_missing: 'profile',
  profile_invalid: 'profile',
  secret_missing: 'operator',
  secret_invalid: 'operator',
  account_invalid: 'operator',
};

/** Whose turn it is, in words. */
const TURNS: Readonly<Record<Helper, string>> = {
  nobody: 'nobody',
  account: "the account's holder",
  profile: "the profile's owner",
  provider: 'the provider',
  operator: 'who runs this',
};

/** Whose turn it is to do something about a reason; undefined where it is nobody's, or this version doesn't know it. */
export function turnOf(reason: unknown): string | undefined {
  if (!isReason(reason) || HELPERS[reason] === 'nobody') return undefined;
  return TURNS[HELPERS[reason]];
}
