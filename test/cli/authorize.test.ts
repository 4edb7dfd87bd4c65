import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { DeleteCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { AuthorizationRequest } from '../../adapters/authorization/authorization-request.ts';
import { pasteFlow } from '../../cli/authorize/paste.ts';
import { readPastes } from '../../cli/authorize/pasted-lines.ts';
import { createTerminal } from '../../terminal/terminal.ts';
import { type Connecting, startConnecting } from '../support/connecting.ts';
import { visit } from '../support/person.ts';

let system: Connecting;
beforeAll(async () => {
  system = await startConnecting();
});
afterAll(() => system.close());
afterEach(() => system.aws.inject(undefined));

/** The function can't be invoked by hand, so that the schedule comes first. */
function denyInvoking(): void {
  system.aws.inject(({ service }) =>
    service === 'lambda'
      ? { kind: 'error', status: 403, type: 'AccessDeniedException', message: 'not authorized to invoke' }
      : undefined,
  );
}

/** Lets the grant die at the provider, and the function find out. */
async function revoke(accountId: string): Promise<void> {
  const { refresh_token } = (await system.tokens(accountId)) ?? {};
  await system.authorizationServer.revokeGrant(String(refresh_token));
  await system.run({ accountIds: [accountId], force: true });
  // It is believed when it still comes after an hour.
  const item = (await system.item(accountId)) ?? {};
  const since = Math.floor(Date.now() / 1000) - 3_700;
  await system.putItem({ ...item, failure: { ...(item.failure as object), since } });
  await system.run({ accountIds: [accountId], force: true });
}

describe('a new account', () => {
  test('is created, with its grant in its secret, and the function takes it over at once', async () => {
    const ended = await system.authorize(['fresh', '--profile', 'crm', '--name', 'Fresh CRM']);
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.stdout).toContain('fresh is connected');
    expect(ended.stdout).toContain('healthy');
    expect(ended.page).toMatchObject({ status: 200 });
    expect(ended.page.html).toContain('Fresh CRM is connected');
    expect(await system.item('fresh')).toMatchObject({
      name: 'Fresh CRM',
      oauthProfile: 'crm',
      authenticationType: 'oauth2',
      status: 'healthy',
      authorizedBy: `${system.authorizationServer.issuer}#alice`,
    });
    const tokens = await system.tokens('fresh');
    expect(await system.authorizationServer.isRefreshTokenLive(String(tokens?.refresh_token))).toBe(true);
    expect(tokens).not.toHaveProperty('id_token');
  });

  test('is told as JSON', async () => {
    const { code, stdout } = await system.authorize(['json', '--profile', 'mail', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      accountId: 'json',
      oauthProfile: 'mail',
      created: true,
      authorizedBy: `${system.authorizationServer.issuer}#alice`,
      function: { state: 'healthy', accessTokenExpiresAt: expect.any(Number), message: null },
    });
  });

  test('takes over the secret of one that was removed', async () => {
    await system.clients.putSecret('oauth/accounts/again', JSON.stringify({ refresh_token: 'old' }));
    expect(await system.authorize(['again', '--profile', 'crm'])).toMatchObject({ code: 0 });
    expect((await system.tokens('again'))?.refresh_token).not.toBe('old');
  });
});

describe('an account whose grant was revoked', () => {
  test('is repaired in place: the next scheduled run reconciles it, spends nothing and tells of the recovery', async () => {
    await system.authorize(['repaired', '--profile', 'crm', '--name', 'Repaired']);
    await revoke('repaired');
    const dead = await system.item('repaired');
    expect(dead).toMatchObject({ status: 'reauthorization_required', name: 'Repaired' });
    denyInvoking();
    const ended = await system.authorize(['repaired']);
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.stdout).toContain('You may not invoke the function');
    const waiting = await system.item('repaired');
    expect(waiting).toMatchObject({ status: 'failing', name: 'Repaired', failure: dead?.failure });
    for (const gone of ['lease', 'nextAttemptAt', 'accessTokenExpiresAt', 'escrow'])
      expect(waiting).not.toHaveProperty(gone);
    const granted = await system.tokens('repaired');

    const run = await system.run();
    expect(run.reconciled).toBe(1);
    expect(await system.tokens('repaired')).toEqual(granted);
    const item = await system.item('repaired');
    expect(item).toMatchObject({ status: 'healthy', accessTokenExpiresAt: granted?.expires_at });
    expect(item).not.toHaveProperty('failure');
    expect(system.events('repaired')).toEqual([
      'OAuth Account Failing',
      'OAuth Reauthorization Required',
      'OAuth Account Recovered',
    ]);
  });

  test('and a read of its secret from before the new grant is not believed', async () => {
    await system.authorize(['stale', '--profile', 'crm']);
    const item = await system.item('stale');
    const tokens = await system.tokens('stale');
    expect(item?.lastRefreshedAt).toBe(tokens?.obtained_at);
  });
});

describe('whose grant it is', () => {
  test("another person's is refused, and the account stays as it was", async () => {
    await system.authorize(['owned', '--profile', 'billing']);
    const before = { item: await system.item('owned'), tokens: await system.tokens('owned') };
    const ended = await system.authorize(['owned'], { login: 'bob' });
    expect(ended).toMatchObject({ code: 1, stdout: '' });
    expect(ended.stderr).toMatch(/was authorized by \S+#alice, and \S+#bob signed in now/);
    expect(ended.stderr).toContain(
      'The new grant was not kept: the provider still holds a grant that nobody uses.',
    );
    expect(ended.page.html).toContain('was not authorized again');
    expect(await system.tokens('owned')).toEqual(before.tokens);
    expect(await system.item('owned')).toEqual(before.item);
  });

  test.each<[string, Record<string, unknown>, boolean]>([
    ['somebody else’s', { oauthProfile: 'lonely', authorizedBy: 'ISSUER#carol' }, true],
    ['another client’s', { oauthProfile: 'billing' }, true],
    ['of this profile, and nobody knows whose', { oauthProfile: 'lonely' }, false],
    ['of another profile with the same client, and nobody knows whose', { oauthProfile: 'crm' }, false],
    ['of a profile that can’t be read, and nobody knows whose', { oauthProfile: 'gone' }, false],
    ['this person’s', { oauthProfile: 'crm', authorizedBy: 'ISSUER#bob' }, false],
    ['perhaps this person’s', { oauthProfile: 'crm', authorizedBy: 'https://id.example#bob' }, false],
  ])('it is revoked only where that harms nobody: another account is %s', async (_, other, revoked) => {
    const { issuer } = system.authorizationServer;
    await system.profile('lonely', {
      client_id: 'crm',
      client_secret: 'local-secret-of-crm',
      issuer,
      scope: 'openid offline_access',
    });
    await system.authorize(['alone', '--profile', 'lonely']);
    for (const item of await system.clients.items())
      await system.putItem({ authorizedBy: `${issuer}#somebody`, ...item });
    const authorizedBy = (other.authorizedBy as string | undefined)?.replace('ISSUER', issuer);
    await system.putItem({ accountId: 'neighbour', authenticationType: 'oauth2', ...other, authorizedBy });
    const ended = await system.authorize(['alone'], { login: 'bob' });
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain(
      revoked
        ? 'it has been revoked at the provider'
        : 'It was not revoked, as another account may live on it',
    );
    const { refresh_token } = (await system.tokens('alone')) ?? {};
    expect(await system.authorizationServer.isRefreshTokenLive(String(refresh_token))).toBe(true);
    await system.clients.table.send(
      new DeleteCommand({ TableName: system.clients.tableName, Key: { accountId: 'neighbour' } }),
    );
  });

  test('one who is not known does not stand under the name of the one before', async () => {
    await system.authorize(['who', '--profile', 'crm']);
    const unknown = await system.authorize(['who', '--replace', '--scope', 'offline_access'], {
      login: 'bob',
    });
    expect(unknown.stdout).toContain('the provider does not say who');
    expect(await system.item('who')).not.toHaveProperty('authorizedBy');
    expect(await system.authorize(['who'], { login: 'bob' })).toMatchObject({ code: 0 });
    expect((await system.item('who'))?.authorizedBy).toMatch(/#bob$/);
  });

  test.each([
    'alice',
    'bob',
  ])('where it was known, a scope with which the provider does not say it is refused (%s)', async (login) => {
    const id = `silent-${login}`;
    await system.authorize([id, '--profile', 'crm']);
    const before = { item: await system.item(id), tokens: await system.tokens(id) };
    const ended = await system.authorize([id, '--scope', 'offline_access'], { login });
    expect(ended).toMatchObject({ code: 1, page: { status: 400 } });
    expect(ended.stderr).toMatch(/was authorized by \S+#alice, .* does not say who/s);
    expect(ended.stderr).toMatch(/--scope .*--replace/s);
    expect({ item: await system.item(id), tokens: await system.tokens(id) }).toEqual(before);
    const replaced = await system.authorize([id, '--scope', 'offline_access', '--replace'], { login });
    expect(replaced).toMatchObject({ code: 0 });
    expect(await system.item(id)).not.toHaveProperty('authorizedBy');
  });

  test('is replaced with --replace', async () => {
    await system.authorize(['handed-over', '--profile', 'crm']);
    const ended = await system.authorize(['handed-over', '--replace'], { login: 'bob' });
    expect(ended).toMatchObject({ code: 0 });
    expect((await system.item('handed-over'))?.authorizedBy).toMatch(/#bob$/);
  });

  test('is not known where the provider does not say, and that is no hindrance', async () => {
    const ended = await system.authorize(['nobody', '--profile', 'crm', '--scope', 'offline_access']);
    expect(ended.stdout).toContain('the provider does not say who');
    const item = await system.item('nobody');
    expect(item).toMatchObject({ status: 'healthy' });
    expect(item).not.toHaveProperty('authorizedBy');
  });
});

describe('a run in flight', () => {
  const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

  test.each([
    ['is waited for, before the code is spent', inSeconds(600)],
    ['is believed to be alive for five minutes longer, as the clock here may be wrong', inSeconds(-240)],
  ])('that holds the account %s', async (_, expiresAt) => {
    await system.authorize(['held', '--profile', 'crm']);
    const item = (await system.item('held')) ?? {};
    let tries = 0;
    const ended = await system.authorize(['held'], {
      onAddress: async (address) => {
        if (!address.includes('/callback?')) return address;
        await system.putItem({ ...item, lease: { owner: 'a-run', expiresAt } });
        system.aws.inject(({ operation, input }) => {
          // The run is done once it has been waited for.
          if (operation === 'UpdateItem' && JSON.stringify(input).includes('held') && ++tries === 2)
            void system.putItem(item);
          return undefined;
        });
        return address;
      },
    });
    expect(ended.code).toBe(0);
    expect(tries).toBeGreaterThan(2);
    expect(await system.item('held')).not.toHaveProperty('lease');
  });

  test('that died long ago is not waited for', async () => {
    await system.authorize(['left', '--profile', 'crm']);
    const lease = { owner: 'a-run', expiresAt: inSeconds(-301) };
    await system.putItem({ ...(await system.item('left')), lease });
    expect(await system.authorize(['left'])).toMatchObject({ code: 0 });
  });
});

describe('an account that comes into being during the sign-in', () => {
  const imported = { authenticationType: 'oauth2', oauthProfile: 'crm', name: 'Imported' };
  const arrives = (item: Record<string, unknown> | undefined, accountId: string) => ({
    onAddress: async (address: string) => {
      if (!address.includes('/callback?')) return address;
      await system.clients.putSecret(
        `oauth/accounts/${accountId}`,
        JSON.stringify({ refresh_token: 'imported' }),
      );
      if (item !== undefined) await system.putItem({ accountId, ...item });
      return address;
    },
  });

  test('is leased and authorized in place', async () => {
    const ended = await system.authorize(['came', '--profile', 'crm'], arrives(imported, 'came'));
    expect(ended).toMatchObject({ code: 0, stdout: expect.stringContaining('came is reauthorized') });
    expect(await system.item('came')).toMatchObject({ name: 'Imported', status: 'healthy' });
    expect((await system.tokens('came'))?.refresh_token).not.toBe('imported');
  });

  test('and that a run holds is waited for', async () => {
    const lease = { owner: 'a-run', expiresAt: Math.floor(Date.now() / 1000) + 600 };
    let tries = 0;
    system.aws.inject(({ operation, input }) => {
      if (operation === 'UpdateItem' && JSON.stringify(input).includes('came-held') && ++tries === 3)
        void system.putItem({ accountId: 'came-held', ...imported });
      return undefined;
    });
    const ended = await system.authorize(
      ['came-held', '--profile', 'crm'],
      arrives({ ...imported, lease }, 'came-held'),
    );
    expect(ended).toMatchObject({ code: 0 });
    expect(tries).toBeGreaterThan(3);
  });

  test.each<[string, Record<string, unknown> | undefined, string]>([
    ['with another profile', { ...imported, oauthProfile: 'mail' }, 'connected with the profile mail'],
    ['with other parameters', { ...imported, parameters: { host: 'x' } }, 'made or changed the account'],
    ['as another person’s', { ...imported, authorizedBy: 'https://id.example#eve' }, 'authorized by'],
    ['as something else', { ...imported, authenticationType: 'basic' }, 'another authenticationType'],
    ['with its secret only, as an import has it', undefined, 'made or changed the account'],
  ])('%s stays as it is', async (what, item, says) => {
    const accountId = `came-${what.replaceAll(/\W+/g, '-')}`;
    const ended = await system.authorize([accountId, '--profile', 'crm'], arrives(item, accountId));
    expect(ended).toMatchObject({ code: 1, stdout: '' });
    expect(ended.stderr).toContain(says);
    expect(await system.tokens(accountId)).toEqual({ refresh_token: 'imported' });
    expect(await system.item(accountId)).toEqual(item && { accountId, ...item });
  });
});

test('a new account whose sign-in was killed before the store waits for a person, and is connected by the next', async () => {
  const lease = { owner: 'a-killed-process', expiresAt: Math.floor(Date.now() / 1000) - 1 };
  const item = { accountId: 'killed', authenticationType: 'oauth2', oauthProfile: 'crm', lease };
  await system.putItem(item);
  await system.run();
  expect(await system.item('killed')).toMatchObject({ failure: { reason: 'secret_missing' } });
  expect(await system.authorize(['killed'])).toMatchObject({ code: 0 });
  expect(await system.item('killed')).toMatchObject({ status: 'healthy' });
});

test('A disabled account gets its new grant, and the person is told that it is left alone all the same', async () => {
  await system.authorize(['asleep', '--profile', 'crm']);
  await system.putItem({ ...(await system.item('asleep')), enabled: false });
  const before = await system.tokens('asleep');
  const ended = await system.authorize(['asleep']);
  expect(ended.code).toBe(3);
  expect(ended.stdout.replaceAll(/\s+/g, ' ')).toContain('accounts enable asleep');
  expect(await system.tokens('asleep')).not.toEqual(before);
});

describe('an account that changes during the sign-in', () => {
  const changes = (accountId: string, change: Record<string, unknown>) => ({
    onAddress: async (address: string) => {
      if (address.includes('/callback?'))
        await system.putItem({ ...(await system.item(accountId)), ...change });
      return address;
    },
  });

  test('its grant goes into the secret that it names now', async () => {
    await system.authorize(['moved', '--profile', 'crm']);
    const before = await system.tokens('moved');
    const moves = changes('moved', { tokenSecretId: 'shared/moved' });
    const refused = await system.authorize(['moved'], moves);
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--token-secret shared/moved'),
    });
    await system.putItem({ ...(await system.item('moved')), tokenSecretId: undefined });
    const ended = await system.authorize(['moved', '--token-secret', 'shared/moved'], moves);
    expect(ended).toMatchObject({ code: 0 });
    expect(await system.tokens('moved')).toEqual(before);
    expect(await system.item('moved')).toMatchObject({ status: 'healthy', tokenSecretId: 'shared/moved' });
  });

  test('a grant for other parameters is not kept', async () => {
    await system.authorize(['tenant-changed', '--profile', 'crm']);
    const before = await system.tokens('tenant-changed');
    const ended = await system.authorize(
      ['tenant-changed'],
      changes('tenant-changed', { parameters: { host: 'y' } }),
    );
    expect(ended.stderr).toContain('made or changed the account');
    expect(await system.tokens('tenant-changed')).toEqual(before);
    expect(await system.item('tenant-changed')).toMatchObject({ parameters: { host: 'y' } });
    expect(await system.item('tenant-changed')).not.toHaveProperty('lease');
  });
});

describe('a run that is about to store the old grant', () => {
  test('stores it first, and the new one stays', async () => {
    await system.authorize(['racing', '--profile', 'crm']);
    const stores: string[] = [];
    system.aws.inject(({ operation, input }) => {
      if (operation !== 'PutSecretValue') return undefined;
      stores.push(JSON.parse((input as { SecretString: string }).SecretString).scope);
      return stores.length === 1 ? { kind: 'delay', milliseconds: 1_500 } : undefined;
    });
    let running: ReturnType<typeof system.run> | undefined;
    const ended = await system.authorize(['racing', '--replace', '--scope', 'offline_access'], {
      // The run begins while the person is still signing in.
      onAddress: async (address) => {
        if (!address.includes('/callback?')) return address;
        running = system.run({ accountIds: ['racing'], force: true });
        while (stores.length === 0) await new Promise(setImmediate);
        return address;
      },
    });
    expect(ended).toMatchObject({ code: 0 });
    expect(await running).toMatchObject({ refreshed: 1 });
    expect(stores).toEqual(['openid offline_access', 'offline_access']);
    const tokens = await system.tokens('racing');
    expect(tokens?.scope).toBe('offline_access');
    expect(await system.authorizationServer.isRefreshTokenLive(String(tokens?.refresh_token))).toBe(true);
    expect(await system.item('racing')).toMatchObject({
      status: 'healthy',
      accessTokenExpiresAt: tokens?.expires_at,
    });
  });
});

test('the browser’s program gets an address without the request in it, and what it opens there connects', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'browser-'));
  const told = Promise.withResolvers<readonly string[]>();
  const server = createServer((request, response) => {
    told.resolve(JSON.parse(decodeURIComponent(request.url?.slice(1) ?? '')));
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const program = join(directory, 'browser');
  const script = `fetch('http://127.0.0.1:${port}/' + encodeURIComponent(JSON.stringify(process.argv)))`;
  writeFileSync(program, `#!${process.execPath}\n${script};\n`, { mode: 0o755 });
  const ending = system.command(['authorize', 'by-program', '--profile', 'crm'], {
    env: { BROWSER: program },
  });
  const args = await told.promise;
  const page = await visit(args.at(-1) ?? '');
  const ended = await ending;
  expect(ended).toMatchObject({ code: 0 });
  expect(page.html).toContain('by-program is connected');
  expect(args).toHaveLength(3);
  expect(args.join(' ')).not.toMatch(/state|code_challenge|client_id|\?/);
  // The terminal shows another start address: whoever reads the arguments can't spoil that one.
  expect(ended.stderr).toMatch(/^ {2}http:\/\/127\.0\.0\.1:\d+\/start\/\S+$/m);
  expect(ended.stderr).not.toMatch(/state=/);
  expect(ended.stderr).not.toContain(args.at(-1));
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true });
});

describe('--paste', () => {
  test('takes the address at which the browser ended from standard input', async () => {
    const answers = await pasted(['pasted', '--profile', 'crm'], (address) => address);
    expect(answers).toMatchObject({ code: 0 });
    expect(await system.item('pasted')).toMatchObject({ status: 'healthy' });
  });

  test('refuses the answer to another request, and text that is none', async () => {
    const other = await pasted(['unpasted', '--profile', 'crm'], (address) =>
      address.replace(/state=[^&]+/, 'state=forged'),
    );
    expect(other).toMatchObject({ code: 1 });
    expect(other.stderr).toContain('another sign-in');
    const text = await pasted(['unpasted', '--profile', 'crm'], () => 'hello');
    expect(text.stderr).toContain('not the address');
    expect(await system.item('unpasted')).toBeUndefined();
  });

  test('refuses the answer of another provider (RFC 9207)', async () => {
    const ended = await pasted(['unpasted', '--profile', 'crm'], (address) =>
      address.replace(/iss=[^&]+/, `iss=${encodeURIComponent('https://evil.example')}`),
    );
    expect(ended).toMatchObject({ code: 1 });
    expect(ended.stderr).toContain('does not come from');
    const without = await pasted(['unpasted', '--profile', 'crm'], (address) =>
      address.replace(/&?iss=[^&]+/, ''),
    );
    expect(without.stderr).toContain('is missing');
    expect(await system.tokens('unpasted')).toBeUndefined();
  });

  test('a code that was used before ends with what the provider says, and nothing is changed', async () => {
    let address = '';
    const first = await pasted(['twice', '--profile', 'crm'], (at) => {
      address = at;
      return at;
    });
    expect(first.code).toBe(0);
    const code = new URL(address).searchParams.get('code') ?? '';
    const ended = await pasted(['twice-again', '--profile', 'crm'], (at) =>
      at.replace(/code=[^&]+/, `code=${code}`),
    );
    expect(ended).toMatchObject({ code: 1 });
    expect(ended.stderr).toContain('invalid_grant');
    expect(ended.stderr).toContain('used before');
    expect(await system.item('twice-again')).toBeUndefined();
  });
});

describe('what is pasted for the address', () => {
  test.each([
    '-a1b2c3d4e5',
    '_a1b2c3d4e5',
    '.a1b2c3d4e5',
    '"-a1b2c3d4e5"',
    '> _a1b2c3d4e5',
  ])('is a code to the letter, whatever it begins with: %s', async (pasted) => {
    const taken: string[] = [];
    const request: AuthorizationRequest = {
      url: 'https://id.example.com/',
      isOurs: () => false,
      isResponse: () => false,
      needsWholeResponse: undefined,
      accept: () => expect.fail('no answer was pasted'),
      acceptCode: (code) => {
        taken.push(code);
        return { holds: 'code', parameters: {}, redeem: () => expect.fail('it is not spent here') };
      },
    };
    const stdin = Readable.from([`${pasted}\n`]);
    const streams = { stdin, stdout: new PassThrough(), stderr: new PassThrough(), env: {} };
    const flow = pasteFlow(request, createTerminal(streams, false));
    await flow.wait(new AbortController().signal);
    await flow.close();
    expect(taken).toEqual([pasted.replace(/^> |"/g, '')]);
  });

  const query = (address: string) => new URL(address).search.slice(1);
  const code = (address: string) => new URL(address).searchParams.get('code') ?? '';

  test.each<[string, (address: string) => string]>([
    ['in quotes', (address) => `"${address}"`],
    ['in typographic quotes', (address) => `“${address}”`],
    ['in angle brackets, as in a mail', (address) => `<${address}>`],
    ['as HTML shows it', (address) => address.replaceAll('&', '&amp;')],
    ['with line breaks in the middle', (address) => address.replace(/.{40}/g, '$&\n')],
    ['with line breaks of Windows, and indented', (address) => address.replace(/.{50}/g, '$&\r\n   ')],
    ['its query alone', query],
    ['its query with the question mark', (address) => `?${query(address)}`],
    ['the code alone', code],
    ['the code alone, in quotes', (address) => `'${code(address)}'`],
    ['as a shell quotes it', (address) => address.replace(/[?&=]/g, '\\$&')],
    ['after another line', (address) => `hello\n${address}`],
    [
      'after the address of an earlier try',
      (address) => `${address.replace(/state=[^&]+/, 'state=old')}\n${address}`,
    ],
    ['before another line', (address) => `${address}\nthanks`],
  ])('%s', async (how, change) => {
    const accountId = `pasted-${how.replaceAll(/\W+/g, '-')}`;
    expect(await pasted([accountId, '--profile', 'crm'], change)).toMatchObject({ code: 0 });
    expect(await system.item(accountId)).toMatchObject({ status: 'healthy' });
  });

  test.each<[string, (address: string) => string, string]>([
    ['a word', () => 'hello', 'not the address'],
    ['nothing of the answer', () => 'http://127.0.0.1:49151/callback', 'not the address'],
    [
      'the address of an earlier try',
      (address) => address.replace(/state=[^&]+/, 'state=old'),
      'another sign-in',
    ],
    ['an address that was cut short', (address) => address.replace(/&iss=.*/, ''), '"iss" is missing'],
    [
      'the address that was to be opened',
      (address) => `${new URL(address).origin}/auth?client_id=crm&state=x`,
      'not the address',
    ],
  ])('%s is said to be wrong, and asked for again', async (how, wrong, says) => {
    const accountId = `again-${how.replaceAll(/\W+/g, '-')}`;
    const right = Promise.withResolvers<string>();
    const ended = await pasted(
      [accountId, '--profile', 'crm'],
      (address) => {
        right.resolve(`${address}\r`);
        return wrong(address);
      },
      [['Try once more', right.promise]],
    );
    expect(ended.stderr).toContain(says);
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.stderr).not.toContain('code=');
  });

  test('after five wrong ones it ends, and nothing has changed', async () => {
    const more = Array.from({ length: 4 }, () => ['Try once more', 'nonsense\r'] as const);
    const ended = await pasted(['five', '--profile', 'crm'], () => 'nonsense', more);
    expect(ended).toMatchObject({ code: 1 });
    expect(ended.stderr.match(/Try once more/g)).toHaveLength(4);
    expect(await system.item('five')).toBeUndefined();
  });

  test('Ctrl-C ends it', async () => {
    const ended = await pasted(['stopped', '--profile', 'crm'], () => '\u0003', []);
    expect(ended).toMatchObject({ code: 130 });
  });

  test('what is pasted while the command works is taken, and left for nobody', async () => {
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    const stderr = Object.assign(new PassThrough(), { isTTY: true });
    const streams = { stdin, stderr, stdout: new PassThrough(), env: {} };
    const pastes = readPastes(createTerminal(streams, false), new AbortController().signal);
    stdin.write('first\r');
    expect(await pastes.next()).toEqual(['first']);
    stdin.write('rm -rf later\r');
    await pastes.close();
    expect(stdin.read()).toBeNull();
  });
});

/**
 * Runs `authorize --paste`, and pastes what the change makes of the address: into a pipe, or where more is to be typed,
 * on a terminal.
 */
async function pasted(
  args: readonly string[],
  change: (address: string) => string,
  more?: readonly (readonly [string, string | Promise<string>])[],
) {
  const input = Promise.withResolvers<string>();
  let told = '';
  const onOutput = (text: string) => {
    const before = told;
    told += text;
    const address = /^ {2}(http:\S+)\n/m.exec(told)?.[1];
    if (address === undefined || /^ {2}http:\S+\n/m.test(before)) return;
    const stop = (at: string) => (at.includes('/callback?') ? ('stop' as const) : at);
    visit(address, { onAddress: stop }).then((seen) => input.resolve(change(seen.address)));
  };
  const typed = input.promise.then((text) => `${text}${more === undefined ? '\n' : '\r'}`);
  return await system.command(['authorize', '--paste', ...args], {
    onOutput,
    ...(more === undefined ? { input: typed } : { typing: [['The address:', typed], ...more] }),
  });
}

describe('--device', () => {
  test('connects with a code, entered in a browser that knows nothing of this machine', async () => {
    const ended = await system.authorize(['on-a-device', '--profile', 'mail', '--device']);
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.stderr).toMatch(/enter the code [A-Z]{4}-[A-Z]{4}/);
    expect(ended.page.html).toContain('Your device is connected');
    expect(await system.item('on-a-device')).toMatchObject({
      status: 'healthy',
      authorizedBy: `${system.authorizationServer.issuer}#alice`,
    });
  });

  test('that is denied says so', async () => {
    const ended = await system.authorize(['no-device', '--profile', 'mail', '--device'], {
      answer: 'cancel',
    });
    expect(ended).toMatchObject({ code: 1 });
    expect(ended.stderr).toContain('access was not allowed');
    expect(await system.item('no-device')).toBeUndefined();
  });

  test('of an account that is removed meanwhile says that the grant stands at the provider', async () => {
    await system.authorize(['removed', '--profile', 'mail']);
    const Key = { accountId: 'removed' };
    const ended = await system.authorize(['removed', '--device'], {
      onAddress: async (address) => {
        await system.clients.table.send(new DeleteCommand({ TableName: system.clients.tableName, Key }));
        return address;
      },
    });
    expect(ended).toMatchObject({ code: 1 });
    expect(ended.stderr).toMatch(/has been removed in the meantime\. The provider's new grant was not kept/);
  });
});
