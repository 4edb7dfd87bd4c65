import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { profileSecretIdOf } from '../../core/account/secret-id.ts';
import { parseJsonObject } from '../../core/json-object.ts';
import { readSecret, secretNames } from '../aws/secret-versions.ts';
import type { Stores } from './stores.ts';

/** An account, with who authorized it. */
interface OtherAccount {
  readonly accountId: string;
  readonly oauthProfile: unknown;
  readonly authorizedBy: unknown;
}

/**
 * Whether a grant that is not kept may be revoked. Many providers revoke all that this person has granted this client,
 * so no account may live on it, the one that was signed in for included: each must be known to be somebody else's,
 * unless its profile is known to be another client.
 */
export async function mayRevoke(stores: Stores, clientId: string, identity: string): Promise<boolean> {
  const clients = await clientsOfProfiles(stores);
  for await (const { oauthProfile, authorizedBy } of accounts(stores)) {
    const client = clients.get(oauthProfile);
    if (client !== undefined && client !== clientId) continue;
    if (typeof authorizedBy !== 'string' || subjectOf(authorizedBy) === subjectOf(identity)) return false;
  }
  return true;
}

/** An issuer can be written in more than one way; a subject can't. */
function subjectOf(identity: string): string {
  return identity.slice(identity.indexOf('#') + 1);
}

/** The client id of each profile that can be read. */
async function clientsOfProfiles(stores: Stores): Promise<ReadonlyMap<unknown, string>> {
  const clients = new Map<string, string>();
  for (const name of await secretNames(stores.secrets, profileSecretIdOf(stores.secretNamePrefix, ''))) {
    const text = await readSecret(stores.secrets, profileSecretIdOf(stores.secretNamePrefix, name));
    const client = parseJsonObject(text ?? '')?.client_id;
    if (typeof client === 'string') clients.set(name, client);
  }
  return clients;
}

/** Every account that names a profile. Reads the whole table. */
export async function* accountsOf(stores: Stores, profile: string): AsyncGenerator<OtherAccount> {
  for await (const account of accounts(stores)) if (account.oauthProfile === profile) yield account;
}

async function* accounts(stores: Stores): AsyncGenerator<OtherAccount> {
  let ExclusiveStartKey: Record<string, unknown> | undefined;
  do {
    const page = await stores.table.send(
      new ScanCommand({
        TableName: stores.tableName,
        ConsistentRead: true,
        FilterExpression: 'attribute_exists(oauthProfile)',
        ProjectionExpression: 'accountId, oauthProfile, authorizedBy',
        ExclusiveStartKey,
      }),
    );
    for (const { accountId, oauthProfile, authorizedBy } of page.Items ?? [])
      yield { accountId: String(accountId), oauthProfile, authorizedBy };
    ExclusiveStartKey = page.LastEvaluatedKey;
  } while (ExclusiveStartKey !== undefined);
}
