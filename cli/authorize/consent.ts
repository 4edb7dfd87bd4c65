import type { Consent } from '../../adapters/authorization/consent.ts';
import type { ResultPage } from './result-page.ts';

/** A way to ask a person for consent: a browser here, one elsewhere, or a device code. */
export interface ConsentFlow {
  /** Waits for the person. @throws CliError or AuthorizationError where consent was not given */
  wait(signal: AbortSignal): Promise<Consent>;
  /** Tells the person's browser how it ended, where one is listening. */
  show(page: ResultPage): void;
  close(): Promise<void>;
}
