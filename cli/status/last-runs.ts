import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import type { RunResult } from '../../lambda/run-result.ts';
import { readFunctionSettings } from '../logs/function-settings.ts';
import type { Fleet } from '../shared/fleet.ts';
import { scheduledRuns } from '../shared/scheduled-runs.ts';

export interface LastRun extends RunResult {
  /** When it ended, seconds since the epoch. */
  readonly at: number;
}

export type LastRuns =
  | {
      readonly kind: 'read';
      readonly runs: readonly LastRun[];
      /** The newest that has seen every account, though it may be older than `runs`. */
      readonly lastWhole: LastRun | undefined;
      /** How long a run may take, seconds; undefined where the function's configuration doesn't say. */
      readonly timeout: number | undefined;
    }
  /** `problem` for people. */
  | { readonly kind: 'unreadable'; readonly problem: string };

/** The last minutes are quick to read. Without a run in them it reads the last day or more. */
const QUICK_LOOK = 15 * 60;
export const LONG_LOOK = 24 * 3_600;

/** The last runs over the whole table, newest first, from the function's log. @param span how far to look back, seconds */
export async function readLastRuns(
  fleet: Fleet,
  now: number,
  span: number,
  limit: number,
): Promise<LastRuns> {
  try {
    const { logGroupName, timeout } = await readFunctionSettings(fleet);
    const client = new CloudWatchLogsClient(fleet.config);
    let runs: LastRun[] = [];
    let lastWhole: LastRun | undefined;
    // Runs that were all cut off are no answer yet.
    for (const look of [QUICK_LOOK, span]) {
      runs = [];
      for await (const { at, result } of scheduledRuns(client, logGroupName, now - look))
        if (result !== undefined) runs.push({ ...result, at });
      runs.sort((a, b) => b.at - a.at);
      lastWhole = runs.find(({ incomplete }) => incomplete !== true);
      if (lastWhole !== undefined) break;
    }
    return { kind: 'read', runs: runs.slice(0, limit), lastWhole, timeout };
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return { kind: 'unreadable', problem: `The function's log can't be read: ${name}: ${message}` };
  }
}
