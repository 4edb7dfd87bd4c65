import { existsSync, readFileSync } from 'node:fs';
import * as v from 'valibot';
import { AwsError } from '../protocol/aws-error.ts';
import { integer, list, operation, pagePlace, pageToken, text } from '../protocol/operation.ts';
import type { Operations } from '../protocol/protocol.ts';
import { functionLogGroup } from './lambda.ts';

const MAX_EVENTS = 10_000;
const LOG_STREAM = 'local';

/**
 * The part of CloudWatch Logs that this project reads: the local function's log, as one stream of one group. The only
 * filter pattern is a phrase in quotes.
 *
 * @param logFile the function's log, on each line a JSON object with a `timestamp`
 * @see https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
 */
export function logs(functionName: string | undefined, logFile: string | undefined): Operations {
  const group = functionName === undefined ? undefined : functionLogGroup(functionName);
  return {
    FilterLogEvents: operation(
      v.strictObject({
        logGroupName: text(1, 512),
        logStreamNames: v.optional(list(v.string(), 1, 100)),
        startTime: v.optional(integer(0, Number.MAX_SAFE_INTEGER), 0),
        endTime: v.optional(integer(0, Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER),
        filterPattern: v.optional(
          v.pipe(v.string(), v.regex(/^("[^"]*")?$/, 'Member must be a phrase in quotes')),
          '',
        ),
        limit: v.optional(integer(1, MAX_EVENTS), MAX_EVENTS),
        nextToken: v.optional(v.string()),
      }),
      ({ logGroupName, startTime, endTime, filterPattern, limit, nextToken }) => {
        if (logGroupName !== group)
          throw new AwsError('ResourceNotFoundException', 'The specified log group does not exist.');
        const phrase = filterPattern.slice(1, -1);
        const found = eventsOf(logFile).filter(
          ({ timestamp, message }) =>
            timestamp >= startTime && timestamp <= endTime && message.includes(phrase),
        );
        const start = pagePlace(nextToken, 'InvalidParameterException');
        const end = start + limit;
        return {
          events: found.slice(start, end),
          searchedLogStreams: [],
          nextToken: end < found.length ? pageToken(end) : undefined,
        };
      },
    ),
  };
}

/** The log lines with a time. An error's stack, which the runtime prints, has none. */
function eventsOf(logFile: string | undefined) {
  if (logFile === undefined || !existsSync(logFile)) return [];
  return readFileSync(logFile, 'utf8')
    .split('\n')
    .flatMap((message, line) => {
      const timestamp = timeOf(message);
      return Number.isNaN(timestamp)
        ? []
        : [
            {
              logStreamName: LOG_STREAM,
              timestamp,
              ingestionTime: timestamp,
              message,
              eventId: String(line),
            },
          ];
    });
}

function timeOf(line: string): number {
  try {
    return Date.parse((JSON.parse(line) as { timestamp: string }).timestamp);
  } catch {
    return Number.NaN;
  }
}
