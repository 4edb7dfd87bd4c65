import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunResult } from '../../lambda/run-result.ts';
import { TEST_KEYS } from '../../local/aws/protocol/signature.ts';
import { localKeys } from '../../local/local-key.ts';
import { type LocalSystem, startLocalSystem } from '../../local/local-system.ts';
import { clientSettings } from '../support/aws-endpoint.ts';
import { bareEnvironment, runProcess } from '../support/run-process.ts';

const data = mkdtempSync(join(tmpdir(), 'local-'));
afterAll(() => rmSync(data, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a script as a person would, with Ctrl-C once it has said `until`. */
function runScript(script: string, args: readonly string[], until?: RegExp): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [script, ...args], { env: bareEnvironment() });
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const)
      child[stream].on('data', (chunk: Buffer) => {
        const before = until?.test(said.stdout + said.stderr);
        said[stream] += chunk;
        if (!before && until?.test(said.stdout + said.stderr)) child.kill('SIGINT');
      });
    child.on('close', (code) => resolve({ code, ...said }));
  });
}

const start = (...args: string[]) => runScript('local/start.ts', ['--data', data, '--port', '0', ...args]);

describe('npm start -- --once --json', () => {
  let first: Ended;
  beforeAll(async () => {
    first = await start('--once', '--json');
  });

  test('exits 0, and its last line is the result', () => {
    expect(first.code).toBe(0);
    const result: RunResult = JSON.parse(first.stdout.trim().split('\n').at(-1) ?? '');
    expect(result.refreshed).toBeGreaterThanOrEqual(3);
    expect(result.reauthorizationRequired).toBeGreaterThanOrEqual(2);
  });

  test('a second time refreshes none of the accounts that are now fresh', async () => {
    const { code, stdout } = await start('--once', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ refreshed: 0, reconciled: 0 });
  });

  test('leaves tokens in the secrets that the authorization server accepts', async () => {
    const system = await startLocalSystem({ dataDirectory: data, port: 0, say: () => {} });
    const items = await system.clients.items();
    const healthy = items.filter(({ status }) => status === 'healthy').map(({ accountId }) => accountId);
    expect(healthy.length).toBeGreaterThanOrEqual(6);
    for (const accountId of healthy) {
      const SecretId = `oauth/accounts/${accountId}`;
      const { SecretString } = await system.clients.secrets.send(new GetSecretValueCommand({ SecretId }));
      const { access_token, refresh_token } = JSON.parse(SecretString ?? '');
      expect(await system.authorizationServer.isAccessTokenActive(access_token)).toBe(true);
      expect(await system.authorizationServer.isRefreshTokenLive(refresh_token)).toBe(true);
    }
    await system.close();
  });

  test('has accounts in every status, and every kind of trouble has its reason', async () => {
    const system = await startLocalSystem({ dataDirectory: data, port: 0, say: () => {} });
    const items = await system.clients.items();
    await system.close();
    const reasons = items.map(({ failure }) => (failure as { reason?: string } | undefined)?.reason);
    expect(new Set(reasons)).toEqual(
      new Set([
        undefined,
        'account_invalid',
        'client_rejected',
        'grant_revoked',
        'malformed_response',
        'no_refresh_token',
        'profile_invalid',
        'profile_missing',
        'provider_unavailable',
        'refresh_token_expired',
        'secret_invalid',
        'secret_missing',
      ]),
    );
    expect(new Set(items.map(({ status }) => status))).toEqual(
      new Set([undefined, 'healthy', 'failing', 'reauthorization_required']),
    );
  });

  test('makes only private files, with any umask', async () => {
    const other = mkdtempSync(join(tmpdir(), 'local-'));
    const directory = join(other, 'data');
    const line = `umask 000; exec "$0" local/start.ts --once --json --port 0 --data "$1"`;
    expect((await runProcess('sh', ['-c', line, process.execPath, directory])).code).toBe(0);
    const modes = ['.', ...readdirSync(directory, { recursive: true, encoding: 'utf8' })].map((path) => {
      const stats = statSync(join(directory, path));
      return [path, stats.mode & 0o777, stats.isDirectory() ? 0o700 : 0o600] as const;
    });
    expect(modes.length).toBeGreaterThan(10);
    expect(modes.filter(([, mode, wanted]) => mode !== wanted)).toEqual([]);
    rmSync(other, { recursive: true });
  });

  test('writes no token into its logs', async () => {
    const log = readFileSync(join(data, 'logs', 'function.log'), 'utf8');
    expect(log).toContain('Refreshing OAuth access token.');
    const system = await startLocalSystem({ dataDirectory: data, port: 0, say: () => {} });
    const SecretId = 'oauth/accounts/crm-acme';
    const { SecretString } = await system.clients.secrets.send(new GetSecretValueCommand({ SecretId }));
    await system.close();
    const { access_token, refresh_token } = JSON.parse(SecretString ?? '');
    for (const secret of [access_token, refresh_token, 'local-secret-of-crm'])
      expect(log).not.toContain(secret);
  });
});

describe('npm start', () => {
  test('shows the accounts as a table, and ends with Ctrl-C', async () => {
    const { code, stdout } = await runScript(
      'local/start.ts',
      ['--data', data, '--port', '0', '--every', '1s'],
      /Next run in 1 s/,
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/ACCOUNT +NAME +PROFILE +STATUS +REASON +ACCESS TOKEN +REFRESHED/);
    expect(stdout).toMatch(/crm-tyrell +Tyrell CRM +crm +needs a person +refresh_token_expired/);
    expect(stdout).toMatch(
      /^\d\d:\d\d:\d\dZ {2}\d+ scanned, .*; 2 need a person \(\d+ ms\)\nNext run in 1 s; Ctrl-C stops\.$/m,
    );
    expect(stdout).not.toContain('\u001b');
  });

  test('uses another port if one is taken, and says so', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as AddressInfo;
    const { code, stderr } = await runScript('local/start.ts', [
      '--data',
      data,
      '--port',
      String(port),
      '--once',
    ]);
    expect({ code, said: stderr.includes(`Port ${port} is taken by another program`) }).toEqual({
      code: 0,
      said: true,
    });
    await new Promise((resolve) => taken.close(resolve));
  });

  test.each([
    { options: [] },
    { options: ['--reset'] },
  ])('several with $options at once on one directory use it one at a time, and all is well after', async ({
    options,
  }) => {
    const other = mkdtempSync(join(tmpdir(), 'local-'));
    const at = ['--data', join(other, 'data'), '--port', '0', '--once', '--json'];
    const ends = await Promise.all([1, 2, 3].map(() => runScript('local/start.ts', [...at, ...options])));
    const refused = ends.filter(({ code }) => code !== 0);
    expect(refused.length).toBeLessThan(ends.length);
    for (const { code, stderr } of refused) {
      expect(code).toBe(1);
      expect(stderr.trim().split('\n').at(-1)).toMatch(
        /is in use by another process|already runs on this data/,
      );
    }
    const { code, stdout } = await runScript('local/start.ts', at);
    expect(code).toBe(0);
    expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '').scanned).toBeGreaterThan(10);
    rmSync(other, { recursive: true });
  });

  test.each([
    '~',
    '~/data',
    '',
  ])('refuses the directory %j, which the shell did not replace', async (path) => {
    const { code, stderr } = await runScript('local/start.ts', ['--data', path, '--once']);
    // On Node.js 26, which macOS gets, the authorization server's library has a remark.
    const first = stderr.split('\n').find((line) => !line.startsWith('oidc-provider WARNING'));
    expect({ code, first }).toEqual({
      code: 2,
      first: '--data must name a directory; write "$HOME" instead of ~',
    });
  });

  test.each(['--reset', '--once'])('%s leaves a directory alone that it did not make', async (option) => {
    const other = mkdtempSync(join(tmpdir(), 'local-'));
    writeFileSync(join(other, 'notes.txt'), 'precious');
    const { code, stderr } = await runScript('local/start.ts', ['--data', other, option]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('was not made by "npm start"'),
    });
    expect(stderr).not.toContain('    at ');
    expect(readdirSync(other)).toEqual(['notes.txt']);
    rmSync(other, { recursive: true });
  });

  test('refuses what it does not understand with exit code 2', async () => {
    const { code, stderr } = await start('--every', 'soon');
    expect(code).toBe(2);
    expect(stderr).toContain('--every must be a number of seconds or minutes, such as 10s or 1m');
  });
});

describe('while it runs', () => {
  let system: LocalSystem;
  beforeAll(async () => {
    system = await startLocalSystem({ dataDirectory: data, port: 0, say: () => {} });
  });
  afterAll(() => system.close());

  const invoke = (...args: string[]) => runScript('cli/main.ts', ['invoke', '--data', data, ...args]);

  test('the function can be invoked by hand', async () => {
    const { code, stdout } = await invoke('{"dryRun": true}');
    expect(code).toBe(0);
    const { accounts } = JSON.parse(stdout) as RunResult;
    expect(accounts).toContainEqual(
      expect.objectContaining({ accountId: 'crm-pied-piper', action: 'leave', reason: 'disabled' }),
    );
  });

  test.each([
    {
      name: 'an event that the function refuses',
      args: ['{"dryrun": true}'],
      code: 1,
      message: 'InvalidEvent: The event can',
    },
    { name: 'an event that is not JSON', args: ['{dryRun}'], code: 2, message: 'The event is not JSON.' },
    {
      name: 'an event without quotes',
      args: ['{', 'dryRun'],
      code: 2,
      message: 'There is more than one event',
    },
  ])('$name ends with a message', async ({ args, code, message }) => {
    const end = await invoke(...args);
    expect(end.code).toBe(code);
    expect(end.stderr).toContain(message);
  });

  const script = `
    set -a; . "$0/env"; set +a
    env | grep ^AWS_ | cut -d= -f1 | sort
    "$1" --input-type=module -e '
      const { SecretsManagerClient, GetSecretValueCommand } = await import("@aws-sdk/client-secrets-manager");
      const SecretId = "oauth/profiles/mail";
      console.log((await new SecretsManagerClient().send(new GetSecretValueCommand({ SecretId }))).SecretString);'`;

  test('a shell that sources .local/env reaches its AWS, and only its owner may read that file', async () => {
    expect(statSync(join(data, 'env')).mode & 0o777).toBe(0o600);
    const { stdout, stderr } = await runProcess('sh', ['-c', script, data, process.execPath]);
    expect({ lines: stdout.split('\n').slice(0, 5), stderr }).toEqual({
      lines: [
        'AWS_ACCESS_KEY_ID',
        'AWS_DEFAULT_REGION',
        'AWS_ENDPOINT_URL',
        'AWS_REGION',
        'AWS_SECRET_ACCESS_KEY',
      ],
      stderr: '',
    });
    expect(stdout).toContain('"client_id":"mail"');
  });

  test('its keys are its own: those of another directory, and of tests, are refused', async () => {
    const other = mkdtempSync(join(tmpdir(), 'local-'));
    for (const keys of [TEST_KEYS, localKeys(other, 'make')]) {
      const secrets = new SecretsManagerClient(clientSettings(system.aws.url, keys));
      await expect(
        secrets.send(new GetSecretValueCommand({ SecretId: 'oauth/profiles/crm' })),
      ).rejects.toMatchObject({ name: 'InvalidSignatureException' });
    }
    rmSync(other, { recursive: true });
  });

  test.each(['aws', 'authorizationServer'] as const)('%s answers to no foreign host', async (server) => {
    const { hostname, port } = new URL(server === 'aws' ? system.aws.url : system.authorizationServer.origin);
    const headers = { host: `rebound.example:${port}` };
    const answer = await new Promise<IncomingMessage>((resolve) =>
      request({ hostname, port, headers, agent: false }, resolve).end(),
    );
    answer.resume();
    expect(answer.statusCode).toBe(403);
  });

  describe.each(['aws', 'authorizationServer'] as const)('%s refuses', (server) => {
    test.each([
      'http://evil.example/.well-known/openid-configuration',
      'HTTP://127.0.0.1/.well-known/openid-configuration',
      'http:/evil.example/',
      '//evil.example/.well-known/openid-configuration',
      '/\\evil.example/.well-known/openid-configuration',
      '*',
    ])('a request for %s, which is not a path', async (path) => {
      const origin = server === 'aws' ? system.aws.url : system.authorizationServer.origin;
      const { hostname, port, host } = new URL(origin);
      const method = path === '*' ? 'OPTIONS' : 'GET';
      const answer = await new Promise<IncomingMessage>((resolve, reject) =>
        request({ hostname, port, path, method, headers: { host }, agent: false }, resolve)
          .on('error', reject)
          .end(),
      );
      expect({ status: answer.statusCode, text: (await text(answer)).includes('evil') }).toEqual({
        status: 400,
        text: false,
      });
    });
  });

  test.each([
    '//',
    'http://',
    '*',
    '/%zz',
  ])('the authorization server survives a request for %s', async (path) => {
    const { hostname, port } = new URL(system.authorizationServer.origin);
    const answer = await new Promise<IncomingMessage>((resolve) =>
      request({ hostname, port, path, agent: false }, resolve).end(),
    );
    answer.resume();
    expect(answer.statusCode).toBeGreaterThanOrEqual(400);
  });

  test('a second one on the same data is refused', async () => {
    const { code, stderr } = await start('--once');
    expect(code).toBe(1);
    expect(stderr).toContain('A local system already runs on this data');
  });
});

test('after it has ended, no file says that it runs', () => {
  for (const file of ['env', 'running.json']) expect(existsSync(join(data, file))).toBe(false);
});

test('without it, invoking says how to start it', async () => {
  const { code, stderr } = await runScript('cli/main.ts', ['invoke', '--data', join(data, 'elsewhere')]);
  expect(code).toBe(1);
  expect(stderr).toContain('Start it with "npm start"');
});
