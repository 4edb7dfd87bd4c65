import { GetCommand, paginateScan } from '@aws-sdk/lib-dynamodb';
import { printable } from '../../local/display-text.ts';
import type { FleetItem } from '../../local/fleet-table.ts';
import { CliError } from '../cli-error.ts';
import type { Fleet } from '../fleet.ts';
import type { Terminal } from '../terminal.ts';

/** Every item of the accounts table, with a count of them as progress. */
export async function readItems(fleet: Fleet, terminal?: Pick<Terminal, 'progress'>): Promise<FleetItem[]> {
  const items: FleetItem[] = [];
  for await (const { Items = [] } of paginateScan({ client: fleet.table }, { TableName: fleet.tableName })) {
    items.push(...(Items as FleetItem[]));
    terminal?.progress(`Reading the accounts table … ${items.length}`);
  }
  terminal?.progress(undefined);
  return items;
}

/** One item, as it is now; undefined where there is none. */
export async function findItem(fleet: Fleet, accountId: string): Promise<FleetItem | undefined> {
  const { Item } = await fleet.table.send(
    new GetCommand({ TableName: fleet.tableName, Key: { accountId }, ConsistentRead: true }),
  );
  return Item as FleetItem | undefined;
}

/** One item, as it is now. @throws CliError where there is none */
export async function readItem(fleet: Fleet, accountId: string): Promise<FleetItem> {
  const item = await findItem(fleet, accountId);
  if (item === undefined)
    throw new CliError(
      'NO_ACCOUNT',
      `There is no account "${printable(accountId)}" in ${fleet.label}. See "accounts list" for the ids.`,
    );
  return item;
}

/** Seconds since the epoch. */
export function now(): number {
  return Math.floor(Date.now() / 1000);
}
