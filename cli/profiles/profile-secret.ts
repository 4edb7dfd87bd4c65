import { type Profile, parseProfile } from '../../lambda/profile.ts';
import { profileSecretIdOf } from '../../lambda/secrets.ts';
import { CliError } from '../cli-error.ts';
import type { Fleet } from '../fleet.ts';
import { readSecret, secretNames } from '../secret-store.ts';

/** A profile as the command line shows it: readable, or with what is wrong with it. */
export interface StoredProfile {
  readonly name: string;
  /** The secret's text. */
  readonly text: string;
  readonly parsed: ReturnType<typeof parseProfile>;
}

/** @throws CliError where there is none */
export async function readProfile(fleet: Fleet, name: string): Promise<StoredProfile> {
  const text = await readSecret(fleet.secrets, profileSecretIdOf(fleet.secretNamePrefix, name));
  if (text === undefined)
    throw new CliError(
      'NO_PROFILE',
      `There is no profile ${name}. See "profiles list", or create it with "profiles add ${name}".`,
    );
  return { name, text, parsed: parseProfile(text) };
}

/** @throws CliError where there is none, or the function could not use it */
export async function usableProfile(fleet: Fleet, name: string): Promise<Profile> {
  const { parsed } = await readProfile(fleet, name);
  if (parsed.kind === 'invalid')
    throw new CliError(
      'PROFILE_INVALID',
      `The profile ${name} can't be used: ${parsed.problem}. Correct it with "profiles add ${name} --change".`,
    );
  return parsed.profile;
}

export async function profileNames(fleet: Fleet): Promise<readonly string[]> {
  return await secretNames(fleet.secrets, profileSecretIdOf(fleet.secretNamePrefix, ''));
}
