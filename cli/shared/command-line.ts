import type { Context } from './command.ts';
import { shellWord } from './shell-word.ts';

/**
 * A whole command line to paste: the program as the person called it, the words, and the options that name the same fleet.
 *
 * @param words the command, without the options that name the fleet
 */
export function commandLine(
  words: readonly string[],
  {
    terminal,
    fleetWords,
  }: { readonly terminal: Pick<Context['terminal'], 'env'> } & Pick<Context, 'fleetWords'>,
): string {
  return [programAs(terminal.env), ...[...words, ...fleetWords].map(shellWord)].join(' ');
}

/** npm tells what it runs. A script of somebody else's package calls the program by its name. */
function programAs(env: Readonly<Record<string, string | undefined>>): string {
  if (env.npm_command === 'exec') return `npx ${NAME}`;
  return env.npm_lifecycle_event === 'cli' && env.npm_package_name === NAME ? 'npm run -s cli --' : NAME;
}

const NAME = 'oauth-token-refresher';
