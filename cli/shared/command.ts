import type { Command } from 'commander';
import { printable } from '../../terminal/printable.ts';
import { createTerminal, type Streams, type Terminal } from '../../terminal/terminal.ts';
import { EXIT, type ExitCode } from './cli-error.ts';
import type { Fleet, InvokedFunction } from './fleet.ts';
import type { FleetOptions } from './fleet-options.ts';

/** The first argument of each command's action. */
export interface Context {
  readonly terminal: Terminal;
  /**
   * Finds the fleet when it is first asked for, so that help and wrong usage need no AWS. The command has said by then
   * which one it is, on standard error.
   */
  fleet(): Promise<Fleet>;
  /** The same fleet, of which a command that only `reads` says here that now it has something changed. */
  fleetToChange(): Promise<Fleet>;
  /** The function alone, where nothing else of the fleet is needed; a deployed one has to be named. */
  functionToInvoke(): Promise<InvokedFunction>;
  /** Aborted by Ctrl-C. A second one is the event `STOP_AGAIN`. */
  readonly signal: AbortSignal;
  /** The options that name the fleet and the form of the result, as they were given: for a line that goes on. */
  readonly fleetWords: readonly string[];
}

export type AddCommands = (program: Command, action: MakeAction) => void;

/**
 * Makes a commander action of a function that gets the context, the arguments and the command's own options.
 * What it returns becomes the exit code; nothing means 0. Each command says which fleet it acts on, or only `reads`.
 */
type MakeAction = <Arguments extends readonly unknown[]>(
  run: (context: Context, ...rest: Arguments) => Promise<ExitCode | undefined>,
  effect?: 'reads',
) => (...rest: unknown[]) => Promise<void>;

/** @param ended is told each command's exit code */
export function makeActions(
  streams: Streams,
  signal: AbortSignal,
  ended: (code: ExitCode) => void,
): MakeAction {
  return (run, effect) =>
    async (...all) => {
      // commander passes the arguments, the options, and the command itself last.
      const command = all.at(-1) as Command;
      const options: FleetOptions & { json?: boolean } = command.optsWithGlobals();
      const terminal = createTerminal(streams, options.json === true);
      const find = once(async () => {
        const { findFleet } = await import('./fleet.ts');
        return await findFleet(options, streams.env);
      });
      const toRead = once(async () => {
        const fleet = await find();
        await tell(streams, 'Reading', fleet);
        return fleet;
      });
      const toChange = once(async () => {
        const fleet = await find();
        if (fleet.chosenBy === 'nobody') await (await import('./stack-outputs.ts')).requireOnlyOne(fleet);
        await tell(streams, 'Acting on', fleet);
        return fleet;
      });
      const functionToInvoke = async () => {
        const { findFunction } = await import('./fleet.ts');
        const found = await findFunction(options, streams.env);
        if ('outputs' in found && found.chosenBy === 'nobody')
          await (await import('./stack-outputs.ts')).requireOnlyOne(found);
        await tell(streams, 'Acting on', found);
        return found;
      };
      const fleet = effect === 'reads' ? toRead : toChange;
      const context = {
        terminal,
        signal,
        fleet,
        fleetToChange: toChange,
        functionToInvoke,
        fleetWords: wordsOf(options),
      };
      ended((await run(context, ...(all.slice(0, -1) as never))) ?? EXIT.done);
    };
}

const SHARED = [
  'stack',
  'construct',
  'region',
  'table',
  'prefix',
  'function',
  'local',
  'data',
  'json',
] as const;

function wordsOf(options: FleetOptions & { readonly json?: boolean }): string[] {
  return SHARED.flatMap((name) => {
    const value = options[name];
    if (value === undefined || value === false) return [];
    return value === true ? [`--${name}`] : [`--${name}`, value];
  });
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** Names the fleet, with --json too: if a script acts on the wrong one, its log must show that. */
async function tell(
  { stderr }: Streams,
  verb: 'Acting on' | 'Reading',
  found: Fleet | InvokedFunction,
): Promise<void> {
  const { wrapTo } = await import('../../terminal/display-text.ts');
  const width = stderr.isTTY === true ? stderr.columns || 80 : Number.POSITIVE_INFINITY;
  const where = 'outputs' in found ? whereOf(found) : found.label;
  const but = found.overruled === undefined ? '' : ` ${found.overruled}.`;
  stderr.write(`${wrapTo(printable(`${verb} ${where}.${but}`), width).join('\n')}\n`);
}

/** The fleet, and each part that is not its stack's own. */
function whereOf({ kind, label, outputs, tableName, functionName, secretNamePrefix }: Fleet): string {
  if (kind === 'local') return label;
  const parts = [
    ['table', tableName, outputs.AccountsTableName],
    ['function', functionName, outputs.FunctionName],
    ['secrets', secretNamePrefix, outputs.SecretNamePrefix],
  ] as const;
  const others = parts.filter(([, name, own]) => name !== own && !label.includes(` ${name} `));
  return [label, ...others.map(([what, name]) => `${what} ${name}`)].join(', ');
}
