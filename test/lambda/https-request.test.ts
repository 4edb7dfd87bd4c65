import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createHttpsClient, guardedLookup, RequestFailed, refusalOf } from '../../lambda/https-request.ts';

/** Names that lead where they should not; no resolver could be asked here. */
const names: Readonly<Record<string, string>> = {
  'metadata.example': '169.254.169.254',
  'metadata6.example': 'fd00:ec2::254',
  'link-local.example': 'fe80::1',
  'nowhere.example': '0.0.0.0',
};
const harmless: Readonly<Record<string, string>> = { 'here.example': '127.0.0.1' };
vi.mock('node:dns', async (original) => {
  const dns = await original<typeof import('node:dns')>();
  const lookup = (name: string, options: object, callback: (...answer: unknown[]) => void) => {
    const address = names[name] ?? harmless[name];
    if (address === undefined) return dns.lookup(name, options, callback as never);
    callback(null, [{ address, family: address.includes(':') ? 6 : 4 }]);
  };
  return { ...dns, lookup };
});

const megabyte = 1024 * 1024;
const answers: Readonly<Record<string, RequestListener>> = {
  '/plain': (_, response) => response.end('{"a":1}'),
  '/gzip': (_, response) => response.setHeader('content-encoding', 'gzip').end(gzipSync('{"a":1}')),
  '/br': (_, response) => response.setHeader('content-encoding', 'br').end(brotliCompressSync('{"a":1}')),
  '/deflate': (_, response) => response.setHeader('content-encoding', 'deflate').end(deflateSync('{"a":1}')),
  '/not-gzip': (_, response) => response.setHeader('content-encoding', 'gzip').end('{"a":1}'),
  '/cut': (_, response) => {
    response.setHeader('content-length', '100').write('{"a":', () => response.socket?.destroy());
  },
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

const server = createServer((request, response) => answers[request.url ?? '']?.(request, response));
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
  client.send(url, { method: 'POST', headers: {}, body: 'a=b', signal: AbortSignal.timeout(timeout) });

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

  test.each([
    ['cut short is what came of it', '/cut', '{"a":'],
    ['that is not what its encoding says is nothing', '/not-gzip', ''],
  ])('%s, and not complete', async (_, path, body) => {
    expect(await post(origin + path)).toMatchObject({ body, complete: false });
  });

  test.each(['/large', '/bomb'])('%s ends at 1 MB, and is not complete', async (path) => {
    const answer = await post(origin + path);
    expect(answer.complete).toBe(false);
    expect(answer.body.length).toBe(megabyte);
  });

  test('that never ends is what came of it', async () => {
    expect(await post(`${origin}/trickle`, 300)).toMatchObject({ body: '{', complete: false });
  });
});

test('A redirect is an answer, and is not followed', async () => {
  expect(await post(`${origin}/redirect`)).toMatchObject({ status: 302, body: '' });
});

describe('a request that gets no answer', () => {
  test.each([
    ['may have arrived: the server hangs', '/hang', 'TIMEOUT'],
    ['may have arrived: the connection is reset', '/reset', 'ECONNRESET'],
  ])('%s', async (_, path, code) => {
    expect(await failureOf(post(origin + path, 300))).toEqual({ sent: 'maybe', code });
  });

  test('can’t have arrived where nobody listens', async () => {
    expect(await failureOf(post('http://127.0.0.1:9/'))).toEqual({ sent: 'no', code: 'ECONNREFUSED' });
  });
});

describe('an address that must not be called', () => {
  test.each([
    ['http://id.example/token', 'must use https'],
    ['ftp://127.0.0.1/', 'must use https'],
    ['https://169.254.169.254/latest', 'must not be a link-local or metadata address'],
    ['https://2852039166/', 'must not be a link-local or metadata address'],
    ['https://0xa9fea9fe/', 'must not be a link-local or metadata address'],
    ['https://[fe80::1]/', 'must not be a link-local or metadata address'],
    ['https://[fd00:ec2::254]/', 'must not be a link-local or metadata address'],
    ['https://[::ffff:169.254.169.254]/', 'must not be a link-local or metadata address'],
    ['https://user:secret@id.example/', 'must not hold credentials'],
  ])('%s %s', async (url, refusal) => {
    expect(refusalOf(new URL(url), true)).toBe(refusal);
    expect(await failureOf(post(url))).toEqual({ sent: 'no', code: 'ADDRESS_NOT_ALLOWED' });
  });

  test.each(Object.keys(names))('may hide behind a name: %s', (name) => {
    // Asked as a connection would ask it: the tests' own closed network would stop a real one before.
    const answer = vi.fn();
    guardedLookup(name, { all: true }, answer);
    expect(answer).toHaveBeenCalledWith(expect.objectContaining({ code: 'ADDRESS_NOT_ALLOWED' }), '');
  });

  test('is not this machine’s own', () => {
    const answer = vi.fn();
    guardedLookup('here.example', { all: true }, answer);
    expect(answer).toHaveBeenCalledWith(null, [{ address: '127.0.0.1', family: 4 }]);
  });

  test('plain http to this machine is one, unless it is allowed', () => {
    expect(refusalOf(new URL(origin), false)).toBe('must use https');
    expect(refusalOf(new URL(origin), true)).toBeUndefined();
  });
});
