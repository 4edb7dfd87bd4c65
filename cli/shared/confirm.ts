import { CliError, EXIT } from './cli-error.ts';
import type { Context } from './command.ts';

/**
 * Asks whether to go on. Enter means "no".
 *
 * @param yes the person has said so on the command line
 * @throws CliError where nobody is there to be asked
 */
export async function confirmed(
  { terminal, signal }: Context,
  message: string,
  yes: boolean,
): Promise<boolean> {
  if (yes) return true;
  if (!terminal.interactive)
    throw new CliError('NOT_CONFIRMED', 'This needs your confirmation. Add --yes to go ahead.', EXIT.usage);
  const { stdin: input, stderr: output } = terminal;
  const { confirm } = await import('@inquirer/prompts');
  return await confirm({ message, default: false }, { input, output, signal });
}
