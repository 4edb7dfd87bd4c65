import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { widthOf } from '../../terminal/display-text.ts';
import { CANARY, linesWithCanary } from '../support/canary.ts';
import { cli } from '../support/cli.ts';
import { seconds, startFleet, type TestFleet } from '../support/fleet.ts';

const HOSTILE =
  'evil\u001b[31m\u001b]0;title\u0007\nsecond line\u202ereversed 日本語日本語日本語日本語日本語日本語日本語';

const COLOUR = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g');

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await startFleet();
  // An account whose every text is hostile, and every secret a canary.
  await fleet.put({
    accountId: `hostile${'x'.repeat(80)}`,
    name: HOSTILE,
    authenticationType: 'oauth2',
    oauthProfile: HOSTILE,
    authorizedBy: HOSTILE,
    status: 'failing',
    failure: { reason: 'provider_unavailable', message: HOSTILE, count: 1, since: 1, at: 1 },
    accessTokenExpiresAt: 1,
  });
  await fleet.put({
    accountId: 'canary',
    name: 'Canary',
    authenticationType: 'oauth2',
    oauthProfile: 'crm',
    status: 'healthy',
    accessTokenExpiresAt: seconds() + 1_000,
    escrow: { ciphertext: CANARY, attemptId: 'a', at: 1 },
  });
  const tokenSet = { access_token: CANARY, refresh_token: CANARY, id_token: CANARY, instance_url: CANARY };
  await fleet.system.clients.putSecret(
    'oauth/accounts/canary',
    JSON.stringify({ ...tokenSet, scope: 'read', expires_at: seconds() + 1_000 }),
  );
  await fleet.system.clients.putSecret('oauth/profiles/canary', JSON.stringify({ client_secret: CANARY }));
});
afterAll(() => fleet.close());

const hostileId = `hostile${'x'.repeat(80)}`;

/** Every command but `token`, also where it fails. `completion` prints a script for a shell, not for people. */
const commands: readonly (readonly string[])[] = [
  ['status'],
  ['accounts', 'list', '--all'],
  ['accounts', 'list', '--status', 'failing'],
  ['accounts', 'list', '--profile', 'nix'],
  ['accounts', 'show', 'canary'],
  ['accounts', 'show', 'crm-acme'],
  ['accounts', 'show', 'crm-monarch'],
  ['accounts', 'show', hostileId],
  ['accounts', 'show', HOSTILE],
  ['accounts', 'refresh', 'canary', hostileId, 'crm-hooli', HOSTILE],
  ['accounts', 'refresh', '--profile', 'crm', '--dry-run'],
  ['accounts', 'history', 'crm-acme'],
  ['accounts', 'history', hostileId],
  ['report', 'upcoming'],
  ['report', 'grants'],
  ['report', 'broken', '--all'],
  ['report', 'profiles'],
  ['report', 'due', '--all'],
  ['report', 'sign-ins'],
  ['report', 'changes', '--all'],
  ['report', 'requests'],
  ['report', 'uses', 'crm'],
  ['report', 'uses', HOSTILE],
  ['report', 'secrets'],
  ['report', 'cost'],
  ['accounts', 'disable', 'crm-oscorp', HOSTILE],
  ['accounts', 'enable', 'crm-oscorp'],
  ['accounts', 'remove', 'crm-oscorp'],
  ['accounts', 'remove', 'crm-massive', '--yes'],
  ['token', 'nix'],
  ['token', 'crm-tyrell'],
  ['token', 'crm-acme', '--for', '7d'],
  ['nix'],
];

const named = commands.map(
  (args) =>
    [
      args
        .join(' ')
        .slice(0, 60)
        .replaceAll(/[^ -~]/g, '?'),
      args,
    ] as const,
);

describe.each(named)('%s', (_, args) => {
  test('is no wider than the terminal, and obeys NO_COLOR', async () => {
    const { stdout, stderr } = await fleet.run(args, { columns: 80, env: { NO_COLOR: '1' } });
    expect(stdout).not.toContain('\u001b');
    // Of all that a terminal obeys, only what clears the progress line.
    expect(stderr.replaceAll('\r\u001b[2K', '')).not.toContain('\u001b');
    for (const line of linesOf(stdout + stderr)) expect(widthOf(line), line).toBeLessThanOrEqual(80);
  });

  test('has colours on a terminal, of its own only', async () => {
    const { stdout, stderr } = await fleet.run(args, { columns: 80 });
    const text = (stdout + stderr).replaceAll('\r\u001b[2K', '');
    expect(text).not.toContain('evil\u001b');
    expect(text.replaceAll(COLOUR, '')).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
    expect(text).not.toMatch(/^second line/m);
  });

  test('shows no secret, in text or JSON', async () => {
    const said = [await fleet.run(args), await fleet.run([...args, '--json'])];
    const text = said.map(({ stdout, stderr }) => stdout + stderr).join('\n');
    expect(linesWithCanary(text)).toEqual([]);
    for (const [name, secret] of await fleet.secrets())
      for (const token of tokensIn(secret)) expect(text.includes(token), `${name} in ${text}`).toBe(false);
  });
});

/** Lines for people; a command to be copied stays one line. */
function linesOf(text: string): string[] {
  return stripVTControlCharacters(text)
    .split(/[\n\r]/)
    .filter((line) => !line.includes("--item '"));
}

function tokensIn(secret: string): string[] {
  try {
    const { access_token, refresh_token, client_secret } = JSON.parse(secret) as Record<string, unknown>;
    return [access_token, refresh_token, client_secret].filter((token) => typeof token === 'string');
  } catch {
    return [secret];
  }
}

describe('one very long id', () => {
  test('is shortened in its middle on a terminal, and leaves the other rows as they are', async () => {
    const { stdout } = await fleet.run(['accounts', 'list', '--all'], {
      columns: 80,
      env: { NO_COLOR: '1' },
    });
    expect(stdout).toMatch(/^hostilex+…x+ +failing +account_invalid/m);
    expect(stdout).toMatch(/^crm-tyrell +needs a person +refresh_token_ex/m);
  });

  test('stays whole in a pipe, as do all columns', async () => {
    const { stdout } = await fleet.run(['accounts', 'list']);
    expect(stdout).toMatch(/^ACCOUNT +NAME +PROFILE +STATUS +REASON +ACCESS TOKEN +REFRESHED$/m);
    expect(stdout).toContain(hostileId);
    expect(stdout).not.toContain('…');
  });
});

test.each([
  ['an option that does not exist', ['status', '--nix'], "unknown option '--nix'"],
  ['a command that does not exist', ['statsu'], "unknown command 'statsu'\n(Did you mean status?)"],
  ['a missing argument', ['token'], "missing required argument 'accountId'"],
  ['a value that is not allowed', ['accounts', 'list', '--limit', '0'], 'Write a whole number, 1 or more.'],
  ['a missing command', ['accounts'], 'A command is missing. See --help.'],
])('%s: the error is JSON with --json, and a line like any other error without', async (_, args, message) => {
  const { code, stdout, stderr } = await cli([...args, '--json']);
  expect({ code, stderr }).toEqual({ code: 2, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({ error: { code: 'USAGE', message: expect.stringContaining(message) } });
  const text = await cli(args);
  expect({ code: text.code, stdout: text.stdout }).toEqual({ code: 2, stdout: '' });
  expect(text.stderr).toMatch(args[0] === 'accounts' && args.length === 1 ? /^Usage: / : /^error [^:]/);
});

test('a terminal that reports no width is taken for one of 80 columns', async () => {
  for (const args of [
    ['--help'],
    ['accounts', '--help'],
    ['token', 'nix'],
    ['accounts', 'list', '--status', 'disabled'],
  ])
    expect(await fleet.run(args, { columns: 0 })).toEqual(await fleet.run(args, { columns: 80 }));
});

test('the canary is seen by this test where it is printed', async () => {
  const { stdout } = await fleet.run(['token', 'canary']);
  expect(linesWithCanary(stdout)).toHaveLength(1);
});
