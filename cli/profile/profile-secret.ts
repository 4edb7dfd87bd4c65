import { findSecret, secretNames } from '../../adapters/aws/secret-versions.ts';
import { profileSecretIdOf } from '../../core/account/secret-id.ts';
import type { Profile } from '../../core/profile/profile.ts';
import { CliError } from '../shared/cli-error.ts';
import { waitsForDeletion } from '../shared/deleted-secret.ts';
import type { Fleet } from '../shared/fleet.ts';
import { parseWholeProfile } from './presets.ts';

/** A profile, or why it can't be read. */
export interface StoredProfile {
  readonly name: string;
  /** The secret's text. */
  readonly text: string;
  /** The version of the secret that was read, and the secret's ARN. */
  readonly versionId: string;
  readonly arn: string | undefined;
  readonly parsed: ReturnType<typeof parseWholeProfile>;
}

/** @throws CliError where there is none */
export async function readProfile(fleet: Fleet, name: string): Promise<StoredProfile> {
  const secretId = profileSecretIdOf(fleet.secretNamePrefix, name);
  const found = await findSecret(fleet.secrets, secretId);
  if (found.kind === 'deleted')
    throw waitsForDeletion(
      'NO_PROFILE',
      `There is no profile ${name} any more`,
      secretId,
      fleet.config.region,
    );
  if (found.kind === 'missing')
    throw new CliError(
      'NO_PROFILE',
      `There is no profile ${name}. See "profiles list", or create it with "profiles add ${name}".`,
    );
  const { text, versionId, arn } = found;
  return { name, text: text ?? '', versionId, arn, parsed: parseWholeProfile(text) };
}

/** @throws CliError where there is none, or the function could not use it */
export async function usableProfile(
  fleet: Fleet,
  name: string,
): Promise<{ readonly profile: Profile; readonly arn: string | undefined }> {
  const { parsed, arn } = await readProfile(fleet, name);
  if (parsed.kind === 'invalid')
    throw new CliError(
      'PROFILE_INVALID',
      `The profile ${name} can't be used: ${parsed.problem}. Correct it with "profiles add ${name} --change".`,
    );
  return { profile: parsed.profile, arn };
}

export async function profileNames(fleet: Fleet): Promise<readonly string[]> {
  return await secretNames(fleet.secrets, profileSecretIdOf(fleet.secretNamePrefix, ''));
}
