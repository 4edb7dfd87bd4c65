import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import type { RunResult } from '../../lambda/run-result.ts';
import { type LocalSystem, startLocalSystem } from '../../local/local-system.ts';
import { type CliOptions, cli, type Ended } from './cli.ts';
import { type Habits, type Seen, visit } from './person.ts';

/** The local system, and commands that act on it. */
export interface Connecting extends LocalSystem {
  /** Runs a command line against the system. */
  command(args: readonly string[], options?: CliOptions): Promise<Ended>;
  /** Runs `authorize`, with a person who opens the address that it prints. */
  authorize(args: readonly string[], person?: Habits, options?: CliOptions): Promise<Ended & { page: Seen }>;
  item(accountId: string): Promise<Record<string, unknown> | undefined>;
  /** Lays an item down as it is. */
  putItem(item: Record<string, unknown>): Promise<void>;
  tokens(accountId: string): Promise<Record<string, unknown> | undefined>;
  profile(name: string, fields: unknown): Promise<void>;
  /** A run as the schedule would fire it. */
  run(event?: unknown): Promise<RunResult>;
  /** The types of the events told of an account, in order. */
  events(accountId: string): string[];
}

export async function startConnecting(): Promise<Connecting> {
  const data = mkdtempSync(join(tmpdir(), 'connecting-'));
  const system = await startLocalSystem({ dataDirectory: data, port: 0, say: () => undefined });
  const { clients, aws } = system;
  // The sample accounts have their say first.
  await system.function.invoke({});
  const command: Connecting['command'] = (args, options) => cli(['--data', data, ...args], options);
  const putItem: Connecting['putItem'] = async (Item) => {
    await clients.table.send(new PutCommand({ TableName: clients.tableName, Item }));
  };
  return {
    ...system,
    command,
    putItem,
    authorize: async (args, person, options) => {
      const page = Promise.withResolvers<Seen>();
      let told = '';
      const onOutput = (text: string) => {
        const before = addressIn(told);
        told += text;
        const address = addressIn(told);
        if (before === undefined && address !== undefined)
          visit(address, person).then(page.resolve, (error: unknown) =>
            page.resolve({ address: '', status: 0, html: String(error) }),
          );
      };
      const ended = await command(['authorize', '--no-browser', ...args], { ...options, onOutput });
      if (addressIn(told) === undefined) page.resolve({ address: '', status: 0, html: '' });
      return { ...ended, page: await page.promise };
    },
    item: async (accountId) => {
      const { Item } = await clients.table.send(
        new GetCommand({ TableName: clients.tableName, Key: { accountId }, ConsistentRead: true }),
      );
      return Item;
    },
    tokens: async (accountId) => {
      const SecretId = `oauth/accounts/${accountId}`;
      const answer = await clients.secrets
        .send(new GetSecretValueCommand({ SecretId }))
        .catch(() => undefined);
      return answer?.SecretString === undefined ? undefined : JSON.parse(answer.SecretString);
    },
    profile: (name, fields) => clients.putSecret(`oauth/profiles/${name}`, JSON.stringify(fields)),
    run: async (event = {}) => {
      const invocation = await system.function.invoke(event);
      if (invocation.kind === 'failed') throw new Error(invocation.errorMessage);
      return invocation.payload as RunResult;
    },
    events: (accountId) =>
      aws
        .putEventsLog()
        .filter(({ detail }) => (detail as { accountId?: unknown }).accountId === accountId)
        .map(({ detailType }) => detailType),
    close: async () => {
      await system.close();
      rmSync(data, { recursive: true });
    },
  };
}

/** The first address that the command asks to open. */
export function addressIn(told: string): string | undefined {
  return /^ {2}(http:\S+(?:\?|\/start\/)\S+)\n/m.exec(told)?.[1];
}
