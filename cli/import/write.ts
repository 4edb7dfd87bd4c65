import { setTimeout as wait } from 'node:timers/promises';
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { WRITTEN_BY_PEOPLE } from '../../lambda/account.ts';
import { awsFailure } from '../../lambda/aws-error.ts';
import { tokenSecretIdOf } from '../../lambda/secrets.ts';
import type { Fleet } from '../fleet.ts';
import { type Candidate, versionIdOf } from './row.ts';

export type Written =
  | { readonly kind: 'created' }
  /** Somebody else made it since the plan; it is left as it is. */
  | { readonly kind: 'already_there' }
  | { readonly kind: 'conflict'; readonly text: string };

export interface HowToWrite {
  /** Waited for before each write to Secrets Manager, whose quota is shared with the function. */
  readonly turn: () => Promise<void>;
  readonly kmsKey: string | undefined;
}

const MAX_TRIES = 10;
const LONGEST_PAUSE = 5_000;

/**
 * Makes one account: its token secret first, so that an item never stands without the tokens that came with it, then
 * the item, if there is none. Both may be repeated: neither overwrites what is there, so a refresh token that was
 * rotated since is never put back to the one in the file.
 *
 * @throws the SDK's error where it can't be done
 */
export async function createAccount(fleet: Fleet, candidate: Candidate, how: HowToWrite): Promise<Written> {
  if (candidate.tokenText !== undefined) {
    const conflict = await createTokens(fleet, candidate, candidate.tokenText, how);
    if (conflict !== undefined) return { kind: 'conflict', text: conflict };
  }
  try {
    await fleet.table.send(
      new PutCommand({
        TableName: fleet.tableName,
        Item: candidate.item,
        ConditionExpression: 'attribute_not_exists(accountId)',
      }),
    );
    return { kind: 'created' };
  } catch (error) {
    if (error instanceof Error && error.name === 'ConditionalCheckFailedException')
      return { kind: 'already_there' };
    throw error;
  }
}

/** Writes what the file says of an account that is there; never its tokens, and nothing that the function writes. */
export async function updateAccount({ table, tableName }: Fleet, { item }: Candidate): Promise<void> {
  const names = WRITTEN_BY_PEOPLE.filter((name) => name !== 'accountId' && item[name] !== undefined);
  await table.send(
    new UpdateCommand({
      TableName: tableName,
      Key: { accountId: item.accountId },
      UpdateExpression: `SET ${names.map((name) => `#${name} = :${name}`).join(', ')}`,
      ConditionExpression: 'attribute_exists(accountId)',
      ExpressionAttributeNames: Object.fromEntries(names.map((name) => [`#${name}`, name])),
      ExpressionAttributeValues: Object.fromEntries(names.map((name) => [`:${name}`, item[name]])),
    }),
  );
}

/** @returns why the tokens could not be stored beside what is there; nothing where they are */
async function createTokens(
  { secrets, secretNamePrefix }: Fleet,
  candidate: Candidate,
  SecretString: string,
  { turn, kmsKey: KmsKeyId }: HowToWrite,
): Promise<string | undefined> {
  const Name = tokenSecretIdOf(secretNamePrefix, candidate.item);
  const ClientRequestToken = versionIdOf(candidate);
  for (let tries = 1; ; tries++) {
    await turn();
    try {
      await secrets.send(new CreateSecretCommand({ Name, SecretString, ClientRequestToken, KmsKeyId }));
      return undefined;
    } catch (error) {
      const { kind, code } = awsFailure(error);
      if (code === 'ResourceExistsException')
        return (await hasVersion(secrets, Name, ClientRequestToken))
          ? undefined
          : `the secret ${Name} exists with other tokens, which are kept; delete that secret, or import the account without tokens to use it`;
      if (code === 'InvalidRequestException')
        return `the secret ${Name} is scheduled for deletion; restore it, or wait until it is gone`;
      if (kind !== 'throttled' || tries === MAX_TRIES) throw error;
      await wait(Math.min(LONGEST_PAUSE, 100 * 2 ** tries) * (0.5 + Math.random() / 2));
    }
  }
}

/** Whether a version that this very import wrote is one of the secret's; it need not be the current one any more. */
async function hasVersion(secrets: SecretsManagerClient, SecretId: string, id: string): Promise<boolean> {
  const { VersionIdsToStages } = await secrets.send(new DescribeSecretCommand({ SecretId }));
  return Object.hasOwn(VersionIdsToStages ?? {}, id);
}
