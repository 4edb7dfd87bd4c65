import { type Command, Option } from 'commander';
import { STATUSES } from '../accounts/statuses.ts';
import { addExamples } from '../options/help.ts';
import type { AddCommands } from '../shared/command.ts';
import type { ExportOptions } from './export-accounts.ts';

const MORE = `
Only what people write is exported, never a token, nor what the function notes
(status, expiries): "import" reads it back. Cells that a spreadsheet would run
as a formula begin with an apostrophe, which "import" takes off again.`;

export const addExport: AddCommands = (program, action) => {
  const command = program
    .command('export')
    .description('Writes the accounts, without secrets, to standard output.')
    .addOption(new Option('--format <format>', 'what to write').choices(['csv', 'jsonl']).default('csv'))
    .addOption(new Option('--status <status>', 'only accounts in this status').choices(STATUSES))
    .option('--profile <name>', 'only accounts of this profile')
    .addHelpText('after', MORE)
    .action(
      action<[ExportOptions, Command]>(
        async (...all) => (await import('./export-accounts.ts')).exportAccounts(all[0], all[1]),
        'reads',
      ),
    );
  addExamples(command, [
    ['export > accounts.csv', 'all of them, for a spreadsheet'],
    ['export --format jsonl --profile crm', "one profile's, as JSON lines"],
    ['export --status reauthorization_required', 'those that need a person'],
  ]);
};
