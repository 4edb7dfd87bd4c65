import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import {
  CreateKeyCommand,
  DecryptCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  KMSClient,
} from '@aws-sdk/client-kms';
import { afterAll, describe, expect, test } from 'vitest';
import { createEscrowVault, fingerprintOf, packResponse } from '../../adapters/aws/escrow.ts';
import type { EscrowKind } from '../../core/account/account.ts';
import { startLocalAws } from '../../local/aws/server.ts';
import { clientSettings } from '../support/aws-endpoint.ts';
import { NOW } from '../support/builders.ts';

const aws = await startLocalAws();
afterAll(() => aws.close());
const kms = new KMSClient(clientSettings(aws.url));
const { KeyMetadata } = await kms.send(new CreateKeyCommand({}));
const keyId = KeyMetadata?.KeyId ?? '';
const vault = createEscrowVault(kms, keyId);

const held = {
  refreshToken: 'refresh-token-2',
  supersedes: fingerprintOf('refresh-token-1'),
  obtainedAt: NOW,
};

function envelopeOf(ciphertext: string): Record<string, unknown> {
  return JSON.parse(ciphertext);
}

const bytes = (text: unknown) => Buffer.from(String(text), 'base64');

test('What is sealed has the form that the contract names, and nothing of it can be read', async () => {
  const ciphertext = await vault.seal('acme', 'token', held);
  const { v, key, iv, tag, data, ...more } = envelopeOf(ciphertext);
  expect({ v, more }).toEqual({ v: 2, more: {} });
  expect([bytes(iv).length, bytes(tag).length]).toEqual([12, 16]);
  for (const value of [key, iv, tag, data]) expect(bytes(value).toString('base64')).toBe(value);
  expect(ciphertext).not.toContain(held.refreshToken);
  // As anybody could open it who knows the contract and may use the key.
  const { Plaintext = new Uint8Array() } = await kms.send(
    new DecryptCommand({ CiphertextBlob: bytes(key), EncryptionContext: { use: 'escrow' } }),
  );
  const decipher = createDecipheriv('aes-256-gcm', Plaintext, bytes(iv))
    .setAAD(Buffer.from('acme\ntoken'))
    .setAuthTag(bytes(tag));
  const text = Buffer.concat([decipher.update(bytes(data)), decipher.final()]).toString();
  expect(JSON.parse(text)).toEqual(held);
});

test('What was sealed is opened for the same account and kind', async () => {
  const answer = packResponse('<html>What is this?</html>');
  const kinds: readonly { kind: EscrowKind; content: object }[] = [
    { kind: 'token', content: held },
    { kind: 'candidate', content: { ...held, answer } },
    { kind: 'answer', content: { answer, supersedes: held.supersedes, obtainedAt: NOW } },
  ];
  for (const { kind, content } of kinds) {
    const ciphertext = await vault.seal('acme', kind, content as typeof held);
    const opened = await vault.open('acme', { kind, ciphertext });
    expect({ ...opened, ...(opened.answer && { answer: new Uint8Array(opened.answer) }) }).toEqual({
      ...content,
      ...('answer' in content && { answer: new Uint8Array(answer) }),
    });
  }
});

test('What is sealed without a kind, as of a first version of the items, is a token', async () => {
  const ciphertext = await vault.seal('acme', 'token', held);
  expect(await vault.open('acme', { ciphertext })).toEqual(held);
});

describe('what was sealed is not opened', () => {
  const tampered = async (change: (envelope: Record<string, unknown>) => Record<string, unknown>) => {
    const envelope = envelopeOf(await vault.seal('acme', 'token', held));
    return JSON.stringify({ ...envelope, ...change(envelope) });
  };
  const rows: readonly {
    readonly name: string;
    readonly account?: string;
    readonly kind?: EscrowKind;
    readonly change?: (envelope: Record<string, unknown>) => Record<string, unknown>;
  }[] = [
    { name: 'for another account', account: 'other' },
    { name: 'as another kind', kind: 'candidate' },
    { name: 'for an account whose id ends like another with its kind', account: 'acme\ntoken' },
    {
      name: 'with a tag of four bytes',
      change: ({ tag }) => ({ tag: bytes(tag).subarray(0, 4).toString('base64') }),
    },
    {
      name: 'with a tag of fifteen bytes',
      change: ({ tag }) => ({ tag: bytes(tag).subarray(0, 15).toString('base64') }),
    },
    { name: 'with a tag that is no tag', change: () => ({ tag: '' }) },
    {
      name: 'with one bit that is different',
      change: ({ data }) => {
        const changed = bytes(data);
        changed[0] = (changed[0] ?? 0) ^ 1;
        return { data: changed.toString('base64') };
      },
    },
    { name: 'as of the first version', change: () => ({ v: undefined }) },
    { name: 'as of a version that is not known', change: () => ({ v: 3 }) },
    { name: 'under a key that is none', change: () => ({ key: randomBytes(80).toString('base64') }) },
  ];
  test.each(rows)('$name', async ({ account = 'acme', kind = 'token', change = () => ({}) }) => {
    const ciphertext = await tampered(change);
    await expect(vault.open(account, { kind, ciphertext })).rejects.toThrow();
  });

  test('under another table’s data key', async () => {
    const { CiphertextBlob = new Uint8Array() } = await kms.send(
      new EncryptCommand({ KeyId: keyId, Plaintext: randomBytes(32), EncryptionContext: { use: 'grant' } }),
    );
    const ciphertext = await tampered(() => ({ key: Buffer.from(CiphertextBlob).toString('base64') }));
    await expect(vault.open('acme', { kind: 'token', ciphertext })).rejects.toThrow();
  });
});

/** As 0.1.0 sealed: a data key for each, the account's id as context and as authenticated data, no version. */
async function sealedBefore(
  accountId: string,
  content: object,
  { tagLength = 16, ivLength = 12 } = {},
): Promise<string> {
  const EncryptionContext = { accountId };
  const { Plaintext, CiphertextBlob } = await kms.send(
    new GenerateDataKeyCommand({ KeyId: keyId, KeySpec: 'AES_256', EncryptionContext }),
  );
  const iv = randomBytes(ivLength);
  const cipher = createCipheriv('aes-256-gcm', Plaintext ?? '', iv, { authTagLength: tagLength }).setAAD(
    Buffer.from(accountId),
  );
  const data = Buffer.concat([cipher.update(JSON.stringify(content)), cipher.final()]);
  const base64 = (value: Uint8Array = new Uint8Array()) => Buffer.from(value).toString('base64');
  return JSON.stringify({
    key: base64(CiphertextBlob),
    iv: base64(iv),
    tag: base64(cipher.getAuthTag()),
    data: base64(data),
  });
}

describe('what 0.1.0 has sealed', () => {
  test('is opened', async () => {
    expect(await vault.open('acme', { ciphertext: await sealedBefore('acme', held) })).toEqual(held);
  });

  test('is not opened for another account', async () => {
    const ciphertext = await sealedBefore('acme', held);
    await expect(vault.open('other', { ciphertext })).rejects.toThrow();
  });

  test.each([
    { tagLength: 4 },
    { tagLength: 15 },
    { ivLength: 1 },
    { ivLength: 11 },
    { ivLength: 16 },
  ])('is not opened with another length, nor is its key asked for: %j', async (lengths) => {
    const ciphertext = await sealedBefore('acme', held, lengths);
    const from = aws.calls().length;
    await expect(vault.open('acme', { ciphertext })).rejects.toThrow(/must have (12|16) bytes/);
    expect(aws.calls().slice(from)).toEqual([]);
  });
});

describe('the data key', () => {
  const keyCalls = (from: number) =>
    aws
      .calls()
      .slice(from)
      .filter(({ service }) => service === 'kms')
      .map(({ operation }) => operation);

  test('is one for a run, however much it seals at once', async () => {
    const run = createEscrowVault(kms, keyId);
    const from = aws.calls().length;
    const ready = run.prepare();
    const sealed = await Promise.all([...Array(50)].map((_, i) => run.seal(`account-${i}`, 'token', held)));
    expect(await ready).toBe('ready');
    expect(keyCalls(from)).toEqual(['GenerateDataKey']);
    expect(new Set(sealed.map((one) => envelopeOf(one).iv)).size).toBe(50);
  });

  test('is unwrapped once for all that a run before has sealed', async () => {
    const before = createEscrowVault(kms, keyId);
    const sealed = await Promise.all(
      [...Array(20)].map((_, i) => before.seal(`account-${i}`, 'token', held)),
    );
    const run = createEscrowVault(kms, keyId);
    const from = aws.calls().length;
    await Promise.all(sealed.map((ciphertext, i) => run.open(`account-${i}`, { kind: 'token', ciphertext })));
    expect(keyCalls(from)).toEqual(['Decrypt']);
  });

  test('that can not be had says why, and is asked for again by whoever needs it', async () => {
    const run = createEscrowVault(kms, keyId);
    aws.inject(({ operation }) =>
      operation === 'GenerateDataKey'
        ? { kind: 'error', status: 400, type: 'AccessDeniedException', message: '' }
        : undefined,
    );
    const refused = await run.prepare();
    const failed = await run.seal('acme', 'token', held).catch((error: Error) => error.name);
    aws.inject(undefined);
    expect(refused).toMatchObject({ kind: 'denied', code: 'AccessDeniedException' });
    expect(failed).toBe('AccessDeniedException');
    expect(
      await run.open('acme', { kind: 'token', ciphertext: await run.seal('acme', 'token', held) }),
    ).toEqual(held);
  });
});

describe('an answer', () => {
  test('is kept whole where it is small', () => {
    const answer = '{"message": "What is this?"}';
    expect(gunzipSync(packResponse(answer)).toString()).toBe(answer);
  });

  test('is kept byte for byte where it is no text', () => {
    const answer = randomBytes(1_000);
    expect(gunzipSync(packResponse(answer)).equals(answer)).toBe(true);
  });

  test.each([
    { content: 'noise', make: () => randomBytes(64 * 1024) },
    { content: 'text that packs well', make: () => Buffer.from('What is this? '.repeat(5_000)) },
    {
      content: 'noise before text that packs well',
      make: () => Buffer.concat([randomBytes(4_000), Buffer.alloc(60_000, 'x')]),
    },
    {
      content: 'text that packs well before noise',
      make: () => Buffer.concat([Buffer.alloc(60_000, 'x'), randomBytes(30_000)]),
    },
    { content: 'nothing', make: () => Buffer.alloc(0) },
  ])('of $content is 4 KB at most after gzip, and its beginning', ({ make }) => {
    const answer = make();
    const packed = packResponse(answer);
    expect(packed.length).toBeLessThanOrEqual(4_096);
    const kept = gunzipSync(packed);
    expect(kept.equals(answer.subarray(0, kept.length))).toBe(true);
    if (kept.length < answer.length)
      expect(packed.length, 'no more is cut than has to be').toBeGreaterThan(2_048);
  });
});
