import { createServer, type IncomingMessage, type Server } from 'node:http';
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { listen } from '../../local/shared/listen.ts';
import { CANARY, linesWithCanary } from '../support/canary.ts';
import { type Connecting, startConnecting } from '../support/connecting.ts';

let system: Connecting;
beforeAll(async () => {
  system = await startConnecting();
});
afterAll(async () => {
  for (const server of servers) server.close();
  await system.close();
});
afterEach(() => system.aws.inject(undefined));

const servers: Server[] = [];
/** A token endpoint, at its address. */
async function serve(
  answer: (request: IncomingMessage) => { status: number; body: string },
): Promise<string> {
  const server = createServer((request, response) => {
    const { status, body } = answer(request);
    response.writeHead(status, { 'content-type': 'application/json', connection: 'close' }).end(body);
  });
  servers.push(server);
  return `http://127.0.0.1:${await listen(server, 0)}/token`;
}

const profiles = (args: readonly string[], options?: Parameters<Connecting['command']>[1]) =>
  system.command(['profiles', ...args], options);
const stored = async (name: string) => JSON.parse((await profiles(['show', name, '--json'])).stdout).fields;
const issuer = () => system.authorizationServer.issuer;

describe('add', () => {
  test('takes the secret alone from standard input, and the rest from flags', async () => {
    const flags = ['--issuer', issuer(), '--client-id', 'crm', '--scope', 'openid offline_access'];
    const ended = await profiles(['add', 'from-flags', ...flags, '--stdin'], {
      input: 'local-secret-of-crm\n',
    });
    expect(ended).toMatchObject({ code: 0, stderr: expect.stringMatching(/^Acting on [^\n]*\n$/) });
    expect(await stored('from-flags')).toEqual({
      client_id: 'crm',
      issuer: issuer(),
      scope: 'openid offline_access',
      client_secret: 'set',
    });
    expect(await profiles(['check', 'from-flags'])).toMatchObject({ code: 0 });
  });

  test('takes a whole profile from standard input', async () => {
    const input = JSON.stringify({ provider: 'google', client_id: 'c', client_secret: CANARY });
    expect(await profiles(['add', 'whole', '--stdin'], { input })).toMatchObject({ code: 0 });
    expect(await stored('whole')).toEqual({ provider: 'google', client_id: 'c', client_secret: 'set' });
  });

  test.each([
    ['json', (input: string) => input],
    ['URL-encoded', encodeURIComponent],
    ['Base64', btoa],
  ])('shows no secret that AWS quotes when it refuses it, as %s', async (_, quoted) => {
    system.aws.inject(({ operation, input }) =>
      operation === 'CreateSecret'
        ? {
            kind: 'error',
            status: 400,
            type: 'ValidationException',
            message: `Bad (${quoted(JSON.stringify(input).slice(0, 300))})`,
          }
        : undefined,
    );
    const secret = `q'7"&/`;
    const input = JSON.stringify({ client_secret: secret, client_id: 'c', provider: 'google' });
    const ended = await profiles(['add', 'quoted', '--stdin'], { input });
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(/ValidationException: Bad \(.*\[redacted\]/);
    for (const form of [secret, '7\\"&', '%26', btoa(secret).slice(0, -2)])
      expect(ended.stderr).not.toContain(form);
  });

  test('asks a person for what is missing, and shows no secret', async () => {
    const ended = await profiles(['add', 'asked'], {
      typing: [
        ['Provider', 'issuer'],
        ['by its issuer', '\n'],
        ['Issuer:', `${issuer()}\n`],
        ['Client id:', 'crm\n'],
        ['prove itself', '\n'],
        ['Client secret:', 'local-secret-of-crm\n'],
        ['Scope', 'openid offline_access\n'],
      ],
    });
    expect(ended.code).toBe(0);
    expect(ended.stdout + ended.stderr).not.toContain('local-secret');
    expect(await profiles(['check', 'asked'])).toMatchObject({ code: 0 });
  });

  test('shows what is to know of a provider before it is chosen', async () => {
    const ended = await profiles(['add', 'chosen', '--client-id', 'c'], {
      typing: [
        ['Provider', 'spotify'],
        ['The grant ends 6 months after', '\n'],
        ['prove itself', '\n'],
        ['Client secret:', `${CANARY}\n`],
        ['Scope', '\n'],
      ],
    });
    expect(ended.code).toBe(0);
    expect(await stored('chosen')).toMatchObject({
      provider: 'spotify',
      client_id: 'c',
      client_secret: 'set',
    });
  });

  test('of a known provider asks for the secret and the scope only', async () => {
    const ended = await profiles(['add', 'sf', '--provider', 'salesforce', '--client-id', '3MVG9'], {
      typing: [
        ['Client secret:', `${CANARY}\n`],
        ['Scope', 'api refresh_token\n'],
      ],
    });
    expect(ended.code).toBe(0);
    expect(linesWithCanary(ended.stdout + ended.stderr)).toEqual([]);
    expect(await stored('sf')).toEqual({
      provider: 'salesforce',
      client_id: '3MVG9',
      client_secret: 'set',
      scope: 'api refresh_token',
    });
  });

  test('a private key that is typed wrong is refused without a word of it', async () => {
    const flags = ['--issuer', issuer(), '--client-id', 'c', '--auth-method', 'private_key_jwt'];
    const ended = await profiles(['add', 'typed', ...flags], {
      typing: [['Private key', `{"d": ${CANARY}}\n`]],
    });
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain('begins like a JWK, but is not JSON');
    expect(linesWithCanary(ended.stdout + ended.stderr)).toEqual([]);
    expect(await profiles(['show', 'typed'])).toMatchObject({ code: 1 });
  });

  test('--kms-key encrypts the secret of a new profile, and is refused for one that exists', async () => {
    const keys: unknown[] = [];
    system.aws.onEffect(({ operation, input }) => {
      if (operation === 'CreateSecret') keys.push((input as { KmsKeyId?: string }).KmsKeyId);
    });
    const args = ['add', 'keyed', '--client-id', 'mail', '--issuer', issuer(), '--kms-key', 'alias/ours'];
    expect(await profiles(args)).toMatchObject({ code: 0 });
    const again = await profiles([...args, '--change']);
    system.aws.onEffect(undefined);
    expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('--kms-key') });
    expect(keys).toEqual(['alias/ours']);
  });

  test('stopped at a prompt ends with 130 and writes nothing', async () => {
    const ended = await profiles(['add', 'stopped', '--provider', 'google'], {
      typing: [['Client id:', '\u0003']],
    });
    expect(ended.code).toBe(130);
    expect(await profiles(['show', 'stopped'])).toMatchObject({ code: 1 });
  });

  test('changes what is named and keeps the rest, the secret too', async () => {
    await profiles(['add', 'changing', '--issuer', issuer(), '--client-id', 'crm', '--stdin'], {
      input: 'local-secret-of-crm',
    });
    const set = ['--set', 'default_expires_in=7200', '--set', 'transient_errors=["a"]'];
    expect(await profiles(['add', 'changing', '--change', '--scope', 'openid', ...set])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/profiles check changing\n.*accounts refresh --profile changing\n$/),
    });
    expect(await stored('changing')).toEqual({
      issuer: issuer(),
      client_id: 'crm',
      client_secret: 'set',
      scope: 'openid',
      default_expires_in: 7200,
      transient_errors: ['a'],
    });
    expect(await profiles(['check', 'changing'])).toMatchObject({ code: 0 });
  });

  describe('a change of the client', () => {
    const add = ['add', 'rotated', '--issuer', '', '--client-id', 'crm', '--stdin'];
    const change = ['add', 'rotated', '--change', '--stdin'];
    const versionOf = async () => {
      const { VersionId, SecretString } = await system.clients.secrets.send(
        new GetSecretValueCommand({ SecretId: 'oauth/profiles/rotated' }),
      );
      return { VersionId, secret: JSON.parse(SecretString ?? '{}').client_secret };
    };

    test('that the provider refuses is not written, unless it is asked for', async () => {
      const whole = add.map((word) => (word === '' ? issuer() : word));
      expect(await profiles(whole, { input: 'local-secret-of-crm' })).toMatchObject({ code: 0 });
      const before = await versionOf();
      const refused = await profiles([...change, '--json'], { input: `wrong-${CANARY}` });
      expect(refused).toMatchObject({ code: 1 });
      expect(JSON.parse(refused.stdout).error).toMatchObject({
        code: 'PROFILE_REFUSED',
        message: expect.stringContaining('Nothing was written'),
      });
      expect(linesWithCanary(refused.stdout + refused.stderr)).toEqual([]);
      expect(await versionOf()).toEqual(before);
      const forced = await profiles([...change, '--unchecked'], { input: 'wrong' });
      expect(forced).toMatchObject({ code: 0 });
      expect((await versionOf()).secret).toBe('wrong');
    });

    test('that the provider knows is written', async () => {
      expect(await profiles(change, { input: 'local-secret-of-crm' })).toMatchObject({ code: 0 });
      expect((await versionOf()).secret).toBe('local-secret-of-crm');
    });
  });

  test.each([
    [
      'a secret on the command line',
      ['x', '--set', 'client_secret=s'],
      '',
      2,
      /never taken from the command line/,
    ],
    ['a header on the command line', ['x', '--set', 'token_request_headers={}'], '', 2, /may be secret/],
    ['an unknown field', ['x', '--set', 'client=s'], '', 2, /is not a field of profiles/],
    [
      'an unknown field in the input',
      ['x', '--stdin'],
      '{"client_id":"i","client":"c"}',
      2,
      /client: is not a known field/,
    ],
    [
      'no secret where one is needed',
      ['x', '--provider', 'google', '--client-id', 'c'],
      '',
      2,
      /Give it by --stdin/,
    ],
    ['input that is broken JSON', ['x', '--stdin'], '{"client_id', 2, /begins like JSON/],
    ['empty input', ['x', '--stdin'], '', 2, /is empty/],
    ['a name that no secret can have', ['x y', '--stdin'], '{}', 2, /A name may hold/],
    ['a profile that exists', ['crm', '--stdin'], 's', 1, /There is a profile crm already/],
    ['a change of one that does not', ['x', '--change', '--scope', 's'], '', 1, /no profile x to change/],
  ])('refuses %s, and writes nothing', async (_, args, input, code, says) => {
    const ended = await profiles(['add', ...args], { input });
    expect(ended.code).toBe(code);
    expect(ended.stderr).toMatch(says);
    expect(await profiles(['show', 'x'])).toMatchObject({ code: 1 });
  });
});

describe('a credential that can be none', () => {
  const written = async () => {
    const { stdout } = await profiles(['list', '--json']);
    return (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name);
  };
  const fields = { client_id: 'c', client_secret: 's', token_endpoint: 'https://id.example/token' };

  test.each([
    ['client_secret', { client_secret: 'ends-in-a-newline\n' }],
    ['client_secret', { client_secret: ' begins-with-a-space' }],
    ['client_secret', { client_secret: 'has-a\u0000null' }],
    ['client_secret', { client_secret: 'has-a\u200bnobody-sees' }],
    ['client_id', { client_id: 'ends-in-a-space ' }],
    ['client_id', { client_id: 'tab\t' }],
  ])('is refused, and %s is named: %j', async (field, wrong) => {
    const ended = await profiles(['add', 'never', '--stdin'], {
      input: JSON.stringify({ ...fields, ...wrong }),
    });
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toContain(`${field}: must not`);
    expect(ended.stderr).not.toMatch(/newline|begins|has-a/);
    expect(await written()).not.toContain('never');
  });

  test.each([
    ['two lines', 'one\ntwo\n', 'client_secret: must not hold control characters'],
    ['a space at its end', 'secret \n', 'client_secret: must not begin or end with a space'],
  ])('of standard input alone, as %s, is refused', async (_, input, says) => {
    const args = ['add', 'never', '--client-id', 'c', '--token-endpoint', fields.token_endpoint, '--stdin'];
    const ended = await profiles(args, { input });
    expect(ended.stderr).toContain(says);
    expect(await written()).not.toContain('never');
  });

  test('the line break at the end of what a program prints is none of it, nor is a byte order mark', async () => {
    const args = ['add', 'piped', '--client-id', 'c', '--token-endpoint', fields.token_endpoint, '--stdin'];
    expect((await profiles(args, { input: '\ufeffsecret\r\n' })).code).toBe(0);
    const answer = await system.clients.secrets.send(
      new GetSecretValueCommand({ SecretId: 'oauth/profiles/piped' }),
    );
    expect(JSON.parse(answer.SecretString ?? '')).toMatchObject({ client_secret: 'secret' });
  });
});

describe('two who write at once', () => {
  test('a change is refused where somebody else has changed the profile meanwhile', async () => {
    await system.profile('raced', {
      client_id: 'c',
      client_secret: 's',
      token_endpoint: 'https://id.example/token',
    });
    const theirs = { client_id: 'theirs', client_secret: 's', token_endpoint: 'https://id.example/token' };
    let raced = false;
    system.aws.inject(({ operation, input }) => {
      if (operation !== 'PutSecretValue' || raced || !JSON.stringify(input).includes('NEXT'))
        return undefined;
      raced = true;
      void system.profile('raced', theirs);
      return { kind: 'delay', milliseconds: 300 };
    });
    const ended = await profiles(['add', 'raced', '--change', '--scope', 'x', '--json']);
    expect(JSON.parse(ended.stdout).error).toMatchObject({ code: 'PROFILE_CHANGED' });
    const answer = await system.clients.secrets.send(
      new GetSecretValueCommand({ SecretId: 'oauth/profiles/raced' }),
    );
    expect(JSON.parse(answer.SecretString ?? '')).toEqual(theirs);
  });

  test('a profile that an account is connected with just as it is removed stays', async () => {
    await system.profile('used-late', { client_id: 'c', token_endpoint: 'https://id.example/token' });
    let made = false;
    system.aws.inject(({ operation }) => {
      if (operation !== 'DeleteSecret' || made) return undefined;
      made = true;
      void system.putItem({ accountId: 'late', authenticationType: 'oauth2', oauthProfile: 'used-late' });
      return { kind: 'delay', milliseconds: 300 };
    });
    const ended = await profiles(['remove', 'used-late', '--yes', '--json']);
    expect(JSON.parse(ended.stdout).error).toMatchObject({ code: 'PROFILE_USED' });
    expect((await profiles(['show', 'used-late'])).code).toBe(0);
  });
});

describe('list and show', () => {
  test('name what is wrong with a profile, without the other fields’ values', async () => {
    const ended = await profiles(['list']);
    expect(ended.code).toBe(3);
    expect(ended.stdout).toMatch(/crm-misspelt[^\n]*\n {2}! client_ident: is not a known field/);
    for (const line of ended.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    expect(JSON.parse((await profiles(['list', '--json'])).stdout)).toContainEqual({
      name: 'mail',
      provider: null,
      host: new URL(issuer()).host,
      authMethod: 'none',
      problem: null,
    });
  });

  test('show nothing that is, or may be, secret', async () => {
    await system.profile('secretive', {
      client_id: 'c',
      client_secret: CANARY,
      private_key: CANARY,
      tls_client_key: CANARY,
      token_endpoint: 'https://id.example.com/token',
      token_request_headers: { 'x-api-key': CANARY },
      token_request_parameters: { key: CANARY },
    });
    for (const json of [[], ['--json']]) {
      const ended = await profiles(['show', 'secretive', ...json]);
      expect(ended.stdout).toContain('set');
      expect(linesWithCanary(ended.stdout + ended.stderr)).toEqual([]);
    }
    const broken = `{"client_id": "c", "client_secret": "${CANARY}", "nonsense": "${CANARY}"}`;
    await system.clients.putSecret('oauth/profiles/secretive', broken);
    const ended = await profiles(['show', 'secretive']);
    expect(ended.code).toBe(3);
    expect(ended.stdout).toContain('nonsense: is not a known field');
  });
});

describe('check', () => {
  const findings = async (...args: string[]) => {
    const ended = await profiles(['check', ...args, '--json']);
    const { findings } = JSON.parse(ended.stdout) as { findings: { what: string; verdict: string }[] };
    return { code: ended.code, ...Object.fromEntries(findings.map(({ what, verdict }) => [what, verdict])) };
  };
  const allWell = {
    profile: 'proved',
    endpoint: 'proved',
    client: 'proved',
    permissions: 'proved',
    function: 'proved',
  };

  test.each([
    ['a profile that works', 'crm', { ...allWell, code: 0 }],
    ['a public client', 'mail', { ...allWell, code: 0 }],
    ['a wrong secret', 'crm-wrong-secret', { ...allWell, client: 'wrong', code: 1 }],
    ['an endpoint that is down', 'crm-down', { ...allWell, endpoint: 'wrong', client: 'open', code: 1 }],
    ['an endpoint that is a website', 'crm-html', { ...allWell, endpoint: 'wrong', client: 'open', code: 1 }],
    ['a misspelt field', 'crm-misspelt', { profile: 'wrong', code: 1 }],
  ])('%s', async (_, name, expected) => {
    expect(await findings(name)).toEqual(expected);
  });

  describe('of a client that HTTP Basic refuses', () => {
    /** Compares the header with what it wants, without decoding it. */
    const serverThatWants = (id: string, secret: string) =>
      serve((request) => {
        const wanted = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
        const error = request.headers.authorization === wanted ? 'invalid_grant' : 'invalid_client';
        return { status: error === 'invalid_grant' ? 400 : 401, body: JSON.stringify({ error }) };
      });
    const check = async (fields: object) => {
      await system.profile('basic', { token_endpoint_auth_method: 'client_secret_basic', ...fields });
      const { stdout } = await profiles(['check', 'basic', '--json']);
      const { findings } = JSON.parse(stdout) as {
        findings: { what: string; verdict: string; message: string }[];
      };
      return findings.find(({ what }) => what === 'client');
    };

    test.each([
      ['compares without decoding', 'a+b/c=', 'a+b/c=', 'form', 'none'],
      ['wants the encoding of the RFC', 'a+b/c=', 'a%2Bb%2Fc%3D', 'none', 'form'],
    ])('where the server %s, it says which field to set', async (_, secret, wanted, own, other) => {
      const token_endpoint = await serverThatWants('Acme-App_1.2~x', wanted);
      const found = await check({
        client_id: 'Acme-App_1.2~x',
        client_secret: secret,
        token_endpoint,
        client_secret_basic_encoding: own,
      });
      expect(found).toEqual({
        what: 'client',
        verdict: 'wrong',
        message: expect.stringContaining(`set client_secret_basic_encoding to ${other}`),
      });
      expect(found?.message).not.toContain(secret);
    });

    test.each([
      ['that could be encoded', 'a+b', 'Tried with both values of client_secret_basic_encoding'],
      ['that looks the same in both encodings', 'Plain-secret_1.2~x', 'are the same'],
    ])('a wrong secret %s is called wrong, with what was tried', async (_, secret, says) => {
      const token_endpoint = await serverThatWants('id', 'another');
      expect(await check({ client_id: 'id', client_secret: secret, token_endpoint })).toEqual({
        what: 'client',
        verdict: 'wrong',
        message: expect.stringMatching(new RegExp(`invalid_client.*${says}`)),
      });
    });

    test('- _ . ~ are sent as they are, which every server understands', async () => {
      const token_endpoint = await serverThatWants('Acme-App_1.2~x', 'Plain-secret_1.2~x');
      const found = await check({
        client_id: 'Acme-App_1.2~x',
        client_secret: 'Plain-secret_1.2~x',
        token_endpoint,
      });
      expect(found).toMatchObject({ verdict: 'proved' });
    });
  });

  test('spends no account’s token', async () => {
    const before = await system.tokens('crm-hooli');
    await profiles(['check', 'crm']);
    expect(await system.tokens('crm-hooli')).toEqual(before);
    expect(await system.authorizationServer.isRefreshTokenLive(String(before?.refresh_token))).toBe(true);
  });

  test('a profile that no account uses is not shown to the function', async () => {
    const { client_id, ...rest } = { client_id: 'mail', issuer: issuer() };
    await system.profile('unused', { client_id, ...rest });
    expect(await findings('unused')).toEqual({ ...allWell, function: 'skipped', code: 0 });
  });

  test('a permission that is missing is named', async () => {
    system.aws.inject(({ service }) =>
      service === 'lambda'
        ? { kind: 'error', status: 403, type: 'AccessDeniedException', message: 'no' }
        : undefined,
    );
    expect(await findings('crm')).toMatchObject({ permissions: 'wrong', code: 1 });
  });

  test('placeholders are filled from --parameter', async () => {
    const port = new URL(issuer()).port;
    await system.profile('tenants', {
      client_id: 'mail',
      token_endpoint: `http://{host}:${port}/token`,
      placeholder_values: { host: ['127.0.0.1'] },
    });
    expect(await findings('tenants')).toMatchObject({ endpoint: 'wrong' });
    expect(await findings('tenants', '--parameter', 'host=127.0.0.1')).toMatchObject({ client: 'proved' });
  });
});

describe('remove', () => {
  test('refuses while accounts use it, and tells which', async () => {
    const ended = await profiles(['remove', 'crm', '--yes']);
    expect(ended).toMatchObject({ code: 1 });
    expect(ended.stderr).toMatch(/\d+ accounts, such as crm-\w+, use it/);
    expect(await profiles(['show', 'crm'])).toMatchObject({ code: 0 });
  });

  test('asks first, and "no" removes nothing', async () => {
    await system.profile('doomed', { client_id: 'mail', issuer: issuer() });
    const no = await profiles(['remove', 'doomed'], { typing: [['Remove the profile doomed?', 'n\n']] });
    expect(no).toMatchObject({ code: 1 });
    expect(await profiles(['remove', 'doomed'])).toMatchObject({ code: 2 });
    expect(await profiles(['show', 'doomed'])).toMatchObject({ code: 0 });
    const yes = await profiles(['remove', 'doomed'], { typing: [['Remove the profile doomed?', 'y\n']] });
    expect(yes).toMatchObject({ code: 0 });
    expect(await profiles(['show', 'doomed'])).toMatchObject({ code: 1 });
  });

  test('a removed one can be added again', async () => {
    await system.profile('phoenix', { client_id: 'mail', issuer: issuer() });
    expect(await profiles(['remove', 'phoenix', '--yes'])).toMatchObject({ code: 0 });
    const again = ['add', 'phoenix', '--client-id', 'mail', '--issuer', issuer()];
    expect(await profiles(again)).toMatchObject({ code: 0 });
    expect(await profiles(['check', 'phoenix'])).toMatchObject({ code: 0 });
  });

  test('with --force goes though accounts use it', async () => {
    expect(await profiles(['remove', 'billing', '--yes', '--force'])).toMatchObject({ code: 0 });
  });
});

test.each([
  ['authorize'],
  ['profiles'],
  ...['add', 'list', 'show', 'check', 'remove'].map((of) => ['profiles', of]),
])('the help of %s %s fits 80 columns and has an example where there is something to run', async (...command) => {
  const { code, stdout } = await system.command([...command, '--help']);
  expect(code).toBe(0);
  for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  if (command.join() !== 'profiles') expect(stdout).toContain('$ oauth-token-refresher');
});
