import type { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import type { KMSClient } from '@aws-sdk/client-kms';
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { createAccountsTable } from '../adapters/aws/accounts-table.ts';
import { createEscrowVault } from '../adapters/aws/escrow.ts';
import { createEvents } from '../adapters/aws/events.ts';
import { createProfiles } from '../adapters/aws/profiles.ts';
import { createSecrets } from '../adapters/aws/secrets.ts';
import type { DiscoveryCache } from '../adapters/oauth/discovery.ts';
import type { SendHttpsRequest } from '../adapters/oauth/https-request.ts';
import { createTokenEndpoint } from '../adapters/oauth/token-endpoint.ts';
import type { Trace } from '../adapters/xray-trace.ts';
import { type Clock, secondsOf } from '../core/clock.ts';
import { createClockCheck } from '../core/clock-check.ts';
import { createPace } from '../core/pace.ts';
import { createLimits } from './attempt/limits.ts';
import type { Log } from './attempt/log.ts';
import type { RunCounters } from './attempt/ports.ts';
import { createProfileNotes } from './attempt/profile-notes.ts';
import type { Environment } from './environment.ts';
import type { RunRequest } from './event.ts';
import { run, STARTS_PER_SECOND } from './run.ts';
import type { RunSummary } from './run-result.ts';
import { sampleSecrets } from './sample-secrets.ts';

export interface Invocation {
  readonly runId: string;
  /** When it began, and when its process may be gone, milliseconds since the epoch. */
  readonly begun: number;
  readonly deadline: number;
  readonly environment: Environment;
  readonly request: RunRequest;
}

/** The world outside the process: AWS's clients, HTTPS, the clock and the log. The simulator has its own of each. */
export interface Outside {
  readonly table: DynamoDBDocumentClient;
  /** The table, as the client is to call it. */
  readonly callableTable: string;
  readonly secrets: SecretsManagerClient;
  /** Tries once only. */
  readonly secretsWriter: SecretsManagerClient;
  readonly kms: KMSClient;
  readonly events: EventBridgeClient;
  readonly send: SendHttpsRequest;
  readonly discoveryCache: DiscoveryCache;
  readonly clock: Clock;
  /** Absent where nobody traces. */
  readonly trace?: Trace;
  readonly log: Log;
}

/**
 * Reads the secrets of a few accounts that are not due, after a run of the schedule over the whole table or its first share.
 *
 * @param before when the last sample was taken, seconds since the epoch
 * @returns when this one was; `before` where none was taken
 */
export async function sampleAfterRun(
  { environment, request, deadline }: Invocation,
  { clock, log, ...outside }: Outside,
  { result }: RunSummary,
  before: number | undefined,
): Promise<number | undefined> {
  const { accountIds, force, dryRun, share = { segment: 0, totalSegments: 1 } } = request;
  if (accountIds !== undefined || force || dryRun || share.segment > 0 || result.incomplete) return before;
  const table = createAccountsTable(outside.table, outside.callableTable);
  const secrets = createSecrets(outside.secrets, outside.secretsWriter);
  const items = result.scanned * share.totalSegments;
  const { secretNamePrefix } = environment;
  await sampleSecrets({ items, before, secretNamePrefix, deadline }, { table, secrets, clock, log });
  return secondsOf(clock);
}

/** Builds the ports of one run, and runs it. Rejects with the SDK's error if the table can't be read or written. */
export async function runInvocation(
  { environment, request, ...invocation }: Invocation,
  { clock, log, trace = () => {}, ...outside }: Outside,
): Promise<{ readonly summary: RunSummary; readonly counters: RunCounters }> {
  const { accountsTableName, formerAccountsTables, escrowKeyId, addresses, ...settings } = environment;
  const { secretNamePrefix, refreshWindow } = settings;
  const counters: RunCounters = {};
  const table = createAccountsTable(outside.table, outside.callableTable);
  const secrets = createSecrets(outside.secrets, outside.secretsWriter);
  const events = createEvents(outside.events, environment.eventBusName, invocation.runId);
  const segments = request.share?.totalSegments ?? 1;
  const byHand = request.force && request.accountIds !== undefined;
  const { send, discoveryCache: cache } = outside;
  const summary = await run(
    request,
    { ...invocation, ...settings, tableName: accountsTableName, formerTables: formerAccountsTables },
    {
      table,
      secrets,
      profiles: createProfiles(secrets, secretNamePrefix, refreshWindow),
      notes: createProfileNotes({ table, events, clock, log, dryRun: request.dryRun, byHand }),
      endpoint: createTokenEndpoint({ ...addresses, send, cache, now: clock.now }),
      vault: escrowKeyId === undefined ? undefined : createEscrowVault(outside.kms, escrowKeyId),
      events,
      limits: createLimits(segments),
      turn: createPace(STARTS_PER_SECOND / segments, clock),
      clock,
      clockCheck: createClockCheck(),
      trace,
      log,
      count: (what) => {
        counters[what] = (counters[what] ?? 0) + 1;
      },
    },
  );
  return { summary, counters };
}
