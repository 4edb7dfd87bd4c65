import { callersPath } from '../../local/callers-path.ts';
import { number } from '../../terminal/progress.ts';
import { isAbort, type Stopped, tellLeft, tellStopping } from '../shared/bulk.ts';
import { CliError, EXIT, type ExitCode } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';
import { atSecondStop } from '../shared/stop-again.ts';
import { repeatThrottled } from '../shared/throttling.ts';
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

export interface ImportOptions {
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

export async function importFiles(
  context: Context,
  files: string[],
  options: ImportOptions,
): Promise<ExitCode> {
  const { terminal, signal } = context;
  const path = (file: string) => callersPath(file, terminal.env);
  const profiles = readProfileMap(options.map ?? []);
  // Before it waits for standard input.
  const fleet = repeatThrottled(await context.fleet(), signal);
  const source = await sourceOf(
    context,
    files.map((file) => (file === '-' ? file : path(file))),
    options,
    profiles,
  );
  terminal.say(`Checking ${source.name} …`);
  const update = options.update === true;
  const goOn = (left: number | 'all', stopped: Stopped) => {
    const input = files.includes('-') ? { input: 'the same' as const } : {};
    return tellLeft({ left, stopped, ...input }, againLine(files, options), context);
  };
  const onRow = (rows: number) => {
    signal.throwIfAborted();
    if (rows % 500 === 0) terminal.progress(`Checking: ${number(rows)} rows`);
  };
  const endOfPlan = atSecondStop(signal, () => void goOn('all', { kind: 'cut off', unknown: 0 }));
  const plan = await makePlan(
    source,
    fleet,
    { update, tokenSecrets: options.tokenSecret ?? [] },
    onRow,
  ).catch((error: unknown) => {
    if (!signal.aborted || !isAbort(error)) throw error;
    goOn('all', { kind: 'interrupted' });
    if (terminal.json) throw error;
  });
  endOfPlan();
  if (plan === undefined) return EXIT.interrupted;
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
  tellStopping(context);
  const result = await runImport(source, plan, fleet, {
    update,
    rate: options.rate ?? DEFAULT_RATE[fleet.kind],
    kmsKey: options.kmsKey,
    signal,
    terminal,
    onCutOff: (left, unknown) => void goOn(left, { kind: 'cut off', unknown }),
  });
  reject([
    ...result.conflicts.map((one) => ({ ...one, field: 'account' })),
    ...result.busy.map((one) => ({ ...one, field: 'account' })),
  ]);
  terminal.result(resultText(result, terminal), result);
  const { left, rejected, withoutRefreshToken } = result;
  return goOn(left, stoppedBy(result)) ?? (rejected + withoutRefreshToken > 0 ? EXIT.attention : EXIT.done);
}

function stoppedBy({ stopped }: ImportResult): Stopped {
  if (stopped === undefined) return { kind: 'done' };
  return stopped === 'interrupted' ? { kind: stopped } : { kind: 'failed', why: stopped };
}

/** The same command: what is there already is left alone. */
function againLine(files: readonly string[], options: ImportOptions): string[] {
  const { update, skipInvalid, rejects, rate, kmsKey, encoding, servicenow, map, tokensIn, tokenSecret } =
    options;
  const valued = {
    rejects,
    rate,
    'kms-key': kmsKey,
    encoding,
    map,
    'tokens-in': tokensIn,
    'token-secret': tokenSecret,
  };
  return [
    'import',
    ...files,
    ...(update ? ['--update'] : []),
    ...(skipInvalid ? ['--skip-invalid'] : []),
    ...(servicenow ? ['--servicenow'] : []),
    ...Object.entries(valued).flatMap(([name, value]) =>
      [value ?? []].flat().flatMap((one) => [`--${name}`, String(one)]),
    ),
  ];
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
