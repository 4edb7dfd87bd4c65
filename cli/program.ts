import './node-20.ts';
import { Command, CommanderError } from 'commander';
import { looksLikeName } from '../core/field-name.ts';
import { printable } from '../terminal/printable.ts';
import { createTerminal, type Streams, type Terminal } from '../terminal/terminal.ts';
import { addAccounts } from './accounts/command.ts';
import { addAuthorize } from './authorize/command.ts';
import { addCompletion } from './completion/command.ts';
import { addDoctor } from './doctor/command.ts';
import { addImport } from './import/command.ts';
import { addExport } from './import/export.ts';
import { addInvoke } from './invoke.ts';
import { addPause } from './pause/command.ts';
import { addProfiles } from './profiles/command.ts';
import { addReport } from './report/command.ts';
import { asCliError } from './shared/authorization-error.ts';
import { CliError, EXIT, type ExitCode } from './shared/cli-error.ts';
import { type AddCommands, makeActions } from './shared/command.ts';
import { DEFAULT_STACK, STACK_VARIABLE } from './shared/fleet-options.ts';
import { addStatus } from './status/command.ts';
import { addToken } from './token/command.ts';

/** Every group of commands, in the order in which the help lists them. */
const groups: readonly AddCommands[] = [
  addProfiles,
  addAuthorize,
  addAccounts,
  addStatus,
  addReport,
  addToken,
  addInvoke,
  addPause,
  addImport,
  addExport,
  addDoctor,
  addCompletion,
];

const EPILOGUE = `
It acts on the stack that --stack names, or else ${STACK_VARIABLE};
without these on the local system while one runs here (npm start), otherwise on
${DEFAULT_STACK}, with the usual AWS credentials and Region.

Exit codes: 0 done, 1 it did not work, 2 wrong usage, 3 something needs
attention, 130 stopped by Ctrl-C. Secrets are read from a prompt, a file or
standard input, never from the command line.`;

const ALSO = `
Also: --json, --stack, --region, --local and more: oauth-token-refresher --help`;

/**
 * Runs one command line.
 *
 * @param args what follows the program's name
 * @returns the exit code; errors have been told on standard error, or as JSON on standard output with `--json`
 */
export async function runCli(
  args: readonly string[],
  streams: Streams,
  signal: AbortSignal,
): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.done;
  // With --json wrong usage goes to standard output only.
  const program = createProgram(
    streams,
    signal,
    (code) => {
      exitCode = code;
    },
    (text) => asksJson(args) || streams.stderr.write(text),
  );
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT.done;
      if (asksJson(args)) return await tell(streams, args, wrongUsage(error));
      // Without a command the help has been shown.
      if (error.code !== 'commander.help')
        streams.stderr.write(
          `${await errorText(withoutError(error.message), streams.stderr, createTerminal(streams, false))}\n(add --help for how to use it)\n`,
        );
      return EXIT.usage;
    }
    return await tell(streams, args, isInterruption(error, signal) ? interrupted : error);
  }
}

export function createProgram(
  streams: Streams,
  signal: AbortSignal,
  ended: (code: ExitCode) => void,
  writeError: (text: string) => void = (text) => streams.stderr.write(text),
): Command {
  const { stdout, stderr } = streams;
  const program = new Command('oauth-token-refresher')
    .description('Connects OAuth accounts, shows their state, and repairs them.')
    .option('--stack <name>', 'the deployed stack to act on')
    .option('--construct <id>', 'which of its token refreshers, if it has several')
    .option('--region <region>', 'its AWS Region')
    .option('--table <name>', "the accounts table, if it is not the stack's")
    .option('--prefix <prefix>', "the beginning of the secrets' names")
    .option('--function <name>', "the function, if it is not the stack's")
    .option('--local', 'act on the local system that runs here')
    .option('--data <directory>', 'act on the local system that runs on this data')
    .option('--json', 'print the result as JSON')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: writeError,
      // What was wrong is told where the error is caught.
      outputError: () => {},
      getOutHelpWidth: () => Math.min(stdout.columns || 80, 100),
      getErrHelpWidth: () => Math.min(stderr.columns || 80, 100),
    })
    .addHelpText('after', EPILOGUE)
    .addHelpText('afterAll', ({ command }) => (command.parent === null ? '' : ALSO));
  const action = makeActions(streams, signal, ended);
  for (const add of groups) add(program, action);
  return program;
}

const asksJson = (args: readonly string[]) => args.includes('--json');

/** Commander's message, without "error:" and without values, which may be secrets. */
function withoutError(text: string): string {
  return text
    .trim()
    .replace(/^error: /, '')
    .replace(/^(unknown option '[^=]*)=[\s\S]*'/, "$1'")
    .replace(/(?<= argument )'([\s\S]*)'(?= is invalid\.)/, (quoted, value: string) =>
      looksLikeName(value) ? quoted : 'that is given',
    );
}

function wrongUsage({ code, message }: CommanderError): CliError {
  const said = code === 'commander.help' ? 'A command is missing. See --help.' : withoutError(message);
  return new CliError('USAGE', said, EXIT.usage);
}

const interrupted = new CliError('INTERRUPTED', 'Stopped.', EXIT.interrupted);

/** Other errors after Ctrl-C still show: a grant that could not be stored must be told. */
function isInterruption(error: unknown, { aborted }: AbortSignal): boolean {
  const { name } = error instanceof Error ? error : new Error();
  return name === 'ExitPromptError' || (aborted && ['AbortError', 'AbortPromptError'].includes(name));
}

async function tell(streams: Streams, args: readonly string[], error: unknown): Promise<ExitCode> {
  const json = asksJson(args);
  const terminal = createTerminal(streams, json);
  const known = asCliError(error);
  const { code, message, exitCode } = known instanceof CliError ? known : unexpected(error);
  if (json) terminal.result('', { error: { code, message } });
  else streams.stderr.write(`${await errorText(message, streams.stderr, terminal)}\n`);
  return exitCode;
}

/** Wrapped on a terminal, one line in a log. */
async function errorText(
  message: string,
  { isTTY, columns }: Streams['stderr'],
  { paintRemark }: Terminal,
): Promise<string> {
  const said = message.split('\n').map((line) => printable(line).replaceAll(/ +/g, ' '));
  const lines = isTTY === true ? await wrapped(said, (columns || 80) - 6) : said;
  return `${paintRemark('red', 'error')} ${lines.join('\n      ')}`;
}

async function wrapped(lines: readonly string[], width: number): Promise<string[]> {
  const { wrapTo } = await import('../terminal/display-text.ts');
  return lines.flatMap((line) => wrapTo(line, width));
}

/** An AWS error, or a mistake of ours. */
function unexpected(error: unknown): CliError {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  if (name === 'AccessDeniedException' || name === 'AccessDenied')
    return new CliError(
      'ACCESS_DENIED',
      `${message}. Ask for this permission, or see which are missing with "doctor".`,
    );
  // A syntax error quotes the text, which may be anything.
  return new CliError(
    name,
    name === 'SyntaxError' ? `${name}: something is not JSON` : `${name}: ${message}`,
  );
}
