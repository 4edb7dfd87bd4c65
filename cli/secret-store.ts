import {
  CreateSecretCommand,
  DeleteSecretCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  PutSecretValueCommand,
  RestoreSecretCommand,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';

/** The secret's text; undefined where there is none, or where it waits for its deletion. */
export async function readSecret(
  client: SecretsManagerClient,
  SecretId: string,
): Promise<string | undefined> {
  try {
    return (await client.send(new GetSecretValueCommand({ SecretId }))).SecretString;
  } catch (error) {
    if (isNamed(error, 'ResourceNotFoundException', 'InvalidRequestException')) return undefined;
    throw error;
  }
}

/**
 * Makes `text` the secret's current version, creating the secret, or bringing it back from its deletion, where that
 * is needed.
 *
 * @param token becomes the version's id; a repetition with it stores at most once
 * @param kmsKey encrypts a secret that is created; the service's own key by default
 */
export async function writeSecret(
  client: SecretsManagerClient,
  name: string,
  text: string,
  token: string,
  kmsKey?: string,
): Promise<void> {
  const version = { SecretString: text, ClientRequestToken: token };
  const put = () => client.send(new PutSecretValueCommand({ SecretId: name, ...version }));
  try {
    await put();
  } catch (error) {
    if (isNamed(error, 'ResourceNotFoundException')) {
      const exists = await client
        .send(new CreateSecretCommand({ Name: name, KmsKeyId: kmsKey, ...version }))
        .then(
          () => false,
          (refusal: unknown) => {
            if (isNamed(refusal, 'ResourceExistsException')) return true;
            throw refusal;
          },
        );
      // Somebody made it in between.
      if (exists) await put();
    } else if (isNamed(error, 'InvalidRequestException')) {
      // It waits for its deletion.
      await client.send(new RestoreSecretCommand({ SecretId: name }));
      await put();
    } else throw error;
  }
}

/** Days for which a deleted secret can be brought back. */
export const RECOVERY_DAYS = 30;

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
