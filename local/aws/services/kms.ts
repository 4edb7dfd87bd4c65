import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import * as v from 'valibot';
import { statements } from '../../shared/store.ts';
import { accountId, arn } from '../protocol/arn.ts';
import { AwsError } from '../protocol/aws-error.ts';
import { blob, integer, operation, pagePlace, pageToken, text } from '../protocol/operation.ts';
import type { Operations } from '../protocol/protocol.ts';

interface Key {
  readonly id: string;
  readonly material: Uint8Array;
  readonly description: string;
  readonly createdAt: number;
}

const keyId = text(1, 2048);
const algorithm = v.optional(v.literal('SYMMETRIC_DEFAULT'), 'SYMMETRIC_DEFAULT');
const encryptionContext = v.optional(v.record(v.string(), v.string()), {});

/**
 * KMS with symmetric keys: AES-256-GCM, the encryption context as additional authenticated data.
 * @see https://docs.aws.amazon.com/kms/latest/APIReference/
 */
export function kms(db: DatabaseSync, now: () => number): Operations {
  db.exec(`
    CREATE TABLE IF NOT EXISTS keys (
      id TEXT PRIMARY KEY,
      material BLOB NOT NULL,
      description TEXT NOT NULL,
      createdAt INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS aliases (
      name TEXT PRIMARY KEY,
      key TEXT NOT NULL REFERENCES keys,
      createdAt INTEGER NOT NULL
    ) STRICT;
  `);
  const sql = statements(db);

  const keyById = (id: string) => sql.get`SELECT * FROM keys WHERE id = ${id}` as Key | undefined;

  function findKey(id: string): Key {
    const resource = id.startsWith('arn:') ? id.slice(id.lastIndexOf(':') + 1) : id;
    if (resource.startsWith('alias/')) {
      const alias = sql.get`SELECT key FROM aliases WHERE name = ${resource}`;
      const key = alias && keyById(String(alias.key));
      if (key !== undefined) return key;
      throw new AwsError('NotFoundException', `Alias ${arn('kms', resource)} is not found.`);
    }
    const key = keyById(resource.replace(/^key\//, ''));
    if (key !== undefined) return key;
    throw new AwsError('NotFoundException', `Key '${keyArn(resource.replace(/^key\//, ''))}' does not exist`);
  }

  return {
    CreateKey: operation(
      v.strictObject({
        Description: v.optional(text(0, 8192), ''),
        KeyUsage: v.optional(v.literal('ENCRYPT_DECRYPT')),
        KeySpec: v.optional(v.literal('SYMMETRIC_DEFAULT')),
        Tags: v.optional(v.array(v.strictObject({ TagKey: v.string(), TagValue: v.string() }))),
      }),
      ({ Description }) => {
        const id = randomUUID();
        sql.run`INSERT INTO keys VALUES (${id}, ${randomBytes(32)}, ${Description}, ${now()})`;
        return { KeyMetadata: metadata(findKey(id)) };
      },
    ),

    DescribeKey: operation(v.strictObject({ KeyId: keyId }), ({ KeyId }) => ({
      KeyMetadata: metadata(findKey(KeyId)),
    })),

    CreateAlias: operation(
      v.strictObject({ AliasName: text(1, 256), TargetKeyId: keyId }),
      ({ AliasName, TargetKeyId }) => {
        checkAliasName(AliasName);
        const { id } = findKey(TargetKeyId);
        const { changes } =
          sql.run`INSERT INTO aliases VALUES (${AliasName}, ${id}, ${now()}) ON CONFLICT DO NOTHING`;
        if (changes === 0)
          throw new AwsError(
            'AlreadyExistsException',
            `An alias with the name ${arn('kms', AliasName)} already exists`,
          );
      },
    ),

    ListAliases: operation(
      v.strictObject({
        KeyId: v.optional(keyId),
        Limit: v.optional(integer(1, 100), 50),
        Marker: v.optional(v.string()),
      }),
      ({ KeyId, Limit, Marker }) => {
        const key = KeyId === undefined ? null : findKey(KeyId).id;
        const start = pagePlace(Marker, 'InvalidMarkerException');
        const rows = sql.all`SELECT * FROM aliases WHERE ${key} IS NULL OR key = ${key}
          ORDER BY name LIMIT ${Limit + 1} OFFSET ${start}`;
        const Truncated = rows.length > Limit;
        return {
          Aliases: rows.slice(0, Limit).map(({ name, key, createdAt }) => ({
            AliasName: name,
            AliasArn: arn('kms', String(name)),
            TargetKeyId: key,
            CreationDate: Number(createdAt) / 1000,
          })),
          Truncated,
          NextMarker: Truncated ? pageToken(start + Limit) : undefined,
        };
      },
    ),

    Encrypt: operation(
      v.strictObject({
        KeyId: keyId,
        Plaintext: blob(1, 4096),
        EncryptionContext: encryptionContext,
        EncryptionAlgorithm: algorithm,
      }),
      ({ KeyId, Plaintext, EncryptionContext, EncryptionAlgorithm }) => {
        const key = findKey(KeyId);
        return {
          CiphertextBlob: seal(key, Plaintext, EncryptionContext).toString('base64'),
          KeyId: keyArn(key.id),
          EncryptionAlgorithm,
        };
      },
    ),

    GenerateDataKey: operation(
      v.strictObject({
        KeyId: keyId,
        KeySpec: v.optional(v.picklist(['AES_128', 'AES_256'])),
        NumberOfBytes: v.optional(integer(1, 1024)),
        EncryptionContext: encryptionContext,
      }),
      ({ KeyId, KeySpec, NumberOfBytes, EncryptionContext }) => {
        const key = findKey(KeyId);
        if ((KeySpec === undefined) === (NumberOfBytes === undefined))
          throw new AwsError('ValidationException', 'Please specify either number of bytes or key spec.');
        const dataKey = randomBytes(NumberOfBytes ?? (KeySpec === 'AES_128' ? 16 : 32));
        return {
          CiphertextBlob: seal(key, dataKey, EncryptionContext).toString('base64'),
          Plaintext: dataKey.toString('base64'),
          KeyId: keyArn(key.id),
        };
      },
    ),

    Decrypt: operation(
      v.strictObject({
        CiphertextBlob: blob(1, 6144),
        KeyId: v.optional(keyId),
        EncryptionContext: encryptionContext,
        EncryptionAlgorithm: algorithm,
      }),
      ({ CiphertextBlob, KeyId, EncryptionContext, EncryptionAlgorithm }) => {
        const named = KeyId === undefined ? undefined : findKey(KeyId);
        const key = keyById(sealedBy(CiphertextBlob));
        if (key === undefined) throw invalidCiphertext();
        if (named !== undefined && named.id !== key.id)
          throw new AwsError(
            'IncorrectKeyException',
            'The key ID in the request does not identify a CMK that can perform this operation.',
          );
        return {
          Plaintext: open(key, CiphertextBlob, EncryptionContext).toString('base64'),
          KeyId: keyArn(key.id),
          EncryptionAlgorithm,
        };
      },
    ),
  };
}

/** A ciphertext: the key's id (16 bytes), the nonce (12), GCM's tag (16), then as many bytes as the plaintext. */
function seal(key: Key, plaintext: Buffer, context: Record<string, string>): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key.material, nonce).setAAD(canonical(context));
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([Buffer.from(key.id.replaceAll('-', ''), 'hex'), nonce, cipher.getAuthTag(), sealed]);
}

function open(key: Key, ciphertext: Buffer, context: Record<string, string>): Buffer {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key.material, ciphertext.subarray(16, 28))
      .setAAD(canonical(context))
      .setAuthTag(ciphertext.subarray(28, 44));
    return Buffer.concat([decipher.update(ciphertext.subarray(44)), decipher.final()]);
  } catch {
    throw invalidCiphertext();
  }
}

const sealedBy = (ciphertext: Buffer) =>
  ciphertext
    .subarray(0, 16)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

/** The order of a context's members doesn't matter. */
const canonical = (context: Record<string, string>) =>
  Buffer.from(JSON.stringify(Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1))));

const keyArn = (id: string) => arn('kms', `key/${id}`);

/** AWS sends no message either. */
const invalidCiphertext = () => new AwsError('InvalidCiphertextException', '');

function checkAliasName(name: string): void {
  if (!name.startsWith('alias/'))
    throw new AwsError('ValidationException', 'Alias must start with the prefix "alias/".');
  if (name.startsWith('alias/aws/')) throw new AwsError('NotAuthorizedException', 'alias/aws/ is reserved.');
  if (!/^alias\/[a-zA-Z0-9/_-]+$/.test(name))
    throw new AwsError('InvalidAliasNameException', 'Alias contains invalid characters.');
}

const metadata = ({ id, description, createdAt }: Key) => ({
  AWSAccountId: accountId,
  KeyId: id,
  Arn: keyArn(id),
  CreationDate: createdAt / 1000,
  Enabled: true,
  Description: description,
  KeyUsage: 'ENCRYPT_DECRYPT',
  KeyState: 'Enabled',
  Origin: 'AWS_KMS',
  KeyManager: 'CUSTOMER',
  KeySpec: 'SYMMETRIC_DEFAULT',
  EncryptionAlgorithms: ['SYMMETRIC_DEFAULT'],
  MultiRegion: false,
});
