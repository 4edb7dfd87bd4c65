import { GetFunctionConfigurationCommand } from '@aws-sdk/client-lambda';
import type { Keeper } from '../../adapters/authorization/keeper.ts';
import type { Fleet } from './fleet.ts';

/** What the function itself goes by; where its settings can't be read, the table that the fleet is known by. */
export async function readKeeper({ kind, lambda, functionName, tableName }: Fleet): Promise<Keeper> {
  const unread: Keeper = { table: tableName, former: [] };
  if (kind === 'local') return unread;
  try {
    const { Environment } = await lambda.send(
      new GetFunctionConfigurationCommand({ FunctionName: functionName }),
    );
    const { ACCOUNTS_TABLE_NAME: table, FORMER_ACCOUNTS_TABLES: former = '' } = Environment?.Variables ?? {};
    return {
      table: table ?? tableName,
      former: former
        .split(',')
        .map((name) => name.trim())
        .filter(Boolean),
    };
  } catch {
    return unread;
  }
}
