import { randomUUID } from 'node:crypto';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { KMSClient } from '@aws-sdk/client-kms';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import type { Context } from 'aws-lambda';
import { createAccountsTable } from '../adapters/aws/accounts-table.ts';
import { createEscrowVault } from '../adapters/aws/escrow.ts';
import { createEvents } from '../adapters/aws/events.ts';
import { createProfiles } from '../adapters/aws/profiles.ts';
import { createSecrets } from '../adapters/aws/secrets.ts';
import type { DiscoveryCache } from '../adapters/oauth/discovery.ts';
import { createHttpsClient } from '../adapters/oauth/https-request.ts';
import { createTokenEndpoint } from '../adapters/oauth/token-endpoint.ts';
import { systemClock } from '../adapters/system-clock.ts';
import { tableNameOf } from '../core/account/kept-by.ts';
import { createPace } from '../core/pace.ts';
import { createLimits } from './attempt/limits.ts';
import type { RunCounters } from './attempt/ports.ts';
import { createProfileNotes } from './attempt/profile-notes.ts';
import { type Environment, readEnvironment } from './environment.ts';
import { readEvent } from './event.ts';
import { MAX_IN_FLIGHT, run, STARTS_PER_SECOND } from './run.ts';
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

const discoveryCache: DiscoveryCache = new Map();

/** Where nothing tells how long the function may run, as in a test of one's own. */
const DEFAULT_TIME = 120_000;

/**
 * The Lambda function: keeps every account's access token fresh.
 *
 * @param event an EventBridge scheduled event, `{}`, or a request by hand (contract)
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
    logger.error('The run failed.', { errorName: String(name), code: String(code ?? name) });
    throw error;
  }
}

interface Invocation {
  readonly runId: string;
  /** Milliseconds since the epoch. */
  readonly begun: number;
  readonly deadline: number;
}

async function runWith(environment: Environment, event: unknown, invocation: Invocation): Promise<RunResult> {
  const request = readEvent(event);
  const { secretNamePrefix, refreshWindow, refreshSpread, escrowKeyId, addresses } = environment;
  const tables = { tableName: environment.accountsTableName, formerTables: environment.formerAccountsTables };
  const https = createHttpsClient(addresses);
  const secrets = createSecrets(clients.secrets, clients.secretsWriter);
  const counters: RunCounters = {};
  const table = createAccountsTable(clients.table, callableTable(tables.tableName));
  const events = createEvents(clients.events, environment.eventBusName, invocation.runId);
  const segments = request.share?.totalSegments ?? 1;
  const clock = systemClock;
  const log = logger;
  try {
    const summary = await run(
      request,
      { ...invocation, ...tables, secretNamePrefix, refreshWindow, refreshSpread },
      {
        table,
        secrets,
        profiles: createProfiles(secrets, secretNamePrefix, refreshWindow),
        notes: createProfileNotes({ table, events, clock, log }),
        endpoint: createTokenEndpoint({
          ...addresses,
          send: https.send,
          cache: discoveryCache,
          now: Date.now,
        }),
        vault: escrowKeyId === undefined ? undefined : createEscrowVault(clients.kms, escrowKeyId),
        events,
        limits: createLimits(segments),
        turn: createPace(STARTS_PER_SECOND / segments, clock),
        clock,
        log,
        count: (what) => {
          counters[what] = (counters[what] ?? 0) + 1;
        },
      },
    );
    const over = request.accountIds === undefined ? 'table' : 'named accounts';
    if (!request.dryRun) publishRunMetrics(summary, counters, over);
    logger.info('Run finished.', { ...summary.result });
    return summary.result;
  } finally {
    https.close();
  }
}

/** A table of one's own Region is called by its name, which every endpoint understands; another by its ARN. */
function callableTable(table: string): string {
  return table.split(':')[3] === process.env.AWS_REGION ? tableNameOf(table) : table;
}
