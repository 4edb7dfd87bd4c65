import { DescribeSecretCommand, PutSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Connecting, startConnecting } from '../support/connecting.ts';

/** What becomes of an account's token secret, and of what its callback says. */
let system: Connecting;
let keeper = '';
beforeAll(async () => {
  system = await startConnecting();
  keeper = `000000000000/us-east-1/${system.clients.tableName}`;
});
afterAll(() => system.close());
afterEach(() => system.aws.inject(undefined));

const seconds = () => Math.floor(Date.now() / 1000);
const secretOf = (accountId: string) => `oauth/accounts/${accountId}`;

async function account(accountId: string, tokens: object, attributes: object = {}): Promise<void> {
  await system.clients.putSecret(secretOf(accountId), JSON.stringify(tokens));
  await system.putItem({ accountId, authenticationType: 'oauth2', oauthProfile: 'crm', ...attributes });
}

const onCallback = (change: (address: string) => string | Promise<string>) => ({
  onAddress: async (address: string) => (address.includes('/callback?') ? await change(address) : address),
});

describe('a secret has one keeper', () => {
  test.each(['new', 'known'])('the token set of a %s account says whose function keeps it', async (kind) => {
    const id = `kept-${kind}`;
    if (kind === 'known') await account(id, { refresh_token: 'old' });
    expect(await system.authorize([id, '--profile', 'crm'])).toMatchObject({ code: 0 });
    expect(await system.tokens(id)).toMatchObject({ kept_by: keeper });
  });

  test('one that another table’s function keeps is refused before anybody signs in, with what takes it over', async () => {
    const kept_by = '111122223333/eu-central-1/other';
    await account('foreign', { refresh_token: 'theirs', kept_by });
    const ended = await system.authorize(['foreign']);
    expect(ended).toMatchObject({ code: 1, page: { address: '' } });
    expect(ended.stderr).toContain(kept_by);
    expect(ended.stderr).toContain('FORMER_ACCOUNTS_TABLES');
    expect(await system.tokens('foreign')).toEqual({ refresh_token: 'theirs', kept_by });
    expect(await system.item('foreign')).not.toHaveProperty('lease');
  });

  test.each([
    ['is signing in', 'callback'],
    ['has signed in, just before the new grant is stored', 'PutSecretValue'],
  ])('one that another table’s function claims while somebody %s is left to it', async (_, moment) => {
    const id = `claimed-${moment}`;
    await account(id, { refresh_token: 'theirs' });
    const theirs = { refresh_token: 'theirs', kept_by: '111122223333/eu-central-1/other' };
    const claim = () => system.clients.putSecret(secretOf(id), JSON.stringify(theirs));
    let claimed = false;
    system.aws.inject(({ operation, input }) => {
      if (operation !== moment || !JSON.stringify(input).includes('NEXT')) return undefined;
      if (!claimed) void claim();
      claimed = true;
      return { kind: 'delay', milliseconds: 300 };
    });
    const ended = await system.authorize(
      [id],
      onCallback(async (address) => {
        if (moment === 'callback') await claim();
        return address;
      }),
    );
    expect(ended).toMatchObject({ code: 1 });
    expect(ended.stderr).toContain('kept by the function of another table');
    expect(await system.tokens(id)).toEqual(theirs);
    expect(await system.item(id)).not.toHaveProperty('lease');
  });
});

describe('the new token set is the newest that anybody knows of', () => {
  test.each([
    ['the item', { refresh_token: 'old' }, { lastRefreshedAt: seconds() + 40 }],
    ['the set before it', { refresh_token: 'old', obtained_at: seconds() + 40 }, {}],
  ])('%s has a later time, as its clock was ahead', async (what, tokens, attributes) => {
    const id = `ahead-${what.replaceAll(' ', '-')}`;
    await account(id, tokens, attributes);
    const ended = await system.authorize([id]);
    expect(ended).toMatchObject({ code: 0 });
    const before = Number(Object.values({ ...tokens, ...attributes }).at(-1));
    const obtainedAt = Number((await system.tokens(id))?.obtained_at);
    expect(obtainedAt).toBeGreaterThan(before);
    expect((await system.item(id))?.lastRefreshedAt).toBe(obtainedAt);
  });

  test('it is not said to be healthy where the function has read the set before it', async () => {
    await account('lagging', { access_token: 'old', refresh_token: 'old', expires_at: seconds() + 3_000 });
    let put = false;
    system.aws.onEffect(({ operation, input }) => {
      if (operation !== 'UpdateItem' || put || !JSON.stringify(input).includes('authorizedAt')) return;
      put = true;
      // As a run would note that has read the old set, which says nothing of when it was obtained.
      void system.item('lagging').then((item) =>
        system.putItem({
          ...item,
          status: 'healthy',
          accessTokenExpiresAt: seconds() + 3_000,
          lastRefreshedAt: seconds() - 5,
        }),
      );
    });
    system.aws.inject(({ service }) =>
      service === 'lambda' ? { kind: 'delay', milliseconds: 500 } : undefined,
    );
    const ended = await system.authorize(['lagging', '--json']);
    system.aws.onEffect(undefined);
    expect(JSON.parse(ended.stdout).function.state).not.toBe('healthy');
  });

  test('a write of somebody else in between is not lost: its version stays', async () => {
    await account('between', { refresh_token: 'old' });
    let versionId: string | undefined;
    let written = false;
    system.aws.inject(({ operation, input }) => {
      if (operation !== 'PutSecretValue' || !JSON.stringify(input).includes('NEXT')) return undefined;
      if (written) return undefined;
      written = true;
      void system.clients.secrets
        .send(
          new PutSecretValueCommand({
            SecretId: secretOf('between'),
            SecretString: '{"refresh_token":"by-hand"}',
          }),
        )
        .then((answer) => {
          versionId = answer.VersionId;
        });
      return { kind: 'delay', milliseconds: 300 };
    });
    expect(await system.authorize(['between'])).toMatchObject({ code: 0 });
    const { VersionIdsToStages = {} } = await system.clients.secrets.send(
      new DescribeSecretCommand({ SecretId: secretOf('between') }),
    );
    expect(VersionIdsToStages[versionId ?? '']).toEqual(['AWSPREVIOUS']);
    expect(JSON.stringify(VersionIdsToStages)).not.toContain('NEXT');
  });
});

test('the item says who and when, and no longer that it does not expire', async () => {
  await account('endless', { access_token: 'a' }, { doesNotExpire: true, status: 'healthy' });
  const before = seconds();
  expect(await system.authorize(['endless'])).toMatchObject({ code: 0 });
  const item = await system.item('endless');
  expect(item).toMatchObject({
    authorizedBy: expect.stringContaining('#alice'),
    authorizedAt: expect.any(Number),
  });
  expect(item?.authorizedAt).toBeGreaterThanOrEqual(before);
  expect(item).not.toHaveProperty('doesNotExpire');
});

test('an item of a newer version is left as it is', async () => {
  await account('newer', { refresh_token: 'old' }, { formatVersion: 2 });
  const ended = await system.authorize(['newer']);
  expect(ended).toMatchObject({ code: 1, page: { address: '' } });
  expect(ended.stderr).toContain('made by a newer version');
  expect(await system.tokens('newer')).toEqual({ refresh_token: 'old' });
});

describe('a provider with habits of its own', () => {
  const odd = async (fields: object) => {
    const { issuer } = system.authorizationServer;
    await system.profile('odd', {
      client_id: 'crm',
      client_secret: 'local-secret-of-crm',
      scope: 'openid offline_access',
      issuer,
      ...fields,
    });
  };
  /** What the request of `authorize` asks for; then the person leaves it at that. */
  const requestOf = async (fields: object) => {
    await odd(fields);
    let request = new URLSearchParams();
    await system.authorize(['asked', '--profile', 'odd', '--timeout', '1s'], {
      onAddress: (address) => {
        request = new URL(address).searchParams;
        return address.includes('/start/') ? address : 'stop';
      },
    });
    return request;
  };

  test('that refuses PKCE gets none', async () => {
    const request = await requestOf({ pkce: 'none' });
    expect([...request.keys()].filter((name) => name.startsWith('code_'))).toEqual([]);
    expect(request.get('state')).not.toBe('');
  });

  test('that has another name for the client’s id gets that one', async () => {
    const request = await requestOf({ client_id_parameter: 'client_key' });
    expect({ key: request.get('client_key'), id: request.get('client_id') }).toEqual({
      key: 'crm',
      id: null,
    });
  });

  test('that has another name for the code, and says what was signed in to', async () => {
    await odd({
      authorization_code_parameter: 'spapi_oauth_code',
      callback_parameters: ['realmId', 'not_there'],
    });
    const answers = (realmId: string) =>
      onCallback(
        (address) =>
          `${address.replace('?code=', '?code=not-it&spapi_oauth_code=').replace('&code=', '&code=not-it&spapi_oauth_code=')}&realmId=${realmId}`,
      );
    const first = await system.authorize(
      ['odd', '--profile', 'odd', '--parameter', 'a=b'],
      answers('4620816'),
    );
    expect(first).toMatchObject({ code: 0 });
    expect(await system.item('odd')).toMatchObject({ parameters: { a: 'b', realmId: '4620816' } });

    const other = await system.authorize(['odd', '--json'], answers('1'));
    expect(JSON.parse(other.stdout).error).toMatchObject({ code: 'ANOTHER_ACCOUNT' });
    expect(await system.item('odd')).toMatchObject({ parameters: { realmId: '4620816' } });
    expect(await system.authorize(['odd', '--replace'], answers('1'))).toMatchObject({ code: 0 });
    expect(await system.item('odd')).toMatchObject({ parameters: { a: 'b', realmId: '1' } });
  });

  test.each([
    ['leaves its place in an address', 'realmId=..%2Fadmin'],
    ['is empty', 'realmId='],
    ['is there twice', 'realmId=1&realmId=2'],
    ['is an address', 'realmId=https%3A%2F%2Fevil.example'],
  ])('a parameter of the callback that %s is refused by its name', async (_, parameter) => {
    await odd({ callback_parameters: ['realmId'] });
    const ended = await system.authorize(
      ['unkept', '--profile', 'odd', '--json'],
      onCallback((address) => `${address}&${parameter}`),
    );
    expect(JSON.parse(ended.stdout).error).toEqual({
      code: 'CALLBACK_PARAMETER',
      message: expect.stringContaining('realmId'),
    });
    expect(ended.stdout).not.toMatch(/admin|evil/);
    expect(await system.item('unkept')).toBeUndefined();
  });

  test('whose token endpoint is only known from the callback', async () => {
    const { origin, port } = new URL(system.authorizationServer.issuer);
    await odd({
      issuer: undefined,
      authorization_endpoint: `${origin}/auth`,
      token_endpoint: `http://{region}:${port}/token`,
      callback_parameters: ['region'],
      placeholder_values: { region: ['127.0.0.1'] },
    });
    const ended = await system.authorize(
      ['regional', '--profile', 'odd'],
      onCallback((address) => `${address}&region=127.0.0.1`),
    );
    expect(ended).toMatchObject({ code: 0 });
    expect(await system.item('regional')).toMatchObject({ parameters: { region: '127.0.0.1' } });
  });

  test.each([
    ['the right one', (address: string) => address, 0],
    ['another', (address: string) => address.replace(/iss=[^&]+/, 'iss=https%3A%2F%2Fevil.example'), 1],
  ])('with an issuer beside its endpoints: iss of the answer is %s', async (which, change, code) => {
    const { issuer } = system.authorizationServer;
    await odd({ authorization_endpoint: `${issuer}/auth`, token_endpoint: `${issuer}/token` });
    const ended = await system.authorize(
      [`beside-${which.replaceAll(' ', '-')}`, '--profile', 'odd', '--json'],
      onCallback(change),
    );
    expect(ended.code).toBe(code);
    if (code === 1) expect(ended.stdout).toContain('ISSUER_MISMATCH');
  });

  test('with an issuer that has no metadata, beside endpoints', async () => {
    const { issuer } = system.authorizationServer;
    await odd({
      issuer: `${issuer}/nowhere`,
      authorization_endpoint: `${issuer}/auth`,
      token_endpoint: `${issuer}/token`,
    });
    const ended = await system.authorize(
      ['unfound', '--profile', 'odd'],
      onCallback((address) => address.replace(/iss=[^&]+/, `iss=${encodeURIComponent(`${issuer}/nowhere`)}`)),
    );
    expect(ended).toMatchObject({ code: 0 });
  });
});
