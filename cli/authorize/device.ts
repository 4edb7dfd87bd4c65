import { askForCodes, deviceConsent } from '../../adapters/authorization/device-request.ts';
import type { Provider } from '../../adapters/authorization/provider.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { instruct } from './browser.ts';
import type { ConsentFlow } from './consent.ts';

/** Consent on any other device, by a short code (RFC 8628). */
export function deviceFlow(provider: Provider, terminal: Terminal): ConsentFlow {
  return {
    wait: async (signal) => {
      const codes = await askForCodes(provider);
      instruct(terminal, [
        'On any device with a browser, open',
        `  ${codes.verification_uri}`,
        `and enter the code ${terminal.paintRemark('bold', codes.user_code)}`,
        ...(codes.verification_uri_complete === undefined
          ? []
          : ['or open the address with the code in it', `  ${codes.verification_uri_complete}`]),
      ]);
      terminal.progress('Waiting for you there … (Ctrl-C stops)');
      try {
        return await deviceConsent(provider, codes, signal);
      } finally {
        terminal.progress(undefined);
      }
    },
    show: () => undefined,
    close: async () => undefined,
  };
}
