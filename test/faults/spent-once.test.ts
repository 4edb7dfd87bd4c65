import { GetSecretValueCommand, UpdateSecretVersionStageCommand } from '@aws-sdk/client-secrets-manager';
import { DeleteCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { describe, expect, test } from 'vitest';
import { createAccountsTable } from '../../adapters/aws/accounts-table.ts';
import type { Fault } from '../../local/aws/server.ts';
import { startPatientAws } from '../support/aws-endpoint.ts';
import { NOW } from '../support/builders.ts';
import { startStrictProvider } from '../support/strict-provider.ts';
import { fileWorld } from '../support/world-test.ts';

/** Ways in which people's own doing, or a neighbour's trouble, could have a refresh token spent twice or lost. */
const { aws, provider, world } = await fileWorld(startPatientAws(), { delayMilliseconds: () => 50 });

const secretOf = (accountId: string) => `${world.prefix}accounts/${accountId}`;

async function change(accountId: string, attributes: Record<string, unknown>): Promise<void> {
  const Item = { ...(await world.item(accountId)), ...attributes };
  await world.clients.table.send(new PutCommand({ TableName: world.clients.tableName, Item }));
}

describe('A secret that an account names', () => {
  test('has one account: others that name it are told whose it is, and spend nothing', async () => {
    const tokenSecretId = secretOf('shared');
    await world.clients.putSecret(tokenSecretId, JSON.stringify(provider.issue('shared')));
    const ids = ['a', 'b', 'c', 'd'];
    for (const accountId of ids) await world.account({ accountId, oauthProfile: 'crm', tokenSecretId });
    await world.account({ accountId: 'first', oauthProfile: 'crm' }, provider.issue('first'));
    const result = await world.run({ accountIds: ['first', ...ids] });
    expect(result).toMatchObject({ refreshed: 2, invalid: 3 });
    expect(provider.truth('shared')).toMatchObject({ reuses: 0, grants: 1, revokedBecause: undefined });
    const items = await Promise.all(ids.map((id) => world.item(id)));
    const owner = items.find(({ status }) => status === 'healthy');
    for (const { status, failure } of items.filter((item) => item !== owner)) {
      expect(status).toBe('failing');
      expect(failure).toMatchObject({ reason: 'secret_invalid' });
      expect((failure as { message: string }).message).toContain(`it is the account "${owner?.accountId}"'s`);
    }
  });

  test('goes to another account when the one that had it is gone', async () => {
    const tokenSecretId = secretOf('handed-on');
    await world.clients.putSecret(tokenSecretId, JSON.stringify(provider.issue('handed-on')));
    for (const accountId of ['before', 'after'])
      await world.account({ accountId, oauthProfile: 'crm', tokenSecretId });
    expect(await world.run({ accountIds: ['before'] })).toMatchObject({ refreshed: 1 });
    expect(await world.run({ accountIds: ['after'], force: true })).toMatchObject({ invalid: 1 });
    await world.clients.table.send(
      new DeleteCommand({ TableName: world.clients.tableName, Key: { accountId: 'before' } }),
    );
    expect(await world.run({ accountIds: ['after'], force: true })).toMatchObject({ refreshed: 1 });
    expect(provider.truth('handed-on')).toMatchObject({ reuses: 0, grants: 2 });
  });

  test.each([
    {
      name: 'another account’s usual one',
      tokenSecretId: () => secretOf('usual'),
      message: 'it is the account "usual"\'s',
    },
    { name: 'a profile’s', tokenSecretId: () => `${world.prefix}profiles/crm`, message: "it is a profile's" },
  ])('can’t be $name', async ({ name, tokenSecretId, message }) => {
    await world.account({ accountId: 'usual', oauthProfile: 'crm' }, provider.issue('usual'));
    const accountId = `names ${name}`;
    await world.account({ accountId, oauthProfile: 'crm', tokenSecretId: tokenSecretId() });
    expect(await world.run({ accountIds: [accountId], force: true })).toMatchObject({ invalid: 1 });
    expect(((await world.item(accountId)).failure as { message: string }).message).toContain(message);
    expect(provider.truth('usual').requests).toBe(0);
    expect(await world.run({ accountIds: ['usual'] })).toMatchObject({ refreshed: 1 });
  });
});

describe('What is in escrow goes home', () => {
  /** Refreshes an account whose store fails, so that its new refresh token ends in escrow. */
  async function intoEscrow(
    accountId: string,
    type = 'InternalServiceError',
    item: Record<string, unknown> = {},
  ) {
    await world.account({ accountId, oauthProfile: 'crm', ...item }, provider.issue(accountId));
    const fault: Fault = { kind: 'error', status: 400, type, message: 'x' };
    aws.inject(({ operation }) => (operation === 'PutSecretValue' ? fault : undefined));
    await world.run({ accountIds: [accountId], force: true }, 15_000);
    aws.inject(undefined);
    expect((await world.item(accountId)).escrow).toBeDefined();
  }

  /** A minute later, when the failed store is tried again. */
  async function runLater(accountId: string, seconds = 60): Promise<void> {
    await world.process({ clockOffsetSeconds: seconds }).invoke({ accountIds: [accountId] });
  }

  async function expectHealthyAfterwards(accountId: string): Promise<void> {
    await runLater(accountId);
    expect(provider.truth(accountId)).toMatchObject({ reuses: 0, revokedBecause: undefined });
    const item = await world.item(accountId);
    expect(item).toMatchObject({ status: 'healthy' });
    expect(item.escrow).toBeUndefined();
  }

  test('though somebody has edited the secret meanwhile', async () => {
    await intoEscrow('edited');
    const tokens = await world.tokens('edited');
    await world.clients.putSecret(secretOf('edited'), JSON.stringify({ ...tokens, note: 'for a consumer' }));
    await expectHealthyAfterwards('edited');
    expect(await world.tokens('edited')).toMatchObject({ note: 'for a consumer' });
  });

  test('though the account names a copy of the secret now', async () => {
    await intoEscrow('moved', 'LimitExceededException');
    const tokenSecretId = secretOf('moved-2');
    await world.clients.putSecret(tokenSecretId, JSON.stringify(await world.tokens('moved')));
    await change('moved', { tokenSecretId });
    // Whose secret it was before can't be told, so that its last visit has time to end.
    await runLater('moved');
    await runLater('moved', 400);
    expect(provider.truth('moved')).toMatchObject({ reuses: 0, revokedBecause: undefined });
    expect(await world.item('moved')).toMatchObject({ status: 'healthy' });
  });

  test('though somebody has moved AWSCURRENT back to an older version', async () => {
    const SecretId = secretOf('moved-back');
    await world.account({ accountId: 'moved-back', oauthProfile: 'crm' }, provider.issue('moved-back'));
    const first = await world.clients.secrets.send(new GetSecretValueCommand({ SecretId }));
    expect(await world.run({ accountIds: ['moved-back'] })).toMatchObject({ refreshed: 1 });
    const fault: Fault = { kind: 'error', status: 500, type: 'InternalServiceError', message: 'x' };
    aws.inject(({ operation }) => (operation === 'PutSecretValue' ? fault : undefined));
    await world
      .process({ clockOffsetSeconds: 3_600 })
      .invoke({ accountIds: ['moved-back'], force: true }, 15_000);
    aws.inject(undefined);
    const now = await world.clients.secrets.send(new GetSecretValueCommand({ SecretId }));
    await world.clients.secrets.send(
      new UpdateSecretVersionStageCommand({
        SecretId,
        VersionStage: 'AWSCURRENT',
        MoveToVersionId: first.VersionId,
        RemoveFromVersionId: now.VersionId,
      }),
    );
    await world.process({ clockOffsetSeconds: 7_200 }).invoke({ accountIds: ['moved-back'] });
    expect(provider.truth('moved-back')).toMatchObject({ reuses: 0, revokedBecause: undefined });
    expect(await world.item('moved-back')).toMatchObject({ status: 'healthy' });
  });

  test('though the account was waiting for a person, and a forced try had put it there', async () => {
    const failure = { reason: 'grant_revoked', message: 'm', count: 2, since: NOW, at: NOW };
    await intoEscrow('forced', undefined, { status: 'reauthorization_required', failure });
    await expectHealthyAfterwards('forced');
  });

  test('but not over a new grant that a person has put there since', async () => {
    await intoEscrow('anew');
    const anew = provider.issue('anew-2');
    await world.clients.putSecret(secretOf('anew'), JSON.stringify(anew));
    await runLater('anew');
    expect(provider.truth('anew-2')).toMatchObject({ grants: 1, reuses: 0 });
    expect(provider.accepts('anew-2', (await world.tokens('anew')).refresh_token)).toBe(true);
  });
});

describe('A lease is refused', () => {
  const scanned = (accountId: string) => ({ accountId, authenticationType: 'oauth2', oauthProfile: 'crm' });

  test.each([
    { name: 'a lease that has run out came after the item was scanned', escrowed: false },
    { name: 'so did escrow', escrowed: true },
  ])('where $name: a run that knows nothing of it would spend the old refresh token', async ({
    name,
    escrowed,
  }) => {
    const accountId = `unknown ${name}`;
    await world.account({ accountId, oauthProfile: 'crm' });
    const table = createAccountsTable(world.clients.table, world.clients.tableName);
    expect(await table.lease(scanned(accountId), { owner: 'other', expiresAt: NOW + 150 }, NOW)).toBe(
      'leased',
    );
    if (escrowed) await table.putEscrow(accountId, 'other', { ciphertext: 'c', attemptId: 'other', at: NOW });
    expect(await table.lease(scanned(accountId), { owner: 'this', expiresAt: NOW + 400 }, NOW + 151)).toBe(
      'conflict',
    );
    const { lease, escrow } = (await world.item(accountId)) as Record<string, never>;
    expect(
      await table.lease(
        { ...scanned(accountId), lease, escrow },
        { owner: 'this', expiresAt: NOW + 400 },
        NOW + 151,
      ),
    ).toBe('leased');
  });
});

test('A refresh token is not sent to the endpoint of an older version of the profile', async () => {
  const old = await startStrictProvider();
  await world.profile('corrected', old.profile);
  await world.profile('corrected', { ...provider.profile, client_secret: 'mistyped' });
  await world.account({ accountId: 'corrected', oauthProfile: 'corrected' }, provider.issue('corrected'));
  await world.run({ accountIds: ['corrected'] });
  expect(old.lastRequest()).toBeUndefined();
  await old.close();
});

test('A provider’s endless error text costs no other provider’s account its grant', async () => {
  const other = await startStrictProvider({ delayMilliseconds: () => 400 });
  await world.profile('chatty', provider.profile);
  await world.profile('quiet', other.profile);
  const quiet = ['warm', 'quiet-1', 'quiet-2', 'quiet-3'];
  for (const id of quiet) await world.account({ accountId: id, oauthProfile: 'quiet' }, other.issue(id));
  await world.account({ accountId: 'chatty', oauthProfile: 'chatty' }, provider.issue('chatty'));
  const body = JSON.stringify({ error: 'x', error_description: 'a'.repeat(900_000) });
  provider.inject(() => ({ kind: 'answer', status: 400, body }));
  const ended = await world.process().invoke({ accountIds: [...quiet, 'chatty'] }, 20_000);
  provider.inject(undefined);
  expect(ended).toMatchObject({ kind: 'returned', payload: { refreshed: 4 } });
  for (const id of quiet) expect(other.accepts(id, (await world.tokens(id)).refresh_token), id).toBe(true);
  await other.close();
});

test('What a provider quotes of a secret header or parameter is not told', async () => {
  await world.profile('quoting', {
    ...provider.profile,
    token_request_headers: { 'x-api-key': 'open-sesame' },
    token_request_parameters: { api_secret: 'close-sesame', audience: 'https://api.example.com' },
  });
  await world.account({ accountId: 'quoting', oauthProfile: 'quoting' }, provider.issue('quoting'));
  const basic = Buffer.from(`${provider.profile.client_id}:${provider.profile.client_secret}`).toString(
    'base64',
  );
  const error_description = `open-sesame, close-sesame or ${basic} is wrong for https://api.example.com`;
  const body = JSON.stringify({ error: 'invalid_request', error_description });
  provider.inject(() => ({ kind: 'answer', status: 400, body }));
  await world.run({ accountIds: ['quoting'] });
  provider.inject(undefined);
  const text = JSON.stringify(await world.item('quoting')) + world.function.takeLog().join('\n');
  for (const secret of ['open-sesame', 'close-sesame', basic.slice(0, 12)])
    expect(text).not.toContain(secret);
  expect(text).toContain('https://api.example.com');
});
