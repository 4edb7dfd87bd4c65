import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createHttpsClient } from '../../adapters/oauth/https-request.ts';
import { RequestFailed } from '../../adapters/oauth/request-failed.ts';
import { createAuthority } from '../support/certificates.ts';

const megabyte = 1024 * 1024;
const binary = Buffer.from([0x81, 0x00, 0x07, 0xff, 0x13, 0x37, 0x00, 0x01, 0x9f, 0x02]);
const handlers: Readonly<Record<string, RequestListener>> = {
  '/plain': (_, response) => response.end('{"a":1}'),
  '/gzip': (_, response) => response.setHeader('content-encoding', 'gzip').end(gzipSync('{"a":1}')),
  '/br': (_, response) => response.setHeader('content-encoding', 'br').end(brotliCompressSync('{"a":1}')),
  '/deflate': (_, response) => response.setHeader('content-encoding', 'deflate').end(deflateSync('{"a":1}')),
  '/not-gzip': (_, response) => response.setHeader('content-encoding', 'gzip').end('{"a":1}'),
  '/cut': (_, response) => {
    response.setHeader('content-length', '100').write('{"a":', () => response.socket?.destroy());
  },
  '/binary': (_, response) => response.end(binary),
  '/date': (_, response) => response.setHeader('date', 'Fri, 15 Jan 2027 08:00:00 GMT').end('{}'),
  '/large': (_, response) => response.end('x'.repeat(2 * megabyte)),
  '/bomb': (_, response) =>
    response.setHeader('content-encoding', 'gzip').end(gzipSync('x'.repeat(50 * megabyte))),
  '/redirect': (_, response) => response.writeHead(302, { location: '/plain' }).end(),
  '/hang': () => undefined,
  '/trickle': (_, response) => {
    response.write('{');
  },
  '/reset': (request) => request.socket.destroy(),
};

const server = createServer((request, response) => handlers[request.url ?? '']?.(request, response));
const client = createHttpsClient({ allowHttpLoopback: true });
let origin = '';

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  client.close();
  server.close();
  server.closeAllConnections();
});

const post = (url: string, timeout = 2_000) =>
  client.send(url, {
    method: 'POST',
    headers: {},
    body: 'a=b',
    profile: 'crm',
    signal: AbortSignal.timeout(timeout),
  });

async function failureOf(request: Promise<unknown>) {
  const error = await request.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RequestFailed);
  const { sent, code } = error as RequestFailed;
  return { sent, code };
}

describe('a body', () => {
  test.each(['/plain', '/gzip', '/br', '/deflate'])('%s is read as what it is', async (path) => {
    expect(await post(origin + path)).toMatchObject({ status: 200, body: '{"a":1}', complete: true });
  });

  test('cut short is what came of it, and not complete', async () => {
    expect(await post(`${origin}/cut`)).toMatchObject({ body: '{"a":', complete: false, tooLarge: false });
  });

  test('that is not what its encoding says is what it is', async () => {
    expect(await post(`${origin}/not-gzip`)).toMatchObject({ body: '{"a":1}', complete: true });
  });

  test.each(['/large', '/bomb'])('%s ends at 256 KB, and is not complete', async (path) => {
    const response = await post(origin + path);
    expect(response).toMatchObject({ complete: false, tooLarge: true });
    expect(response.body.length).toBe(megabyte / 4);
  });

  test('that is no text is handed on as its bytes', async () => {
    const { undecodable, status } = await post(`${origin}/binary`);
    expect({ status, bytes: Buffer.from(undecodable ?? []) }).toEqual({ status: 200, bytes: binary });
  });

  test('that never ends is what came of it', async () => {
    expect(await post(`${origin}/trickle`, 300)).toMatchObject({ body: '{', complete: false });
  });
});

test('TLS sessions are resumed for one profile, and never for another', async () => {
  const authority = await createAuthority();
  const secure = createSecureServer(await authority.issue('CN=provider', '127.0.0.1'), (request, response) =>
    response.end(String((request.socket as TLSSocket).isSessionReused())),
  );
  await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
  const { port } = secure.address() as AddressInfo;
  const isResumed = async (profile: string) => {
    const signal = AbortSignal.timeout(5_000);
    const request = { method: 'GET', headers: {}, signal, profile, tls: { ca: authority.cert } } as const;
    return (await client.send(`https://127.0.0.1:${port}/`, request)).body;
  };
  expect(await isResumed('crm')).toBe('false');
  expect(await isResumed('crm')).toBe('true');
  expect(await isResumed('billing')).toBe('false');
  secure.close();
});

describe('a response without an end', () => {
  const ok = 'HTTP/1.1 200 OK\r\n';
  test.each([
    { of: 'of interim responses', first: '', unit: 'HTTP/1.1 100 Continue\r\n\r\n' },
    { of: 'in chunks of one byte', first: `${ok}transfer-encoding: chunked\r\n\r\n`, unit: '1\r\n{\r\n' },
    { of: 'of headers', first: ok, unit: `x: ${'y'.repeat(900)}\r\n` },
  ])('$of is not read for longer than it could be kept', async ({ first, unit }) => {
    const piece = unit.repeat(Math.ceil(60_000 / unit.length));
    const flooding = createTcpServer((socket) => {
      socket.on('error', () => undefined);
      socket.write(first);
      const pour = () => {
        while (!socket.destroyed) if (!socket.write(piece)) return void socket.once('drain', pour);
      };
      socket.once('data', pour);
    });
    await new Promise<void>((resolve) => flooding.listen(0, '127.0.0.1', resolve));
    const { port } = flooding.address() as AddressInfo;
    // It would go on until the time is up, which is after the test's own.
    const response = await post(`http://127.0.0.1:${port}/`, 60_000);
    expect(response.complete).toBe(false);
    flooding.close();
  });
});

test('A response tells the server’s time', async () => {
  expect(await post(`${origin}/date`)).toMatchObject({ date: 'Fri, 15 Jan 2027 08:00:00 GMT' });
});

test('A redirect is a response, and is not followed', async () => {
  expect(await post(`${origin}/redirect`)).toMatchObject({ status: 302, body: '' });
});

describe('a request that gets no response', () => {
  test.each([
    { where: 'may have arrived: the server hangs', path: '/hang', code: 'TIMEOUT' },
    { where: 'may have arrived: the connection is reset', path: '/reset', code: 'ECONNRESET' },
  ])('may have arrived where $where', async ({ path, code }) => {
    expect(await failureOf(post(origin + path, 300))).toEqual({ sent: 'maybe', code });
  });

  test('may have arrived: the connection was used before and is reset (H16)', async () => {
    // Two requests that wait for one another would share a connection, if anything could make them.
    const before = await Promise.all([post(`${origin}/plain`), post(`${origin}/plain`)]);
    expect(before.map(({ status }) => status)).toEqual([200, 200]);
    const failures = await Promise.all([1, 2, 3].map(() => failureOf(post(`${origin}/reset`))));
    expect(failures.map(({ sent }) => sent)).toEqual(['maybe', 'maybe', 'maybe']);
  });

  test('can’t have arrived: there was no time to begin', async () => {
    const request = client.send(`${origin}/plain`, {
      method: 'POST',
      headers: {},
      profile: 'crm',
      signal: AbortSignal.abort(),
    });
    expect(await failureOf(request)).toEqual({ sent: 'no', code: 'TIMEOUT' });
  });

  test('may have arrived: the client was closed meanwhile', async () => {
    const other = createHttpsClient({ allowHttpLoopback: true });
    const request = other.send(`${origin}/hang`, {
      method: 'POST',
      headers: {},
      body: 'a=b',
      profile: 'crm',
      signal: AbortSignal.timeout(5_000),
    });
    await sleep(200);
    other.close();
    expect(await failureOf(request)).toEqual({ sent: 'maybe', code: 'CLIENT_CLOSED' });
  });

  test('can’t have arrived where nobody listens', async () => {
    expect(await failureOf(post('http://127.0.0.1:9/'))).toEqual({ sent: 'no', code: 'ECONNREFUSED' });
  });
});

test('Each request has a connection of its own (H1)', async () => {
  const ports: (number | undefined)[] = [];
  const counting = createServer((request, response) => {
    ports.push(request.socket.remotePort);
    response.end('{}');
  });
  await new Promise<void>((resolve) => counting.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(counting.address() as AddressInfo).port}/`;
  for (let n = 0; n < 3; n++) await post(url);
  await Promise.all([post(url), post(url)]);
  counting.close();
  expect(new Set(ports).size).toBe(5);
});

describe.concurrent('a process that was frozen (G8)', () => {
  const program = fileURLToPath(new URL('./one-request.ts', import.meta.url));
  const body = `{"access_token":"a","refresh_token":"${'r'.repeat(2_000)}"}`;
  const whole = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

  /** Stops the child when its request has arrived, answers, and lets it go on long after its time has run out. */
  async function respondWhileFrozen(response: string): Promise<unknown> {
    let child: ChildProcess | undefined;
    const frozen = createTcpServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', async () => {
        child?.kill('SIGSTOP');
        await sleep(100);
        socket.write(response);
        await sleep(3_000);
        child?.kill('SIGCONT');
      });
    });
    await new Promise<void>((resolve) => frozen.listen(0, '127.0.0.1', resolve));
    const { port } = frozen.address() as AddressInfo;
    child = spawn(process.execPath, [program, `http://127.0.0.1:${port}/`, '3000']);
    let out = '';
    child.stdout?.on('data', (chunk) => {
      out += chunk;
    });
    await new Promise((resolve) => child?.once('close', resolve));
    frozen.close();
    return JSON.parse(out);
  }

  test('reads the response that has arrived before it says that there is none', async () => {
    expect(await respondWhileFrozen(whole)).toMatchObject({ status: 200, body, complete: true });
  });

  test('reads a large one, too', async () => {
    const large = 'x'.repeat(200_000);
    const response = `HTTP/1.1 200 OK\r\ncontent-length: ${large.length}\r\n\r\n${large}`;
    expect(await respondWhileFrozen(response)).toMatchObject({ body: large, complete: true });
  });

  test('reads what there is of a part', async () => {
    expect(await respondWhileFrozen(whole.slice(0, -50))).toMatchObject({
      body: body.slice(0, -50),
      complete: false,
    });
  });

  test('says that there is none where none has arrived', async () => {
    expect(await respondWhileFrozen('')).toEqual({ sent: 'maybe', code: 'TIMEOUT' });
  });
});

describe('an address that must not be called', () => {
  test.each([
    'http://id.example/token',
    'https://169.254.169.254/latest',
    'https://10.0.0.1/',
    'https://user:secret@id.example/',
  ])('%s is not', async (url) => {
    expect(await failureOf(post(url))).toEqual({ sent: 'no', code: 'ADDRESS_NOT_ALLOWED' });
  });

  test('is this machine’s own, unless it is allowed', async () => {
    const strict = createHttpsClient({ allowHttpLoopback: false });
    const signal = AbortSignal.timeout(5_000);
    for (const url of [origin, origin.replace('http:', 'https:'), 'https://localhost:9/'])
      expect(
        await failureOf(strict.send(url, { method: 'GET', headers: {}, signal, profile: 'crm' })),
      ).toEqual({
        sent: 'no',
        code: 'ADDRESS_NOT_ALLOWED',
      });
    strict.close();
  });
});
