import { createInterface } from 'node:readline';
import { input } from '@inquirer/prompts';
import { CliError } from '../cli-error.ts';
import type { Terminal } from '../terminal.ts';
import type { AuthorizationRequest } from './authorization-request.ts';
import { instruct } from './browser.ts';
import type { ConsentFlow } from './consent.ts';

/** Where the browser is sent where nothing listens: a port at which nobody expects anything. */
export const PASTE_REDIRECT_URI = 'http://127.0.0.1:49151/callback';

/** Consent in a browser anywhere: the person brings the address at which it ended. */
export function pasteFlow(request: AuthorizationRequest, terminal: Terminal): ConsentFlow {
  return {
    wait: async (signal) => {
      instruct(terminal, [
        'Open this address in any browser, and sign in there:',
        `  ${request.url}`,
        'At the end the browser is sent to an address that it may not be able to open;',
        'that is as it should be. Copy the whole address from its address bar, and',
        'paste it here.',
      ]);
      return request.accept(parameters(await readAddress(terminal, signal)));
    },
    show: () => undefined,
    close: async () => undefined,
  };
}

async function readAddress(terminal: Terminal, signal: AbortSignal): Promise<string> {
  if (!terminal.interactive) return await firstLine(terminal, signal);
  try {
    return await input(
      {
        message: 'The address:',
        // It holds the code: the terminal need not keep it.
        transformer: (value) => (value === '' ? '' : `(${value.length} characters)`),
      },
      { input: terminal.stdin, output: terminal.stderr, signal },
    );
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
}

async function firstLine({ stdin }: Terminal, signal: AbortSignal): Promise<string> {
  const lines = createInterface({ input: stdin });
  try {
    return await new Promise<string>((resolve, reject) => {
      const stop = () => reject(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      lines.once('line', resolve);
      lines.once('close', () => resolve(''));
    });
  } finally {
    lines.close();
  }
}

function parameters(text: string): URLSearchParams {
  const address = text.trim().replace(/^["'<]|[>"']$/g, '');
  if (!URL.canParse(address) || new URL(address).search === '')
    throw new CliError(
      'NOT_AN_ADDRESS',
      'That is not the address at which the sign-in ended: it has no "?" with the answer in it. Nothing has changed. Run the command again, and paste the whole address.',
    );
  return new URL(address).searchParams;
}
