import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { takeOver } from '../../adapters/authorization/keeper.ts';
import { awsFailure } from '../../adapters/aws/aws-error.ts';
import { tokenSecretIdOf } from '../../core/account/secret-id.ts';
import { parseJsonObject } from '../../core/json-object.ts';
import type { Fleet } from '../shared/fleet.ts';
import type { OwnKeeper } from './fleet-problems.ts';
import { versionIdOf } from './row/compare.ts';
import type { Candidate } from './row/row.ts';

export interface HowToWrite {
  /** Waits before each write to Secrets Manager: the function shares its quota. */
  readonly turn: () => Promise<void>;
  readonly kmsKey: string | undefined;
  readonly keeper: OwnKeeper | undefined;
  readonly signal: AbortSignal;
}

/** @returns why the tokens could not be stored beside what is there; nothing where they are */
export async function createTokens(
  { secrets, secretNamePrefix }: Fleet,
  candidate: Candidate,
  tokenText: string,
  { turn, kmsKey: KmsKeyId, keeper }: HowToWrite,
): Promise<string | undefined> {
  const Name = tokenSecretIdOf(secretNamePrefix, candidate.item);
  const ClientRequestToken = versionIdOf(candidate);
  const SecretString = JSON.stringify({ ...parseJsonObject(tokenText), kept_by: keeper?.keptBy });
  await turn();
  try {
    await secrets.send(new CreateSecretCommand({ Name, SecretString, ClientRequestToken, KmsKeyId }));
    return undefined;
  } catch (error) {
    const { code } = awsFailure(error);
    if (code === 'ResourceExistsException')
      return await conflictWith(secrets, Name, ClientRequestToken, keeper);
    if (code === 'InvalidRequestException')
      return `the secret ${Name} is scheduled for deletion; restore it, or wait until it is gone`;
    throw error;
  }
}

/** @returns why a secret that is there can't be the account's; nothing where it is of this very import */
async function conflictWith(
  secrets: SecretsManagerClient,
  name: string,
  versionId: string,
  keeper: OwnKeeper | undefined,
): Promise<string | undefined> {
  const keptBy = await keeperNotedIn(secrets, name);
  if (keptBy !== undefined && keeper?.isForeign(keptBy) === true)
    return `the secret ${name} is kept by the function of another table, ${keptBy} (kept_by). Import into that one. ${takeOver(keptBy)} Then import the account without tokens`;
  return (await hasVersion(secrets, name, versionId))
    ? undefined
    : `the secret ${name} exists with other tokens, which are kept; delete that secret, or import the account without tokens to use it`;
}

/** Whether this same import has written a version of the secret, current or not. */
async function hasVersion(secrets: SecretsManagerClient, SecretId: string, id: string): Promise<boolean> {
  const { VersionIdsToStages } = await secrets.send(new DescribeSecretCommand({ SecretId }));
  return Object.hasOwn(VersionIdsToStages ?? {}, id);
}

/** The `kept_by` of a token set. Undefined if it has none or may not be read: the function looks itself. */
async function keeperNotedIn(secrets: SecretsManagerClient, SecretId: string): Promise<string | undefined> {
  try {
    const { SecretString = '' } = await secrets.send(new GetSecretValueCommand({ SecretId }));
    const keptBy = parseJsonObject(SecretString)?.kept_by;
    return typeof keptBy === 'string' ? keptBy : undefined;
  } catch (error) {
    if (awsFailure(error).kind === 'denied') return undefined;
    throw error;
  }
}
