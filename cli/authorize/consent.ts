import type { Exchange } from '../../adapters/oauth/token-endpoint.ts';
import type { ResultPage } from './result-page.ts';

/** A way to ask a person for consent: a browser here, one elsewhere, or a device code. */
export interface ConsentFlow {
  /**
   * Waits for the person.
   *
   * @throws CliError where consent was not given
   */
  wait(signal: AbortSignal): Promise<Consent>;
  /** Tells the person's browser how it ended, where one is listening. */
  show(page: ResultPage): void;
  close(): Promise<void>;
}

export interface Consent {
  /**
   * `code`: a code that is good for a minute or so and not spent yet. `tokens`: the provider has issued them already,
   * so they must be stored, however long that takes.
   */
  readonly holds: 'code' | 'tokens';
  /** What the profile's `callback_parameters` brought for the account. */
  readonly parameters: Readonly<Record<string, string>>;
  /** The token endpoint's answer. Never throws. */
  redeem(): Promise<Exchange>;
}
