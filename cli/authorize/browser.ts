import { spawn } from 'node:child_process';
import open from 'open';
import type { AuthorizationRequest } from '../../adapters/authorization/authorization-request.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { CliError } from '../shared/cli-error.ts';
import type { ConsentFlow } from './consent.ts';
import type { Loopback } from './loopback.ts';

/** Consent in a browser on this machine. */
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
      terminal.progress('Waiting for your answer in the browser … (Ctrl-C stops)');
      try {
        return request.accept(await loopback.answer(signal));
      } catch (error) {
        // Only now is it certain that the right answer does not come any more.
        if (!(error instanceof CliError) || error.code !== 'TIMEOUT') throw error;
        const refused = loopback.refused();
        if (refused.another_browser > 0)
          throw new CliError(
            'ANOTHER_BROWSER',
            'A response came from a browser in which this sign-in had not begun, or which keeps no cookies for this machine. It was not used, and nothing has changed. Run the command again, and open the address that it shows in the browser in which you sign in; or use --paste.',
          );
        if (refused.another_state === 0) throw error;
        throw new CliError(
          'STATE_MISMATCH',
          'Answers came, but each with another state than the request: from an earlier try, or made by somebody else. None was used, and nothing has changed. Run the command again.',
        );
      } finally {
        terminal.progress(undefined);
      }
    },
    show: loopback.show,
    close: loopback.close,
  };
}

/** What the person can't do without, and so is told even with `--json`. */
export function instruct({ stderr }: Terminal, lines: readonly string[]): void {
  stderr.write(`${lines.join('\n')}\n`);
}

/**
 * Everybody on this machine can read a program's arguments, so the address must be one that is worth nothing to others.
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
