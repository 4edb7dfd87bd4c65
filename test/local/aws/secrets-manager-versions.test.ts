import { randomUUID } from 'node:crypto';
import {
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  paginateListSecretVersionIds,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { describe, expect, test } from 'vitest';
import { contractClient } from '../../support/contract-client.ts';
import { secretsManagerCalls } from '../../support/secrets-manager-calls.ts';

const { endpoint, client } = await contractClient(SecretsManagerClient);
const { createSecret, put, get, stages, allVersions, error } = secretsManagerCalls(client, endpoint);

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
    expect(await allVersions(Name)).toHaveLength(2);
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

  /** A secret whose second version waits under its own label. */
  async function prepared() {
    const { Name, VersionId: first } = await createSecret();
    return { Name, first, second: await put(Name, 'second', ['claimed']) };
  }

  test('makes a version current that waited under its own label', async () => {
    const { Name, first, second } = await prepared();
    expect(await get(Name, { VersionStage: 'AWSCURRENT' })).toMatchObject({ VersionId: first });
    expect(await get(Name, { VersionStage: 'claimed' })).toMatchObject({ SecretString: 'second' });
    await move(Name, first, second);
    expect(await stages(Name)).toEqual({
      [second]: expect.toSatisfy((labels: string[]) => labels.toSorted().join() === 'AWSCURRENT,claimed'),
      [first]: ['AWSPREVIOUS'],
    });
    expect(await get(Name, { VersionStage: 'AWSCURRENT' })).toMatchObject({
      SecretString: 'second',
      VersionId: second,
      VersionStages: expect.arrayContaining(['AWSCURRENT', 'claimed']),
    });
  });

  test('refuses to make it current where another became so in the meantime', async () => {
    const { Name, first, second } = await prepared();
    const third = await put(Name, 'third');
    await expect(move(Name, first, second)).rejects.toEqual(error('InvalidParameterException'));
    expect(await stages(Name)).toEqual({
      [second]: ['claimed'],
      [third]: ['AWSCURRENT'],
      [first]: ['AWSPREVIOUS'],
    });
  });

  test('one of two claims that follow from the same version wins', async () => {
    const { Name, VersionId: first } = await createSecret();
    const ClientRequestToken = randomUUID();
    const claim = async (SecretString: string) => {
      await client.send(
        new PutSecretValueCommand({
          SecretId: Name,
          SecretString,
          ClientRequestToken,
          VersionStages: ['claimed'],
        }),
      );
      await move(Name, first, ClientRequestToken);
    };
    const claims = await Promise.allSettled([claim('kept by one'), claim('kept by two')]);
    expect(claims.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(claims.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: error('ResourceExistsException'),
    });
    const winner = claims[0]?.status === 'fulfilled' ? 'kept by one' : 'kept by two';
    expect(await get(Name, { VersionStage: 'AWSCURRENT' })).toMatchObject({ SecretString: winner });
  });

  test('refuses a move that is repeated, since its label has left by then', async () => {
    const { Name, first, second } = await prepared();
    await move(Name, first, second);
    await expect(move(Name, first, second)).rejects.toEqual(error('InvalidParameterException'));
    expect(await get(Name, { VersionStage: 'AWSCURRENT' })).toMatchObject({ VersionId: second });
  });

  test('refuses versions that are not there', async () => {
    const { Name, VersionId: first } = await createSecret();
    // moto looks at the first of the two alone, and calls it a wrong parameter.
    const missing = endpoint.kind === 'local' ? 'ResourceNotFoundException' : 'InvalidParameterException';
    for (const { from, to } of [
      { from: first, to: randomUUID() },
      { from: randomUUID(), to: first },
    ])
      await expect(move(Name, from, to)).rejects.toEqual(error(missing));
  });

  test('moves AWSCURRENT back, and AWSPREVIOUS to where it was', async () => {
    const { Name, VersionId: first } = await createSecret();
    const second = await put(Name, 'second');
    await move(Name, second, first);
    expect(await stages(Name)).toEqual({ [first]: ['AWSCURRENT'], [second]: ['AWSPREVIOUS'] });
    // moto goes on reading the second.
    if (endpoint.kind === 'local') expect(await get(Name)).toMatchObject({ SecretString: 'first' });
  });

  test('must name the version that has AWSCURRENT now', async () => {
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
    const all = await allVersions(Name);
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
