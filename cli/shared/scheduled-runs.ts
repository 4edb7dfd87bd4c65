import { type CloudWatchLogsClient, paginateFilterLogEvents } from '@aws-sdk/client-cloudwatch-logs';
import { DescribeRuleCommand, type EventBridgeClient } from '@aws-sdk/client-eventbridge';
import type { RunResult } from '../../lambda/run-result.ts';
import type { Fleet } from './fleet.ts';

/** The last line of a run in the function's log. */
export interface LoggedRun {
  /** When it ended, seconds since the epoch. */
  readonly at: number;
  /** Undefined where the line can't be read. */
  readonly result: RunResult | undefined;
}

/** Dry runs, and runs over accounts that somebody named, report on single accounts; the schedule's runs don't. */
const BY_HAND = /"accounts"\s*:\s*\[/;

/**
 * The real runs over the table that the function's log tells of, in its order. A dry run, or one over named accounts,
 * says nothing about the schedule: `accounts show` makes one.
 *
 * @param since seconds since the epoch
 */
export async function* scheduledRuns(
  client: CloudWatchLogsClient,
  logGroupName: string,
  since: number,
): AsyncGenerator<LoggedRun> {
  const request = { logGroupName, startTime: since * 1000, filterPattern: '"Run finished."' };
  for await (const { events = [] } of paginateFilterLogEvents({ client }, request))
    for (const { message = '', timestamp = 0 } of events)
      if (!BY_HAND.test(message)) yield { at: Math.floor(timestamp / 1000), result: resultIn(message) };
}

function resultIn(message: string): RunResult | undefined {
  try {
    const line = JSON.parse(message) as RunResult;
    return typeof line.scanned === 'number' ? line : undefined;
  } catch {
    return undefined;
  }
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Seconds between two runs: what the rule says, or each minute where it can't be read. */
export async function scheduleOf({ outputs, every }: Fleet, rules: EventBridgeClient): Promise<number> {
  if (every !== undefined) return every;
  const [Name] = (outputs.RuleNames ?? '').split(',');
  if (Name === undefined || Name === '') return MINUTE;
  try {
    const { ScheduleExpression = '' } = await rules.send(new DescribeRuleCommand({ Name }));
    return intervalOf(ScheduleExpression);
  } catch {
    return MINUTE;
  }
}

/** So many runs may be missed, and a log line may be so late, before it is reported. */
const MISSED_RUNS = 5;
const LOG_DELAY = MINUTE;

/** After how many seconds without a run it is late. */
export function lateAfter(interval: number): number {
  return MISSED_RUNS * interval + LOG_DELAY;
}

/** The longest time between two firings of a rule, seconds. */
export function intervalOf(schedule: string): number {
  const [, amount = '1', unit] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(schedule.trim()) ?? [];
  if (unit !== undefined) return Number(amount) * (unit === 'day' ? DAY : unit === 'hour' ? HOUR : MINUTE);
  const [, minutes, hours, ...days] =
    /^cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)$/.exec(schedule.trim()) ?? [];
  if (minutes === undefined || hours === undefined) return MINUTE;
  const times = valuesOf(hours, 23).flatMap((hour) =>
    valuesOf(minutes, 59).map((minute) => hour * HOUR + minute * MINUTE),
  );
  const gaps = times.map((time, index) => (times[index + 1] ?? (times[0] ?? 0) + DAY) - time);
  // Where it does not fire each day, the days between are not counted one by one.
  return Math.max(MINUTE, ...gaps) + (days.every((field) => /^[*?]$/.test(field)) ? 0 : 6 * DAY);
}

/** The values of one field of a cron expression: `*`, `5`, `1-5`, `0/10`, and lists of these. */
function valuesOf(field: string, most: number): number[] {
  const all = Array.from({ length: most + 1 }, (_, value) => value);
  const parts = field.split(',').map((part) => {
    const [range = '*', step] = part.split('/');
    const [from = 0, to] = range === '*' ? [0, most] : range.split('-').map(Number);
    return { from, to: to ?? (step === undefined ? from : most), step: Number(step ?? 1) };
  });
  return all.filter((value) =>
    parts.some(({ from, to, step }) => value >= from && value <= to && (value - from) % step === 0),
  );
}
