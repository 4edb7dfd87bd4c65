import {
  BatchGetCommand,
  type DynamoDBDocumentClient,
  GetCommand,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { ifConditionHolds } from './aws-error.ts';
import { projection } from './scan-filter.ts';

/** An item as it came, before anything in it is believed. */
export type Item = Readonly<Record<string, unknown>>;

/** How a conditional write ended. */
export type Written = 'recorded' | 'conflict';

interface ItemChanges {
  /** Attributes that are undefined are left as they are. */
  readonly set?: Item;
  readonly remove?: readonly string[];
}

interface Condition {
  /** In it `#name` is the attribute of that name. */
  readonly expression: string;
  /** What is undefined is left out. */
  readonly values?: Item;
}

/** Single items of the accounts table. Each call rejects with the SDK's error, but for a lost condition. */
export interface TableItems {
  /** @param which `account` leaves out the attributes that are people's own */
  read(accountId: string, which: 'account' | 'note'): Promise<Item | undefined>;
  /** Reads several of the function's notes at once, of which those that exist come back, in no order. */
  readNotes(keys: readonly string[]): Promise<readonly Item[]>;
  update(accountId: string, changes: ItemChanges, condition: Condition): Promise<Written>;
}

/** BatchGetItem takes so many keys. */
const BATCH = 100;

export function createTableItems(client: DynamoDBDocumentClient, TableName: string): TableItems {
  return {
    read: async (accountId, which) => {
      const Key = { accountId };
      const attributes = which === 'account' ? projection() : {};
      return (await client.send(new GetCommand({ TableName, Key, ConsistentRead: true, ...attributes })))
        .Item;
    },
    readNotes: async (keys) => {
      const items: Item[] = [];
      for (let from = 0; from < keys.length; from += BATCH) {
        const wanted = keys.slice(from, from + BATCH).map((accountId) => ({ accountId }));
        const { Responses, UnprocessedKeys = {} } = await client.send(
          new BatchGetCommand({ RequestItems: { [TableName]: { Keys: wanted, ConsistentRead: true } } }),
        );
        // It says 200 where only a part was read.
        if (Object.keys(UnprocessedKeys).length > 0)
          throw Object.assign(new Error('A part of the notes was not read'), { name: 'ThrottlingException' });
        items.push(...Object.values(Responses ?? {}).flat());
      }
      return items;
    },
    update: async (accountId, { set = {}, remove = [] }, { expression, values = {} }) => {
      const sets = Object.keys(set).filter((name) => set[name] !== undefined);
      const clauses = [
        ...(sets.length > 0 ? [`SET ${sets.map((name) => `#${name} = :${name}`).join(', ')}`] : []),
        ...(remove.length > 0 ? [`REMOVE ${remove.map((name) => `#${name}`).join(', ')}`] : []),
      ];
      const named = `${clauses.join(' ')} ${expression}`.matchAll(/#(\w+)/g);
      const given = [...Object.entries(values), ...sets.map((name) => [`:${name}`, set[name]])];
      const known = given.filter(([, value]) => value !== undefined);
      const written = await ifConditionHolds(() =>
        client.send(
          new UpdateCommand({
            TableName,
            Key: { accountId },
            UpdateExpression: clauses.join(' '),
            ConditionExpression: expression,
            ExpressionAttributeNames: Object.fromEntries(named),
            ...(known.length > 0 && { ExpressionAttributeValues: Object.fromEntries(known) }),
          }),
        ),
      );
      return written ? 'recorded' : 'conflict';
    },
  };
}
