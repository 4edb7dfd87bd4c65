import { readCount } from './options/arguments.ts';
import { CliError, EXIT } from './shared/cli-error.ts';
import type { AddCommands, Context } from './shared/command.ts';

const HELP = `
Without a name it invokes the function of the local system, while npm start
runs. A deployed one has to be named: --function NAME, or --stack NAME.

Examples:
  $ oauth-token-refresher invoke
  $ oauth-token-refresher invoke --dry-run
  $ oauth-token-refresher invoke '{"dryRun": true}'
  $ oauth-token-refresher invoke --function NAME '{"accountIds": ["acme"]}'

It prints the result of the run as JSON; with --dry-run first a summary of what
a run would do now, which changes nothing.`;

export const addInvoke: AddCommands = (program, action) => {
  program
    .command('invoke')
    .description('Invokes the function once, as its schedule does, or with an event of yours.')
    .argument('[event...]', 'what the function is given, as JSON; {} by default')
    .option('--dry-run', 'only say what a run would do, by reason')
    .option('--limit <rows>', 'with --dry-run: at most so many accounts', readCount)
    .option('--all', 'with --dry-run: more accounts than fit on the screen, too')
    .addHelpText('after', HELP)
    .action(action<[readonly string[], InvokeOptions]>(invoke));
};

interface InvokeOptions {
  readonly dryRun?: boolean;
  readonly limit?: number;
  readonly all?: boolean;
}

async function invoke(
  { terminal, functionToInvoke }: Context,
  words: readonly string[],
  { dryRun = false, ...shown }: InvokeOptions,
): Promise<undefined> {
  const event = eventIn(words);
  if (dryRun) {
    const { showPlan } = await import('./report/plan.ts');
    return await showPlan(terminal, await functionToInvoke(), event, shown);
  }
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
