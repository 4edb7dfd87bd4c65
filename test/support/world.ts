import { randomUUID } from 'node:crypto';
import { CreateKeyCommand } from '@aws-sdk/client-kms';
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { keeperOf } from '../../core/account/kept-by.ts';
import type { RunResult } from '../../lambda/run-result.ts';
import { awsEnvironment, createLocalClients, type LocalClients, provision } from '../../local/clients.ts';
import {
  createFunctionProcess,
  type FunctionProcess,
  type Invocation,
} from '../../local/function-process.ts';

/** The function in a process of its own, with a table, a key and secrets of its own at some AWS endpoint. */
export interface World {
  readonly clients: LocalClients;
  readonly prefix: string;
  /** The KMS key that the function keeps escrow under. */
  readonly escrowKeyId: string;
  /** What `kept_by` is in token sets that this world's function keeps. */
  readonly keeper: string;
  /**
   * Writes an account's item, and its token secret where one is given: as `import` would, with `kept_by` unless the set
   * says something of it, or as it is where it is text.
   */
  account(item: Record<string, unknown>, secret?: unknown): Promise<void>;
  /** Writes a profile's secret: as JSON, or as it is where it is text. */
  profile(name: string, fields: unknown): Promise<void>;
  item(accountId: string): Promise<Record<string, unknown>>;
  tokens(accountId: string): Promise<Record<string, unknown>>;
  /** Runs the function and returns its result; rejects where the run fails. */
  run(event?: unknown, timeout?: number): Promise<RunResult>;
  /** The same in a process of its own, so many seconds from now. */
  runAt(seconds: number, event?: unknown, timeout?: number): Promise<RunResult>;
  /** A further process of the same function. */
  process(options?: ProcessOptions): FunctionProcess;
  readonly function: FunctionProcess;
  close(): void;
}

export interface ProcessOptions {
  readonly environment?: Record<string, string>;
  readonly clockOffsetSeconds?: number;
  readonly module?: string;
}

/** What a run returned; throws where it failed. */
export function resultOf(invocation: Invocation): RunResult {
  if (invocation.kind === 'failed') throw new Error(`${invocation.errorType}: ${invocation.errorMessage}`);
  return invocation.payload as RunResult;
}

/** What a world is made of, as a deployed stack's outputs would say. */
export interface WorldParts {
  readonly tableName: string;
  readonly prefix: string;
  readonly escrowKeyArn: string;
}

/**
 * @param endpoint an AWS endpoint: the local one, or another emulator's
 * @param between starts what stands between the function and the endpoint, and returns its URL
 */
export async function createWorld(
  endpoint: string,
  environment: Record<string, string> = {},
  between?: (parts: WorldParts) => Promise<string>,
): Promise<World> {
  const id = randomUUID().slice(0, 8);
  const prefix = `test-${id}/`;
  const clients = createLocalClients(endpoint, `accounts-${id}`);
  await provision(clients);
  const { KeyMetadata } = await clients.kms.send(new CreateKeyCommand({}));
  const keeper = keeperOf(clients.tableName, KeyMetadata?.Arn) ?? '';
  const { tableName } = clients;
  const parts = { tableName, prefix, escrowKeyArn: KeyMetadata?.Arn ?? '' };
  const base = {
    ...awsEnvironment((await between?.(parts)) ?? endpoint),
    ACCOUNTS_TABLE_NAME: clients.tableName,
    SECRET_NAME_PREFIX: prefix,
    ESCROW_KEY_ID: KeyMetadata?.KeyId ?? '',
    ALLOW_HTTP_LOOPBACK: 'true',
    ...environment,
  };
  const started: FunctionProcess[] = [];
  const start = ({ environment: more = {}, clockOffsetSeconds, module }: ProcessOptions = {}) => {
    const shifted = clockOffsetSeconds !== undefined;
    const fn = createFunctionProcess({
      ...(module !== undefined && { module }),
      ...(shifted && { preload: [new URL('shifted-clock.ts', import.meta.url).href] }),
      environment: { ...base, ...more, ...(shifted && { CLOCK_OFFSET_SECONDS: String(clockOffsetSeconds) }) },
    });
    started.push(fn);
    return fn;
  };
  const fn = start();
  return {
    clients,
    prefix,
    keeper,
    escrowKeyId: base.ESCROW_KEY_ID,
    function: fn,
    process: start,
    account: async (item, secret) => {
      if (secret !== undefined)
        await clients.putSecret(
          `${prefix}accounts/${item.accountId}`,
          typeof secret === 'string' ? secret : JSON.stringify({ kept_by: keeper, ...(secret as object) }),
        );
      await clients.table.send(
        new PutCommand({ TableName: clients.tableName, Item: { authenticationType: 'oauth2', ...item } }),
      );
    },
    profile: async (name, fields) => {
      const text = typeof fields === 'string' ? fields : JSON.stringify(fields);
      await clients.putSecret(`${prefix}profiles/${name}`, text);
    },
    item: async (accountId) => {
      const Key = { accountId };
      const { Item } = await clients.table.send(
        new GetCommand({ TableName: clients.tableName, Key, ConsistentRead: true }),
      );
      return Item ?? {};
    },
    tokens: async (accountId) => {
      const SecretId = `${prefix}accounts/${accountId}`;
      const { SecretString } = await clients.secrets.send(new GetSecretValueCommand({ SecretId }));
      return JSON.parse(SecretString ?? '{}');
    },
    run: async (event = {}, timeout) => resultOf(await fn.invoke(event, timeout)),
    runAt: async (seconds, event = {}, timeout) =>
      resultOf(await start({ clockOffsetSeconds: seconds }).invoke(event, timeout)),
    close: () => {
      for (const one of started) one.kill();
    },
  };
}
