import { SCANS_LAG_FOR } from './assumptions.ts';
import { type Bindings, holds, type Item, updated } from './expressions.ts';
import { type SimulatedProcess, serviceError } from './process.ts';

interface Input extends Bindings {
  readonly Key?: { readonly accountId: string };
  readonly Item?: Item;
  readonly ConditionExpression?: string;
  readonly UpdateExpression?: string;
  readonly FilterExpression?: string;
  readonly ConsistentRead?: boolean;
  readonly ReturnValues?: string;
  readonly Segment?: number;
  readonly TotalSegments?: number;
  readonly RequestItems?: Readonly<
    Record<string, { readonly Keys: readonly { readonly accountId: string }[] }>
  >;
}

interface State {
  readonly at: number;
  readonly item: Item | undefined;
}

/**
 * A table. "If no item has been written or the condition does not hold, the write is not carried out"; a read that is not
 * strongly consistent "might not reflect the results of a recently completed write".
 *
 * @see https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithItems.html
 * @see https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.ReadConsistency.html
 */
export class SimulatedTable {
  readonly name: string;
  readonly #items = new Map<string, State[]>();
  readonly #onWrite: (before: Item | undefined, after: Item | undefined) => void;

  /** @param onWrite is told of each write as it takes effect */
  constructor(name: string, onWrite: (before: Item | undefined, after: Item | undefined) => void) {
    this.name = name;
    this.#onWrite = onWrite;
  }

  item(accountId: string): Item | undefined {
    return this.#items.get(accountId)?.at(-1)?.item;
  }

  /** The ids of all items that there are. */
  ids(): readonly string[] {
    return [...this.#items.keys()].filter((id) => this.item(id) !== undefined);
  }

  /** Since when there has been an item without a break; milliseconds. */
  madeAt(accountId: string): number | undefined {
    const states = this.#items.get(accountId) ?? [];
    const gone = states.findLastIndex(({ item }) => item === undefined);
    return states[gone + 1]?.at;
  }

  /** The ids of all items that there ever were. */
  idsEver(): readonly string[] {
    return [...this.#items.keys()];
  }

  /** An item as it was at some time; undefined where there was none. */
  itemAt(accountId: string, at: number): Item | undefined {
    return this.#items.get(accountId)?.findLast((state) => state.at <= at)?.item;
  }

  write(accountId: string, item: Item | undefined, at: number): void {
    const before = this.item(accountId);
    const stored = item && plain(item);
    const states = this.#items.get(accountId) ?? [];
    states.push({ at, item: stored });
    this.#items.set(accountId, states);
    this.#onWrite(before, stored);
  }

  /** What the service does with a command, when it arrives. */
  carryOut(operation: string, input: Input, reader: SimulatedProcess): object {
    const { time } = reader;
    if (operation === 'Scan') return this.#scan(input, reader);
    if (operation === 'BatchGet') {
      const keys = Object.values(input.RequestItems ?? {}).flatMap(({ Keys }) => Keys);
      const found = keys.flatMap(({ accountId }) => this.item(accountId) ?? []);
      return { Responses: { [this.name]: found } };
    }
    const accountId = input.Key?.accountId ?? String(input.Item?.accountId);
    const before = this.item(accountId);
    if (operation === 'Get') return { Item: before };
    if (!holds(input.ConditionExpression, before, input))
      throw serviceError('ConditionalCheckFailedException', 400);
    if (operation === 'Put') this.write(accountId, input.Item, time);
    else if (operation === 'Delete') this.write(accountId, undefined, time);
    else this.write(accountId, updated(input.UpdateExpression ?? '', before ?? { accountId }, input), time);
    return input.ReturnValues === 'ALL_OLD' ? { Attributes: before } : {};
  }

  #scan(input: Input, { time, random, plan }: SimulatedProcess): object {
    const { Segment = 0, TotalSegments = 1, ConsistentRead } = input;
    const lagging = ConsistentRead === true ? 0 : (plan.lagging ?? 0);
    const items: Item[] = [];
    let scanned = 0;
    let place = 0;
    for (const accountId of this.#items.keys()) {
      if (place++ % TotalSegments !== Segment) continue;
      const lag = random.chance(lagging) ? random.below(SCANS_LAG_FOR * 1_000) : 0;
      const item = lag === 0 ? this.item(accountId) : this.itemAt(accountId, time - lag);
      if (item === undefined) continue;
      scanned++;
      if (holds(input.FilterExpression, item, input)) items.push(item);
    }
    return { Items: items, ScannedCount: scanned };
  }
}

/** As the document client sends it: without what is undefined. */
function plain(item: Item): Item {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(item))
    if (value !== undefined)
      kept[name] = typeof value === 'object' && value !== null ? JSON.parse(JSON.stringify(value)) : value;
  return kept;
}
