import { printable } from '../../terminal/printable.ts';
import { readItems, requireProfile } from '../accounts/items.ts';
import { count, statusKey } from '../accounts/list.ts';
import { asCliError } from '../shared/authorization-error.ts';
import { type BulkEnd, inBulk, tellLeft } from '../shared/bulk.ts';
import { CliError, EXIT, type ExitCode } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';
import type { Fleet } from '../shared/fleet.ts';
import { repeatThrottled } from '../shared/throttling.ts';
import { type AuthorizeOptions, authorizeOne } from './authorize.ts';
import { instruct } from './browser.ts';
import { DEFAULT_TIMEOUT } from './command.ts';
import { type Outcome, outcomeText, outcomeValue } from './result.ts';

export interface ManyOptions {
  /** All accounts that need a person, or those of the profile. */
  readonly needsPerson?: true;
}

type Result =
  | { readonly kind: 'ended'; readonly outcome: Outcome }
  | { readonly kind: 'failed'; readonly accountId: string; readonly error: CliError };

/** Has somebody sign in for one account after another. One that fails doesn't stop the others. */
export async function authorizeMany(
  context: Context,
  accountIds: readonly string[],
  options: AuthorizeOptions & ManyOptions,
): Promise<ExitCode> {
  const { terminal, signal } = context;
  const fleet = repeatThrottled(await context.fleet(), signal);
  const ids = options.needsPerson ? await whoNeedsAPerson(fleet, context, options) : [...new Set(accountIds)];
  if (ids.length === 0) {
    terminal.result(`No account in ${fleet.label} needs a person.`, []);
    return EXIT.done;
  }
  let place = 0;
  // Whoever has signed in isn't asked again.
  const tellGoOn = ({ results, left, stopped }: BulkEnd<Result>) => {
    const failed = results.flatMap((result) => (result.kind === 'failed' ? [result.accountId] : []));
    const todo = [...left, ...failed];
    return tellLeft({ left: todo.length, stopped }, againLine(todo, options), context);
  };
  const end = await inBulk(ids, {
    size: 1,
    work: async ([accountId = '']) => {
      // With --json too: the person has to know whom to sign in as.
      instruct(terminal, ['', `${++place} of ${count(ids.length)}: ${printable(accountId)}`]);
      return [await one(context, fleet, accountId, options)];
    },
    onDone: (results) => {
      for (const result of results) tell(result, context);
    },
    onCutOff: (cut) => void tellGoOn(cut),
    signal,
  });
  const { results, left } = end;
  if (terminal.json)
    terminal.result('', [
      ...results.map(toValue),
      ...left.map((accountId) => ({ accountId, result: 'not_done' })),
    ]);
  return tellGoOn(end) ?? exitCodeOf(results);
}

async function whoNeedsAPerson(
  fleet: Fleet,
  { terminal }: Context,
  { profile }: AuthorizeOptions,
): Promise<readonly string[]> {
  const items = await readItems(fleet, terminal);
  await requireProfile(fleet, items, profile);
  return items
    .filter((item) => statusKey(item) === 'reauthorization_required')
    .filter(({ oauthProfile }) => profile === undefined || oauthProfile === profile)
    .map(({ accountId }) => accountId)
    .sort();
}

async function one(
  context: Context,
  fleet: Fleet,
  accountId: string,
  { needsPerson, profile, ...options }: AuthorizeOptions & ManyOptions,
): Promise<Result> {
  try {
    // Who needs a person has a profile already.
    const own = needsPerson || profile === undefined ? options : { ...options, profile };
    return { kind: 'ended', outcome: await authorizeOne(context, fleet, accountId, own) };
  } catch (thrown) {
    const error = asCliError(thrown);
    // What is denied for one is denied for all.
    if (!(error instanceof CliError) || error.code === 'ACCESS_DENIED') throw error;
    return { kind: 'failed', accountId, error };
  }
}

function tell(result: Result, { terminal }: Context): void {
  if (terminal.json) return;
  const text =
    result.kind === 'ended'
      ? outcomeText(terminal, result.outcome)
      : `${terminal.paint('red', '✗')} ${printable(`${result.accountId}: ${result.error.message}`)}`;
  terminal.result(text, undefined);
}

function toValue(result: Result) {
  if (result.kind === 'ended') return outcomeValue(result.outcome);
  const { accountId, error } = result;
  return { accountId, error: { code: error.code, message: error.message } };
}

/** Who has signed in no longer needs a person. */
function againLine(left: readonly string[], options: AuthorizeOptions & ManyOptions): string[] {
  const { needsPerson, profile, device, paste, replace, scope, browser, timeout } = options;
  return [
    'authorize',
    ...(needsPerson ? ['--needs-person'] : left),
    ...(profile === undefined ? [] : ['--profile', profile]),
    ...(scope === undefined ? [] : ['--scope', scope]),
    ...(device ? ['--device'] : []),
    ...(paste ? ['--paste'] : []),
    ...(replace ? ['--replace'] : []),
    ...Object.entries(options.with ?? {}).flatMap(([name, value]) => ['--with', `${name}=${value}`]),
    ...(timeout === DEFAULT_TIMEOUT ? [] : ['--timeout', `${timeout}s`]),
    ...(browser ? [] : ['--no-browser']),
  ];
}

function exitCodeOf(results: readonly Result[]): ExitCode {
  const isTroubled = (result: Result) => result.kind === 'ended' && result.outcome.seen.kind === 'trouble';
  return results.some(isTroubled) ? EXIT.attention : EXIT.done;
}
