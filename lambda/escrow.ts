import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { DecryptCommand, EncryptCommand, type KMSClient } from '@aws-sdk/client-kms';
import * as v from 'valibot';

/** What is kept while a refresh token can't be stored. */
export interface EscrowedToken {
  readonly refreshToken: string;
  /** A fingerprint of the refresh token that was spent for it: where that one is found, this one takes its place. */
  readonly supersedes: string;
  /** When the provider issued it, seconds since the epoch. */
  readonly obtainedAt: number;
}

export interface EscrowVault {
  /** Encrypts for one account. Rejects with the SDK's error. */
  seal(accountId: string, token: EscrowedToken): Promise<string>;
  /** Decrypts what `seal` made for the same account. Rejects if it was made for another, or changed. */
  open(accountId: string, ciphertext: string): Promise<EscrowedToken>;
}

const envelopeSchema = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({ key: v.string(), iv: v.string(), tag: v.string(), data: v.string() }),
);
const tokenSchema = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({ refreshToken: v.string(), supersedes: v.string(), obtainedAt: v.number() }),
);

/** Tells whether two refresh tokens are the same without keeping either. */
export function fingerprintOf(refreshToken: string): string {
  return createHash('sha256').update(refreshToken).digest('base64url');
}

/**
 * Envelope encryption: a key of its own for each token, itself encrypted by KMS with the account's id as encryption
 * context. KMS encrypts at most 4,096 bytes at once, and some refresh tokens are longer.
 *
 * @see https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html
 */
export function createEscrowVault(client: KMSClient, KeyId: string): EscrowVault {
  return {
    seal: async (accountId, token) => {
      const key = randomBytes(32);
      const iv = randomBytes(12);
      const wrapped = await client.send(
        new EncryptCommand({ KeyId, Plaintext: key, EncryptionContext: { accountId } }),
      );
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(accountId));
      const data = Buffer.concat([cipher.update(JSON.stringify(token), 'utf8'), cipher.final()]);
      return JSON.stringify({
        key: Buffer.from(wrapped.CiphertextBlob ?? []).toString('base64'),
        iv: iv.toString('base64'),
        tag: cipher.getAuthTag().toString('base64'),
        data: data.toString('base64'),
      });
    },
    open: async (accountId, ciphertext) => {
      const envelope = v.parse(envelopeSchema, ciphertext);
      const unwrapped = await client.send(
        new DecryptCommand({
          KeyId,
          CiphertextBlob: Buffer.from(envelope.key, 'base64'),
          EncryptionContext: { accountId },
        }),
      );
      const key = Buffer.from(unwrapped.Plaintext ?? []);
      const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(envelope.iv, 'base64'))
        .setAAD(Buffer.from(accountId))
        .setAuthTag(Buffer.from(envelope.tag, 'base64'));
      const data = Buffer.concat([decipher.update(Buffer.from(envelope.data, 'base64')), decipher.final()]);
      return v.parse(tokenSchema, data.toString('utf8'));
    },
  };
}
