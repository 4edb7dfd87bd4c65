import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseWholeProfile } from '../../cli/profile/presets.ts';
import { profilesTable, renderProfile, summaryOf } from '../../cli/profiles/render.ts';
import { looksLikeName } from '../../core/field-name.ts';
import { createTerminal } from '../../terminal/terminal.ts';
import { CANARY, linesWithCanary } from '../support/canary.ts';
import { type Connecting, startConnecting } from '../support/connecting.ts';

/** Values that stand where nobody looks for them, and names that are values: no command shows one. */
let system: Connecting;
const directory = mkdtempSync(join(tmpdir(), 'shown-'));
beforeAll(async () => {
  system = await startConnecting();
});
afterAll(async () => {
  await system.close();
  rmSync(directory, { recursive: true });
});

/** Names that are tokens; the canary in each tells that it came out. */
const ODD_NAMES = [
  CANARY,
  `sk_live_${CANARY}`,
  `${CANARY} with a space`,
  `${CANARY}: with a colon`,
  `a.${CANARY}.b`,
  `${CANARY}: must be`,
  `x: ${CANARY}`,
];

const whole = { client_id: 'c', client_secret: CANARY, token_endpoint: 'https://id.example.com/token' };
const profiles: readonly (readonly [what: string, fields: Record<string, unknown>])[] = [
  ['an unknown field', { ...whole, clientSecret: CANARY }],
  ['an unknown field that holds more', { ...whole, secrets: { deep: [CANARY] }, list: [CANARY] }],
  ...ODD_NAMES.map((name) => [`an unknown field called ${name}`, { ...whole, [name]: 'x' }] as const),
  ...ODD_NAMES.map(
    (name) => [`a header called ${name}`, { ...whole, token_request_headers: { [name]: 7 } }] as const,
  ),
  ...ODD_NAMES.map(
    (name) => [`a member of a key called ${name}`, { ...whole, private_key: { [name]: 'x' } }] as const,
  ),
  ['a header twice', { ...whole, token_request_headers: { [CANARY]: 'x', [CANARY.toUpperCase()]: 'x' } }],
  [
    'a response field that is a value',
    { ...whole, token_response_fields: { [CANARY]: '/x', other: { x: CANARY } } },
  ],
  ['a value where a known field wants another', { ...whole, token_endpoint_auth_method: CANARY }],
  ['a value that is no lifetime', { ...whole, default_expires_in: CANARY }],
  ['an object where text is wanted', { ...whole, scope: { x: CANARY } }],
  [
    'a private key beside a certificate',
    { ...whole, tls_client_certificate: `-----BEGIN PRIVATE KEY-----\n${CANARY}` },
  ],
  ['two wrong values', { ...whole, alg: CANARY, pkce: CANARY }],
  [
    'every value wrong',
    {
      ...whole,
      token_request_format: CANARY,
      kid: { a: CANARY },
      provider: CANARY,
      max_requests_per_minute: CANARY,
    },
  ],
  ['a wrong value beside an unknown field', { ...whole, pkce: CANARY, nonsense: 1 }],
  ['a certificate that is none', { ...whole, tls_client_certificate: `-----BEGIN ENCRYPTED-----${CANARY}` }],
  ['no object', [CANARY] as unknown as Record<string, unknown>],
  ...[
    `https://user:${CANARY}@id.example.com/token`,
    `https://${CANARY}@id.example.com/token`,
    `https://a@b:${CANARY}@id.example.com/token`,
    `HTTPS://user:${CANARY}@id.example.com`,
    `https:/user:${CANARY}@id.example.com/token`,
    `https:user:${CANARY}@id.example.com/token`,
    `https:\\\\user:${CANARY}@id.example.com/token`,
    `https://user:${CANARY}@{subdomain}.example.com/token`,
    `{a}://user:${CANARY}@x`,
    `h{a}://user:${CANARY}@x`,
    `{a}:user:${CANARY}@x`,
    `user:${CANARY}@x`,
    `https:\tuser:${CANARY}@x`,
    `https://user:12?${CANARY}@h.example.com`,
    `https://user:12#${CANARY}@h.example.com`,
    `https://user:1/2?${CANARY}@h.example.com/token`,
    ...[
      ...[
        'code',
        'auth',
        'pass',
        'credential',
        'client_%73ecret',
        'x',
        'a%3Db',
        'scope%00',
        'SCOPE',
        'Client%5Fsecret',
      ],
    ].map((name) => `https://id.example.com/token?${name}=${CANARY}`),
    `https://id.example.com/token?${CANARY}`,
    `https://id.example.com/token?${CANARY}=x`,
    `https://id.example.com/token?prompt=login;code=${CANARY}`,
    `https://id.example.com/token?prompt=login&amp;code=${CANARY}`,
    `https://id.example.com/token?prompt=login?code=${CANARY}`,
    `https://id.example.com/token?resource=https%3A%2F%2Fuser%3A${CANARY}%40h`,
    `https://id.example.com/token?resource=https%3A%2F%2Fh%3Fcode%3D${CANARY}`,
    `https://id.example.com/token#access_token=${CANARY}`,
    `https://id.example.com/token?client_secret=${CANARY}`,
    `https://id.example.com/token?a=b&access_token=${CANARY}&c=d`,
  ].flatMap((url) =>
    ['token_endpoint', 'issuer', 'authorization_endpoint', 'redirect_uri'].map(
      (field) => [`${field} ${url.replace(CANARY, '…')}`, { ...whole, [field]: url }] as const,
    ),
  ),
];

const streams = { stdin: Readable.from([]), stdout: new PassThrough(), stderr: new PassThrough(), env: {} };

test.each(profiles)('a profile with %s shows nothing of it', (_, fields) => {
  const text = JSON.stringify(fields);
  const parsed = parseWholeProfile(text);
  const terminal = createTerminal(streams, false);
  const stored = { name: 'odd', text, versionId: 'v', arn: undefined, parsed };
  const summary = summaryOf('odd', text);
  const shown = renderProfile(stored, terminal);
  const told = [
    shown.text,
    JSON.stringify(shown.value),
    JSON.stringify(summary),
    profilesTable([summary], terminal).join('\n'),
    parsed.kind === 'invalid' ? parsed.problem : '',
  ].join('\n');
  expect(linesWithCanary(told)).toEqual([]);
  expect(told).not.toContain('user:');
});

test.each([
  { ...whole, clientSecret: CANARY, [CANARY]: 'x' },
  { ...whole, [`x: ${CANARY}`]: 'x' },
  { ...whole, token_request_headers: { [CANARY]: 7 } },
  { ...whole, issuer: `https://user:${CANARY}@id.example.com/token`, nonsense: 1 },
])('no command shows it: %#', async (fields) => {
  await system.clients.putSecret('oauth/profiles/odd', JSON.stringify(fields));
  for (const args of [
    ['profiles', 'show', 'odd'],
    ['profiles', 'show', 'odd', '--json'],
    ['profiles', 'list'],
    ['profiles', 'list', '--json'],
    ['profiles', 'add', 'odd', '--change', '--scope', 'openid'],
    ['profiles', 'check', 'odd'],
    ['authorize', 'somebody', '--profile', 'odd'],
  ]) {
    const { stdout, stderr } = await system.command(args);
    expect(linesWithCanary(stdout + stderr), args.join(' ')).toEqual([]);
    expect(stdout + stderr, args.join(' ')).not.toContain('user:');
  }
});

test('a profile’s known fields and the plain names of others are shown all the same', async () => {
  const fields = {
    ...whole,
    clientSecret: CANARY,
    authorization_endpoint:
      'https://id.example.com/auth?access_type=offline&token_access_type=offline&resource=https%3A%2F%2Fapi.example.com&prompt=consent&audience={tenant}',
    client_id: 'me@apps.example.com',
    scope: 'openid https://api.example.com/mail me@example.com',
    token_response_fields: { access_token: '/data/access_token' },
    placeholder_values: { region: ['eu', 'com'] },
  };
  await system.clients.putSecret('oauth/profiles/odd', JSON.stringify(fields));
  const { stdout } = await system.command(['profiles', 'show', 'odd', '--json']);
  expect(JSON.parse(stdout)).toMatchObject({
    fields: { ...fields, client_secret: 'set', clientSecret: 'set' },
    problem: expect.stringMatching(/^clientSecret: is not a known field/),
  });
  await system.clients.putSecret('oauth/profiles/odd', JSON.stringify(whole));
});

test('doctor and the accounts of such a profile tell nothing of it either', async () => {
  const item = { accountId: 'of-the-odd', authenticationType: 'oauth2', oauthProfile: 'odd' };
  for (const name of ODD_NAMES) {
    await system.clients.putSecret('oauth/profiles/odd', JSON.stringify({ ...whole, [name]: CANARY }));
    await system.clients.putSecret('oauth/accounts/of-the-odd', '{"refresh_token":"r"}');
    await system.putItem(item);
    // The function notes what it found.
    await system.run({ accountIds: ['of-the-odd'] });
    for (const args of [
      ['doctor'],
      ['doctor', '--json'],
      ['accounts', 'show', 'of-the-odd'],
      ['accounts', 'show', 'of-the-odd', '--json'],
      ['accounts', 'list', '--json'],
      ['accounts', 'list'],
      ['export'],
      ['authorize', 'of-the-odd'],
    ]) {
      const { stdout, stderr } = await system.command(args);
      expect(linesWithCanary(stdout + stderr), `${args.join(' ')}, ${name}`).toEqual([]);
    }
  }
  await system.clients.putSecret('oauth/profiles/odd', JSON.stringify(whole));
});

describe('an item', () => {
  const odd = {
    client_secret: CANARY,
    [CANARY]: 'x',
    name: { x: CANARY },
    authorizedBy: { x: CANARY },
    enabled: { x: CANARY },
    parameters: { subdomain: 'acme', clientSecret: CANARY, [CANARY]: 'x', map: { x: CANARY } },
    failure: { reason: 'grant_revoked', message: 'm', count: 1, since: 1, at: 1, answer: CANARY },
    escrow: { ciphertext: CANARY, attemptId: 'a', at: 1 },
    status: 'failing',
  };
  test.each([
    ['with everything that is nobody’s', odd],
    ['whose parameters are text', { parameters: CANARY }],
    ['whose profile is no text', { oauthProfile: { x: CANARY } }],
    ['whose parameter is called by a token', { parameters: { [`${CANARY}:`]: 'a b' } }],
  ])('%s shows what is known, and nothing else', async (_, more) => {
    const item = { accountId: 'odd', authenticationType: 'oauth2', oauthProfile: 'crm', ...more };
    await system.putItem(item);
    await system.clients.putSecret(
      'oauth/accounts/odd',
      JSON.stringify({ refresh_token: CANARY, [CANARY]: 'x', instance_url: CANARY, x: { y: CANARY } }),
    );
    for (const args of [
      ['accounts', 'show', 'odd'],
      ['accounts', 'show', 'odd', '--json'],
      ['accounts', 'list', '--json'],
      ['accounts', 'list'],
      ['doctor'],
      ['status'],
      ['authorize', 'odd'],
      ['profiles', 'check', 'crm'],
    ]) {
      const { stdout, stderr } = await system.command(args);
      expect(linesWithCanary(stdout + stderr), args.join(' ')).toEqual([]);
    }
    for (const format of ['csv', 'jsonl']) {
      const { stdout, code } = await system.command(['export', '--format', format]);
      // A parameter is what people write; it is all of a map that comes along.
      const texts = stdout.replaceAll(/"+clientSecret"+:"+[^"]+"+|"+[^",{]*"+:"+(x|a b)"+/g, '');
      expect({ code, leaks: linesWithCanary(texts) }).toEqual({ code: 0, leaks: [] });
    }
    await system.putItem({ accountId: 'odd', authenticationType: 'none' });
  });
});

describe('import', () => {
  const csv = (...lines: string[]) => `${lines.join('\n')}\n`;
  test.each<readonly [string, string]>([
    ['CSV without a header', csv(`acme,Acme,crm,${CANARY}`, `globex,Globex,crm,${CANARY}`)],
    ['CSV whose header is the first row, with one column', csv(CANARY, CANARY)],
    ['a header that is a token twice', csv(`accountId,${CANARY},${CANARY}`, 'a,b,c')],
    ['an unknown column that is a token', csv(`accountId,oauthProfile,${CANARY}`, 'a,crm,x')],
    ['an unknown column with a token in it', csv('accountId,oauthProfile,secret', `a,crm,${CANARY}`)],
    ['a cell too many', csv('accountId,oauthProfile', `a,crm,${CANARY}`)],
    ['a quotation mark in a cell', csv('accountId,oauthProfile,name', `a,crm,x"${CANARY}"`)],
    ['a quotation mark that is never closed', csv('accountId,oauthProfile,name', `a,crm,"${CANARY}`)],
    ['broken JSON in a cell', csv('accountId,oauthProfile,tokens', `a,crm,"{""x"": ${CANARY}}"`)],
    ...ODD_NAMES.map(
      (name) =>
        [
          `an unknown key ${name}`,
          JSON.stringify({ accountId: 'a', oauthProfile: 'crm', [name]: 'x' }),
        ] as const,
    ),
    ...ODD_NAMES.map(
      (name) =>
        [
          `a parameter ${name}`,
          JSON.stringify({ accountId: 'a', oauthProfile: 'crm', parameters: { [name]: 'a b' } }),
        ] as const,
    ),
    ...ODD_NAMES.map(
      (name) =>
        [
          `a field of the tokens ${name}`,
          JSON.stringify({ accountId: 'a', oauthProfile: 'crm', tokens: { [name]: 'x' } }),
        ] as const,
    ),
    [
      'an unknown key with a token',
      JSON.stringify({ accountId: 'a', oauthProfile: 'crm', clientSecret: CANARY }),
    ],
    [
      'a known key with something else',
      JSON.stringify({ accountId: 'a', oauthProfile: 'crm', enabled: CANARY, expires_at: CANARY }),
    ],
    ['a profile that is a token', JSON.stringify({ accountId: 'a', oauthProfile: CANARY })],
    ['broken JSON', `{"accountId":"a","refresh_token":"${CANARY}",}`],
    ['broken JSON in an array', `[{"accountId":"a","refresh_token":"${CANARY}",}]`],
    ['JSON that never ends', `[{"accountId":"a","refresh_token":"${CANARY}`],
    ['a bare token in an array', `["${CANARY}", ${CANARY}]`],
    ['a token and nothing else', CANARY],
  ])('of %s tells no value, nor what looks like one, and puts none into the rejects file', async (_, text) => {
    const file = join(directory, 'file');
    const rejects = join(directory, 'rejects.csv');
    writeFileSync(file, text);
    writeFileSync(rejects, '');
    for (const flags of [[], ['--json'], ['--skip-invalid'], ['--dry-run', '--json']]) {
      const args = ['import', file, '--rejects', rejects, ...flags];
      const { code, stdout, stderr } = await system.command(args);
      expect(code).not.toBe(0);
      expect(linesWithCanary(stdout + stderr + readFileSync(rejects, 'utf8')), args.join(' ')).toEqual([]);
    }
  });
});

test('an import from ServiceNow tells no token that stands where a profile’s name should', async () => {
  const file = join(directory, 'messages.csv');
  const token = `${CANARY}${'0aZ'.repeat(20)}`;
  writeFileSync(file, `sys_id,name,authentication_type,oauth2_profile\n1,Orders,oauth2,${token}\n`);
  const { code, stdout, stderr } = await system.command(['import', '--servicenow', file]);
  expect({ code, leaks: linesWithCanary(stdout + stderr) }).toEqual({ code: 1, leaks: [] });
  expect(stderr.replaceAll(/\s+/g, ' ')).toContain('looks like a value');
});

describe('a command line', () => {
  test.each([
    ['an option that there is not', ['profiles', 'add', 'x', `--client-secret=${CANARY}`]],
    ['a field without a name', ['profiles', 'add', 'x', '--set', CANARY]],
    ['a field that is a value', ['profiles', 'add', 'x', '--set', `${CANARY}=x`]],
    ['a field that there is not', ['profiles', 'add', 'x', '--set', `clientSecret=${CANARY}`]],
    ['an argument too many', ['profiles', 'add', 'x', CANARY]],
    ['a wrong value', ['token', 'acme', '--for', CANARY]],
    ['a wrong choice', ['export', '--format', CANARY]],
    ['a pair that is none', ['authorize', 'acme', '--parameter', CANARY]],
  ])('with %s is refused without the value', async (_, args) => {
    for (const json of [[], ['--json']]) {
      const { code, stdout, stderr } = await system.command([...args, ...json]);
      expect({ code, leaks: linesWithCanary(stdout + stderr) }).toEqual({ code: 2, leaks: [] });
      expect(stdout + stderr).toMatch(/option|argument|--set/);
    }
  });
});

test.each([
  '{',
  `{"client_secret": "${CANARY}",}`,
  `{"${CANARY}": 1}`,
  `{"clientSecret": "${CANARY}"}`,
])('profiles add tells nothing of standard input: %s', async (input) => {
  const { code, stdout, stderr } = await system.command(['profiles', 'add', 'typed', '--stdin'], { input });
  expect({ code, leaks: linesWithCanary(stdout + stderr) }).toEqual({ code: 2, leaks: [] });
});

describe('a name', () => {
  test.each([
    'clientSecret',
    'client_secret',
    'x-api-key',
    'accountId',
    'HTTP',
    'Refresh Token',
    'x_refresh_token_expires_in',
  ])('%s is one', (name) => expect(looksLikeName(name)).toBe(true));
  test.each([
    '1//0gAbc',
    'sk_live_51HxyzABC',
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln',
    'AIzaSyD-9tSrke72',
    'ghp_16C7e42F292c6912E7710c838347Ae178B4a',
    'd41d8cd98f00b204e9800998ecf8427e',
    'xoxb-123',
    '',
    'a'.repeat(20),
  ])('%s is none', (name) => expect(looksLikeName(name)).toBe(false));
});
