import type { Exchange } from '../oauth/token-endpoint.ts';

/** What a person's "yes" has brought. */
export interface Consent {
  /**
   * `code`: a code that is good for a minute or so and not spent yet. `tokens`: the provider has issued them already,
   * so they must be stored, however long that takes.
   */
  readonly holds: 'code' | 'tokens';
  /** What the profile's `callback_parameters` brought for the account. */
  readonly parameters: Readonly<Record<string, string>>;
  /** The token endpoint's response. Never throws. */
  redeem(): Promise<Exchange>;
}
