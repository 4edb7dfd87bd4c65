import type { ProfileVersion } from '../../core/account/evidence.ts';
import { profileSecretIdOf } from '../../core/account/secret-id.ts';
import { keepNewest } from '../../core/keep-newest.ts';
import { type ParsedProfile, parseProfile } from '../../core/profile/parse-profile.ts';
import type { Profile } from '../../core/profile/profile.ts';
import type { Reason } from '../../core/reason.ts';
import type { ReadSecret, Secrets } from './secrets.ts';
import { waitsForDeletion, whyUnread } from './unread-secret.ts';

export type LoadedProfile =
  | { readonly kind: 'profile'; readonly profile: Profile }
  | {
      readonly kind: 'unusable';
      readonly reason: Extract<
        Reason,
        'profile_missing' | 'profile_invalid' | 'permission_missing' | 'store_unavailable'
      >;
      readonly detail: string;
    };

/** The profiles that one run meets, each read once. Not kept longer: a corrected profile must count at once. */
export interface Profiles {
  load(name: string): Promise<LoadedProfile>;
  /**
   * What else the client may be, after the provider rejected it: what has worked for another account of this run
   * meanwhile, the profile as it is now, if it changed since it was read, then the version before it. A secret is often
   * rotated at one side a little before the other.
   */
  alternatives(name: string, rejected: Profile): Promise<readonly Profile[]>;
  /** Makes a profile that worked the one for the rest of the run. */
  adopt(name: string, profile: Profile): void;
  /** Which version a profile of this run is; undefined for one that was made otherwise. */
  versionOf(profile: Profile): ProfileVersion | undefined;
  /** The refresh windows, seconds, of the profiles read so far. */
  windows(): ReadonlyMap<string, number>;
}

/** Profiles kept at once: each is a secret of up to 64 KB, and who writes accounts can name any number of them. */
const MAX_KEPT = 500;

export function createProfiles(secrets: Secrets, prefix: string, defaultWindow: number): Profiles {
  const loading = new Map<string, Promise<LoadedProfile>>();
  const windows = new Map<string, number>();
  const versions = new WeakMap<Profile, ProfileVersion>();
  const readAs = async (name: string, stage?: 'AWSPREVIOUS', currentMadeAt?: number) => {
    const found = await secrets.read(profileSecretIdOf(prefix, name), stage);
    const loaded = interpret(name, prefix, found);
    const madeAt = found.kind === 'found' ? found.secret.createdAt : undefined;
    if (loaded.kind === 'profile')
      versions.set(
        loaded.profile,
        stage === undefined ? { kind: 'current', madeAt } : { kind: 'previous', currentMadeAt },
      );
    return { loaded, madeAt };
  };
  const read = async (name: string) => (await readAs(name)).loaded;
  const load = async (name: string) => {
    const loaded = await read(name);
    windows.set(name, windowOf(loaded, defaultWindow));
    return loaded;
  };
  return {
    load: (name) => {
      const known = loading.get(name) ?? load(name);
      keepNewest(loading, name, known, MAX_KEPT);
      return known;
    },
    alternatives: async (name, rejected) => {
      const used = await loading.get(name);
      const { loaded: now, madeAt } = await readAs(name);
      // It is asked last: whoever gets to it was refused with the current one.
      const { loaded: previous } = await readAs(name, 'AWSPREVIOUS', madeAt);
      const seen = new Set([JSON.stringify(rejected)]);
      return [used, now, previous].flatMap((candidate) => {
        if (candidate?.kind !== 'profile') return [];
        const text = JSON.stringify(candidate.profile);
        if (seen.has(text)) return [];
        // An older version may give other credentials, but a refresh token goes nowhere but where it goes now.
        if (candidate !== now && !sameEndpoint(candidate, now)) return [];
        seen.add(text);
        return [candidate.profile];
      });
    },
    adopt: (name, profile) => {
      keepNewest(loading, name, Promise.resolve({ kind: 'profile', profile }), MAX_KEPT);
    },
    versionOf: (profile) => versions.get(profile),
    windows: () => windows,
  };
}

function sameEndpoint(a: LoadedProfile, b: LoadedProfile): boolean {
  const endpoints = (loaded: LoadedProfile) => {
    if (loaded.kind !== 'profile') return undefined;
    const { token_endpoint, refresh_token_endpoint, issuer } = loaded.profile;
    return JSON.stringify([token_endpoint, refresh_token_endpoint, issuer]);
  };
  return endpoints(a) === endpoints(b);
}

/** A profile's own refresh window, or the function's. */
export function windowOf(loaded: LoadedProfile, defaultWindow: number): number {
  return (loaded.kind === 'profile' ? loaded.profile.refresh_window_seconds : undefined) ?? defaultWindow;
}

function interpret(name: string, prefix: string, read: ReadSecret): LoadedProfile {
  if (read.kind === 'missing')
    return trouble(
      'profile_missing',
      `The profile secret of oauthProfile "${name}" ${read.awaitingDeletion ? waitsForDeletion(profileSecretIdOf(prefix, name)) : 'does not exist'}`,
    );
  if (read.kind === 'failed') {
    const reasons = {
      denied: 'permission_missing',
      wrong: 'profile_invalid',
      later: 'store_unavailable',
    } as const;
    return trouble(
      reasons[whyUnread(read.failure)],
      `The secret of profile "${name}" can't be read (${read.failure.code})`,
    );
  }
  const parsed: ParsedProfile = parseProfile(read.secret.text);
  return parsed.kind === 'profile'
    ? parsed
    : trouble('profile_invalid', `Profile "${name}": ${parsed.problem}`);
}

function trouble(
  reason: Extract<LoadedProfile, { kind: 'unusable' }>['reason'],
  detail: string,
): LoadedProfile {
  return { kind: 'unusable', reason, detail };
}
