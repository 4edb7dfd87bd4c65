import { randomUUID } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import * as v from 'valibot';
import { statements, transaction } from '../../shared/store.ts';
import { AwsError } from '../protocol/aws-error.ts';
import { list, operation } from '../protocol/operation.ts';
import type { Operations } from '../protocol/protocol.ts';

/** An event that the default bus accepted, as a rule's target would get it. */
export interface RecordedEvent {
  readonly id: string;
  readonly source: string;
  readonly detailType: string;
  readonly detail: unknown;
  readonly resources: readonly string[];
  /** Milliseconds since the epoch. */
  readonly time: number;
}

const entry = v.strictObject({
  Source: v.optional(v.string()),
  DetailType: v.optional(v.string()),
  Detail: v.optional(v.string()),
  EventBusName: v.optional(v.string(), 'default'),
  Resources: v.optional(v.array(v.string()), []),
  Time: v.optional(v.number()),
});
type Entry = v.InferOutput<typeof entry>;
type Failure = { readonly ErrorCode: string; readonly ErrorMessage: string };

const MAX_BYTES = 256 * 1024;

/** EventBridge's PutEvents, and the events that it accepted, in order. */
export interface EventBridge {
  readonly operations: Operations;
  recorded(): RecordedEvent[];
}

/** @see https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html */
export function eventBridge(db: DatabaseSync, now: () => number): EventBridge {
  db.exec(
    `CREATE TABLE IF NOT EXISTS events (row INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL) STRICT`,
  );
  const sql = statements(db);

  function put(item: Entry): Failure | { readonly EventId: string } {
    const failure = judge(item);
    if (failure !== undefined) return failure;
    const { Source = '', DetailType = '', Detail = '', Resources, Time } = item;
    const event: RecordedEvent = {
      id: randomUUID(),
      source: Source,
      detailType: DetailType,
      detail: JSON.parse(Detail),
      resources: Resources,
      time: Time === undefined ? now() : Time * 1000,
    };
    // As in AWS, an event for a bus that doesn't exist gets an id, and is lost.
    if (/(^|event-bus\/)default$/.test(item.EventBusName))
      sql.run`INSERT INTO events (event) VALUES (${JSON.stringify(event)})`;
    return { EventId: event.id };
  }

  return {
    operations: {
      PutEvents: operation(v.strictObject({ Entries: list(entry, 1, 10) }), ({ Entries }) => {
        if (Entries.reduce((sum, item) => sum + weight(item), 0) >= MAX_BYTES)
          throw new AwsError(
            'ValidationException',
            'Total size of the entries in the request is over the limit.',
          );
        const results = transaction(db, () => Entries.map(put));
        return {
          FailedEntryCount: results.filter((result) => 'ErrorCode' in result).length,
          Entries: results,
        };
      }),
    },
    recorded: () =>
      sql.all`SELECT event FROM events ORDER BY row`.map(({ event }) => JSON.parse(String(event))),
  };
}

/** What is wrong with an entry. The other entries of the request are still accepted. */
function judge({ Source, DetailType, Detail }: Entry): Failure | undefined {
  for (const [name, value] of Object.entries({ Source, DetailType, Detail }))
    if (!value)
      return {
        ErrorCode: 'InvalidArgument',
        ErrorMessage: `Parameter ${name} is not valid. Reason: ${name} is a required argument.`,
      };
  if (Source?.startsWith('aws.'))
    return {
      ErrorCode: 'NotAuthorizedForSourceException',
      ErrorMessage: 'Not authorized for the source.',
    };
  if (!isJsonObject(Detail ?? ''))
    return { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' };
  return undefined;
}

function isJsonObject(json: string): boolean {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/** @see https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html */
function weight({ Source = '', DetailType = '', Detail = '', Resources, Time }: Entry): number {
  const texts = [Source, DetailType, Detail, ...Resources];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), Time === undefined ? 0 : 14);
}
