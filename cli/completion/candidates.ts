import type { Command, Option } from 'commander';

export interface FleetNames {
  accountIds(): Promise<readonly string[]>;
  profiles(): Promise<readonly string[]>;
}

export interface Candidate {
  readonly word: string;
  readonly description?: string | undefined;
}

/**
 * What can stand at the end of a command line, read off the program itself.
 *
 * @param words what follows the program's name; the last one is being typed, and may be empty
 */
export async function candidatesFor(
  program: Command,
  words: readonly string[],
  names: FleetNames,
): Promise<readonly Candidate[]> {
  const typed = words.at(-1) ?? '';
  const place = walk(program, words.slice(0, -1));
  const all = await everyCandidate(place, typed, names);
  return all.filter(({ word }) => word.startsWith(typed));
}

interface Place {
  readonly command: Command;
  readonly awaited: Option | undefined;
  /** How many arguments come before it. */
  readonly position: number;
}

function walk(program: Command, words: readonly string[]): Place {
  let command = program;
  let awaited: Option | undefined;
  let position = 0;
  for (const word of words) {
    if (awaited !== undefined && !word.startsWith('-')) {
      if (!awaited.variadic) awaited = undefined;
      continue;
    }
    awaited = undefined;
    if (word.startsWith('-')) {
      const option = optionsOf(command).find(({ long, short }) => word === long || word === short);
      if (option?.required) awaited = option;
      continue;
    }
    const next = visibleCommands(command).find((one) => one.name() === word);
    if (next === undefined) position += 1;
    else [command, position] = [next, 0];
  }
  return { command, awaited, position };
}

async function everyCandidate(
  { command, awaited, position }: Place,
  typed: string,
  names: FleetNames,
): Promise<readonly Candidate[]> {
  if (typed.startsWith('-'))
    return optionsOf(command).flatMap(({ long, description }) =>
      long === undefined ? [] : [{ word: long, description }],
    );
  if (awaited !== undefined) return await valuesOf(awaited, names);
  const commands = visibleCommands(command).map((one) => ({
    word: one.name(),
    description: one.description(),
  }));
  return [...commands, ...(await argumentsOf(command, position, names))];
}

async function valuesOf({ argChoices, long }: Option, names: FleetNames): Promise<Candidate[]> {
  if (argChoices !== undefined) return argChoices.map((word) => ({ word }));
  if (long === '--profile') return (await names.profiles()).map((word) => ({ word }));
  return [];
}

async function argumentsOf(command: Command, position: number, names: FleetNames): Promise<Candidate[]> {
  const { registeredArguments } = command;
  const last = registeredArguments.at(-1);
  const argument = registeredArguments[position] ?? (last?.variadic ? last : undefined);
  if (argument === undefined) return [];
  if (argument.argChoices !== undefined) return argument.argChoices.map((word) => ({ word }));
  const name = argument.name().toLowerCase();
  if (/^account(id)?s?$/.test(name)) return (await names.accountIds()).map((word) => ({ word }));
  if (/^profiles?(name)?$/.test(name)) return (await names.profiles()).map((word) => ({ word }));
  return [];
}

function optionsOf(command: Command): Option[] {
  const help = command.createHelp();
  const globals = command.parent === null ? [] : help.visibleGlobalOptions(command);
  return [...help.visibleOptions(command), ...(globals.length > 0 ? globals : parentOptions(command))];
}

function parentOptions({ parent }: Command): Option[] {
  return parent === null ? [] : [...parent.options.filter(({ hidden }) => !hidden), ...parentOptions(parent)];
}

function visibleCommands(command: Command): Command[] {
  return command.createHelp().visibleCommands(command);
}
