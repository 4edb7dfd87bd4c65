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

interface Key {
  readonly accountId: string;
}

/** BatchGetItem takes so many keys. */
const BATCH = 100;
/** Calls in a row that may read nothing. */
const MOST_TRIES = 5;

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
      let left: readonly Key[] = keys.map((accountId) => ({ accountId }));
      for (let tries = 0; left.length > 0; ) {
        const { Responses, UnprocessedKeys } = await client.send(
          new BatchGetCommand({
            RequestItems: { [TableName]: { Keys: left.slice(0, BATCH), ConsistentRead: true } },
          }),
        );
        const found = Object.values(Responses ?? {}).flat();
        items.push(...found);
        // It says 200 where it has read a part only.
        const unread = Object.values(UnprocessedKeys ?? {}).flatMap(({ Keys = [] }) => Keys as Key[]);
        if (unread.length > 0 && found.length === 0 && ++tries === MOST_TRIES)
          throw Object.assign(new Error('Notes were not read'), { name: 'ThrottlingException' });
        left = [...unread, ...left.slice(BATCH)];
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
