import { setTimeout as sleep } from 'node:timers/promises';
import {
  CloudWatchLogsClient,
  GetQueryResultsCommand,
  StartQueryCommand,
  StopQueryCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { duration } from '../../terminal/fleet-table.ts';
import { CliError } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';
import type { Fleet } from '../shared/fleet.ts';
import { readFunctionSettings } from './function-settings.ts';

/** A question to the function's log. */
export interface LogQuestion {
  /** In the language of CloudWatch Logs Insights; the local system knows a part of it (local/aws/services/insights.ts). */
  readonly query: string;
  /** Seconds since the epoch. */
  readonly since: number;
  readonly until: number;
}

export interface LogAnswer {
  readonly rows: readonly Readonly<Record<string, string>>[];
  readonly cost: LogCost;
}

/** What asking has cost: Logs Insights is paid by what it reads. */
export interface LogCost {
  readonly scannedBytes: number;
  /** US dollars, at the price of us-east-1. */
  readonly dollars: number;
}

/** More rows than this Insights does not give. */
export const MAX_ROWS = 10_000;

const DOLLARS_A_GIGABYTE = 0.005;
/** Seconds. */
const LEEWAY = 60;
/** Milliseconds. */
const POLL_EVERY = 250;
const LONGEST_WAIT = 180_000;

/**
 * Asks the function's log by Logs Insights, and waits three minutes for the answer at most; with a line of progress. At
 * Ctrl-C, and after that time, the query is stopped, so that it costs no more.
 *
 * @throws CliError where the log doesn't answer; the SDK's error where it can't be asked; AbortError at Ctrl-C
 */
export async function askLog(
  fleet: Fleet,
  { query, since, until }: LogQuestion,
  { terminal, signal }: Pick<Context, 'terminal' | 'signal'>,
): Promise<LogAnswer> {
  const client = new CloudWatchLogsClient(fleet.config);
  const { logGroupName } = await readFunctionSettings(fleet);
  signal.throwIfAborted();
  const { queryId } = await client.send(
    new StartQueryCommand({
      logGroupName,
      queryString: query,
      startTime: since,
      // What was logged in this very second, and by a clock that is a little ahead.
      endTime: until + LEEWAY,
      limit: MAX_ROWS,
    }),
  );
  const begun = Date.now();
  let ended = false;
  try {
    for (let polls = 0; Date.now() - begun < LONGEST_WAIT; polls++) {
      // What is quick, as it is locally, need not wait.
      await sleep(polls === 0 ? 0 : POLL_EVERY, undefined, { signal });
      const {
        status = 'Unknown',
        results = [],
        statistics,
      } = await client.send(new GetQueryResultsCommand({ queryId }));
      const scannedBytes = statistics?.bytesScanned ?? 0;
      if (status === 'Complete') {
        ended = true;
        return { rows: results.map(rowOf), cost: costOf(scannedBytes) };
      }
      if (!['Scheduled', 'Running', 'Unknown'].includes(status)) {
        ended = true;
        throw new CliError(
          'LOG_QUERY_FAILED',
          `The log was asked, and the query ended as ${status}. Run the command again; with a later --since it reads less.`,
        );
      }
      terminal.progress(
        `Asking the log of the last ${duration(until - since)} … ${Math.round((Date.now() - begun) / 1000)} s, ${bytes(scannedBytes)} read`,
      );
    }
    throw new CliError(
      'LOG_QUERY_SLOW',
      `The log has not answered within ${LONGEST_WAIT / 60_000} minutes. Run the command again with a later --since: it reads less.`,
    );
  } finally {
    terminal.progress(undefined);
    // Also at Ctrl-C; a query that has ended meanwhile can't be stopped, which is well.
    if (!ended) await client.send(new StopQueryCommand({ queryId })).catch(() => undefined);
    client.destroy();
  }
}

function rowOf(
  fields: readonly { readonly field?: string | undefined; readonly value?: string | undefined }[],
): Record<string, string> {
  return Object.fromEntries(
    fields.flatMap(({ field, value }) =>
      field === undefined || value === undefined || field === '@ptr' ? [] : [[field, value] as const],
    ),
  );
}

function costOf(scannedBytes: number): LogCost {
  return { scannedBytes, dollars: (scannedBytes / 2 ** 30) * DOLLARS_A_GIGABYTE };
}

/** For people: what was read, and what it cost. */
export function costText({ scannedBytes, dollars }: LogCost): string {
  const price = dollars < 0.01 ? 'less than 1 cent' : `about $${dollars.toFixed(2)}`;
  return `The log answered: ${bytes(scannedBytes)} read, ${price}.`;
}

function bytes(count: number): string {
  if (count < 1e6) return `${Math.ceil(count / 1e3)} KB`;
  return count < 1e9 ? `${Math.round(count / 1e6)} MB` : `${(count / 1e9).toFixed(1)} GB`;
}

/** A text of a query, in quotes. @throws CliError where it has a character that can't stand in a query */
export function quoted(text: string): string {
  if (/\p{Cc}/u.test(text))
    throw new CliError(
      'LOG_QUERY_IMPOSSIBLE',
      'An id with control characters can’t be looked for in the log.',
    );
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}

/** A time in an answer: Insights writes one as text (UTC), and one that was counted with as milliseconds. @returns seconds */
export function instantIn(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const milliseconds = /^[\d.]+(?:e\+?\d+)?$/i.test(value)
    ? Number(value)
    : Date.parse(`${value.replace(' ', 'T')}Z`);
  return Number.isNaN(milliseconds) ? undefined : Math.floor(milliseconds / 1000);
}

/** A number in an answer; undefined where there is none. */
export function numberIn(value: string | undefined): number | undefined {
  const number = value === undefined || value === '' ? Number.NaN : Number(value);
  return Number.isNaN(number) ? undefined : number;
}
