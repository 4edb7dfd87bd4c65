import { parseArgs } from 'node:util';
import { callersPath } from './callers-path.ts';

export interface StartOptions {
  readonly once: boolean;
  /** Print only results, as JSON lines, on standard output. */
  readonly json: boolean;
  /** Forget all local data first. */
  readonly reset: boolean;
  readonly every: number;
  readonly dataDirectory: string;
  /** The first port to try; the next one is for the authorization server. */
  readonly port: number;
}

/** The arguments are wrong. The message says what is allowed. */
export class UsageError extends Error {}

export const START_HELP = `Runs the whole system on one machine.

  npm start                        fire the function every minute and show the accounts
  npm start -- --every 10s         … every 10 seconds (s or m)
  npm start -- --once              fire it once and stop
  npm start -- --once --json       … and print the result as JSON, as the last line
  npm start -- --reset             forget all local data first
  npm start -- --data DIRECTORY    keep the data there instead of in .local/
  npm start -- --port 9400         use ports 9400 and 9401 (default 4570 and 4571)

While it runs: npm run -s invoke -- '{"dryRun": true}', and for the AWS CLI and SDKs: . .local/env
Exit codes: 0 done, 1 a run failed or the system could not start, 2 wrong usage.`;

/**
 * Reads the command line of `npm start`.
 *
 * @returns `help` if that is wanted
 * @throws UsageError
 */
export function readStartOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): StartOptions | 'help' {
  const { values } = parse(args);
  if (values.help) return 'help';
  return {
    once: values.once ?? false,
    json: values.json ?? false,
    reset: values.reset ?? false,
    every: milliseconds(values.every ?? '1m'),
    dataDirectory: values.data === undefined ? '.local' : callersPath(directory(values.data), env),
    port: portNumber(values.port ?? '4570'),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        once: { type: 'boolean' },
        json: { type: 'boolean' },
        reset: { type: 'boolean' },
        every: { type: 'string' },
        data: { type: 'string' },
        port: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function milliseconds(text: string): number {
  const [, amount, unit] = /^(\d{1,4})(s|m)$/.exec(text) ?? [];
  const result = Number(amount) * (unit === 'm' ? 60_000 : 1_000);
  if (!(result > 0))
    throw new UsageError(`--every must be a number of seconds or minutes, such as 10s or 1m`);
  return result;
}

/** Not every shell replaces `~` after `=` or in quotes. A folder named `~` is dangerous: deleting it may delete the home. */
function directory(text: string): string {
  if (text === '' || /^~(\/|$)/.test(text))
    throw new UsageError('--data must name a directory; write "$HOME" instead of ~');
  return text;
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_534)
    throw new UsageError('--port must be a whole number from 0 to 65534; 0 picks free ports');
  return port;
}
