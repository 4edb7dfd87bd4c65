import { randomUUID } from 'node:crypto';
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  paginateListSecrets,
  paginateListSecretVersionIds,
  RestoreSecretCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AwsEndpoint, awsEndpoint, clientSettings } from '../../support/aws-endpoint.ts';

let endpoint: AwsEndpoint;
let client: SecretsManagerClient;

beforeAll(async () => {
  endpoint = await awsEndpoint();
  client = new SecretsManagerClient(clientSettings(endpoint.url));
});
afterAll(async () => {
  client.destroy();
  await endpoint.close();
});

/** What an AWS error with this name looks like to a caller. moto answers some with status 404, AWS all with 400. */
const error = (name: string, message?: RegExp) =>
  expect.objectContaining({
    name,
    $metadata: expect.objectContaining({
      httpStatusCode: endpoint.kind === 'local' ? 400 : expect.any(Number),
    }),
    ...(message && { message: expect.stringMatching(message) }),
  });

async function createSecret(SecretString = 'first') {
  const Name = `oauth/accounts/${randomUUID()}`;
  const { ARN = '', VersionId = '' } = await client.send(new CreateSecretCommand({ Name, SecretString }));
  return { Name, ARN, VersionId };
}

async function put(SecretId: string, SecretString: string, VersionStages?: string[]) {
  const { VersionId = '' } = await client.send(
    new PutSecretValueCommand({ SecretId, SecretString, ...(VersionStages && { VersionStages }) }),
  );
  return VersionId;
}

const get = (SecretId: string, version: { VersionId?: string; VersionStage?: string } = {}) =>
  client.send(new GetSecretValueCommand({ SecretId, ...version }));

async function stages(SecretId: string) {
  const { VersionIdsToStages = {} } = await client.send(new DescribeSecretCommand({ SecretId }));
  if (endpoint.kind === 'local') return VersionIdsToStages;
  // moto shows versions without a label too.
  return Object.fromEntries(Object.entries(VersionIdsToStages).filter(([, labels]) => labels.length > 0));
}

const deprecated = async (SecretId: string) =>
  (await client.send(new ListSecretVersionIdsCommand({ SecretId, IncludeDeprecated: true }))).Versions;

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

describe('PutSecretValue', () => {
  test('moves AWSCURRENT to the new version and AWSPREVIOUS to the one before', async () => {
    const { Name, VersionId: first } = await createSecret();
    const second = await put(Name, 'second');
    expect(await stages(Name)).toEqual({ [second]: ['AWSCURRENT'], [first]: ['AWSPREVIOUS'] });
    const third = await put(Name, 'third');
    expect(await stages(Name)).toEqual({ [third]: ['AWSCURRENT'], [second]: ['AWSPREVIOUS'] });
    expect(await get(Name)).toMatchObject({ SecretString: 'third' });
    expect(await get(Name, { VersionStage: 'AWSPREVIOUS' })).toMatchObject({ SecretString: 'second' });
    expect(await get(Name, { VersionId: first })).toMatchObject({ SecretString: 'first' });
  });

  test('answers with the version and its labels', async () => {
    const { Name, ARN } = await createSecret();
    const ClientRequestToken = randomUUID();
    const answer = await client.send(
      new PutSecretValueCommand({ SecretId: ARN, SecretString: 'second', ClientRequestToken }),
    );
    expect(answer).toMatchObject({ ARN, Name, VersionId: ClientRequestToken, VersionStages: ['AWSCURRENT'] });
  });

  test('stores once when it is repeated with the same token and value', async () => {
    const { Name, VersionId: first } = await createSecret();
    const ClientRequestToken = randomUUID();
    const request = new PutSecretValueCommand({ SecretId: Name, SecretString: 'second', ClientRequestToken });
    await client.send(request);
    expect(await client.send(request)).toMatchObject({ VersionId: ClientRequestToken });
    expect(await stages(Name)).toEqual({ [ClientRequestToken]: ['AWSCURRENT'], [first]: ['AWSPREVIOUS'] });
    expect(await deprecated(Name)).toHaveLength(2);
  });

  test('does not move AWSCURRENT back when an older version is repeated', async () => {
    const { Name } = await createSecret();
    const ClientRequestToken = randomUUID();
    const request = new PutSecretValueCommand({ SecretId: Name, SecretString: 'second', ClientRequestToken });
    await client.send(request);
    const third = await put(Name, 'third');
    await client.send(request);
    // moto stores it again, as the current version.
    if (endpoint.kind === 'local')
      expect(await stages(Name)).toEqual({ [third]: ['AWSCURRENT'], [ClientRequestToken]: ['AWSPREVIOUS'] });
  });

  test('refuses a token that another value was stored under', async () => {
    const { Name } = await createSecret();
    const ClientRequestToken = randomUUID();
    const request = { SecretId: Name, ClientRequestToken };
    await client.send(new PutSecretValueCommand({ ...request, SecretString: 'second' }));
    const again = client.send(new PutSecretValueCommand({ ...request, SecretString: 'other' }));
    await expect(again).rejects.toEqual(error('ResourceExistsException', /already in use for a version/));
    expect(await get(Name)).toMatchObject({ SecretString: 'second' });
  });

  test('leaves AWSCURRENT alone when other labels are named', async () => {
    const { Name, VersionId: first } = await createSecret();
    const second = await put(Name, 'second', ['AWSPENDING', 'blue']);
    expect(await stages(Name)).toEqual({ [first]: ['AWSCURRENT'], [second]: ['AWSPENDING', 'blue'] });
    const third = await put(Name, 'third', ['blue']);
    expect(await stages(Name)).toEqual({
      [first]: ['AWSCURRENT'],
      [second]: ['AWSPENDING'],
      [third]: ['blue'],
    });
  });

  test('refuses a secret that is not there, and a request without a value', async () => {
    const nowhere = new PutSecretValueCommand({ SecretId: randomUUID(), SecretString: 'x' });
    await expect(client.send(nowhere)).rejects.toEqual(
      error('ResourceNotFoundException', /^Secrets Manager can't find the specified secret\.$/),
    );
    const { Name } = await createSecret();
    await expect(client.send(new PutSecretValueCommand({ SecretId: Name }))).rejects.toEqual(
      error('InvalidRequestException', /SecretString or SecretBinary/),
    );
  });
});

describe('GetSecretValue', () => {
  test('says what it can not find', async () => {
    await expect(get(randomUUID())).rejects.toEqual(
      error('ResourceNotFoundException', /^Secrets Manager can't find the specified secret\.$/),
    );
    const { Name } = await createSecret();
    await expect(get(Name, { VersionStage: 'AWSPENDING' })).rejects.toEqual(
      // moto means the secret.
      error('ResourceNotFoundException', endpoint.kind === 'local' ? /staging label: AWSPENDING/ : undefined),
    );
    const VersionId = randomUUID();
    await expect(get(Name, { VersionId })).rejects.toEqual(
      error('ResourceNotFoundException', new RegExp(`VersionId: ${VersionId}`)),
    );
  });

  test('refuses a version and a label that do not belong together', async () => {
    const { Name, VersionId } = await createSecret();
    expect(await get(Name, { VersionId, VersionStage: 'AWSCURRENT' })).toMatchObject({
      SecretString: 'first',
    });
    await put(Name, 'second');
    await expect(get(Name, { VersionId, VersionStage: 'AWSCURRENT' })).rejects.toEqual(
      error('InvalidRequestException', /not associated/),
    );
  });
});

describe('UpdateSecretVersionStage', () => {
  const move = (
    SecretId: string,
    from: string | undefined,
    to: string | undefined,
    VersionStage = 'AWSCURRENT',
  ) =>
    client.send(
      new UpdateSecretVersionStageCommand({
        SecretId,
        VersionStage,
        ...(from !== undefined && { RemoveFromVersionId: from }),
        ...(to !== undefined && { MoveToVersionId: to }),
      }),
    );

  test('moves AWSCURRENT back, and AWSPREVIOUS to where it was', async () => {
    const { Name, VersionId: first } = await createSecret();
    const second = await put(Name, 'second');
    await move(Name, second, first);
    expect(await stages(Name)).toEqual({ [first]: ['AWSCURRENT'], [second]: ['AWSPREVIOUS'] });
    // moto goes on reading the second.
    if (endpoint.kind === 'local') expect(await get(Name)).toMatchObject({ SecretString: 'first' });
  });

  test('wants to be told which version has AWSCURRENT now', async () => {
    const { Name, VersionId: first } = await createSecret();
    const second = await put(Name, 'second');
    await expect(move(Name, undefined, first)).rejects.toEqual(
      error('InvalidParameterException', new RegExp(`attached to version ${second}`)),
    );
    await expect(move(Name, first, first)).rejects.toEqual(error('InvalidParameterException'));
    expect(await stages(Name)).toEqual({ [second]: ['AWSCURRENT'], [first]: ['AWSPREVIOUS'] });
  });

  test('attaches and removes any other label', async () => {
    const { Name, VersionId } = await createSecret();
    await move(Name, undefined, VersionId, 'blue');
    expect(await stages(Name)).toEqual({ [VersionId]: ['AWSCURRENT', 'blue'] });
    await move(Name, VersionId, undefined, 'blue');
    expect(await stages(Name)).toEqual({ [VersionId]: ['AWSCURRENT'] });
  });

  test('never takes AWSCURRENT away from a secret', async () => {
    const { Name, VersionId } = await createSecret();
    const removal = move(Name, VersionId, undefined);
    // moto takes it away.
    if (endpoint.kind === 'local') await expect(removal).rejects.toEqual(error('InvalidParameterException'));
    else await removal;
  });
});

describe('ListSecretVersionIds', () => {
  test('leaves out versions without a label unless asked for them', async () => {
    const { Name, ARN, VersionId: first } = await createSecret();
    const second = await put(Name, 'second');
    const third = await put(Name, 'third');
    const labelled = await client.send(new ListSecretVersionIdsCommand({ SecretId: ARN }));
    expect(labelled.Name).toBe(Name);
    // moto puts the name for the ARN.
    if (endpoint.kind === 'local') expect(labelled.ARN).toBe(ARN);
    const ids = labelled.Versions?.map(({ VersionId }) => VersionId);
    // moto lists all versions always.
    expect(ids).toEqual(
      endpoint.kind === 'local' ? [second, third] : expect.arrayContaining([second, third]),
    );
    const all = await deprecated(Name);
    expect(all?.map(({ VersionId }) => VersionId).sort()).toEqual([first, second, third].sort());
    expect(all?.find(({ VersionId }) => VersionId === third)).toMatchObject({
      VersionStages: ['AWSCURRENT'],
    });
    expect(all?.every(({ CreatedDate }) => CreatedDate instanceof Date)).toBe(true);
  });

  test('lists page by page', async () => {
    const { Name, VersionId: first } = await createSecret();
    const versions = [first, await put(Name, 'second'), await put(Name, 'third')];
    const seen: (string | undefined)[] = [];
    const request = { SecretId: Name, IncludeDeprecated: true };
    for await (const { Versions = [] } of paginateListSecretVersionIds({ client, pageSize: 2 }, request)) {
      // moto has one page for all.
      if (endpoint.kind === 'local') expect(Versions.length).toBeLessThanOrEqual(2);
      seen.push(...Versions.map(({ VersionId }) => VersionId));
    }
    expect(seen.sort()).toEqual(versions.sort());
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
