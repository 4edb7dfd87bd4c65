import { fileURLToPath } from 'node:url';
import { Argument, type Command } from 'commander';
import { printable } from '../../terminal/printable.ts';
import { addExamples } from '../options/help.ts';
import type { AddCommands } from '../shared/command.ts';
import type { FleetOptions } from '../shared/fleet-options.ts';
import { candidatesFor } from './candidates.ts';
import { COMPLETION_SCRIPTS, type Shell } from './scripts.ts';

const { url } = import.meta;

/** How this program is called. Built, this is in a file beside main.js. */
const ITSELF = [
  process.execPath,
  fileURLToPath(new URL(url.endsWith('.ts') ? '../main.ts' : 'main.js', url)),
];

/** `completion <shell>`, and the hidden command that its scripts ask. */
export const addCompletion: AddCommands = (program, action) => {
  addExamples(
    program
      .command('completion')
      .description('Prints a script that has a shell complete commands, options, accounts and profiles.')
      .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(COMPLETION_SCRIPTS)))
      .action(
        action<[Shell, object]>(async ({ terminal }, shell) => {
          const script = COMPLETION_SCRIPTS[shell](program.name(), ITSELF);
          terminal.result(script, { script });
          return undefined;
        }),
      ),
    [
      ['eval "$(oauth-token-refresher completion bash)"', 'in ~/.bashrc'],
      ['eval "$(oauth-token-refresher completion zsh)"', 'in ~/.zshrc, after compinit'],
      ['oauth-token-refresher completion fish | source', 'in config.fish'],
    ],
  );
  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .action(
      action<[string[], object]>(async ({ terminal: { stdout, env } }, words) => {
        // A person's own shell function may put options before the words.
        const options = { ...program.opts(), ...targetIn(words, program) };
        const read = async (attribute: 'accountId' | 'oauthProfile') =>
          (await import('./names.ts')).readNames(attribute, options, env);
        const candidates = await candidatesFor(program, words, {
          accountIds: () => read('accountId'),
          profiles: () => read('oauthProfile'),
        });
        const lines = candidates.map(({ word, description }) =>
          description === undefined ? word : `${word}\t${printable(description)}`,
        );
        if (lines.length > 0) stdout.write(`${lines.join('\n')}\n`);
        return undefined;
      }),
    );
};

/** The options among the words that say which fleet is meant. */
function targetIn(words: readonly string[], program: Command): FleetOptions {
  const found = words.slice(0, -1).flatMap((word, index) => {
    const option = program.options.find(({ long }) => long === word);
    return option === undefined ? [] : [[option.attributeName(), option.required ? words[index + 1] : true]];
  });
  return Object.fromEntries(found) as FleetOptions;
}
