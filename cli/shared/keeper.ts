import { GetFunctionConfigurationCommand } from '@aws-sdk/client-lambda';
import { keeperOf, keeping } from '../../core/account/kept-by.ts';
import { parseTokenSet } from '../../core/tokens/token-set.ts';
import type { Fleet } from './fleet.ts';

/** Which table's function keeps the token sets of a fleet. */
export interface Keeper {
  /** The table, as the function names it. */
  readonly table: string;
  /** Tables whose function has stopped, and whose secrets may be taken over. */
  readonly former: readonly string[];
}

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

/** The value of `kept_by` for a set in a secret with this ARN, or in one of the same AWS account and Region. */
export function keptByOf({ table }: Keeper, secretArn: string | undefined): string | undefined {
  return keeperOf(table, secretArn);
}

/** Whose function keeps a token set, where it is another table's. */
export function foreignKeeper(
  text: string | undefined,
  secretArn: string | undefined,
  keeper: Keeper,
): string | undefined {
  const parsed = parseTokenSet(text);
  const keptBy = parsed.kind === 'token_set' ? parsed.tokenSet.kept_by : undefined;
  return foreignKeeperOf(keptBy, secretArn, keeper);
}

/** The same for a set that has been read. */
export function foreignKeeperOf(
  keptBy: string | undefined,
  secretArn: string | undefined,
  keeper: Keeper,
): string | undefined {
  if (keptBy === undefined || keptBy === '') return undefined;
  const own = keptByOf(keeper, secretArn);
  return own !== undefined && keeping(keptBy, own, keeper.former) === 'foreign' ? keptBy : undefined;
}

/** What to do where another table's function keeps a secret. */
export function takeOver(keptBy: string): string {
  return `If that function has stopped for good, and its last lease has ended, add ${keptBy} to FORMER_ACCOUNTS_TABLES of this one (formerAccountsTables in the stack).`;
}
