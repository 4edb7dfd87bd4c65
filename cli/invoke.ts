import { CliError, EXIT } from './shared/cli-error.ts';
import type { AddCommands, Context } from './shared/command.ts';

const HELP = `
Without a name it invokes the function of the local system, while npm start
runs. A deployed one has to be named: --function NAME, or --stack NAME.

Examples:
  $ oauth-token-refresher invoke
  $ oauth-token-refresher invoke '{"dryRun": true}'
  $ oauth-token-refresher invoke --function NAME '{"accountIds": ["acme"]}'

It prints the result of the run as JSON.`;

export const addInvoke: AddCommands = (program, action) => {
  program
    .command('invoke')
    .description('Invokes the function once, as its schedule does, or with an event of yours.')
    .argument('[event...]', 'what the function is given, as JSON; {} by default')
    .addHelpText('after', HELP)
    .action(action(invoke));
};

async function invoke({ terminal, functionToInvoke }: Context, words: readonly string[]): Promise<undefined> {
  const event = eventIn(words);
  const fn = await functionToInvoke();
  const { runFunction } = await import('./shared/run-function.ts');
  const result = await runFunction(fn, event);
  terminal.result(JSON.stringify(result, null, 2), result);
}

function eventIn(words: readonly string[]): unknown {
  if (words.length > 1)
    throw new CliError('USAGE', 'There is more than one event. Is it quoted?', EXIT.usage);
  try {
    return JSON.parse(words[0] ?? '{}');
  } catch {
    throw new CliError('USAGE', 'The event is not JSON.', EXIT.usage);
  }
}
