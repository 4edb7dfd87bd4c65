import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import * as v from 'valibot';
import { AwsError } from '../protocol/aws-error.ts';
import { integer, list, operation, pagePlace, pageToken, text } from '../protocol/operation.ts';
import type { Operations } from '../protocol/protocol.ts';
import { runQuery } from './insights.ts';
import { functionLogGroup } from './lambda.ts';

const MAX_EVENTS = 10_000;
const LOG_STREAM = 'local';

/** A query of Logs Insights. It runs in no time, but whoever asks must have waited once: as on AWS. */
interface Query {
  asked: number;
  status: 'Running' | 'Complete' | 'Cancelled';
  readonly results: readonly { readonly field: string; readonly value: string }[][];
  readonly statistics: Readonly<Record<'recordsMatched' | 'recordsScanned' | 'bytesScanned', number>>;
}

/** Results of that many queries are kept. */
const MAX_QUERIES = 100;

/**
 * The part of CloudWatch Logs that this project reads: the local function's log, as one stream of one group. The only
 * filter pattern is a phrase in quotes; of Logs Insights there is what `insights.ts` says.
 *
 * @param logFile the function's log, on each line a JSON object with a `timestamp`
 * @see https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
 * @see https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html
 */
export function logs(functionName: string | undefined, logFile: string | undefined): Operations {
  const group = functionName === undefined ? undefined : functionLogGroup(functionName);
  const queries = new Map<string, Query>();
  const requireGroup = (name: string) => {
    if (name !== group)
      throw new AwsError('ResourceNotFoundException', 'The specified log group does not exist.');
  };
  const requireQuery = (queryId: string) => {
    const query = queries.get(queryId);
    if (query !== undefined) return query;
    throw new AwsError('ResourceNotFoundException', 'The specified query does not exist.');
  };
  const queryInput = v.strictObject({ queryId: text(0, 256) });
  return {
    StartQuery: operation(
      v.strictObject({
        logGroupName: text(1, 512),
        startTime: integer(0, Number.MAX_SAFE_INTEGER),
        endTime: integer(0, Number.MAX_SAFE_INTEGER),
        queryString: text(0, 10_000),
        limit: v.optional(integer(1, MAX_EVENTS), MAX_EVENTS),
      }),
      ({ logGroupName, startTime, endTime, queryString, limit }) => {
        requireGroup(logGroupName);
        const events = eventsOf(logFile).filter(
          ({ timestamp }) => timestamp >= startTime * 1_000 && timestamp <= endTime * 1_000,
        );
        const records = events.map(({ message, timestamp }) => ({
          ...JSON.parse(message),
          '@timestamp': timestamp,
          '@message': message,
        }));
        const rows = runQuery(queryString, records).slice(0, limit);
        const queryId = randomUUID();
        queries.set(queryId, {
          asked: 0,
          status: 'Running',
          results: rows.map((row) => Object.entries(row).map(([field, value]) => ({ field, value }))),
          statistics: {
            recordsMatched: rows.length,
            recordsScanned: events.length,
            bytesScanned: events.reduce((sum, { message }) => sum + Buffer.byteLength(message), 0),
          },
        });
        const [oldest] = queries.keys();
        if (queries.size > MAX_QUERIES && oldest !== undefined) queries.delete(oldest);
        return { queryId };
      },
    ),

    GetQueryResults: operation(queryInput, ({ queryId }) => {
      const query = requireQuery(queryId);
      query.asked++;
      if (query.asked > 1 && query.status === 'Running') query.status = 'Complete';
      const { status, results, statistics } = query;
      return { status, statistics, results: status === 'Complete' ? results : [] };
    }),

    StopQuery: operation(queryInput, ({ queryId }) => {
      const query = requireQuery(queryId);
      if (query.status !== 'Running')
        throw new AwsError('InvalidParameterException', `Query already ended with status ${query.status}.`);
      query.status = 'Cancelled';
      return { success: true };
    }),

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
        requireGroup(logGroupName);
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
