import { addExamples } from '../options/help.ts';
import type { AddCommands } from '../shared/command.ts';
import type { StatusOptions } from './show-status.ts';

export const addStatus: AddCommands = (program, action) => {
  addExamples(
    program
      .command('status')
      .description('Shows the fleet on one screen: healthy accounts, next expiries, last runs.')
      .option('--check', 'exit with 3 if an account needs a person or fails, or runs are missing')
      .option('--all', 'every profile, however many lines that takes')
      .action(
        action<[StatusOptions]>(
          async (...given) => (await import('./show-status.ts')).showStatus(...given),
          'reads',
        ),
      ),
    [
      ['status', 'the fleet on one screen'],
      ['status --check >/dev/null || echo look', 'for a monitor'],
      ['status --json --stack OAuthTokenRefresher-dev', 'of a stack, for a script'],
    ],
  );
};
