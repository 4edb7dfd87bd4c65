import { keeperOf, keeping } from '../../core/account/kept-by.ts';
import { parseTokenSet } from '../../core/tokens/token-set.ts';

/** Which table's function keeps the token sets. */
export interface Keeper {
  /** The table, as the function names it. */
  readonly table: string;
  /** Tables whose function has stopped, and whose secrets may be taken over. */
  readonly former: readonly string[];
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
