import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetSecretValueCommand, paginateListSecrets } from '@aws-sdk/client-secrets-manager';
import { PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { type LocalSystem, startLocalSystem } from '../../local/local-system.ts';
import { type CliOptions, cli, type Ended } from './cli.ts';

/** The local system, for tests of the command line. */
export interface TestFleet {
  readonly system: LocalSystem;
  readonly data: string;
  /** Runs one command line against it. */
  run(args: readonly string[], options?: CliOptions): Promise<Ended>;
  /** The same with `--json`; the result parsed. */
  json(args: readonly string[]): Promise<{ readonly code: number; readonly value: unknown }>;
  item(accountId: string): Promise<Record<string, unknown>>;
  /** Sets attributes of an account's item; undefined removes one. */
  change(accountId: string, attributes: Readonly<Record<string, unknown>>): Promise<void>;
  put(item: Readonly<Record<string, unknown>>): Promise<void>;
  tokenSet(accountId: string): Promise<Record<string, unknown>>;
  /** Every value that is stored in Secrets Manager, by name. */
  secrets(): Promise<ReadonlyMap<string, string>>;
  close(): Promise<void>;
}

/** Starts the local system on an empty directory and fires the function once. */
export async function startFleet(): Promise<TestFleet> {
  const data = mkdtempSync(join(tmpdir(), 'fleet-'));
  const system = await startLocalSystem({ dataDirectory: data, port: 0, say: () => {} });
  await system.function.invoke({});
  const { table, tableName: TableName, secrets } = system.clients;
  const run = (args: readonly string[], options?: CliOptions) => cli(['--data', data, ...args], options);
  const read = async (SecretId: string) =>
    (await secrets.send(new GetSecretValueCommand({ SecretId }))).SecretString ?? '';
  return {
    system,
    data,
    run,
    json: async (args) => {
      const { code, stdout } = await run([...args, '--json']);
      return { code, value: JSON.parse(stdout) };
    },
    item: async (accountId) =>
      (await system.clients.items()).find((item) => item.accountId === accountId) ?? {},
    change: async (accountId, attributes) => {
      const entries = Object.entries(attributes);
      const set = entries.filter(([, value]) => value !== undefined).map(([name]) => `#${name} = :${name}`);
      const removed = entries.filter(([, value]) => value === undefined).map(([name]) => `#${name}`);
      await table.send(
        new UpdateCommand({
          TableName,
          Key: { accountId },
          UpdateExpression: [
            ...(set.length > 0 ? [`SET ${set.join(', ')}`] : []),
            ...(removed.length > 0 ? [`REMOVE ${removed.join(', ')}`] : []),
          ].join(' '),
          ExpressionAttributeNames: Object.fromEntries(entries.map(([name]) => [`#${name}`, name])),
          ...(set.length > 0 && {
            ExpressionAttributeValues: Object.fromEntries(
              entries.flatMap(([name, value]) => (value === undefined ? [] : [[`:${name}`, value]])),
            ),
          }),
        }),
      );
    },
    put: async (Item) => {
      await table.send(new PutCommand({ TableName, Item }));
    },
    tokenSet: async (accountId) => JSON.parse(await read(`oauth/accounts/${accountId}`)),
    secrets: async () => {
      const found = new Map<string, string>();
      for await (const { SecretList = [] } of paginateListSecrets({ client: secrets }, {}))
        for (const { Name = '' } of SecretList) found.set(Name, await read(Name));
      return found;
    },
    close: async () => {
      await system.close();
      rmSync(data, { recursive: true, force: true });
    },
  };
}

/** Seconds since the epoch. */
export const seconds = () => Math.floor(Date.now() / 1000);
