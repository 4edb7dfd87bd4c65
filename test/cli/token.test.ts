import { DeleteSecretCommand } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seconds, startFleet, type TestFleet } from '../support/fleet.ts';

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await startFleet();
});
afterAll(() => fleet.close());

/** Of the local authorization server's access tokens, at least: seconds. */
const LIFETIME = 130;

/** Makes the stored access token run out in so many seconds. */
async function expireIn(accountId: string, left: number): Promise<void> {
  const expires_at = seconds() + left;
  const obtained_at = expires_at - LIFETIME;
  const tokenSet = { ...(await fleet.tokenSet(accountId)), obtained_at, expires_at };
  await fleet.system.clients.putSecret(`oauth/accounts/${accountId}`, JSON.stringify(tokenSet));
  await fleet.change(accountId, { accessTokenExpiresAt: expires_at, lastRefreshedAt: obtained_at });
}

const isActive = (token: string) => fleet.system.authorizationServer.isAccessTokenActive(token);

test('prints the stored token and a newline, and nothing else', async () => {
  const { access_token } = await fleet.tokenSet('mail-initech');
  expect(await fleet.run(['token', 'mail-initech'])).toEqual({
    code: 0,
    stdout: `${access_token}\n`,
    stderr: `Reading the local system (${fleet.data}).\n`,
  });
});

test('on a terminal it warns, and not on standard output', async () => {
  const { stdout, stderr } = await fleet.run(['token', 'mail-initech'], { columns: 80 });
  const { access_token } = await fleet.tokenSet('mail-initech');
  expect(stdout).toBe(`${access_token}\n`);
  expect(stderr).toContain('The token is on your screen now.');
});

test('as JSON it has its type and expiry, and no refresh token', async () => {
  const { value } = await fleet.json(['token', 'mail-initech']);
  const { access_token, expires_at } = await fleet.tokenSet('mail-initech');
  expect(value).toEqual({ access_token, token_type: 'Bearer', expires_at });
});

test('a token that has run out is refreshed first', async () => {
  const { access_token: before } = await fleet.tokenSet('mail-initech');
  await expireIn('mail-initech', -1);
  const { code, stdout } = await fleet.run(['token', 'mail-initech']);
  expect(code).toBe(0);
  expect(stdout.trim()).not.toBe(before);
  expect(await isActive(stdout.trim())).toBe(true);
});

test('a token that is fresh for the function, but not good for as long as asked, is refreshed by force', async () => {
  await expireIn('mail-initech', 90);
  const { code, value } = await fleet.json(['token', 'mail-initech', '--for', '120s']);
  expect(code).toBe(0);
  expect((value as { expires_at: number }).expires_at - seconds()).toBeGreaterThan(119);
});

test('where tokens do not live as long as asked, no refresh token is spent', async () => {
  const before = await fleet.tokenSet('mail-initech');
  const { code, stderr } = await fleet.run(['token', 'mail-initech', '--for', '1h']);
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(
      /Tokens of mail-initech live for 1\d\d s, less than the 3600 s asked for with --for. Nothing was refreshed./,
    ),
  });
  expect(await fleet.tokenSet('mail-initech')).toEqual(before);
});

test('where it is not known how long they live, it says so after one refresh', async () => {
  const { obtained_at: _, ...unknown } = await fleet.tokenSet('mail-initech');
  await fleet.system.clients.putSecret('oauth/accounts/mail-initech', JSON.stringify(unknown));
  await fleet.change('mail-initech', { lastRefreshedAt: undefined });
  const { code, stderr } = await fleet.run(['token', 'mail-initech', '--for', '1h']);
  expect(code).toBe(1);
  expect(stderr).toMatch(/A new access token of mail-initech is good for 1\d\d s, less than 3600 s/);
});

test('while another run holds the account it waits, and takes what that run has stored', async () => {
  await expireIn('crm-acme', -1);
  await fleet.change('crm-acme', { lease: { owner: 'other', expiresAt: seconds() + 600 } });
  const freed: Promise<void>[] = [];
  const { code, stdout } = await fleet.run(['token', 'crm-acme', '--for', '30s'], {
    onOutput: (text) => {
      if (text.includes('waiting for it')) freed.push(fleet.change('crm-acme', { lease: undefined }));
    },
  });
  expect(freed).toHaveLength(1);
  expect(code).toBe(0);
  expect(await isActive(stdout.trim())).toBe(true);
});

test.each([
  ['needs a person', 'crm-tyrell', 3, 'Run: authorize crm-tyrell'],
  ['fails', 'crm-vehement', 1, '(provider_unavailable). More: accounts show crm-vehement'],
  ['is disabled', 'crm-pied-piper', 1, 'Run: accounts enable crm-pied-piper'],
  [
    'has no secret',
    'crm-weyland',
    1,
    'does not exist. Restore or create it, or authorize the account again.',
  ],
  ['is no OAuth account', 'ftp-acme', 1, 'authenticationType is not oauth2'],
  ['does not exist', 'nix', 1, 'There is no account "nix"'],
])('an account that %s gets no token, and a way on', async (_, accountId, code, said) => {
  const ended = await fleet.run(['token', accountId]);
  expect({ code: ended.code, stdout: ended.stdout }).toEqual({ code, stdout: '' });
  expect(ended.stderr).toContain(said);
});

test('a token that does not expire is handed out as it is, whatever is asked for', async () => {
  const set = { access_token: 'without-an-end', token_type: 'Bearer' };
  await fleet.system.clients.putSecret('oauth/accounts/endless', JSON.stringify(set));
  await fleet.put({ accountId: 'endless', authenticationType: 'oauth2', oauthProfile: 'crm' });
  for (const lifetime of ['60s', '24h'])
    expect(await fleet.json(['token', 'endless', '--for', lifetime])).toEqual({ code: 0, value: set });
});

test('a secret that waits for its deletion is told, with how to restore it', async () => {
  const SecretId = 'oauth/accounts/going';
  await fleet.system.clients.putSecret(SecretId, JSON.stringify({ refresh_token: 'r' }));
  await fleet.put({ accountId: 'going', authenticationType: 'oauth2', oauthProfile: 'crm' });
  await fleet.system.clients.secrets.send(new DeleteSecretCommand({ SecretId, RecoveryWindowInDays: 7 }));
  for (const args of [
    ['token', 'going'],
    ['accounts', 'show', 'going'],
  ]) {
    const { stdout, stderr } = await fleet.run(args);
    expect((stdout + stderr).replaceAll(/\s+/g, ' ')).toMatch(
      /waits for its deletion.*aws secretsmanager restore-secret .*--secret-id oauth\/accounts\/going/,
    );
  }
});

test('it does not wait for a lease for longer than it may', async () => {
  await expireIn('billing-globex', -1);
  await fleet.change('billing-globex', { lease: { owner: 'other', expiresAt: seconds() + 600 } });
  const { code, stderr } = await fleet.run(['token', 'billing-globex', '--wait', '0s']);
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringContaining('wait for longer with --wait'),
  });
});
