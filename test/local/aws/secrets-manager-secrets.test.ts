import { randomUUID } from 'node:crypto';
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  ListSecretsCommand,
  paginateListSecrets,
  RestoreSecretCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { describe, expect, test } from 'vitest';
import { contractClient } from '../../support/contract-client.ts';
import { secretsManagerCalls } from '../../support/secrets-manager-calls.ts';

const { endpoint, client } = await contractClient(SecretsManagerClient);
const { createSecret, put, get, error } = secretsManagerCalls(client, endpoint);

describe('CreateSecret', () => {
  test('makes a secret that is found by name and by ARN', async () => {
    const { Name, ARN, VersionId } = await createSecret();
    expect(ARN).toMatch(
      new RegExp(`^arn:aws:secretsmanager:us-east-1:\\d{12}:secret:${Name}-[A-Za-z0-9]{6}$`),
    );
    const value = { ARN, Name, VersionId, SecretString: 'first', VersionStages: ['AWSCURRENT'] };
    expect(await get(Name)).toMatchObject(value);
    expect(await get(ARN)).toMatchObject(value);
    expect((await get(Name)).CreatedDate).toBeInstanceOf(Date);
  });

  test('finds a secret by an ARN without its suffix', async () => {
    const Name = `oauth/profiles/${randomUUID()}`;
    const { ARN = '' } = await client.send(new CreateSecretCommand({ Name, SecretString: 'first' }));
    expect(await get(ARN.slice(0, -7))).toMatchObject({ ARN, SecretString: 'first' });
  });

  test('does not take an ARN without its suffix for one where the name itself ends like a suffix', async () => {
    const Name = `${randomUUID()}-a1b2c3`;
    const { ARN = '' } = await client.send(new CreateSecretCommand({ Name, SecretString: 'first' }));
    expect(await get(ARN)).toMatchObject({ Name });
    // moto finds it.
    if (endpoint.kind === 'local')
      await expect(get(ARN.slice(0, -7))).rejects.toEqual(error('ResourceNotFoundException'));
  });

  test('refuses a name that is taken', async () => {
    const { Name } = await createSecret();
    const again = client.send(new CreateSecretCommand({ Name, SecretString: 'second' }));
    await expect(again).rejects.toEqual(error('ResourceExistsException', /already exists/));
  });

  test('does nothing when it is repeated with the same token and value', async () => {
    const Name = randomUUID();
    const request = new CreateSecretCommand({
      Name,
      SecretString: 'first',
      ClientRequestToken: randomUUID(),
    });
    const { ARN, VersionId } = await client.send(request);
    expect(await client.send(request)).toMatchObject({ ARN, Name, VersionId });
  });

  test('makes a secret without a value, which then has none to read', async () => {
    const Name = randomUUID();
    expect(await client.send(new CreateSecretCommand({ Name }))).not.toHaveProperty('VersionId');
    await expect(get(Name)).rejects.toEqual(error('ResourceNotFoundException', /AWSCURRENT/));
    await put(Name, 'first', ['AWSPENDING']);
    // moto leaves the first version of a secret without AWSCURRENT.
    if (endpoint.kind === 'local') expect(await get(Name)).toMatchObject({ SecretString: 'first' });
  });

  test.each(['with space', 'with*star', 'ümlaut'])('refuses the name "%s"', async (Name) => {
    const creation = client.send(
      new CreateSecretCommand({ Name: `${Name}-${randomUUID()}`, SecretString: 'x' }),
    );
    // moto takes any name.
    if (endpoint.kind === 'local')
      await expect(creation).rejects.toEqual(error('ValidationException', /Invalid name/));
    else await creation;
  });

  test('refuses a token of fewer than 32 characters', async () => {
    const Name = randomUUID();
    const creation = new CreateSecretCommand({ Name, SecretString: 'x', ClientRequestToken: 'short' });
    await expect(client.send(creation)).rejects.toEqual(error('InvalidParameterException', /32-64/));
  });

  test('takes a value of 65,536 bytes and refuses a longer one', async () => {
    const { Name } = await createSecret('a'.repeat(65_536));
    expect((await get(Name)).SecretString).toHaveLength(65_536);
    // Bytes count, not characters. moto has no limit.
    if (endpoint.kind === 'local')
      await expect(createSecret('é'.repeat(32_769))).rejects.toEqual(error('ValidationException'));
  });

  test('keeps description and tags', async () => {
    const details = { Description: 'The token set', Tags: [{ Key: 'team', Value: 'crm' }] };
    const Name = randomUUID();
    await client.send(new CreateSecretCommand({ Name, SecretString: 'x', ...details }));
    expect(await client.send(new DescribeSecretCommand({ SecretId: Name }))).toMatchObject({
      Name,
      ...details,
    });
  });

  test('keeps a binary value', async () => {
    const Name = randomUUID();
    const SecretBinary = Uint8Array.of(0, 255, 128);
    await client.send(new CreateSecretCommand({ Name, SecretBinary }));
    const value = await get(Name);
    expect(value.SecretBinary).toEqual(SecretBinary);
    expect(value.SecretString).toBeUndefined();
  });
});

describe('ListSecrets', () => {
  test('finds by a prefix of the name, page by page', async () => {
    const prefix = `oauth-${randomUUID()}/`;
    const names = ['a', 'b', 'c'].map((letter) => `${prefix}${letter}`);
    for (const Name of [...names, `${randomUUID()}-${prefix}`])
      await client.send(new CreateSecretCommand({ Name, SecretString: 'x' }));
    const seen: (string | undefined)[] = [];
    const sizes: number[] = [];
    const request = { Filters: [{ Key: 'name' as const, Values: [prefix] }] };
    for await (const { SecretList = [] } of paginateListSecrets({ client, pageSize: 2 }, request)) {
      sizes.push(SecretList.length);
      seen.push(...SecretList.map(({ Name }) => Name));
    }
    expect(seen.sort()).toEqual(names);
    expect(sizes).toEqual([2, 1]);
  });

  test('shows labels and no value', async () => {
    const { Name, ARN, VersionId } = await createSecret('a value');
    const { SecretList = [] } = await client.send(
      new ListSecretsCommand({ Filters: [{ Key: 'name', Values: [Name] }] }),
    );
    expect(SecretList).toHaveLength(1);
    expect(SecretList[0]).toMatchObject({
      ARN,
      Name,
      SecretVersionsToStages: { [VersionId]: ['AWSCURRENT'] },
    });
    expect(JSON.stringify(SecretList)).not.toContain('a value');
  });
});

describe('DeleteSecret', () => {
  test('makes a secret unreadable until it is restored', async () => {
    const { Name, ARN } = await createSecret();
    const { DeletionDate } = await client.send(
      new DeleteSecretCommand({ SecretId: Name, RecoveryWindowInDays: 7 }),
    );
    const inSevenDays = Date.now() + 7 * 86_400_000;
    expect(Math.abs((DeletionDate?.getTime() ?? 0) - inSevenDays)).toBeLessThan(60_000);
    const marked = error('InvalidRequestException', /marked (for deletion|deleted)/);
    await expect(get(Name)).rejects.toEqual(marked);
    // moto stores it.
    if (endpoint.kind === 'local') await expect(put(Name, 'second')).rejects.toEqual(marked);
    await expect(client.send(new DeleteSecretCommand({ SecretId: Name }))).rejects.toEqual(marked);
    expect(await client.send(new DescribeSecretCommand({ SecretId: Name }))).toMatchObject({
      DeletedDate: expect.any(Date),
    });
    expect(await client.send(new RestoreSecretCommand({ SecretId: Name }))).toMatchObject({ ARN, Name });
    expect(await get(Name)).toMatchObject({ ARN, Name });
  });

  test('keeps the name of a secret that is scheduled for deletion, and lists it only on request', async () => {
    const { Name } = await createSecret();
    await client.send(new DeleteSecretCommand({ SecretId: Name }));
    const again = client.send(new CreateSecretCommand({ Name, SecretString: 'x' }));
    // moto answers as for any name that is taken.
    await expect(again).rejects.toEqual(
      error(endpoint.kind === 'local' ? 'InvalidRequestException' : 'ResourceExistsException'),
    );
    const list = async (IncludePlannedDeletion: boolean) =>
      (
        await client.send(
          new ListSecretsCommand({ Filters: [{ Key: 'name', Values: [Name] }], IncludePlannedDeletion }),
        )
      ).SecretList;
    expect(await list(false)).toEqual([]);
    expect(await list(true)).toHaveLength(1);
  });

  test('deletes at once when forced to, and is content with what is gone', async () => {
    const { Name } = await createSecret();
    const force = { SecretId: Name, ForceDeleteWithoutRecovery: true };
    expect(await client.send(new DeleteSecretCommand(force))).toMatchObject({ Name });
    await expect(get(Name)).rejects.toEqual(error('ResourceNotFoundException'));
    expect(await client.send(new DeleteSecretCommand(force))).toMatchObject({ Name });
    await client.send(new CreateSecretCommand({ Name, SecretString: 'reborn' }));
    expect(await get(Name)).toMatchObject({ SecretString: 'reborn' });
  });

  test('refuses a recovery window outside of 7 to 30 days, and one together with force', async () => {
    const { Name: SecretId } = await createSecret();
    const window = new DeleteSecretCommand({ SecretId, RecoveryWindowInDays: 6 });
    await expect(client.send(window)).rejects.toEqual(error('InvalidParameterException', /between 7 and 30/));
    const both = { SecretId, RecoveryWindowInDays: 7, ForceDeleteWithoutRecovery: true };
    await expect(client.send(new DeleteSecretCommand(both))).rejects.toEqual(
      error('InvalidParameterException', /in conjunction with/),
    );
  });
});

test('a member that is not implemented is refused rather than ignored', async () => {
  if (endpoint.kind === 'external') return;
  const request = new CreateSecretCommand({ Name: randomUUID(), ForceOverwriteReplicaSecret: true });
  await expect(client.send(request)).rejects.toEqual(
    error('ValidationException', /ForceOverwriteReplicaSecret/),
  );
});
