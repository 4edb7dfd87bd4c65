import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { DeleteCommand } from '@aws-sdk/lib-dynamodb';
import { startFleet, type TestFleet } from './fleet.ts';

/** The local system with no account but those that a test puts. */
export interface ReportFleet extends TestFleet {
  /** Takes every item out of the table, notes too. */
  empty(): Promise<void>;
  /** Empties the table and puts OAuth accounts: each is healthy unless it says otherwise. */
  hold(items: readonly Readonly<Record<string, unknown>>[]): Promise<void>;
  /** The result of a question, and its text on a terminal of 80 columns. */
  ask(...args: string[]): Promise<{ readonly code: number; readonly value: never; readonly text: string }>;
  /** Adds lines to the function's log, each so many seconds ago. */
  log(...lines: readonly { readonly ago: number; readonly [field: string]: unknown }[]): void;
}

export async function startReportFleet(): Promise<ReportFleet> {
  const fleet = await startFleet();
  const { table, tableName: TableName } = fleet.system.clients;
  const empty = async () => {
    for (const { accountId } of await fleet.system.clients.items())
      await table.send(new DeleteCommand({ TableName, Key: { accountId } }));
  };
  return {
    ...fleet,
    empty,
    hold: async (items) => {
      await empty();
      for (const item of items)
        await fleet.put({
          ...(String(item.accountId).startsWith('#')
            ? {}
            : { authenticationType: 'oauth2', status: 'healthy' }),
          ...item,
        });
    },
    ask: async (...args) => {
      const { code, value } = await fleet.json(args);
      const { stdout, stderr } = await fleet.run(args, { columns: 80, env: { NO_COLOR: '1' } });
      return { code, value: value as never, text: `${stdout}${stderr}` };
    },
    log: (...lines) => {
      const text = lines.map(({ ago, ...fields }) =>
        JSON.stringify({ timestamp: new Date(Date.now() - ago * 1000).toISOString(), ...fields }),
      );
      appendFileSync(join(fleet.data, 'logs', 'function.log'), `${text.join('\n')}\n`);
    },
  };
}
