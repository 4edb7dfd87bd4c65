import { once } from 'node:events';
import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { type Options, stringify } from 'csv-stringify/sync';
import { WRITTEN_BY_PEOPLE } from '../../core/account/account.ts';
import { isJsonObject } from '../../core/json-object.ts';
import { type FleetItem, isAccount } from '../../terminal/fleet-table.ts';
import { number } from '../../terminal/progress.ts';
import { safeJson, safeText } from '../../terminal/terminal.ts';
import { statusKey } from '../accounts/list.ts';
import { EXIT, type ExitCode } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';
import type { Fleet } from '../shared/fleet.ts';
import { protectCell } from './row/csv-cells.ts';

type Item = Readonly<Record<string, unknown>>;

export interface ExportOptions {
  readonly format: 'csv' | 'jsonl';
  readonly status?: string;
  readonly profile?: string;
}

export async function exportAccounts(
  { fleet: find, terminal, signal }: Context,
  options: ExportOptions,
): Promise<ExitCode> {
  const fleet = await find();
  const csv = options.format === 'csv' && !terminal.json;
  const seen = terminal.stdout.isTTY === true;
  let exported = 0;
  if (csv) terminal.stdout.write(stringify([WRITTEN_BY_PEOPLE as unknown as string[]]));
  for await (const item of items(fleet)) {
    signal.throwIfAborted();
    if (!wanted(item, options)) continue;
    exported += 1;
    const line = csv ? csvLine(item) : `${safeJson(peoples(item))}\n`;
    // Waits for a slow reader, so that memory does not grow with the table.
    if (!terminal.stdout.write(seen ? safeText(line, false) : line))
      await once(terminal.stdout, 'drain', { signal });
  }
  terminal.say(`${number(exported)} accounts of ${fleet.label}`);
  return EXIT.done;
}

async function* items({ table, tableName: TableName }: Fleet): AsyncGenerator<FleetItem> {
  let ExclusiveStartKey: Record<string, unknown> | undefined;
  do {
    const page = await table.send(new ScanCommand({ TableName, ExclusiveStartKey }));
    yield* (page.Items ?? []) as FleetItem[];
    ExclusiveStartKey = page.LastEvaluatedKey;
  } while (ExclusiveStartKey !== undefined);
}

function wanted(item: FleetItem, options: ExportOptions): boolean {
  return (
    isAccount(item) &&
    (options.status === undefined || statusKey(item) === options.status) &&
    (options.profile === undefined || item.oauthProfile === options.profile)
  );
}

function peoples(item: Item): Item {
  return Object.fromEntries(
    WRITTEN_BY_PEOPLE.flatMap((name) => {
      const value = name === 'parameters' ? textsIn(item[name]) : item[name];
      // If an attribute should be text and is not, it may hold anything.
      const odd =
        value === undefined || value === null || (name !== 'parameters' && typeof value === 'object');
      return odd ? [] : [[name, value]];
    }),
  );
}

/** The texts of a map. Only texts are parameters. */
function textsIn(value: unknown): unknown {
  if (!isJsonObject(value)) return undefined;
  return Object.fromEntries(Object.entries(value).filter(([, one]) => typeof one === 'string'));
}

const castings: Options = {
  quoted_string: true,
  cast: {
    string: protectCell,
    boolean: String,
    object: (value) => JSON.stringify(value),
  },
};

function csvLine(item: Item): string {
  const written = peoples(item);
  return stringify([WRITTEN_BY_PEOPLE.map((name) => written[name] ?? '')], castings);
}
