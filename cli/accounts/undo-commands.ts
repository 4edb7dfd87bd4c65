import { WRITTEN_BY_PEOPLE } from '../../lambda/account.ts';
import { printable } from '../../local/display-text.ts';
import type { FleetItem } from '../../local/fleet-table.ts';
import type { Fleet } from '../fleet.ts';

const CONTINUED = ' \\\n    ';

/** AWS commands that bring back a removed account, and its secret where that has been deleted. */
export function undoCommands(
  { tableName, config }: Pick<Fleet, 'tableName' | 'config'>,
  item: FleetItem,
  deletedSecretId: string | undefined,
): string[] {
  const { region, endpoint } = config;
  const target = [
    ...(region === undefined ? [] : [`--region ${region}`]),
    ...(endpoint === undefined ? [] : [`--endpoint-url ${endpoint}`]),
  ];
  const kept = Object.fromEntries(
    // The rest comes back by itself with the next run.
    [...WRITTEN_BY_PEOPLE, 'authorizedBy'].flatMap((name) =>
      item[name] === undefined ? [] : [[name, attributeValue(item[name])]],
    ),
  );
  const restore = ['aws secretsmanager restore-secret', ...target, `--secret-id ${deletedSecretId}`];
  const put = ['aws dynamodb put-item', ...target, `--table-name ${tableName}`, `--item ${quoted(kept)}`];
  return [...(deletedSecretId === undefined ? [] : [restore.join(CONTINUED)]), put.join(CONTINUED)];
}

/** DynamoDB's own notation, for the kinds of values that people write. */
function attributeValue(value: unknown): Record<string, unknown> {
  if (typeof value === 'string') return { S: value };
  if (typeof value === 'boolean') return { BOOL: value };
  if (typeof value === 'number') return { N: String(value) };
  if (typeof value === 'object' && value !== null)
    return {
      M: Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, attributeValue(inner)])),
    };
  return { NULL: true };
}

/** JSON that a shell takes as one word, free of characters that a terminal would obey. */
function quoted(value: unknown): string {
  const json = JSON.stringify(value).replace(/[^\x20-\x7e]/g, (character) =>
    printable(character) === character
      ? character
      : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `'${json.replaceAll("'", `'\\''`)}'`;
}
