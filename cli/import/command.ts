import type { Command } from 'commander';
import { addExamples } from '../options/help.ts';
import { CliError, EXIT, type ExitCode } from '../shared/cli-error.ts';
import type { AddCommands, Context } from '../shared/command.ts';
import type { ImportOptions } from './import-files.ts';

const MORE = `
The file is CSV with a header, or JSON: one object a line, or an array; "-" is
standard input.
Columns: accountId, name, oauthProfile, tokenSecretId, enabled, parameters as
JSON or parameters.<name>; of the token set: refresh_token, access_token,
expires_at …

All of it is checked before anything is written. An account that is there is
never overwritten, its tokens least of all: stop it when you like, the same
command goes on. More in docs/importing.md.`;

export const addImport: AddCommands = (program, action) => {
  const command = program
    .command('import')
    .description('Makes accounts, with their tokens, from a file.')
    .argument('<files...>', 'the file; with --servicenow, REST messages and then OAuth credentials')
    .option('--dry-run', 'check the file and show what would happen; write nothing')
    .option('--update', 'also change accounts that exist, but never their tokens')
    .option('--skip-invalid', 'leave invalid rows out instead of refusing the file')
    .option('--rejects <file>', 'write the problems of each line as CSV, without values')
    .option('--rate <n>', 'writes a second to Secrets Manager (20; locally 40)', wholeRate)
    .option('--kms-key <id>', "for the secrets, where it is not AWS's own")
    .option('--encoding <name>', 'of the file, such as windows-1252 (utf-8)')
    .option('--token-secret <id>', 'create the secret of this name that a row names; repeatable', collect)
    .option('--servicenow', 'the files are exports of sys_rest_message and oauth_credential')
    .option('--map <there=here>', "a ServiceNow profile's name and ours; repeatable", collect)
    .option('--tokens-in <column>', 'of the credentials, where it holds readable tokens')
    .addHelpText('after', MORE)
    .action(action<[string[], ImportOptions, Command]>(importFiles));
  addExamples(command, [
    ['import accounts.csv --dry-run', 'check the file, write nothing'],
    ['import accounts.csv', 'do it; the same again goes on'],
    ['import - < accounts.jsonl', 'from standard input'],
    ['import --servicenow rest.csv oauth.csv', 'a ServiceNow export'],
  ]);
};

async function importFiles(context: Context, files: string[], options: ImportOptions): Promise<ExitCode> {
  refuseWrongUsage(files, options);
  return (await import('./import-files.ts')).importFiles(context, files, options);
}

/** @throws CliError USAGE */
function refuseWrongUsage(
  files: readonly string[],
  { servicenow = false, map = [], tokensIn }: ImportOptions,
): void {
  const usage = (message: string) => new CliError('USAGE', message, EXIT.usage);
  const [, second, ...others] = files;
  if (!servicenow && (map.length > 0 || tokensIn !== undefined))
    throw usage('--map and --tokens-in go with --servicenow.');
  if (others.length > 0 || (!servicenow && second !== undefined))
    throw usage(
      servicenow
        ? '--servicenow takes two files: the REST messages, and the OAuth credentials.'
        : 'Name one file, or give --servicenow.',
    );
  if (second === undefined && tokensIn !== undefined)
    throw usage('--tokens-in needs the second file, the OAuth credentials.');
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function wholeRate(text: string): number {
  const rate = Number(text);
  if (Number.isInteger(rate) && rate >= 1 && rate <= 10_000) return rate;
  throw new CliError('USAGE', '--rate must be a whole number of writes a second, such as 20.', EXIT.usage);
}
