import { spawn } from 'node:child_process';
import open from 'open';
import type { AuthorizationRequest } from '../../adapters/authorization/authorization-request.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { CliError } from '../shared/cli-error.ts';
import type { ConsentFlow } from './consent.ts';
import type { Loopback } from './loopback.ts';

export function browserFlow(
  request: AuthorizationRequest,
  loopback: Loopback,
  opens: boolean,
  terminal: Terminal,
): ConsentFlow {
  return {
    wait: async (signal) => {
      instruct(terminal, [
        opens
          ? 'Sign in in the browser that opens. If none does, open this address:'
          : 'Open this address, in one browser:',
        `  ${loopback.startAt(request.url, 'shown')}`,
      ]);
      if (opens) await openBrowser(loopback.startAt(request.url, 'passed'), terminal);
      terminal.progress('Waiting for you in the browser … (Ctrl-C stops)');
      try {
        return request.accept(await loopback.response(signal));
      } catch (error) {
        // Only now is it certain that the right response won't come.
        if (!(error instanceof CliError) || error.code !== 'TIMEOUT') throw error;
        const refused = loopback.refused();
        if (refused.another_browser > 0)
          throw new CliError(
            'ANOTHER_BROWSER',
            'The sign-in ended in another browser than it began in, or in one that keeps no cookies. It was not used, and nothing has changed. Run the command again, and open its address in the browser in which you sign in. Or use --paste.',
          );
        if (refused.another_state === 0) throw error;
        throw new CliError(
          'STATE_MISMATCH',
          'Only responses to other sign-ins came, perhaps from an old tab. None was used, and nothing has changed. Run the command again.',
        );
      } finally {
        terminal.progress(undefined);
      }
    },
    show: loopback.show,
    close: loopback.close,
  };
}

/** The person needs these lines to go on, so they are shown even with `--json`. */
export function instruct({ stderr }: Terminal, lines: readonly string[]): void {
  stderr.write(`${lines.join('\n')}\n`);
}

/**
 * Everybody on this machine can read a program's arguments, so the address must be useless to others.
 *
 * BROWSER names a command, as it does to many other programs.
 */
async function openBrowser(url: string, terminal: Terminal): Promise<void> {
  const { BROWSER: command = '' } = terminal.env;
  const failed = () =>
    terminal.say('No browser could be opened here. Open the address yourself, or try --device.');
  try {
    const child =
      command === '' ? await open(url) : spawn(command, [url], { stdio: 'ignore', detached: true });
    child.on('error', failed);
    child.on('exit', (code) => {
      if (code !== null && code !== 0) failed();
    });
    child.unref();
  } catch {
    failed();
  }
}
