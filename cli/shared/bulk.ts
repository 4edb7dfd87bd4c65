import { printable } from '../../terminal/printable.ts';
import { number } from '../../terminal/progress.ts';
import { EXIT, type ExitCode } from './cli-error.ts';
import type { Context } from './command.ts';
import { commandLine } from './command-line.ts';
import { atSecondStop } from './stop-again.ts';

/** How work over many accounts ended. */
export interface BulkEnd<Result> {
  readonly results: readonly Result[];
  /** Those that were not begun, or of which nobody knows what became. */
  readonly left: readonly string[];
  readonly stopped: Stopped;
}

/** All is done, or why something is left: Ctrl-C, or an error. */
export type Stopped =
  | { readonly kind: 'done' | 'interrupted' }
  /** A second Ctrl-C: of so many of those that are left nobody knows what became. */
  | { readonly kind: 'cut off'; readonly unknown: number }
  | { readonly kind: 'failed'; readonly why: string };

interface Bulk<Result> {
  /** Accounts that are worked on at once, at most. */
  readonly size: number;
  /** Whether two may be worked on at once; by default any. */
  readonly together?: (one: string, other: string) => boolean;
  /** Rejects where it isn't known what became of them, or nothing did. */
  readonly work: (accountIds: readonly string[]) => Promise<readonly Result[]>;
  /** Told what is new. */
  readonly onDone: (results: readonly Result[]) => void;
  /** Told at a second Ctrl-C how it ends, at once. What it does may not wait. */
  readonly onCutOff: (end: BulkEnd<Result>) => void;
  readonly signal: AbortSignal;
}

/**
 * Works on many accounts in turn, and tells as it goes. It ends early at Ctrl-C, and at an error; then it says what is left. Of a
 * single account it rejects with the error.
 */
export async function inBulk<Result>(
  accountIds: readonly string[],
  { onCutOff, ...bulk }: Bulk<Result>,
): Promise<BulkEnd<Result>> {
  const state: State<Result> = { results: [], left: accountIds, begun: 0 };
  const end = atSecondStop(bulk.signal, () => {
    const { results, left, begun: unknown } = state;
    onCutOff({ results, left, stopped: { kind: 'cut off', unknown } });
  });
  try {
    return await eachBatch(state, bulk);
  } finally {
    end();
  }
}

interface State<Result> {
  readonly results: Result[];
  left: readonly string[];
  /** How many of those that are left are being worked on. */
  begun: number;
}

async function eachBatch<Result>(
  state: State<Result>,
  { size, together = () => true, work, onDone, signal }: Omit<Bulk<Result>, 'onCutOff'>,
): Promise<BulkEnd<Result>> {
  const { results, left: accountIds } = state;
  const endedAs = (stopped: Stopped) => ({ results, left: state.left, stopped });
  while (state.left.length > 0) {
    const { left } = state;
    const [first = ''] = left;
    const apart = left.slice(0, size).findIndex((one) => !together(first, one));
    const batch = left.slice(0, apart === -1 ? size : apart);
    // What has begun may spend refresh tokens, so it may end. Nothing more begins.
    if (signal.aborted) return endedAs({ kind: 'interrupted' });
    try {
      state.begun = batch.length;
      const found = await work(batch);
      state.begun = 0;
      results.push(...found);
      state.left = left.slice(batch.length);
      onDone(found);
    } catch (error) {
      if (signal.aborted && isAbort(error)) return endedAs({ kind: 'interrupted' });
      if (accountIds.length === 1) throw error;
      return endedAs({ kind: 'failed', why: messageOf(error) });
    }
  }
  return endedAs({ kind: 'done' });
}

/** What was waited for was given up at Ctrl-C. Any other error still shows: a grant may not have been stored. */
export function isAbort(error: unknown): boolean {
  const { name } = error as { name?: unknown };
  return ['AbortError', 'AbortPromptError', 'ExitPromptError'].includes(String(name));
}

/** From now on says at Ctrl-C that it was heard: what has begun may take a minute. */
export function tellStopping({ terminal, signal }: Pick<Context, 'terminal' | 'signal'>): void {
  const heard = () => terminal.say('Stopping when what has begun is done. Ctrl-C again stops at once.');
  signal.addEventListener('abort', heard, { once: true });
}

/**
 * Says what is left, why, and the line that takes it up again; with `--json` too, on standard error.
 *
 * @param left how many accounts; of 0 nothing is said. `input`: standard input, where the command needs it
 * @param again the command that goes on, without the options that name the fleet
 * @returns the exit code; undefined where nothing is left
 */
export function tellLeft(
  {
    left,
    stopped,
    input,
  }: { readonly left: number | 'all'; readonly stopped: Stopped; readonly input?: 'the same' },
  again: readonly string[],
  context: Pick<Context, 'terminal' | 'fleetWords'>,
): ExitCode | undefined {
  if (left === 0) return undefined;
  const { terminal } = context;
  const why = {
    done: '',
    interrupted: 'Stopped: ',
    'cut off': 'Stopped at once: ',
    failed: `Stopped by an error (${stopped.kind === 'failed' ? printable(stopped.why) : ''}): `,
  }[stopped.kind];
  const amount = left === 'all' ? left : number(left);
  const what = left === 1 ? '1 account is' : `${amount} accounts are`;
  const unknown = stopped.kind === 'cut off' ? stopped.unknown : 0;
  const doubt =
    unknown === 0 ? '' : `; what became of ${left === 1 ? 'it' : `${number(unknown)} of them`} is unknown`;
  const needs = input === undefined ? '' : `, with ${input} input`;
  terminal.progress(undefined);
  // Never wrapped, so that it can be pasted.
  const line = commandLine(again, context);
  terminal.stderr.write(`\n${why}${what} left${doubt}. To go on${needs}:\n  ${line}\n`);
  return ['interrupted', 'cut off'].includes(stopped.kind) ? EXIT.interrupted : EXIT.failed;
}

function messageOf(error: unknown): string {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return name === 'CliError' || message === '' ? message || name : `${name}: ${message}`;
}
