import { Option } from 'commander';
import { readAccountId, readDuration } from '../options/arguments.ts';
import { addExamples } from '../options/help.ts';
import { tokenSecretOption } from '../options/token-secret-option.ts';
import type { AddCommands } from '../shared/command.ts';
import type { TokenOptions } from './print-token.ts';

export const addToken: AddCommands = (program, action) => {
  addExamples(
    program
      .command('token')
      .description('Prints an access token. Refreshes it first if it runs out soon.')
      .argument('<accountId>', 'whose token', readAccountId)
      .addOption(
        new Option('--for <duration>', 'it must be good for 60s, 5m, 1h …')
          .argParser(readDuration)
          .default(60, '60s'),
      )
      .addOption(
        new Option('--wait <duration>', 'how long to wait if a run is refreshing it')
          .argParser(readDuration)
          .default(30, '30s'),
      )
      .addOption(tokenSecretOption())
      .action(
        action<[string, TokenOptions]>(
          async (...all) => (await import('./print-token.ts')).printToken(...all),
          'reads',
        ),
      ),
    [
      ['token acme | pbcopy', 'into the clipboard'],
      ['token acme --for 5m', 'for a script that takes a while'],
      ['token acme --json', 'with its type and expiry'],
    ],
  );
};
