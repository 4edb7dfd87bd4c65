import { Option } from 'commander';
import {
  collectAccountIds,
  readAccountId,
  readCount,
  readDuration,
  readInstant,
  readRecoveryWindow,
  readSince,
} from '../options/arguments.ts';
import { addExamples } from '../options/help.ts';
import { tokenSecretOption } from '../options/token-secret-option.ts';
import type { AddCommands, Context } from '../shared/command.ts';
import type { AnswerOptions } from './answer.ts';
import type { RemoveOptions, WhichOptions } from './change.ts';
import type { HistoryOptions } from './history.ts';
import type { ListOptions } from './list.ts';
import type { RefreshOptions } from './refresh.ts';
import type { ShowOptions } from './show.ts';
import { STATUSES } from './statuses.ts';

export const addAccounts: AddCommands = (program, action) => {
  const accounts = program
    .command('accounts')
    .description('Lists, shows, switches, removes and refreshes accounts.');
  addExamples(
    accounts
      .command('list')
      .description('Lists accounts. Those that need attention come first.')
      .addOption(new Option('--status <status...>', 'only these').choices(STATUSES))
      .option('--profile <name>', 'only accounts of this profile')
      .option(
        '--expiring <duration>',
        'with an access token that runs out within 60s, 5m, 1h …',
        readDuration,
      )
      .option('--limit <accounts>', 'at most so many', readCount)
      .option('--all', 'more than fit on the screen, too')
      .option('--check', 'exit with 3 if one of them needs a person or fails')
      .action(
        action<[ListOptions]>(async (...all) => (await import('./list.ts')).listAccounts(...all), 'reads'),
      ),
    [
      ['accounts list', 'what to look at first'],
      ['accounts list --status failing --profile crm', 'what fails of one profile'],
      ['accounts list --expiring 1h --json', 'for a script, all of them'],
    ],
  );
  addExamples(
    accounts
      .command('show')
      .description('Shows all about one account, and what to do. Never shows tokens.')
      .argument('<accountId>', 'which account', readAccountId)
      .addOption(tokenSecretOption())
      .action(
        action<[string, ShowOptions]>(
          async (...all) => (await import('./show.ts')).showAccount(...all),
          'reads',
        ),
      ),
    [
      ['accounts show acme', 'its state, the reason, and what a run would do'],
      ['accounts show acme --json', 'the same for a script'],
    ],
  );
  addExamples(
    accounts
      .command('history')
      .description('Shows when, by which run and with what answer an account was refreshed.')
      .argument('<accountId>', 'which account', readAccountId)
      .option('--limit <attempts>', 'so many of the last ones', readCount, 10)
      .addOption(
        new Option('--since <time>', 'how far back the log is read, such as 30d')
          .argParser(readSince)
          .default(Math.floor(Date.now() / 1000) - 7 * 86_400, 'a week ago'),
      )
      .addOption(tokenSecretOption())
      .action(
        action<[string, HistoryOptions]>(
          async (...all) => (await import('./history.ts')).showHistory(...all),
          'reads',
        ),
      ),
    [
      ['accounts history acme', 'its last ten attempts, by the log'],
      ['accounts history acme --since 1h --json', 'reads less of the log'],
    ],
  );
  addExamples(
    accounts
      .command('enable')
      .description('Lets the function refresh accounts again.')
      .argument('[accountIds...]', 'which accounts', collectAccountIds)
      .option('--profile <name>', 'all of this profile')
      .action(action(switchAll(true))),
    [['accounts enable acme globex', 'both, from the next run on']],
  );
  addExamples(
    accounts
      .command('disable')
      .description('Stops the refreshing of accounts. Their tokens run out.')
      .argument('[accountIds...]', 'which accounts', collectAccountIds)
      .option('--profile <name>', 'all of this profile; to stop it for a time, see "pause"')
      .action(action(switchAll(false))),
    [['accounts disable acme', 'until it is enabled again']],
  );
  addExamples(
    accounts
      .command('remove')
      .description('Removes accounts. Their token secrets are deleted some days later.')
      .argument('[accountIds...]', 'which accounts', collectAccountIds)
      .option('--profile <name>', 'all of this profile')
      .option('-y, --yes', 'do not ask')
      .option(
        '--recovery-window <days>',
        'the secret can be restored for 7 to 30 days',
        readRecoveryWindow,
        7,
      )
      .option('--keep-secret', 'leave the token secret as it is')
      .option('--discard-escrow', 'even if a refresh token that could not be stored is lost')
      .action(
        action<[string[], RemoveOptions]>(async (...all) =>
          (await import('./change.ts')).removeAccounts(...all),
        ),
      ),
    [
      ['accounts remove acme', 'asks first, and says how to undo it'],
      ['accounts remove acme globex --yes', 'for a script'],
    ],
  );
  addExamples(
    accounts
      .command('answer')
      .description('Writes a response that the function could not read into a file.')
      .argument('<accountId>', 'the account with the response in escrow', readAccountId)
      .requiredOption('--out <file>', 'a new file, which only you can read')
      .action(
        action<[string, AnswerOptions]>(
          async (...all) => (await import('./answer.ts')).handOutAnswer(...all),
          'reads',
        ),
      ),
    [['accounts answer acme --out answer.txt', 'says what to do with it']],
  );
  addExamples(
    accounts
      .command('refresh')
      .description('Refreshes accounts now, and shows the result for each.')
      .argument('[accountIds...]', 'which accounts', collectAccountIds)
      .option('--all-failing', 'all that fail, without waiting for their next attempt')
      .option('--profile <name>', 'all of this profile that are due')
      .option('--force', 'even if they are not due, or need a person')
      .option('--dry-run', 'only show what would be done')
      .option(
        '--untried-since <time>',
        'leave out what was refreshed or tried since then, to go on where it stopped',
        readInstant,
      )
      .action(
        action<[string[], RefreshOptions]>(async (...all) =>
          (await import('./refresh.ts')).refreshAccounts(...all),
        ),
      ),
    [
      ['accounts refresh acme --force', 'a new access token now'],
      ['accounts refresh --all-failing', 'after an outage is over'],
      ['accounts refresh --profile crm --dry-run', 'what a run would do'],
    ],
  );
};

function switchAll(on: boolean) {
  return async (context: Context, ids: string[], options: WhichOptions) =>
    (await import('./change.ts')).switchAccounts(context, ids, options, on);
}
