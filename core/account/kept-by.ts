/**
 * Which table's function keeps a token set: the field `kept_by` of the set (docs/decisions/15-one-table-keeps-a-secret.md), as
 * `<AWS account>/<Region>/<table>`, such as `123456789012/eu-central-1/oauth-accounts`.
 */

const arn = /^arn:[\w-]+:[\w-]+:([\w-]+):(\d{12}):/;
const tableArn = /^arn:[\w-]+:dynamodb:([\w-]+):(\d{12}):table\/([\w.-]+)/;

/**
 * The value of `kept_by` for a table.
 *
 * @param table the table's name or ARN
 * @param secretArn the ARN of a secret of the same AWS account and Region; it completes a bare name
 * @returns undefined where a bare name can't be completed from that ARN
 */
export function keeperOf(table: string, secretArn: string | undefined): string | undefined {
  const own = tableArn.exec(table);
  if (own !== null) return `${own[2]}/${own[1]}/${own[3]}`;
  const [, region, account] = arn.exec(secretArn ?? '') ?? [];
  return region === undefined || account === undefined ? undefined : `${account}/${region}/${table}`;
}

/** The table's own name, where it is given as an ARN. */
export function tableNameOf(table: string): string {
  return tableArn.exec(table)?.[3] ?? table;
}

/**
 * Whose a token set is, judged by its `kept_by`.
 *
 * - `ours`: this table's function keeps it;
 * - `free`: nobody does, or a former table's function did, so that it may be claimed;
 * - `foreign`: another table's function keeps it, and it is to be left alone.
 *
 * @param keeper this table's value, as `keeperOf` gives it
 * @param former tables whose function has stopped: values of `kept_by`, or bare names in this AWS account and Region
 */
export function keeping(
  keptBy: string | undefined,
  keeper: string,
  former: readonly string[],
): 'ours' | 'free' | 'foreign' {
  if (keptBy === keeper) return 'ours';
  if (keptBy === undefined) return 'free';
  const [account, region] = keeper.split('/');
  return former.some((one) => one === keptBy || `${account}/${region}/${one}` === keptBy)
    ? 'free'
    : 'foreign';
}
