import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { findFleet } from '../shared/fleet.ts';
import type { FleetOptions } from '../shared/fleet-options.ts';

/** The names in the first part of a large table: one press of a key must not read all of it. */
export async function readNames(
  attribute: 'accountId' | 'oauthProfile',
  options: FleetOptions,
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly string[]> {
  try {
    const { table, tableName } = await findFleet(options, env);
    const { Items = [] } = await table.send(
      new ScanCommand({
        TableName: tableName,
        ProjectionExpression: '#attribute',
        ExpressionAttributeNames: { '#attribute': attribute },
      }),
      { abortSignal: AbortSignal.timeout(COMPLETION_MILLISECONDS) },
    );
    const names = Items.map((item) => item[attribute]).filter(isPlainWord);
    return [...new Set(names)].sort();
  } catch {
    return [];
  }
}

const COMPLETION_MILLISECONDS = 3_000;

/** Offers only names that a shell takes as one plain word. */
function isPlainWord(name: unknown): name is string {
  return typeof name === 'string' && /^[A-Za-z0-9/_+=.@-]+$/.test(name);
}
