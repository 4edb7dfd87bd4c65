import { createDecipheriv } from 'node:crypto';
import { DecryptCommand } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAccount } from '../../lambda/account.ts';
import { parseProfile } from '../../lambda/profile.ts';
import { parseTokenSet } from '../../lambda/token-set.ts';
import { type LocalAws, startLocalAws } from '../../local/aws/server.ts';
import { type LoadedFixture, loadFixture } from '../support/fixtures.ts';
import { type StrictProvider, startStrictProvider } from '../support/strict-provider.ts';
import { createWorld, type World } from '../support/world.ts';

let aws: LocalAws;
let world: World;
let provider: StrictProvider;
let fixture: LoadedFixture;

beforeAll(async () => {
  aws = await startLocalAws({ secretsManager: { writesPerSecond: 10_000 } });
  world = await createWorld(aws.url);
  provider = await startStrictProvider();
  fixture = await loadFixture('0.1.0', world, provider);
});
afterAll(async () => {
  world.close();
  await provider.close();
  await aws.close();
});

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
