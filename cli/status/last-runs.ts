import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { GetFunctionConfigurationCommand } from '@aws-sdk/client-lambda';
import type { RunResult } from '../../lambda/run-result.ts';
import type { Fleet } from '../shared/fleet.ts';
import { scheduledRuns } from '../shared/scheduled-runs.ts';

interface LastRun extends RunResult {
  /** When it ended, seconds since the epoch. */
  readonly at: number;
}

export type LastRuns =
  | { readonly kind: 'read'; readonly runs: readonly LastRun[] }
  /** `problem` for people. */
  | { readonly kind: 'unreadable'; readonly problem: string };

/** The last minutes are quick to read. Without a run in them it reads the last day or more. */
const QUICK_LOOK = 15 * 60;
export const LONG_LOOK = 24 * 3_600;

/** The last runs over the whole table, newest first, from the function's log. @param span how far to look back, seconds */
export async function readLastRuns(
  { lambda, functionName, config }: Fleet,
  now: number,
  span: number,
  limit: number,
): Promise<LastRuns> {
  try {
    const { LoggingConfig } = await lambda.send(
      new GetFunctionConfigurationCommand({ FunctionName: functionName }),
    );
    const logGroupName = LoggingConfig?.LogGroup ?? `/aws/lambda/${functionName}`;
    const client = new CloudWatchLogsClient(config);
    for (const look of [QUICK_LOOK, span]) {
      const runs: LastRun[] = [];
      for await (const { at, result } of scheduledRuns(client, logGroupName, now - look))
        if (result !== undefined) runs.push({ ...result, at });
      if (runs.length > 0) return { kind: 'read', runs: runs.sort((a, b) => b.at - a.at).slice(0, limit) };
    }
    return { kind: 'read', runs: [] };
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return { kind: 'unreadable', problem: `The function's log can't be read: ${name}: ${message}` };
  }
}
