import { CloudWatchLogsClient, paginateFilterLogEvents } from '@aws-sdk/client-cloudwatch-logs';
import { GetFunctionConfigurationCommand } from '@aws-sdk/client-lambda';
import type { RunResult } from '../../lambda/run-result.ts';
import type { Fleet } from '../fleet.ts';

/** A run that the function's log tells of. */
export interface LastRun extends RunResult {
  /** When it ended, seconds since the epoch. */
  readonly at: number;
}

export type LastRuns =
  | { readonly kind: 'read'; readonly runs: readonly LastRun[] }
  /** `problem` for people. */
  | { readonly kind: 'unreadable'; readonly problem: string };

/** A look at the last minutes is quick; where they tell of no run, the last day is looked at. */
const SPANS = [15 * 60, 24 * 3_600];

/** The last runs, newest first, from the function's log. */
export async function readLastRuns(
  { lambda, functionName, config }: Fleet,
  now: number,
  limit: number,
): Promise<LastRuns> {
  try {
    const { LoggingConfig } = await lambda.send(
      new GetFunctionConfigurationCommand({ FunctionName: functionName }),
    );
    const logGroupName = LoggingConfig?.LogGroup ?? `/aws/lambda/${functionName}`;
    const client = new CloudWatchLogsClient(config);
    for (const span of SPANS) {
      const runs = await runsSince(client, logGroupName, now - span);
      if (runs.length > 0) return { kind: 'read', runs: runs.reverse().slice(0, limit) };
    }
    return { kind: 'read', runs: [] };
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return { kind: 'unreadable', problem: `The function's log can't be read: ${name}: ${message}` };
  }
}

async function runsSince(
  client: CloudWatchLogsClient,
  logGroupName: string,
  since: number,
): Promise<LastRun[]> {
  const request = { logGroupName, startTime: since * 1000, filterPattern: '"Run finished."' };
  const runs: LastRun[] = [];
  for await (const { events = [] } of paginateFilterLogEvents({ client }, request))
    runs.push(...events.flatMap(({ message = '', timestamp = 0 }) => readRun(message, timestamp)));
  return runs;
}

function readRun(message: string, timestamp: number): LastRun[] {
  try {
    const line = JSON.parse(message) as RunResult;
    return typeof line.scanned === 'number' ? [{ ...line, at: Math.floor(timestamp / 1000) }] : [];
  } catch {
    return [];
  }
}
