import { DeleteCommand, PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { AuthorizationError } from '../../adapters/authorization/authorization-error.ts';
import type { Keeper } from '../../adapters/authorization/keeper.ts';
import { currentVersion, ownSecret } from '../../adapters/authorization/leased-account.ts';
import type { Wanted } from '../../adapters/authorization/wanted.ts';
import { awsFailure } from '../../adapters/aws/aws-error.ts';
import { CliError } from '../shared/cli-error.ts';
import type { Fleet } from '../shared/fleet.ts';
import { readKeeper } from '../shared/keeper.ts';

/** Found out before somebody signs in. */
export interface Preflight {
  /** The token secret's version. */
  readonly versionBefore: string | undefined;
  readonly keeper: Keeper;
}

/**
 * Finds out before somebody signs in whether the grant could be kept, as far as that can be asked without a change.
 * Writes to the table are tried under a condition that never holds. Whether the secret may be written can't be asked;
 * whether it may be looked at is asked instead.
 *
 * @throws CliError ACCESS_DENIED; AuthorizationError KEPT_ELSEWHERE where the function of another table keeps the secret
 */
export async function preflight(fleet: Fleet, { account, exists, secret }: Wanted): Promise<Preflight> {
  const { accountId } = account;
  const never = {
    TableName: fleet.tableName,
    ConditionExpression: 'attribute_exists(accountId) AND attribute_not_exists(accountId)',
  };
  const Key = { accountId };
  const item = `the item of ${accountId}`;
  await permitted('dynamodb:UpdateItem', item, () =>
    fleet.table.send(new UpdateCommand({ ...never, Key, UpdateExpression: 'REMOVE lease' })),
  );
  if (!exists) {
    await permitted('dynamodb:PutItem', item, () =>
      fleet.table.send(new PutCommand({ ...never, Item: Key })),
    );
    await permitted('dynamodb:DeleteItem', item, () =>
      fleet.table.send(new DeleteCommand({ ...never, Key })),
    );
  }
  const versionBefore = await permitted(
    'secretsmanager:DescribeSecret',
    `the token secret ${secret.id}`,
    () => currentVersion(fleet, secret),
  );
  const keeper = await readKeeper(fleet);
  if (versionBefore !== undefined)
    await permitted('secretsmanager:GetSecretValue', `the token secret ${secret.id}`, () =>
      ownSecret(fleet, account, secret, keeper),
    );
  return { versionBefore, keeper };
}

async function permitted<T>(action: string, what: string, ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof AuthorizationError) throw error;
    const { kind, code } = awsFailure(error);
    if (code === 'ConditionalCheckFailedException') return undefined;
    if (kind !== 'denied') throw error;
    throw new CliError(
      'ACCESS_DENIED',
      `You may not do ${action} on ${what} (${code}), so a new grant could not be kept. Nothing has changed. docs/authorizing.md lists the permissions that you need.`,
    );
  }
}
