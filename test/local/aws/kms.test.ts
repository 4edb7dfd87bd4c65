import { randomUUID } from 'node:crypto';
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  KMSClient,
  ListAliasesCommand,
  paginateListAliases,
} from '@aws-sdk/client-kms';
import { expect, test } from 'vitest';
import { contractClient } from '../../support/contract-client.ts';

const { endpoint, client } = await contractClient(KMSClient);

const error = (name: string) =>
  expect.objectContaining({ name, $metadata: expect.objectContaining({ httpStatusCode: 400 }) });

const Plaintext = Uint8Array.from(Buffer.from('a refresh token'));
const EncryptionContext = { accountId: 'acct-1', purpose: 'escrow' };

async function createKey() {
  const { KeyMetadata } = await client.send(
    new CreateKeyCommand({ Description: 'escrow', KeyUsage: 'ENCRYPT_DECRYPT' }),
  );
  const AliasName = `alias/${randomUUID()}`;
  const keyId = KeyMetadata?.KeyId ?? '';
  await client.send(new CreateAliasCommand({ AliasName, TargetKeyId: keyId }));
  const arn = KeyMetadata?.Arn ?? '';
  return { keyId, arn, alias: AliasName, aliasArn: arn.replace(/key\/.*$/, AliasName) };
}

test('a key is a symmetric one for encryption, known by id, ARN, alias and alias ARN', async () => {
  const { keyId, arn, alias, aliasArn } = await createKey();
  expect(arn).toMatch(new RegExp(`^arn:aws:kms:us-east-1:\\d{12}:key/${keyId}$`));
  for (const KeyId of [keyId, arn, alias, aliasArn]) {
    const { KeyMetadata } = await client.send(new DescribeKeyCommand({ KeyId }));
    expect(KeyMetadata).toMatchObject({
      Arn: arn,
      KeyId: keyId,
      Description: 'escrow',
      Enabled: true,
      KeyState: 'Enabled',
      KeyUsage: 'ENCRYPT_DECRYPT',
      KeySpec: 'SYMMETRIC_DEFAULT',
    });
  }
});

test('what was encrypted under an alias is decrypted without naming the key', async () => {
  const { arn, alias } = await createKey();
  const { CiphertextBlob, KeyId } = await client.send(
    new EncryptCommand({ KeyId: alias, Plaintext, EncryptionContext }),
  );
  expect(KeyId).toBe(arn);
  expect(Buffer.from(CiphertextBlob ?? []).includes('a refresh token')).toBe(false);
  // The order of a context's members says nothing.
  const reordered = { purpose: 'escrow', accountId: 'acct-1' };
  const opened = await client.send(new DecryptCommand({ CiphertextBlob, EncryptionContext: reordered }));
  expect(opened.KeyId).toBe(arn);
  // moto does not name the algorithm.
  if (endpoint.kind === 'local') expect(opened.EncryptionAlgorithm).toBe('SYMMETRIC_DEFAULT');
  expect(opened.Plaintext).toEqual(Plaintext);
});

test('the same text is never encrypted to the same bytes twice', async () => {
  const { keyId: KeyId } = await createKey();
  const first = await client.send(new EncryptCommand({ KeyId, Plaintext }));
  const second = await client.send(new EncryptCommand({ KeyId, Plaintext }));
  expect(first.CiphertextBlob).not.toEqual(second.CiphertextBlob);
});

test('another context, none, or a changed byte opens nothing', async () => {
  const { keyId: KeyId } = await createKey();
  const { CiphertextBlob = new Uint8Array() } = await client.send(
    new EncryptCommand({ KeyId, Plaintext, EncryptionContext }),
  );
  const changed = CiphertextBlob.map((byte, index) =>
    index === CiphertextBlob.length - 1 ? byte ^ 1 : byte,
  );
  for (const request of [
    { CiphertextBlob, EncryptionContext: { ...EncryptionContext, accountId: 'acct-2' } },
    { CiphertextBlob },
    { CiphertextBlob: changed, EncryptionContext },
    { CiphertextBlob: new Uint8Array(7), EncryptionContext },
  ])
    await expect(client.send(new DecryptCommand(request))).rejects.toEqual(
      error('InvalidCiphertextException'),
    );
});

test('a data key comes in the clear and wrapped, and only its context unwraps it', async () => {
  const { arn, alias } = await createKey();
  const context = { use: 'escrow' };
  const request = new GenerateDataKeyCommand({
    KeyId: alias,
    KeySpec: 'AES_256',
    EncryptionContext: context,
  });
  const { CiphertextBlob = new Uint8Array(), Plaintext: dataKey, KeyId } = await client.send(request);
  expect(KeyId).toBe(arn);
  expect(dataKey).toHaveLength(32);
  expect(Buffer.from(CiphertextBlob).includes(Buffer.from(dataKey ?? []))).toBe(false);
  const opened = await client.send(new DecryptCommand({ CiphertextBlob, EncryptionContext: context }));
  expect(opened).toMatchObject({ Plaintext: dataKey, KeyId: arn });
  for (const EncryptionContext of [undefined, { use: 'grant' }, { ...context, accountId: 'acct-1' }])
    await expect(
      client.send(new DecryptCommand({ CiphertextBlob, ...(EncryptionContext && { EncryptionContext }) })),
    ).rejects.toEqual(error('InvalidCiphertextException'));
  const another = await client.send(request);
  expect(another.Plaintext).not.toEqual(dataKey);
  expect(another.CiphertextBlob).not.toEqual(CiphertextBlob);
});

test('a data key has the length that is asked for, said in one way', async () => {
  const { keyId: KeyId } = await createKey();
  const short = await client.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_128' }));
  expect(short.Plaintext).toHaveLength(16);
  const long = await client.send(new GenerateDataKeyCommand({ KeyId, NumberOfBytes: 64 }));
  expect(long.Plaintext).toHaveLength(64);
  for (const length of [{}, { KeySpec: 'AES_256' as const, NumberOfBytes: 32 }, { NumberOfBytes: 1025 }])
    await expect(client.send(new GenerateDataKeyCommand({ KeyId, ...length }))).rejects.toEqual(
      error('ValidationException'),
    );
});

test('naming another key than the one that encrypted is an error', async () => {
  const { keyId: KeyId } = await createKey();
  const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId, Plaintext }));
  const { keyId: other } = await createKey();
  const opening = client.send(new DecryptCommand({ CiphertextBlob, KeyId: other }));
  // moto calls it a lack of permission.
  await expect(opening).rejects.toEqual(
    error(endpoint.kind === 'local' ? 'IncorrectKeyException' : 'AccessDeniedException'),
  );
});

test('a key or alias that is not there is not found', async () => {
  const arn = `arn:aws:kms:us-east-1:000000000000:key/${randomUUID()}`;
  for (const KeyId of [randomUUID(), arn, `alias/${randomUUID()}`]) {
    await expect(client.send(new EncryptCommand({ KeyId, Plaintext }))).rejects.toEqual(
      error('NotFoundException'),
    );
    await expect(client.send(new DescribeKeyCommand({ KeyId }))).rejects.toEqual(error('NotFoundException'));
    await expect(client.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' }))).rejects.toEqual(
      error('NotFoundException'),
    );
  }
  const alias = new CreateAliasCommand({ AliasName: `alias/${randomUUID()}`, TargetKeyId: randomUUID() });
  await expect(client.send(alias)).rejects.toEqual(error('NotFoundException'));
});

test('an alias is taken once, and its name begins with alias/', async () => {
  const { keyId, alias } = await createKey();
  await expect(client.send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: keyId }))).rejects.toEqual(
    error('AlreadyExistsException'),
  );
  await expect(
    client.send(new CreateAliasCommand({ AliasName: randomUUID(), TargetKeyId: keyId })),
  ).rejects.toEqual(error('ValidationException'));
});

test('the aliases of a key are listed', async () => {
  const { keyId, alias, aliasArn } = await createKey();
  const { Aliases } = await client.send(new ListAliasesCommand({ KeyId: keyId }));
  expect(Aliases).toEqual([
    expect.objectContaining({ AliasName: alias, AliasArn: aliasArn, TargetKeyId: keyId }),
  ]);
});

test('all aliases are listed page by page', async () => {
  const created = [(await createKey()).alias, (await createKey()).alias, (await createKey()).alias];
  const seen: (string | undefined)[] = [];
  for await (const { Aliases = [] } of paginateListAliases({ client, pageSize: 2 }, {}))
    seen.push(...Aliases.map(({ AliasName }) => AliasName));
  expect(seen).toEqual(expect.arrayContaining(created));
  expect(new Set(seen).size).toBe(seen.length);
});

test('a plaintext has 1 to 4,096 bytes', async () => {
  const { keyId: KeyId } = await createKey();
  const { CiphertextBlob } = await client.send(
    new EncryptCommand({ KeyId, Plaintext: new Uint8Array(4096) }),
  );
  expect((await client.send(new DecryptCommand({ CiphertextBlob }))).Plaintext).toHaveLength(4096);
  for (const length of [0, 4097])
    await expect(
      client.send(new EncryptCommand({ KeyId, Plaintext: new Uint8Array(length) })),
    ).rejects.toEqual(error('ValidationException'));
});
