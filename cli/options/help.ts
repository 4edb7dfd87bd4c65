import type { Command } from 'commander';

/** Adds examples to a command's help: what to type after the program's name, and what it does. */
export function addExamples(command: Command, examples: readonly (readonly [string, string])[]): Command {
  const widest = Math.max(...examples.map(([line]) => line.length));
  const lines = examples.map(([line, what]) => `  ${line.padEnd(widest)}  ${what}`);
  return command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}
