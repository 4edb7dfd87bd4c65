import { setTimeout as sleep } from 'node:timers/promises';
import { awsFailure } from '../../adapters/aws/aws-error.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { EXIT, type ExitCode } from './cli-error.ts';
import { shellWord } from './shell-word.ts';

/** How work over many accounts ended. */
export interface BulkEnd<Result> {
  readonly results: readonly Result[];
  /** Those that were not begun, or of which nobody knows what became. */
  readonly left: readonly string[];
  /** All is done, or why something is left: Ctrl-C, or an error. */
  readonly stopped:
    | { readonly kind: 'done' | 'interrupted' }
    | { readonly kind: 'failed'; readonly error: unknown };
}

interface Bulk<Result> {
  /** Accounts that are worked on at once, at most. */
  readonly size: number;
  /** Whether two may be worked on at once; by default any. */
  readonly together?: (one: string, other: string) => boolean;
  /** Rejects where it isn't known what became of them. What is throttled had no effect, and is repeated. */
  readonly work: (accountIds: readonly string[]) => Promise<readonly Result[]>;
  /** Told what is new, and how many are done. */
  readonly onDone: (results: readonly Result[], done: number) => void;
  readonly signal: AbortSignal;
  /** Milliseconds. */
  readonly pause?: (milliseconds: number) => Promise<unknown>;
}

const MOST_TRIES = 10;
/** Milliseconds before the second try; doubled for each further one. */
const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 10_000;

/**
 * Works on many accounts in turn, and tells as it goes. It ends early at Ctrl-C, and at an error that a repetition doesn't
 * help; then it says what is left. It rejects with that error if nothing has been done.
 */
export async function inBulk<Result>(
  accountIds: readonly string[],
  { size, together = () => true, work, onDone, signal, pause = sleep }: Bulk<Result>,
): Promise<BulkEnd<Result>> {
  const results: Result[] = [];
  let left = accountIds;
  while (left.length > 0) {
    const [first = ''] = left;
    const apart = left.slice(0, size).findIndex((one) => !together(first, one));
    const batch = left.slice(0, apart === -1 ? size : apart);
    // What has begun may spend refresh tokens, so it may end. Nothing more begins.
    if (signal.aborted) return { results, left, stopped: { kind: 'interrupted' } };
    try {
      const found = await untilNotThrottled(() => work(batch), pause);
      results.push(...found);
      left = left.slice(batch.length);
      onDone(found, accountIds.length - left.length);
    } catch (error) {
      if (signal.aborted && isAbort(error)) return { results, left, stopped: { kind: 'interrupted' } };
      if (results.length === 0) throw error;
      return { results, left, stopped: { kind: 'failed', error } };
    }
  }
  return { results, left, stopped: { kind: 'done' } };
}

/** What was waited for was given up at Ctrl-C. Any other error still shows: a grant may not have been stored. */
function isAbort(error: unknown): boolean {
  const { name } = error as { name?: unknown };
  return ['AbortError', 'AbortPromptError', 'ExitPromptError'].includes(String(name));
}

/** Repeats what was throttled, which had no effect, up to ten times. Rejects with its error after that, and with any other. */
export async function untilNotThrottled<T>(
  work: () => Promise<T>,
  pause: (milliseconds: number) => Promise<unknown> = sleep,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (awsFailure(error).kind !== 'throttled' || tries === MOST_TRIES) throw error;
      await pause(Math.min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE));
    }
  }
}

/**
 * Says what is left, why, and the line that takes it up again; with `--json` too, on standard error.
 *
 * @returns the exit code; undefined where nothing is left
 */
export function tellLeft(
  { left, stopped }: BulkEnd<unknown>,
  again: readonly string[],
  { stderr }: Terminal,
): ExitCode | undefined {
  if (left.length === 0) return undefined;
  const why = stopped.kind === 'failed' ? `Stopped by an error (${messageOf(stopped.error)})` : 'Stopped';
  const what = left.length === 1 ? '1 account is' : `${left.length} accounts are`;
  stderr.write(`\n${why}: ${what} left. To go on:\n  ${again.map(shellWord).join(' ')}\n`);
  return stopped.kind === 'failed' ? EXIT.failed : EXIT.interrupted;
}

function messageOf(error: unknown): string {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return name === 'CliError' || message === '' ? message || name : `${name}: ${message}`;
}
