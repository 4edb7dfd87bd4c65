import { type Command, Option } from 'commander';
import type { Extent } from '../../terminal/list.ts';
import { readCount, readDuration, readSince } from '../options/arguments.ts';
import { addExamples } from '../options/help.ts';
import type { AddCommands } from '../shared/command.ts';
import type { BrokenOptions } from './broken.ts';
import type { ChangesOptions } from './changes.ts';
import type { GrantsOptions } from './grants.ts';
import type { RequestsOptions } from './requests.ts';
import type { SignInsOptions } from './sign-ins.ts';
import type { UpcomingOptions } from './upcoming.ts';
import type { UsesOptions } from './uses.ts';

const DAY = 86_400;

const HELP = `
Each answers one question, from the accounts table where that can: one scan.
"changes" and "requests" also ask the log, which AWS bills by what is read.
More questions: status, accounts show, accounts history, invoke --dry-run.`;

export const addReport: AddCommands = (program, action) => {
  const report = program
    .command('report')
    .description('Answers questions about the fleet: what breaks, who waits, what it costs.')
    .addHelpText('after', HELP);
  const question = (name: string, description: string) =>
    shown(report.command(name).description(description));

  addExamples(
    question('upcoming', 'What will break soon, as things stand.')
      .addOption(within(1))
      .action(
        action<[UpcomingOptions]>(
          async (...all) => (await import('./upcoming.ts')).showUpcoming(...all),
          'reads',
        ),
      ),
    [
      ['report upcoming', 'in the next 24 hours'],
      ['report upcoming --within 7d --json', 'in a week, for a script'],
    ],
  );
  addExamples(
    question('grants', 'Which grants end soon, so that their holders must sign in.')
      .addOption(within(30))
      .action(
        action<[GrantsOptions]>(async (...all) => (await import('./grants.ts')).showGrants(...all), 'reads'),
      ),
    [
      ['report grants', 'in the next 30 days'],
      ['report grants --within 90d --all', 'in three months, all of them'],
    ],
  );
  addExamples(
    question('broken', 'What broke since yesterday and still is broken, and why.')
      .addOption(sinceYesterday())
      .action(
        action<[BrokenOptions]>(async (...all) => (await import('./broken.ts')).showBroken(...all), 'reads'),
      ),
    [
      ['report broken', 'since yesterday'],
      ['report broken --since 2026-11-29T18:00Z', 'since a time'],
    ],
  );
  addExamples(
    question('profiles', 'Which profiles are worst: how many of their accounts are in trouble.').action(
      action<[Extent]>(async (...all) => (await import('./profiles.ts')).showProfiles(...all), 'reads'),
    ),
    [['report profiles', 'the worst first']],
  );
  addExamples(
    question('due', 'What is due and not refreshed now, and why not.').action(
      action<[Extent]>(async (...all) => (await import('./due.ts')).showDue(...all), 'reads'),
    ),
    [
      ['report due', 'by reason, and each account'],
      ['report due --json', 'for a script'],
    ],
  );
  addExamples(
    question('sign-ins', 'Who needs to sign in, since when: a list that can be sent.')
      .option('--profile <name>', 'only accounts of this profile')
      .option('--csv', 'as CSV, for a spreadsheet or a mail merge')
      .action(
        action<[SignInsOptions]>(
          async (...all) => (await import('./sign-ins.ts')).showSignIns(...all),
          'reads',
        ),
      ),
    [
      ['report sign-ins', 'whoever has waited longest first'],
      ['report sign-ins --csv > sign-ins.csv', 'to send'],
    ],
  );
  addExamples(
    question('changes', 'What changed since a date. Asks the log, too.')
      .addOption(sinceYesterday())
      .action(
        action<[ChangesOptions]>(
          async (...all) => (await import('./changes.ts')).showChanges(...all),
          'reads',
        ),
      ),
    [
      ['report changes', 'since yesterday'],
      ['report changes --since 7d', 'in a week'],
    ],
  );
  addExamples(
    question('requests', 'How many token requests each provider had today, against its limit.')
      .option('--since <time>', 'a time, or how long ago, instead of midnight UTC', readSince)
      .action(
        action<[RequestsOptions]>(
          async (...all) => (await import('./requests.ts')).showRequests(...all),
          'reads',
        ),
      ),
    [
      ['report requests', 'since midnight UTC, from the log'],
      ['report requests --since 1h', 'in the last hour'],
    ],
  );
  addExamples(
    question('uses', 'Which accounts use a profile or a client: what a rotation touches.')
      .argument('[profile]', 'which profile')
      .option('--client-id <id>', 'all profiles with this client instead')
      .action(
        action<[string | undefined, UsesOptions]>(
          async (...all) => (await import('./uses.ts')).showUses(...all),
          'reads',
        ),
      ),
    [
      ['report uses crm', 'its accounts, and profiles with the same client'],
      ['report uses --client-id 3MVG9', 'by the client'],
    ],
  );
  addExamples(
    question('secrets', 'Which secrets have no account, and which accounts no secret.').action(
      action<[Extent]>(async (...all) => (await import('./secrets.ts')).showSecrets(...all), 'reads'),
    ),
    [['report secrets', 'lists all token secrets, 100 a call']],
  );
  addExamples(
    question('cost', 'What the fleet costs a month, by profile, on paper.').action(
      action<[Extent]>(async (...all) => (await import('./cost.ts')).showCost(...all), 'reads'),
    ),
    [['report cost', 'the dearest profile first']],
  );
};

/** How much of a list is shown. */
function shown(command: Command): Command {
  return command
    .option('--limit <rows>', 'at most so many rows', readCount)
    .option('--all', 'more rows than fit on the screen, too');
}

const within = (days: number) =>
  new Option('--within <duration>', 'how far to look ahead')
    .argParser(readDuration)
    .default(days * DAY, days === 1 ? 'a day' : `${days} days`);

/** When the command line begins is soon enough: it ends before that matters. */
const sinceYesterday = () =>
  new Option('--since <time>', 'a time, or how long ago, such as 7d')
    .argParser(readSince)
    .default(Math.floor(Date.now() / 1000) - DAY, 'a day ago');
