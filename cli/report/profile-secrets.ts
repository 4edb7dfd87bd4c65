import { readSecret } from '../../adapters/aws/secret-versions.ts';
import { profileSecretIdOf } from '../../core/account/secret-id.ts';
import { withoutUserinfo } from '../../core/profile/shown-address.ts';
import { parseWholeProfile } from '../profile/presets.ts';
import type { Fleet } from '../shared/fleet.ts';

/** What of a profile's secret the questions need. None of it is secret. */
export interface KnownProfile {
  readonly profile: string;
  readonly clientId: string | undefined;
  /** The preset, or the host of its endpoint. */
  readonly provider: string | undefined;
  readonly maxRequestsPerMinute: number | undefined;
  /** Why nothing is known of it. */
  readonly problem: string | undefined;
}

/** Secrets that are read at once. */
const AT_ONCE = 20;

/** Reads profiles' secrets, each once. One that can't be read says so instead. */
export async function readProfiles(fleet: Fleet, names: readonly string[]): Promise<readonly KnownProfile[]> {
  const left = names.entries();
  const found: KnownProfile[] = [];
  const worker = async () => {
    for (const [place, name] of left) found[place] = await readProfile(fleet, name);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return found;
}

async function readProfile({ secrets, secretNamePrefix }: Fleet, profile: string): Promise<KnownProfile> {
  const nothing = { profile, clientId: undefined, provider: undefined, maxRequestsPerMinute: undefined };
  let text: string | undefined;
  try {
    text = await readSecret(secrets, profileSecretIdOf(secretNamePrefix, profile));
  } catch (error) {
    return {
      ...nothing,
      problem: `its secret can't be read (${error instanceof Error ? error.name : 'unknown'})`,
    };
  }
  if (text === undefined) return { ...nothing, problem: 'it has no secret' };
  const parsed = parseWholeProfile(text);
  if (parsed.kind === 'invalid') return { ...nothing, problem: 'it has a mistake: profiles show' };
  const { client_id, provider, token_endpoint, issuer, max_requests_per_minute } = parsed.profile;
  const host = /^https?:\/\/(?:…@)?([^/\\?#]+)/i.exec(withoutUserinfo(token_endpoint ?? issuer ?? ''))?.[1];
  return {
    profile,
    clientId: client_id,
    provider: provider ?? host,
    maxRequestsPerMinute: max_requests_per_minute,
    problem: undefined,
  };
}
