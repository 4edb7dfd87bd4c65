import { InvokeCommand } from '@aws-sdk/client-lambda';
import { awsFailure } from '../../adapters/aws/aws-error.ts';
import type { Report } from '../../core/account/outcome.ts';
import type { RunResult } from '../../lambda/run-result.ts';
import { printable } from '../../terminal/printable.ts';
import { CliError } from './cli-error.ts';
import type { Fleet, InvokedFunction } from './fleet.ts';

/** How the function is to run over the named accounts. */
export interface RunOptions {
  readonly force?: boolean;
  readonly dryRun?: boolean;
}

/** So many at once that a run ends well within its time limit, and that progress is seen. */
export const ACCOUNTS_A_RUN = 100;

/**
 * Has the function look at these accounts, in one run.
 *
 * @returns what became of each, in no certain order
 * @throws CliError where the function could not be invoked, or failed; the SDK's error where it was denied or throttled, `AbortError` where the wait for it was ended
 */
export async function runForAccounts(
  fleet: Fleet,
  accountIds: readonly string[],
  options: RunOptions,
): Promise<readonly Report[]> {
  const { accounts = [] } = await runFunction(fleet, { accountIds, ...options });
  return accounts;
}

/** Invokes the function once and waits for its result. @throws CliError */
export async function runFunction(fn: InvokedFunction, event: unknown): Promise<RunResult> {
  const { payload, functionError } = await invoke(fn, event);
  if (functionError !== undefined) {
    const { errorType = functionError, errorMessage = '' } = (payload ?? {}) as Record<string, string>;
    throw new CliError('FUNCTION_FAILED', printable(`The function failed: ${errorType}: ${errorMessage}`));
  }
  if (typeof (payload as { runId?: unknown } | null)?.runId !== 'string')
    throw new CliError(
      'NOT_THE_FUNCTION',
      `"${fn.functionName}" returned no result of a run. Is it the right function?`,
    );
  return payload as RunResult;
}

async function invoke({ lambda, functionName }: InvokedFunction, event: unknown) {
  try {
    const { Payload, FunctionError } = await lambda.send(
      new InvokeCommand({ FunctionName: functionName, Payload: Buffer.from(JSON.stringify(event)) }),
    );
    return { payload: jsonIn(Payload), functionError: FunctionError };
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    // A throttled invocation has not begun, also where somebody stopped waiting for it.
    const begun = awsFailure(error).kind !== 'throttled' && name !== 'AbortError';
    if (name === 'AccessDeniedException' || !begun) throw error;
    throw new CliError(
      'FUNCTION_UNREACHABLE',
      `The function "${functionName}" could not be invoked: ${name}: ${message}`,
    );
  }
}

/** Undefined if it is not JSON: another function may have answered, and an error would quote it. */
function jsonIn(payload: Uint8Array | undefined): unknown {
  try {
    return JSON.parse(Buffer.from(payload ?? []).toString('utf8') || 'null');
  } catch {
    return undefined;
  }
}
