/** What would help. Whoever shows the error has words for it: a command to paste, or a button. */
export type NextStep =
  | 'add_authorization_endpoint'
  | 'ask_for_offline_access'
  | 'ask_for_the_person'
  | 'correct_client'
  | 'correct_profile'
  | 'correct_request'
  | 'give_parameter'
  /** `about` is the profile that was asked for. */
  | 'keep_profile'
  | 'leave_parameter_out'
  | 'look_at_account'
  | 'name_profile'
  /** `about` is the secret. */
  | 'name_secret'
  | 'try_again'
  | 'try_again_in_a_minute'
  | 'try_again_later'
  | 'try_once_more'
  | 'use_newer_version'
  | 'use_right_account'
  | 'use_right_person'
  | 'use_browser';

interface More {
  readonly next?: NextStep | undefined;
  /** What the next step is about. */
  readonly about?: string | undefined;
  /** Said after the next step. */
  readonly also?: string | undefined;
}

/**
 * An account can't be authorized. It never holds a secret, but may quote what stands in the table: make it safe for
 * where it is shown.
 */
export class AuthorizationError extends Error {
  override readonly name = 'AuthorizationError';
  /** Stable; docs/authorizing.md lists them. */
  readonly code: string;
  /** What happened, without what to do next. */
  readonly what: string;
  readonly more: More;

  constructor(code: string, what: string, more: More = {}) {
    super([what, ...(more.also === undefined ? [] : [more.also])].join(' '));
    this.code = code;
    this.what = what;
    this.more = more;
  }
}
