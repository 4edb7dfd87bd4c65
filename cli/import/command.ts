import type { Command } from 'commander';
import { callersPath } from '../../local/callers-path.ts';
import { number } from '../../terminal/progress.ts';
import { CliError, EXIT, type ExitCode } from '../shared/cli-error.ts';
import type { AddCommands, Context } from '../shared/command.ts';
import { addExamples } from '../shared/help.ts';
import { openSource, type Source } from './file/source.ts';
import { makePlan, type Plan, type RowProblem } from './plan.ts';
import { checkColumns } from './row/columns.ts';
import { type ImportResult, runImport } from './run.ts';
import {
  checkCredentialColumns,
  checkMessageColumns,
  readProfileMap,
  serviceNowSource,
} from './servicenow.ts';
import { planText, problemLines, resultText, writeRejects } from './text.ts';

interface ImportOptions {
  readonly dryRun?: boolean;
  readonly update?: boolean;
  readonly skipInvalid?: boolean;
  readonly rejects?: string;
  readonly rate?: number;
  readonly kmsKey?: string;
  readonly encoding?: string;
  readonly servicenow?: boolean;
  readonly map?: readonly string[];
  readonly tokensIn?: string;
  readonly tokenSecret?: readonly string[];
}

/** Secrets Manager takes 50 writes a second, and the function needs its share of them to store what it refreshes. */
const DEFAULT_RATE = { aws: 20, local: 40 } as const;

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
  const { terminal, signal } = context;
  const path = (file: string) => callersPath(file, terminal.env);
  refuseWrongUsage(files, options);
  const profiles = readProfileMap(options.map ?? []);
  // Before it waits for standard input.
  const fleet = await context.fleet();
  const source = await sourceOf(
    context,
    files.map((file) => (file === '-' ? file : path(file))),
    options,
    profiles,
  );
  terminal.say(`Checking ${source.name} …`);
  const update = options.update === true;
  const plan = await makePlan(source, fleet, { update, tokenSecrets: options.tokenSecret ?? [] }, (rows) => {
    signal.throwIfAborted();
    if (rows % 500 === 0) terminal.progress(`Checking: ${number(rows)} rows`);
  });
  terminal.progress(undefined);
  for (const line of problemLines(plan.problems, terminal)) terminal.say(line);
  const { rejects } = options;
  const reject = (more: readonly RowProblem[]) => {
    if (rejects !== undefined) writeRejects(path(rejects), [...plan.problems, ...more]);
  };
  reject([]);
  if (plan.rows === 0) terminal.say(`${source.name} holds no rows beneath its header.`);
  const refused = plan.invalidRows > 0 && options.skipInvalid !== true;
  if (options.dryRun === true) {
    terminal.result(planText(source.name, plan, update, terminal), dryRunJson(plan));
    return refused ? EXIT.failed : EXIT.done;
  }
  if (refused)
    throw new CliError(
      'INVALID_ROWS',
      `${source.name}: ${number(plan.invalidRows)} of ${number(plan.rows)} rows ${plan.invalidRows === 1 ? 'is' : 'are'} invalid, so nothing was written. Correct the file, or import the others with --skip-invalid.`,
    );
  const result = await runImport(source, plan, fleet, {
    update,
    rate: options.rate ?? DEFAULT_RATE[fleet.kind],
    kmsKey: options.kmsKey,
    signal,
    terminal,
  });
  reject([
    ...result.conflicts.map((one) => ({ ...one, field: 'account' })),
    ...result.busy.map((one) => ({ ...one, field: 'account' })),
  ]);
  terminal.result(resultText(result, terminal), result);
  return exitCodeOf(result);
}

function exitCodeOf({ stopped, rejected, withoutRefreshToken }: ImportResult): ExitCode {
  if (stopped === 'interrupted') return EXIT.interrupted;
  if (stopped !== undefined) return EXIT.failed;
  return rejected + withoutRefreshToken > 0 ? EXIT.attention : EXIT.done;
}

function dryRunJson({ rows, create, same, differ, passedOver, invalidRows, problems }: Plan) {
  return {
    dryRun: true,
    rows,
    create: create.size,
    same,
    differ: differ.size,
    passedOver,
    invalid: invalidRows,
    problems: problems.map(({ together, ...problem }) => problem),
  };
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

async function sourceOf(
  { terminal }: Context,
  [first = '', second]: readonly string[],
  { servicenow = false, encoding, tokensIn }: ImportOptions,
  profiles: ReadonlyMap<string, string>,
): Promise<Source> {
  if (!servicenow) return await openSource(first, terminal.stdin, encoding, checkColumns);
  const main = await openSource(first, terminal.stdin, encoding, checkMessageColumns);
  const credentials =
    second === undefined
      ? undefined
      : await openSource(second, terminal.stdin, encoding, checkCredentialColumns);
  return serviceNowSource(main, credentials, { profiles, tokensIn });
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function wholeRate(text: string): number {
  const rate = Number(text);
  if (Number.isInteger(rate) && rate >= 1 && rate <= 10_000) return rate;
  throw new CliError('USAGE', '--rate must be a whole number of writes a second, such as 20.', EXIT.usage);
}
