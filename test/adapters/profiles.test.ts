import { describe, expect, test } from 'vitest';
import { createProfiles, type Profiles } from '../../adapters/aws/profiles.ts';
import type { ReadSecret, Secrets } from '../../adapters/aws/secrets.ts';
import type { Profile } from '../../core/profile/profile.ts';

/** A profile's secret with a current version and the one before it, told apart by their client secrets. */
function profilesOver(current: string, previous: string): Profiles {
  const read = async (_: string, stage = 'AWSCURRENT'): Promise<ReadSecret> => {
    const client_secret = stage === 'AWSCURRENT' ? current : previous;
    const text = JSON.stringify({
      client_id: 'c',
      client_secret,
      token_endpoint: 'https://provider.example/token',
    });
    return { kind: 'found', secret: { text, versionId: stage, createdAt: 0 } };
  };
  return createProfiles({ read } as unknown as Secrets, 'oauth/', 300);
}

async function loaded(profiles: Profiles): Promise<Profile> {
  const one = await profiles.load('crm');
  if (one.kind !== 'profile') throw new Error(one.detail);
  return one.profile;
}

const secretsOf = (profiles: readonly Profile[]) => profiles.map(({ client_secret }) => client_secret);

describe('What else a client may be, after it was rejected', () => {
  test('is the version before', async () => {
    const profiles = profilesOver('new', 'old');
    expect(secretsOf(await profiles.alternatives('crm', await loaded(profiles)))).toEqual(['old']);
  });

  test('is what has worked for another account meanwhile', async () => {
    const profiles = profilesOver('new', 'old');
    const rejected = await loaded(profiles);
    const [old] = await profiles.alternatives('crm', rejected);
    if (old === undefined) throw new Error('no alternative');
    profiles.adopt('crm', old);
    expect(secretsOf(await profiles.alternatives('crm', rejected))).toEqual(['old']);
  });

  test('is nothing where both versions are one', async () => {
    const profiles = profilesOver('same', 'same');
    expect(await profiles.alternatives('crm', await loaded(profiles))).toEqual([]);
  });
});

test('Of any number of names that accounts give, a bounded number of profiles is kept', async () => {
  const read: string[] = [];
  const secrets = {
    read: async (secretId: string): Promise<ReadSecret> => {
      read.push(secretId);
      return { kind: 'missing', awaitingDeletion: false };
    },
  };
  const profiles = createProfiles(secrets as unknown as Secrets, 'oauth/', 300);
  await profiles.load('crm');
  for (let i = 0; i < 400; i++) await profiles.load(`none-${i}`);
  await profiles.load('crm');
  expect(read.filter((id) => id.endsWith('/crm'))).toHaveLength(1);
  for (let i = 400; i < 1_000; i++) await profiles.load(`none-${i}`);
  await profiles.load('crm');
  expect(read.filter((id) => id.endsWith('/crm'))).toHaveLength(2);
});
