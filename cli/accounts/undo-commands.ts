import type { Account } from '../../core/account/account.ts';
import type { FleetItem } from '../../terminal/fleet-table.ts';
import { printable } from '../../terminal/printable.ts';
import type { Fleet } from '../shared/fleet.ts';

/** What the function notes, and notes again in its next run; all else was written by people or stays as it is. */
const COMES_BACK: readonly string[] = [
  'accessTokenExpiresAt',
  'doesNotExpire',
  'refreshTokenExpiresAt',
  'status',
  'failure',
  'eventOwed',
  'nextAttemptAt',
  'lease',
  'escrow',
] satisfies (keyof Account | 'eventOwed')[];

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
    Object.entries(item).flatMap(([name, value]) =>
      value === undefined || COMES_BACK.includes(name) ? [] : [[name, attributeValue(value)]],
    ),
  );
  const restore = ['aws secretsmanager restore-secret', ...target, `--secret-id ${deletedSecretId}`];
  const put = [
    'aws dynamodb put-item',
    ...target,
    `--table-name ${tableName}`,
    // Whoever has made the account anew meanwhile keeps what is theirs.
    `--condition-expression 'attribute_not_exists(accountId)'`,
    `--item ${quoted(kept)}`,
  ];
  return [...(deletedSecretId === undefined ? [] : [restore.join(CONTINUED)]), put.join(CONTINUED)];
}

/** DynamoDB's own notation. */
function attributeValue(value: unknown): Record<string, unknown> {
  if (typeof value === 'string') return { S: value };
  if (typeof value === 'boolean') return { BOOL: value };
  if (typeof value === 'number' || typeof value === 'bigint') return { N: String(value) };
  if (Array.isArray(value)) return { L: value.map(attributeValue) };
  if (value instanceof Uint8Array) return { B: Buffer.from(value).toString('base64') };
  if (value instanceof Set) {
    const members = [...value].map(attributeValue);
    const [kind = 'S'] = Object.keys(members[0] ?? {});
    return { [`${kind}S`]: members.map((member) => member[kind]) };
  }
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
