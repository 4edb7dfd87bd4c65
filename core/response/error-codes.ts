import type { Reason } from '../reason.ts';
import { isDeadGrantCode } from './dead-grant.ts';

/** The codes of the standards, and others that many providers use. */
const reasons: Readonly<Record<string, Reason>> = {
  bad_refresh_token: 'grant_revoked',
  interaction_required: 'grant_revoked',
  login_required: 'grant_revoked',
  consent_required: 'grant_revoked',
  invalid_client: 'client_rejected',
  invalid_client_id: 'client_rejected',
  invalid_client_secret: 'client_rejected',
  invalid_client_credentials: 'client_rejected',
  bad_client_secret: 'client_rejected',
  incorrect_client_credentials: 'client_rejected',
  unknown_client: 'client_rejected',
  client_not_found: 'client_rejected',
  deleted_client: 'client_rejected',
  unauthorized_client: 'client_rejected',
  unsupported_grant_type: 'client_rejected',
  invalid_request: 'request_rejected',
  invalid_scope: 'request_rejected',
  access_denied: 'request_rejected',
  server_error: 'provider_unavailable',
  temporarily_unavailable: 'provider_unavailable',
  slow_down: 'rate_limited',
  rate_limited: 'rate_limited',
  ratelimited: 'rate_limited',
  rate_limit_exceeded: 'rate_limited',
  too_many_requests: 'rate_limited',
};

/**
 * What a code means; undefined where it is not known. The spelling does not matter: providers also send "Invalid refresh
 * token", "INVALID-REFRESH-TOKEN" or `urn:example:invalidRefreshToken`.
 */
export function reasonOfCode(code: string): Reason | undefined {
  if (code.length > MAX_CODE) return undefined;
  const whole = plainCode(code);
  const last = plainCode(code.split(/[./:#]/).at(-1) ?? '');
  for (const name of [whole, last]) {
    const known = reasonOfName(name);
    if (known !== undefined) return known;
    if (isDeadGrantCode(name.split('_'))) return 'grant_revoked';
  }
  return undefined;
}

/** The same for a sentence in the place of a code: all of it must be a known code. */
export function reasonOfWords(words: string): Reason | undefined {
  return reasonOfName(plainCode(words));
}

function reasonOfName(name: string): Reason | undefined {
  return Object.hasOwn(reasons, name) ? reasons[name] : undefined;
}

const MAX_CODE = 120;

/** A code in small letters, with `_` between its words. */
export function plainCode(code: string): string {
  return code
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_|_$|_exception$/g, '')
    .replace(/refreshtoken/g, 'refresh_token')
    .replace(/^(?:err|error|e)_(?=.)/, '');
}
