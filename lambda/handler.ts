import { randomUUID } from 'node:crypto';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { KMSClient } from '@aws-sdk/client-kms';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import type { Context } from 'aws-lambda';
import type { DiscoveryCache } from '../adapters/oauth/discovery.ts';
import { createHttpsClient } from '../adapters/oauth/https-request.ts';
import { systemClock } from '../adapters/system-clock.ts';
import { createTrace } from '../adapters/xray-trace.ts';
import { tableNameOf } from '../core/account/kept-by.ts';
import type { Log } from './attempt/log.ts';
import { type Environment, readEnvironment } from './environment.ts';
import { readEvent } from './event.ts';
import { type Invocation, runInvocation, sampleAfterRun } from './invocation.ts';
import { MAX_IN_FLIGHT } from './run.ts';
import type { RunResult } from './run-result.ts';
import { logger, publishRunMetrics } from './telemetry.ts';

/** Every AWS call has an end, so that a call that hangs leaves time to do something about it. */
const calls = {
  requestHandler: {
    connectionTimeout: 2_000,
    requestTimeout: 5_000,
    throwOnRequestTimeout: true,
    httpsAgent: { keepAlive: true, maxSockets: MAX_IN_FLIGHT + 10 },
    httpAgent: { keepAlive: true, maxSockets: MAX_IN_FLIGHT + 10 },
  },
};

/** Clients outlive a run: a warm function reuses their connections. */
const clients = {
  table: DynamoDBDocumentClient.from(new DynamoDBClient(calls), {
    marshallOptions: { removeUndefinedValues: true },
    // By default one item with a number too large for JavaScript would make its whole page unreadable.
    unmarshallOptions: { wrapNumbers: (value: string) => Number(value) },
  }),
  secrets: new SecretsManagerClient(calls),
  // Stores are repeated with the deadline in view, so the client itself tries once.
  secretsWriter: new SecretsManagerClient({ ...calls, maxAttempts: 1 }),
  kms: new KMSClient(calls),
  events: new EventBridgeClient(calls),
};

/** The logger takes any field, these only what is described. */
const log = logger as Log;

const discoveryCache: DiscoveryCache = new Map();
/** When this process last read a sample of secrets, seconds since the epoch. */
let sampledAt: number | undefined;

/** Milliseconds to run, where no context tells, as in a test of your own. */
const DEFAULT_TIME = 120_000;

/**
 * The Lambda function: keeps every account's access token fresh.
 *
 * @param event an EventBridge scheduled event, `{}`, or a request by hand (`RunRequest`)
 * @returns what the run did; it is also the last line of its log
 * @throws InvalidEnvironment, InvalidEvent, or the SDK's error where the table can't be read or written
 */
export async function handler(event: unknown, context?: Context): Promise<RunResult> {
  const begun = Date.now();
  // In whole milliseconds: timers take no others.
  const deadline = begun + Math.floor(context?.getRemainingTimeInMillis?.() ?? DEFAULT_TIME);
  const runId = randomUUID();
  logger.resetKeys();
  logger.appendKeys({ runId, requestId: context?.awsRequestId });
  try {
    return await runWith(readEnvironment(process.env), event, { runId, begun, deadline });
  } catch (error) {
    const { name, code } = error as { name?: unknown; code?: unknown };
    log.error('The run failed.', { errorName: String(name), code: String(code ?? name) });
    throw error;
  }
}

/** When an invocation began, and when its process may be gone. */
type Times = Pick<Invocation, 'runId' | 'begun' | 'deadline'>;

async function runWith(environment: Environment, event: unknown, times: Times): Promise<RunResult> {
  const request = readEvent(event);
  const https = createHttpsClient(environment.addresses, environment.proxy);
  const callableTable = callableName(environment.accountsTableName);
  const trace = createTrace(process.env);
  const outside = { ...clients, callableTable, discoveryCache, clock: systemClock, trace, log };
  try {
    const invocation = { ...times, environment, request };
    const world = { ...outside, send: https.send };
    const { summary, counters } = await runInvocation(invocation, world);
    const over = request.accountIds === undefined ? 'table' : 'named accounts';
    if (!request.dryRun) publishRunMetrics(summary, counters, over);
    sampledAt = await sampleAfterRun(invocation, world, summary, sampledAt);
    log.info('Run finished.', { ...summary.result });
    return summary.result;
  } finally {
    https.close();
  }
}

/** A table of one's own Region is called by its name, which every endpoint understands; another by its ARN. */
function callableName(table: string): string {
  return table.split(':')[3] === process.env.AWS_REGION ? tableNameOf(table) : table;
}
