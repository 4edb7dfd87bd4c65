import { createDecipheriv } from 'node:crypto';
import { DecryptCommand } from '@aws-sdk/client-kms';
import { DescribeSecretCommand, PutSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { afterAll, describe, expect, test } from 'vitest';
import { parseAccount } from '../../core/account/account.ts';
import { parseProfile } from '../../core/profile/parse-profile.ts';
import { parseTokenSet } from '../../core/tokens/token-set.ts';
import { startPatientAws } from '../support/aws-endpoint.ts';
import { createWorld } from '../support/world.ts';
import { fileServers } from '../support/world-test.ts';
import { loadFixture } from './load-fixture.ts';

const { aws, provider } = await fileServers(startPatientAws());
const world = await createWorld(aws.url);
afterAll(() => world.close());
const fixture = await loadFixture('0.1.0', world, provider);

/** What 0.1.0 found wrong, and was wrong. */
const WRONG = {
  accounts: ['invalid'],
  secrets: ['accounts/bad-secret'],
  profiles: ['profiles/crm-misspelt'],
};

describe('what 0.1.0 wrote is understood', () => {
  test('every account', () => {
    const accounts = fixture.items.filter(({ authenticationType }) => authenticationType === 'oauth2');
    expect(accounts.length).toBeGreaterThan(25);
    const invalid = accounts.filter((item) => parseAccount(item).kind === 'invalid');
    expect(invalid.map(({ accountId }) => accountId)).toEqual(WRONG.accounts);
  });

  test('every token set', () => {
    const sets = [...fixture.secrets].filter(([name]) => !name.startsWith(`${world.prefix}profiles/`));
    expect(sets.length).toBeGreaterThan(20);
    const invalid = sets.filter(([, text]) => parseTokenSet(text).kind === 'invalid');
    expect(invalid.map(([name]) => name)).toEqual(WRONG.secrets.map((name) => `${world.prefix}${name}`));
  });

  test('every profile', () => {
    const profiles = [...fixture.secrets].filter(([name]) => name.startsWith(`${world.prefix}profiles/`));
    expect(profiles.length).toBeGreaterThan(5);
    const invalid = profiles.filter(([, text]) => parseProfile(text).kind === 'invalid');
    expect(invalid.map(([name]) => name)).toEqual(WRONG.profiles.map((name) => `${world.prefix}${name}`));
  });

  test('what is in escrow', async () => {
    const escrowed = fixture.items.filter(({ escrow }) => escrow !== undefined);
    expect(escrowed.map(({ accountId }) => accountId)).toEqual(['in-escrow']);
    for (const { accountId, escrow } of escrowed) {
      const { refreshToken } = await openOf010(String(accountId), escrow as { ciphertext: string });
      expect(provider.accepts(String(accountId), refreshToken)).toBe(true);
    }
  });
});

describe('this version over what 0.1.0 wrote', () => {
  /** Accounts whose grants the provider still holds good, and that nothing else is wrong with. */
  const SOUND = [
    'claimed',
    'doubtful',
    'due',
    'healthy',
    'healthy-tenant',
    'imported',
    'imported-and-refreshed',
    'in-escrow',
    'more-fields',
    'own-usual-secret',
    'rate-limited',
    'unavailable',
  ];

  test('harms nobody: no grant is lost or spent twice, and every sound account ends healthy', async () => {
    const before = new Map(fixture.items.map((item) => [String(item.accountId), item]));
    for (const seconds of [0, 120, 1_000, 4_000]) {
      const event = seconds === 1_000 ? { force: true } : {};
      const run = await world.process({ clockOffsetSeconds: seconds }).invoke(event);
      expect(run.kind).toBe('returned');
    }
    for (const accountId of SOUND) {
      const item = await world.item(accountId);
      expect({ accountId, status: item.status, escrow: item.escrow }).toEqual({
        accountId,
        status: 'healthy',
        escrow: undefined,
      });
    }
    for (const accountId of fixture.grants) {
      const truth = provider.truth(accountId);
      const revokedBefore = fixture.revoked.includes(accountId);
      if (!revokedBefore) expect({ accountId, reuses: truth.reuses }).toEqual({ accountId, reuses: 0 });
    }
    // Whoever waited for a person, or had something wrong that people wrote, still does, with the same reason.
    for (const accountId of ['bad-profile', 'bad-secret', 'invalid', 'no-profile', 'no-secret']) {
      const { reason } = before.get(accountId)?.failure as { reason: string };
      expect(await world.item(accountId)).toMatchObject({ status: 'failing', failure: { reason } });
    }
    expect(await world.item('no-refresh-token')).toMatchObject({ status: 'reauthorization_required' });
    // Every set that was spent is kept by this table from now on.
    expect(await world.tokens('due')).toMatchObject({ kept_by: world.keeper });
  });
});

describe('what a later version may write', () => {
  test('is met without harm: a higher formatVersion is left as it is, unknown attributes and reasons do not matter', async () => {
    await world.profile('later', provider.profile);
    const failure = { reason: 'solar_flare', message: 'm', count: 2, since: 1, at: 1, severity: 'high' };
    const later = { oauthProfile: 'later', shard: { of: 7 }, budget: 3 };
    await world.account(
      { ...later, accountId: 'later-reason', status: 'failing', failure },
      provider.issue('later-reason'),
    );
    await world.account(
      { ...later, accountId: 'later-format', formatVersion: 2, status: ['of', 'another', 'shape'] },
      provider.issue('later-format'),
    );
    const accountIds = ['later-reason', 'later-format'];
    const item = await world.item('later-format');
    const result = await world.run({ accountIds });
    expect(result).toMatchObject({ refreshed: 1, invalid: 1 });
    expect(result.accounts).toContainEqual(
      expect.objectContaining({ accountId: 'later-format', reason: 'account_invalid' }),
    );
    expect(world.function.takeLog().join('\n')).toContain('made by a newer version');
    expect(await world.item('later-format')).toEqual(item);
    expect(provider.truth('later-format').requests).toBe(0);
    const healed = await world.item('later-reason');
    expect(healed).toMatchObject({ status: 'healthy', shard: { of: 7 }, budget: 3 });
    expect(healed).not.toHaveProperty('failure');
  });

  /** Both are kept for whoever can read them, and no refresh token is spent meanwhile. */
  test.each([
    { name: 'escrow of a later format', change: { ciphertext: '{"v":3}' }, reason: 'store_unavailable' },
    { name: 'escrow of an unknown kind', change: { kind: 'later' }, reason: 'account_invalid' },
  ])('$name stays as it is, and nothing is spent', async ({ name, change, reason }) => {
    await world.profile('later-escrow', provider.profile);
    const accountId = name.replaceAll(' ', '-');
    const escrow = { kind: 'token', ciphertext: '{"v":2}', attemptId: 'a', at: 1, ...change };
    await world.account({ accountId, oauthProfile: 'later-escrow', escrow }, provider.issue(accountId));
    await world.run({ accountIds: [accountId] });
    expect(await world.item(accountId)).toMatchObject({ status: 'failing', failure: { reason }, escrow });
    expect(provider.truth(accountId).requests).toBe(0);
  });

  test('a field of a profile that is not known stops that profile before anything is spent', async () => {
    await world.profile('later-field', { ...provider.profile, proof: 'x' });
    await world.account({ accountId: 'a-later-field', oauthProfile: 'later-field' }, provider.issue('field'));
    await world.run({ accountIds: ['a-later-field'] });
    expect(await world.item('a-later-field')).toMatchObject({ failure: { reason: 'profile_invalid' } });
    expect(provider.truth('field').requests).toBe(0);
  });

  test('notes, owed events and labels that are not known are left alone', async () => {
    await world.profile('later-notes', provider.profile);
    const accountId = 'among-later-notes';
    const SecretId = `${world.prefix}accounts/${accountId}`;
    await world.account(
      { accountId, oauthProfile: 'later-notes', eventOwed: 'OAuth Account Praised' },
      provider.issue(accountId),
    );
    await world.clients.secrets.send(
      new PutSecretValueCommand({ SecretId, SecretString: '{}', VersionStages: ['OAUTH_LATER'] }),
    );
    const note = { accountId: '#later:note', authenticationType: 'oauth2', oauthProfile: 'later-notes' };
    await world.account(note);
    await world.run();
    expect(await world.item('#later:note')).toEqual(note);
    expect(await world.item(accountId)).toMatchObject({ status: 'healthy' });
    const { VersionIdsToStages = {} } = await world.clients.secrets.send(
      new DescribeSecretCommand({ SecretId }),
    );
    expect(Object.values(VersionIdsToStages)).toContainEqual(['OAUTH_LATER']);
  });
});

/** The format of 0.1.0: without `v`, the account's id as encryption context and authenticated data. */
async function openOf010(accountId: string, { ciphertext }: { ciphertext: string }) {
  const { v, key, iv, tag, data } = JSON.parse(ciphertext);
  expect(v).toBeUndefined();
  const bytes = (text: string) => Buffer.from(text, 'base64');
  const { Plaintext = [] } = await world.clients.kms.send(
    new DecryptCommand({
      KeyId: world.escrowKeyId,
      CiphertextBlob: bytes(key),
      EncryptionContext: { accountId },
    }),
  );
  const decipher = createDecipheriv('aes-256-gcm', Buffer.from(Plaintext), bytes(iv))
    .setAAD(Buffer.from(accountId))
    .setAuthTag(bytes(tag));
  return JSON.parse(decipher.update(bytes(data), undefined, 'utf8') + decipher.final('utf8'));
}
