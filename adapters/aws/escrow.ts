import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { DecryptCommand, GenerateDataKeyCommand, type KMSClient } from '@aws-sdk/client-kms';
import * as v from 'valibot';
import type { Escrow, EscrowKind } from '../../core/account/account.ts';
import { type AwsFailure, awsFailure } from './aws-error.ts';

/** What is kept while it can't be stored (the attribute `escrow`). */
export interface Escrowed {
  readonly refreshToken?: string | undefined;
  /** A provider's response in which no token could be read, gzipped. */
  readonly answer?: Uint8Array | undefined;
  /** The fingerprint of the refresh token that the secret held: where it holds another by now, this is out of date. */
  readonly supersedes: string;
  /** When the response arrived, seconds since the epoch. */
  readonly obtainedAt: number;
}

export interface EscrowVault {
  /** Gets this run's data key, so that no call to KMS stands between a response and its durable write. Never rejects. */
  prepare(): Promise<'ready' | AwsFailure>;
  /** Encrypts for one account. Rejects with the SDK's error where there is no data key to be had. */
  seal(accountId: string, kind: EscrowKind, escrowed: Escrowed): Promise<string>;
  /** Decrypts what was sealed for the same account. Rejects if it was made for another, or changed. */
  open(accountId: string, escrow: Pick<Escrow, 'kind' | 'ciphertext'>): Promise<Escrowed>;
}

const IV_LENGTH = 12;
const TAG_LENGTH = 16;

/** Base64 of so many bytes, and no fewer: a short tag can be guessed. */
const bytesOfLength = (length: number) =>
  v.pipe(
    v.string(),
    v.transform((text) => Buffer.from(text, 'base64')),
    v.check((bytes) => bytes.length === length, `must have ${length} bytes`),
  );

const envelopeSchema = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    v: v.optional(v.literal(2)),
    key: v.string(),
    iv: bytesOfLength(IV_LENGTH),
    tag: bytesOfLength(TAG_LENGTH),
    data: v.string(),
  }),
);
const contentSchema = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    refreshToken: v.optional(v.string()),
    answer: v.optional(v.string()),
    supersedes: v.string(),
    obtainedAt: v.number(),
  }),
);

/** Tells whether two refresh tokens are the same without keeping either: base64url of SHA-256. */
export function fingerprintOf(refreshToken: string): string {
  return createHash('sha256').update(refreshToken).digest('base64url');
}

/** A response of more than this, after gzip, is cut. */
const MAX_ANSWER_BYTES = 4_096;
const CUT_TO_WITHIN = 64;

/** A response as it is kept: gzipped, and its beginning alone where that is too long. */
export function packResponse(response: Uint8Array | string): Uint8Array {
  const text = Buffer.from(response);
  const whole = gzipSync(text);
  if (whole.length <= MAX_ANSWER_BYTES) return whole;
  let packed: Uint8Array = gzipSync('');
  let [fits, tooMuch] = [0, text.length];
  while (tooMuch - fits > CUT_TO_WITHIN) {
    const half = Math.floor((fits + tooMuch) / 2);
    const beginning = gzipSync(text.subarray(0, half));
    if (beginning.length > MAX_ANSWER_BYTES) tooMuch = half;
    else {
      fits = half;
      packed = beginning;
    }
  }
  return packed;
}

const CONTEXT = { use: 'escrow' };

/**
 * Envelope encryption: AES-256-GCM under a data key that KMS made for this run, with the account's id and the kind as
 * authenticated data.
 *
 * @see https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html
 */
export function createEscrowVault(client: KMSClient, KeyId: string): EscrowVault {
  let dataKey: Promise<{ readonly key: Buffer; readonly wrapped: string }> | undefined;
  const makeDataKey = async () => {
    const made = await client.send(
      new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256', EncryptionContext: CONTEXT }),
    );
    return {
      key: Buffer.from(made.Plaintext ?? []),
      wrapped: Buffer.from(made.CiphertextBlob ?? []).toString('base64'),
    };
  };
  /** One that failed is asked for again, by whoever needs it next. */
  const ready = () => {
    dataKey ??= makeDataKey().catch((error: unknown) => {
      dataKey = undefined;
      throw error;
    });
    return dataKey;
  };
  const unwrapped = new Map<string, Promise<Buffer>>();
  const unwrap = (wrapped: string, EncryptionContext: Record<string, string>) => {
    const known =
      unwrapped.get(wrapped) ??
      client
        .send(
          new DecryptCommand({ KeyId, CiphertextBlob: Buffer.from(wrapped, 'base64'), EncryptionContext }),
        )
        .then(({ Plaintext }) => Buffer.from(Plaintext ?? []));
    if (unwrapped.size < MAX_DATA_KEYS) unwrapped.set(wrapped, known);
    known.catch(() => unwrapped.delete(wrapped));
    return known;
  };
  return {
    prepare: async () => {
      try {
        await ready();
        return 'ready';
      } catch (error) {
        return awsFailure(error);
      }
    },
    seal: async (accountId, kind, { answer, ...rest }) => {
      const { key, wrapped } = await ready();
      const iv = randomBytes(IV_LENGTH);
      const content = { ...rest, ...(answer && { answer: Buffer.from(answer).toString('base64') }) };
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(authenticated(accountId, kind));
      const data = Buffer.concat([cipher.update(JSON.stringify(content), 'utf8'), cipher.final()]);
      return JSON.stringify({
        v: 2,
        key: wrapped,
        iv: iv.toString('base64'),
        tag: cipher.getAuthTag().toString('base64'),
        data: data.toString('base64'),
      });
    },
    open: async (accountId, { kind = 'token', ciphertext }) => {
      const envelope = v.parse(envelopeSchema, ciphertext);
      // Without a version it is of 0.1.0, which knew tokens alone.
      const [context, additional] =
        envelope.v === 2
          ? [CONTEXT, authenticated(accountId, kind)]
          : [{ accountId }, Buffer.from(accountId)];
      const key = await unwrap(envelope.key, context);
      const decipher = createDecipheriv('aes-256-gcm', key, envelope.iv, {
        authTagLength: TAG_LENGTH,
      })
        .setAAD(additional)
        .setAuthTag(envelope.tag);
      const data = Buffer.concat([decipher.update(Buffer.from(envelope.data, 'base64')), decipher.final()]);
      const { answer, ...rest } = v.parse(contentSchema, data.toString('utf8'));
      return { ...rest, ...(answer !== undefined && { answer: Buffer.from(answer, 'base64') }) };
    },
  };
}

const MAX_DATA_KEYS = 100;

function authenticated(accountId: string, kind: EscrowKind): Buffer {
  return Buffer.from(`${accountId}\n${kind}`);
}
