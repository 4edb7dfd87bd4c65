import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import type { Fleet } from '../fleet.ts';

/** Another account of the same profile, with who authorized it. */
interface OtherAccount {
  readonly accountId: string;
  readonly authorizedBy: unknown;
}

/**
 * Whether a grant that is not kept may be revoked. Many providers revoke all that this person has granted this client,
 * so no other account may live on it: each other account of the profile must be known to be somebody else's.
 */
export async function mayRevoke(
  fleet: Fleet,
  accountId: string,
  profile: string,
  identity: string,
): Promise<boolean> {
  for await (const other of accountsOf(fleet, profile))
    if (other.accountId !== accountId)
      if (typeof other.authorizedBy !== 'string' || other.authorizedBy === identity) return false;
  return true;
}

/** Every account that names a profile. Reads the whole table. */
export async function* accountsOf(fleet: Fleet, profile: string): AsyncGenerator<OtherAccount> {
  let ExclusiveStartKey: Record<string, unknown> | undefined;
  do {
    const page = await fleet.table.send(
      new ScanCommand({
        TableName: fleet.tableName,
        FilterExpression: 'oauthProfile = :profile',
        ProjectionExpression: 'accountId, authorizedBy',
        ExpressionAttributeValues: { ':profile': profile },
        ExclusiveStartKey,
      }),
    );
    for (const item of page.Items ?? [])
      yield { accountId: String(item.accountId), authorizedBy: item.authorizedBy };
    ExclusiveStartKey = page.LastEvaluatedKey;
  } while (ExclusiveStartKey !== undefined);
}
