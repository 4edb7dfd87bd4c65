import { addExamples } from '../options/help.ts';
import type { AddCommands } from '../shared/command.ts';

export const addStatus: AddCommands = (program, action) => {
  addExamples(
    program
      .command('status')
      .description('Shows the fleet on one screen: healthy accounts, next expiries, last runs.')
      .option('--check', 'exit with 3 if an account needs a person or fails, or runs are missing')
      .action(
        action<[{ check?: boolean }]>(
          async (context, { check = false }) => (await import('./show-status.ts')).showStatus(context, check),
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
