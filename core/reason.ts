/**
 * Every reason that a run can give for what it did with an account, with what to do. `docs/reasons.md` is made from it.
 */

/**
 * How the reason ends an attempt at an account.
 *
 * - `calm`: nothing is wrong; the account is left alone or refreshed.
 * - `deferred`: a later run does it; nothing is recorded.
 * - `transient`: recorded as `failing`, tried again after a back-off.
 * - `invalid`: what people wrote can't be used; recorded as `failing`, looked at again after a back-off.
 * - `person`: only a person can bring the account back; recorded as `reauthorization_required`.
 */
type Severity = 'calm' | 'deferred' | 'transient' | 'invalid' | 'person';

interface ReasonEntry {
  readonly severity: Severity;
  /** What it means, as part of a sentence. */
  readonly meaning: string;
  /** What to do next; empty where there is nothing to do. */
  readonly remedy: string;
}

export const REASONS = {
  fresh: {
    severity: 'calm',
    meaning: 'the access token lives longer than the refresh window',
    remedy: '',
  },
  expiring: {
    severity: 'calm',
    meaning: 'the access token expires within the refresh window',
    remedy: '',
  },
  no_access_token: {
    severity: 'calm',
    meaning: 'no access token is known yet',
    remedy: '',
  },
  forced: { severity: 'calm', meaning: 'the event asked for it', remedy: '' },
  disabled: {
    severity: 'calm',
    meaning: 'the account is disabled (enabled = false), or people have paused its profile or everything',
    remedy: 'Enable it (accounts enable), or end the pause (resume).',
  },
  does_not_expire: {
    severity: 'calm',
    meaning: 'the access token has no end and there is nothing to refresh',
    remedy: '',
  },
  leased_elsewhere: {
    severity: 'deferred',
    meaning: 'another run is working on this account, or has just changed it',
    remedy: '',
  },
  out_of_time: {
    severity: 'deferred',
    meaning: 'this run had too little time left',
    remedy: 'The next run continues. If this goes on, add segments or raise the timeout.',
  },
  no_refresh_token: {
    severity: 'person',
    meaning: 'the token set holds no refresh token',
    remedy: 'Authorize the account again.',
  },
  refresh_token_expired: {
    severity: 'person',
    meaning: 'the refresh token has expired',
    remedy: 'Authorize the account again.',
  },
  grant_revoked: {
    severity: 'person',
    meaning: 'the provider says that the grant is no longer good',
    remedy: 'Authorize the account again.',
  },
  grant_possibly_lost: {
    severity: 'person',
    meaning:
      'the provider refuses the refresh token; a response that never arrived may have held the next one',
    remedy: 'Authorize the account again.',
  },
  client_rejected: {
    severity: 'transient',
    meaning: "the provider refuses the profile's client, not the account",
    remedy: 'Correct the client in the profile; its accounts recover by themselves.',
  },
  rate_limited: {
    severity: 'transient',
    meaning: 'the provider asks to slow down',
    remedy: 'It is tried again later. If this goes on, set max_requests_per_minute in the profile.',
  },
  provider_unavailable: {
    severity: 'transient',
    meaning: 'the provider did not answer, or says that it is down',
    remedy: 'It is tried again later.',
  },
  malformed_response: {
    severity: 'transient',
    meaning: "the provider's response can't be understood",
    remedy: 'Check token_endpoint, token_response_fields and token_error_fields in the profile.',
  },
  store_unavailable: {
    severity: 'transient',
    meaning: 'Secrets Manager, KMS or DynamoDB could not be read or written',
    remedy: 'The next run tries again; the log has the AWS error.',
  },
  permission_missing: {
    severity: 'transient',
    meaning: 'the function lacks a permission',
    remedy: "Check the function's role and the policies of key and secret. Nobody has to sign in again.",
  },
  request_rejected: {
    severity: 'transient',
    meaning: 'the provider refuses the request without saying whose fault it is',
    remedy: 'If its response means that the grant is dead, add the code to dead_grant_errors in the profile.',
  },
  provider_wide_refusal: {
    severity: 'transient',
    meaning:
      'the provider refuses nearly all accounts of this profile at once; the fault is probably its own',
    remedy: 'A few are tried every 15 minutes; when one works, all follow.',
  },
  token_set_too_large: {
    severity: 'transient',
    meaning: 'the token set is larger than a secret can be (64 KB)',
    remedy: 'Ask the provider for tokens with fewer scopes or claims.',
  },
  lifetime_too_short: {
    severity: 'transient',
    meaning: 'the token set changes too often: Secrets Manager keeps 100 versions in 24 hours',
    remedy: 'Ask the provider for access tokens of 20 minutes or more, or use a smaller refresh window.',
  },
  profile_missing: {
    severity: 'invalid',
    meaning: 'the profile secret that the account names does not exist',
    remedy: 'Create it, or correct oauthProfile.',
  },
  profile_invalid: {
    severity: 'invalid',
    meaning: 'the profile secret has a mistake',
    remedy: 'Correct the field that the message names.',
  },
  secret_missing: {
    severity: 'invalid',
    meaning: "the account's token secret does not exist",
    remedy: 'Restore or create it, or authorize the account again.',
  },
  secret_invalid: {
    severity: 'invalid',
    meaning: "the account's token secret can't be read as a token set",
    remedy: 'Correct the field that the message names, or authorize the account again.',
  },
  account_invalid: {
    severity: 'invalid',
    meaning: "the account's item in the table has a mistake",
    remedy: 'Correct the attribute that the message names.',
  },
} as const satisfies Record<string, ReasonEntry>;

export type Reason = keyof typeof REASONS;

export function isReason(value: unknown): value is Reason {
  return typeof value === 'string' && Object.hasOwn(REASONS, value);
}

/** A stored reason; another where there is none, or where it is one of a later version. */
export function knownReason(value: string | undefined, otherwise: Reason): Reason {
  return isReason(value) ? value : otherwise;
}

export function severityOf(reason: Reason): Severity {
  return REASONS[reason].severity;
}

/**
 * The sentence for a reason, for logs and `failure.message`. The first three keep the words of the scheduled job that this
 * replaces, so that people who search for them find them.
 *
 * @param label the account's `name`, or its id
 * @param detail what exactly was wrong, without secrets; shown in the place of the general meaning
 * @param final only a person can bring the account back
 */
export function sentence(reason: Reason, label: string, detail: string | undefined, final: boolean): string {
  if (reason === 'no_refresh_token')
    return `No OAuth refresh token. Manual reauthorization required. Account="${label}"`;
  if (reason === 'refresh_token_expired')
    return `OAuth refresh token is expired. Manual reauthorization required. Account="${label}"`;
  const { meaning, remedy, severity } = REASONS[reason];
  const person = severity === 'person';
  const next = final
    ? 'Manual reauthorization required.'
    : person
      ? 'It is tried again before anybody is asked to sign in.'
      : remedy;
  const what = withStop(detail ?? capitalize(meaning));
  return `${what}${next === '' ? '' : ` ${next}`} Account="${label}"`;
}

/** The log line before a grant, in the words of the scheduled job. */
export function refreshingSentence(label: string): string {
  return `Refreshing OAuth access token. Account="${label}"`;
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function withStop(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
