import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { networkInterfaces, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { proves } from '../../local/aws/proof.ts';
import { type LocalSystem, startLocalSystem } from '../../local/local-system.ts';
import { listen } from '../../local/shared/listen.ts';
import { cli, type Ended } from '../support/cli.ts';
import { runProcess } from '../support/run-process.ts';

/**
 * A folder that somebody else has prepared, with a file that says that a local system runs there, and a server that takes
 * down whatever it is sent.
 */
const CLIENT_SECRET = 'the-secret-of-the-client';
const profile = JSON.stringify({
  client_id: 'c',
  client_secret: CLIENT_SECRET,
  token_endpoint: 'https://a.example/',
});

const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);

let folder: string;
let data: string;
let system: LocalSystem;
let thief: Server;
let port: number;
let taken: string[];
let answer: RequestListener;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'planted-'));
  data = join(folder, '.local');
  system = await startLocalSystem({ dataDirectory: join(folder, 'own'), port: 0, say: () => {} });
  thief = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    taken.push(`${request.method} ${request.url} ${JSON.stringify(request.headers)} ${body}`);
    answer(request, response);
  });
  port = await listen(thief, 0);
});
afterAll(async () => {
  thief.closeAllConnections();
  thief.close();
  await system.close();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => rmSync(data, { recursive: true, force: true }));

function plant(running: unknown): void {
  taken = [];
  mkdirSync(data, { recursive: true });
  writeFileSync(join(data, 'running.json'), typeof running === 'string' ? running : JSON.stringify(running));
}

/** Adds a profile to the system that uses a directory. */
const addProfile = (directory = data, name = 'crm') =>
  cli(['--json', '--data', directory, 'profiles', 'add', name, '--stdin'], { input: profile });

const codeIn = ({ stdout }: Ended) => JSON.parse(stdout).error?.code as string | undefined;

const self = { pid: process.pid, issuer: 'http://127.0.0.1:4571' };
const answers: Readonly<Record<string, RequestListener>> = {
  nothing: () => undefined,
  'what it likes': (_, response) => response.end('{}'),
  'a proof of the right length': (_, response) => response.end('0'.repeat(64)),
  'without end': (_, response) => {
    const more = () => {
      while (response.write('0'.repeat(65_536)));
    };
    response.on('drain', more).on('error', () => undefined);
    more();
  },
  'with a redirect': (_, response) => {
    response.writeHead(302, { location: `${system.aws.url}/proof` }).end();
  },
  'with what the true system says to it': async (request, response) => {
    const relayed = await fetch(`${system.aws.url}${request.url}`);
    response.writeHead(relayed.status).end(await relayed.text());
  },
};

describe('a file that says that a local system runs here gets no secret', () => {
  test.each(Object.entries(answers))('though something answers with: %s', async (_, listener) => {
    answer = listener;
    plant({ ...self, endpoint: `http://127.0.0.1:${port}` });
    const ended = await addProfile();
    expect({ code: ended.code, error: codeIn(ended) }).toEqual({ code: 1, error: 'LOCAL_SYSTEM_UNPROVEN' });
    expect(taken).toHaveLength(1);
    for (const one of taken) expect(one).toMatch(/^GET \/proof\?nonce=[0-9a-f]{64} (?!.*AWS4)/);
    expect(taken.join()).not.toContain(CLIENT_SECRET);
  });

  test.each([[], ['--local']])('in the current folder, with options %j', async (...options) => {
    answer = answers['what it likes'] as RequestListener;
    plant({ ...self, endpoint: `http://127.0.0.1:${port}` });
    const line = `cd "$1"; exec "$0" "$2" ${options.join(' ')} --json profiles add crm --stdin`;
    const ended = await runProcess('sh', ['-c', line, process.execPath, folder, resolve('cli/main.ts')], {
      input: profile,
    });
    expect({ code: ended.code, error: codeIn(ended) }).toEqual({ code: 1, error: 'LOCAL_SYSTEM_UNPROVEN' });
    expect(taken).toEqual([expect.stringMatching(/^GET \/proof/)]);
  });

  test('nor a true system that uses another directory, or answers another port', async () => {
    const before = system.aws.calls().length;
    plant({ ...self, endpoint: system.aws.url });
    expect(codeIn(await addProfile())).toBe('LOCAL_SYSTEM_UNPROVEN');
    const own = join(folder, 'own', 'running.json');
    const true_ = readFileSync(own, 'utf8');
    answer = answers['with what the true system says to it'] as RequestListener;
    writeFileSync(own, true_.replace(system.aws.url, `http://127.0.0.1:${port}`));
    expect(codeIn(await addProfile(join(folder, 'own')))).toBe('LOCAL_SYSTEM_UNPROVEN');
    writeFileSync(own, true_);
    expect(system.aws.calls()).toHaveLength(before);
  });

  test.skipIf(!hasIpv6)('nor one that listens on the same port of another address', async () => {
    taken = [];
    answer = answers['with what the true system says to it'] as RequestListener;
    const samePort = createServer((request, response) => thief.emit('request', request, response));
    const { port: truePort } = new URL(system.aws.url);
    await new Promise<void>((resolve) => samePort.listen(Number(truePort), '::1', resolve));
    const relay = `http://[::1]:${truePort}`;
    const own = join(folder, 'own', 'running.json');
    const true_ = readFileSync(own, 'utf8');
    try {
      writeFileSync(own, true_.replace(system.aws.url, relay));
      expect(codeIn(await addProfile(join(folder, 'own')))).toBe('LOCAL_SYSTEM_UNPROVEN');
      expect(taken).toEqual([]);
      // Even if it were asked: the proof is of the whole address.
      expect(await proves(new URL(system.aws.url), system.aws.keys)).toBe(true);
      expect(await proves(new URL(relay), system.aws.keys)).toBe(false);
      expect(taken).toHaveLength(1);
    } finally {
      writeFileSync(own, true_);
      samePort.closeAllConnections();
      samePort.close();
    }
  });

  const endpoint = () => `http://127.0.0.1:${port}`;

  const isRoot = process.getuid?.() === 0;
  const notOnlyOurs: readonly [string, (own: string) => void][] = [
    ['a folder to which others may write', (own) => chmodSync(own, 0o770)],
    ['a file to which others may write', (own) => chmodSync(join(own, 'running.json'), 0o602)],
    ["somebody else's folder", (own) => chownSync(own, 12_345, 12_345)],
    ["somebody else's file", (own) => chownSync(join(own, 'running.json'), 12_345, 12_345)],
  ];
  test.each(notOnlyOurs.slice(0, isRoot ? 4 : 2))('in %s: nobody is asked anything', async (_, arrange) => {
    plant({ ...self, endpoint: endpoint() });
    arrange(data);
    const ended = await addProfile();
    expect({ code: ended.code, error: codeIn(ended) }).toEqual({ code: 1, error: 'LOCAL_SYSTEM_UNPROVEN' });
    expect(taken).toEqual([]);
  });

  test.each<[string, () => unknown]>([
    ['process 0', () => ({ ...self, pid: 0, endpoint: endpoint() })],
    ['a process group', () => ({ ...self, pid: -1, endpoint: endpoint() })],
    ['a process in text', () => ({ ...self, pid: String(process.pid), endpoint: endpoint() })],
    ['a part of a process', () => ({ ...self, pid: 1.5, endpoint: endpoint() })],
    ['a process that has ended', () => ({ ...self, pid: 2 ** 31 - 1, endpoint: endpoint() })],
    ['no endpoint', () => self],
    ['an endpoint elsewhere', () => ({ ...self, endpoint: 'http://thief.example:80' })],
    [
      'one that begins like this machine',
      () => ({ ...self, endpoint: `http://127.0.0.1:${port}.thief.example` }),
    ],
    [
      'one that has this machine as a user',
      () => ({ ...self, endpoint: `http://127.0.0.1:1@thief.example:${port}` }),
    ],
    [
      'one with a name that somebody may answer for',
      () => ({ ...self, endpoint: `http://localhost:${port}` }),
    ],
    ['one with a path', () => ({ ...self, endpoint: `${endpoint()}/a` })],
    ['one at another address of this machine', () => ({ ...self, endpoint: `http://[::1]:${port}` })],
    ['one over https', () => ({ ...self, endpoint: `https://127.0.0.1:${port}` })],
    ['an odd schedule', () => ({ ...self, endpoint: endpoint(), every: -1 })],
    ['a list', () => []],
    ['null', () => 'null'],
    ['no JSON', () => '{'],
    ['nothing', () => ''],
    ['more than anybody needs', () => ' '.repeat(1_000_000)],
  ])('with %s: nobody is asked anything', async (_, running) => {
    plant(running());
    const ended = await addProfile();
    expect({ code: ended.code, error: codeIn(ended) }).toEqual({ code: 1, error: 'LOCAL_SYSTEM_UNPROVEN' });
    expect(ended.stdout).toContain(JSON.stringify(join(data, 'running.json')).slice(1, -1));
    expect(taken).toEqual([]);
  });

  test('nor from "npm run invoke"', async () => {
    answer = answers['what it likes'] as RequestListener;
    plant({ ...self, endpoint: endpoint() });
    const { code, stderr } = await runProcess(process.execPath, ['cli/main.ts', 'invoke', '--data', data]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('No local system of yours runs'),
    });
    expect(taken).toHaveLength(1);
  });

  test('and a pipe in its place is not waited for', async () => {
    plant('');
    rmSync(join(data, 'running.json'));
    await runProcess('mkfifo', [join(data, 'running.json')]);
    expect(codeIn(await addProfile())).toBe('LOCAL_SYSTEM_UNPROVEN');
  });
});

test('a file in place of the folder is no local system', async () => {
  writeFileSync(data, '');
  expect(codeIn(await addProfile())).toBe('NO_LOCAL_SYSTEM');
});

test('a stack that is named is acted on, whatever the file says', async () => {
  plant({ ...self, pid: 0, endpoint: `http://127.0.0.1:${port}` });
  const ended = await cli(['--json', '--stack', 'x', '--region', 'us-east-1', 'status']);
  expect(codeIn(ended)).not.toBe('LOCAL_SYSTEM_UNPROVEN');
  expect(taken).toEqual([]);
});

test('one’s own system is found, and takes the profile', async () => {
  const ended = await addProfile(join(folder, 'own'), 'mine');
  expect(ended.code).toBe(0);
  expect(ended.stderr).toBe(`Acting on the local system (${join(folder, 'own')}).\n`);
});
