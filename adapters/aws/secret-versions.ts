import { randomUUID } from 'node:crypto';
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  PutSecretValueCommand,
  RestoreSecretCommand,
  type SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { RECOVERY_DAYS } from '../../core/account/secret-id.ts';
import { moveCurrent, type Replacement } from './secrets.ts';

/** The current version of a secret, as it was read. */
export interface CurrentVersion {
  readonly text: string | undefined;
  readonly versionId: string;
  readonly arn: string | undefined;
  /** When it was written, seconds since the epoch. */
  readonly createdAt: number | undefined;
}

export type FoundSecret =
  | ({ readonly kind: 'found' } & CurrentVersion)
  | { readonly kind: 'missing' }
  /** It waits for its deletion, and can be restored. */
  | { readonly kind: 'deleted' };

/** Reads a secret's current version. Rejects with the SDK's error where it can't be read. */
export async function findSecret(client: SecretsManagerClient, SecretId: string): Promise<FoundSecret> {
  try {
    const output = await client.send(new GetSecretValueCommand({ SecretId, VersionStage: 'AWSCURRENT' }));
    const { SecretString: text, VersionId: versionId = '', ARN: arn, CreatedDate } = output;
    const createdAt = CreatedDate === undefined ? undefined : CreatedDate.getTime() / 1000;
    return { kind: 'found', text, versionId, arn, createdAt };
  } catch (error) {
    if (isNamed(error, 'ResourceNotFoundException')) return { kind: 'missing' };
    if (isNamed(error, 'InvalidRequestException')) return { kind: 'deleted' };
    throw error;
  }
}

/** The secret's text; undefined where there is none, or where it waits for its deletion. */
export async function readSecret(
  client: SecretsManagerClient,
  SecretId: string,
): Promise<string | undefined> {
  const found = await findSecret(client, SecretId);
  return found.kind === 'found' ? found.text : undefined;
}

/** Whether a secret waits for its deletion. */
export async function isDeleted(client: SecretsManagerClient, SecretId: string): Promise<boolean> {
  try {
    return (await client.send(new DescribeSecretCommand({ SecretId }))).DeletedDate !== undefined;
  } catch {
    return false;
  }
}

/** A version to be written. A repetition with its id stores at most once. */
type NewVersion = Omit<Replacement, 'from'>;

/**
 * Creates a secret.
 *
 * @param kmsKey encrypts it; the service's own key by default
 * @returns `exists` where there is one already, `deleted` where that waits for its deletion
 */
export async function createSecret(
  client: SecretsManagerClient,
  { secretId: Name, text: SecretString, versionId: ClientRequestToken }: NewVersion,
  kmsKey?: string,
): Promise<'created' | 'exists' | 'deleted'> {
  try {
    await client.send(new CreateSecretCommand({ Name, KmsKeyId: kmsKey, SecretString, ClientRequestToken }));
    return 'created';
  } catch (error) {
    if (isNamed(error, 'ResourceExistsException')) return 'exists';
    if (isNamed(error, 'InvalidRequestException')) return 'deleted';
    throw error;
  }
}

/** The label under which a version lies until it is made the current one. */
const NEXT = 'NEXT';

/**
 * Makes `text` the secret's current version, if the one that was read still is: nobody's write is lost.
 *
 * Secrets Manager has no conditional write; but the label AWSCURRENT is moved only away from the version that holds it.
 *
 * @returns `changed` where another version is the current one by now
 */
export async function replaceVersion(
  client: SecretsManagerClient,
  { secretId: SecretId, from, text: SecretString, versionId: token }: Replacement,
): Promise<'replaced' | 'changed'> {
  const version = { SecretId, SecretString };
  await client.send(
    new PutSecretValueCommand({ ...version, ClientRequestToken: token, VersionStages: [NEXT] }),
  );
  try {
    await moveCurrent(client, { SecretId, RemoveFromVersionId: from, MoveToVersionId: token });
  } catch (error) {
    if (isNamed(error, 'InvalidParameterException')) return 'changed';
    if (!isNamed(error, 'AccessDeniedException')) throw error;
    // Who may not move labels writes as everybody did before there were any, after one more look.
    const now = await findSecret(client, SecretId);
    if (now.kind !== 'found' || now.versionId !== from) return 'changed';
    await client.send(new PutSecretValueCommand({ ...version, ClientRequestToken: randomUUID() }));
  }
  // A label keeps its version from being cleared away.
  await client
    .send(new UpdateSecretVersionStageCommand({ SecretId, VersionStage: NEXT, RemoveFromVersionId: token }))
    .catch(() => undefined);
  return 'replaced';
}

/** Brings back a secret that waits for its deletion. */
export async function restoreSecret(client: SecretsManagerClient, SecretId: string): Promise<void> {
  await client.send(new RestoreSecretCommand({ SecretId }));
}

export async function deleteSecret(client: SecretsManagerClient, SecretId: string): Promise<void> {
  await client.send(new DeleteSecretCommand({ SecretId, RecoveryWindowInDays: RECOVERY_DAYS }));
}

/** The names of all secrets that begin with `prefix`, without it, in order. */
export async function secretNames(client: SecretsManagerClient, prefix: string): Promise<readonly string[]> {
  const names: string[] = [];
  let NextToken: string | undefined;
  do {
    const page = await client.send(
      new ListSecretsCommand({ Filters: [{ Key: 'name', Values: [prefix] }], MaxResults: 100, NextToken }),
    );
    for (const { Name = '' } of page.SecretList ?? [])
      if (Name.startsWith(prefix)) names.push(Name.slice(prefix.length));
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  return names.sort();
}

function isNamed(error: unknown, ...names: readonly string[]): boolean {
  return error instanceof Error && names.includes(error.name);
}
