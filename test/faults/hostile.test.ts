import { existsSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { brotliCompressSync, deflateRawSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FaultRule } from '../../local/aws/server.ts';
import { startPatientAws } from '../support/aws-endpoint.ts';
import { synthesizeBundle } from '../support/function-bundle.ts';
import { createWorld } from '../support/world.ts';
import { fileWorld } from '../support/world-test.ts';

/** A hostile provider, a hostile writer of profiles and one of accounts at once, beside 200 sound accounts. */
const SOUND_PROFILES = 4;
const SOUND_ACCOUNTS = 200;
/** The default of the construct's `memorySize`, less what Lambda's own runtime takes. */
const MEMORY_MB = 512 - 64;
/** As Lambda starts Node.js in a function of so much memory: 90 % for old objects, 5 % for each half of new ones. */
const LIKE_LAMBDA = '--max-old-space-size=460 --max-semi-space-size=26';
const LARGE_ITEMS = 60;
const KB = 1_024;
const MB = 1_024 * KB;

const head = (headers: string, status = '200 OK') =>
  `HTTP/1.1 ${status}\r\nconnection: close\r\n${headers}\r\n`;
const framed = (body: string | Buffer, headers = '', status?: string) =>
  Buffer.concat([
    Buffer.from(head(`${headers}content-length: ${Buffer.byteLength(body)}\r\n`, status)),
    Buffer.from(body),
  ]);
const tokens = '"access_token":"hostile-access-token-1","refresh_token":"hostile-refresh-token-2"';
const filled = (unit: string, size: number) => unit.repeat(Math.ceil(size / unit.length)).slice(0, size);
const objects = (size: number) => `[${filled('{},', size)}0]`;
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const damaged = (compressed: Buffer) => {
  const half = Buffer.from(compressed);
  half.fill(0xff, half.length >> 1, (half.length >> 1) + 8);
  return half;
};
/** Text that hardly compresses, as letters. */
const noise = (size: number): Buffer => {
  let seed = 1;
  const letters = Buffer.alloc(size).map(() => {
    seed = (seed * 48_271) % 2_147_483_647;
    return 97 + (seed % 26);
  });
  return Buffer.from(letters);
};
const json = 'content-type: application/json\r\n';

/** What a hostile provider answers: bytes at once, or a stream that never ends by itself. */
const floods: Record<string, Buffer | ((socket: Socket) => void)> = {
  'a megabyte of objects': framed(`{"x":${objects(MB)}}`, json),
  'as many objects as are read, with tokens': framed(`{${tokens},"x":${objects(255 * KB)}}`, json),
  'objects within an error': framed(`{"error":"server_error","x":${objects(255 * KB)}}`, json, '500 No'),
  'lists in lists': framed(`{${tokens},"x":${nested(120 * KB)}}`, json),
  'objects in objects': framed(`{${tokens},"x":${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}}`, json),
  'a gzip bomb': framed(gzipSync(Buffer.alloc(200 * MB)), 'content-encoding: gzip\r\n'),
  'a bomb in a bomb': framed(gzipSync(gzipSync(Buffer.alloc(100 * MB))), 'content-encoding: gzip\r\n'),
  'a brotli bomb': framed(brotliCompressSync(Buffer.alloc(100 * MB)), 'content-encoding: br\r\n'),
  'a large stream, damaged': framed(damaged(gzipSync(noise(900 * KB))), 'content-encoding: gzip\r\n'),
  'a large raw stream, damaged': framed(
    damaged(deflateRawSync(noise(900 * KB))),
    'content-encoding: deflate\r\n',
  ),
  'bytes that are nothing': framed(Buffer.from(Buffer.alloc(MB).map((_, i) => (i * 7_919) % 256))),
  'a form of many fields': framed(filled('a=1&', 255 * KB)),
  'names of tokens, over and over': framed(filled('refresh_token ', 255 * KB)),
  'names with quotes that never close': framed(filled('refresh_token="', 255 * KB)),
  'JSON in JSON in JSON': framed(
    JSON.stringify(JSON.stringify(JSON.stringify(`{${tokens},"x":${objects(20 * KB)}}`))),
    json,
  ),
  'many texts that may be JSON': framed(
    JSON.stringify(Array.from({ length: 2_000 }, () => `{"access_token":[${filled('1,', 90)}1]}`)),
    json,
  ),
  'entities of entities': framed(filled('&amp;quot;refresh_token&quot;:', 255 * KB)),
  'percents of percents': framed(filled('%2525257B', 255 * KB)),
  'one long Base64': framed(Buffer.from(`{"x":${objects(180 * KB)}}`).toString('base64')),
  'many numbers': framed(`{${tokens},"x":[${filled('1e9,', 250 * KB)}0]}`, json),
  'many different names': framed(
    `{${tokens}${Array.from({ length: 15_000 }, (_, i) => `,"name${i}":1`).join('')}}`,
    json,
  ),
  'headers up to the limit': framed(`{${tokens}}`, filled(`x-a: ${'b'.repeat(60)}\r\n`, 60 * KB - 12)),
  'headers without an end': (socket) => pour(socket, head('').slice(0, -2), `x: ${'y'.repeat(900)}\r\n`),
  'interim answers without an end': (socket) => pour(socket, '', 'HTTP/1.1 100 Continue\r\n\r\n'),
  'a body without an end': (socket) => pour(socket, head(json), '{"x":[{},{},{},{},{},{},{},{}]}'),
  'chunks of one byte': (socket) => pour(socket, head('transfer-encoding: chunked\r\n'), '1\r\n{\r\n'),
  'spaces without an end': (socket) => pour(socket, head(json), ' '.repeat(1_000)),
  'UTF-16 objects': framed(Buffer.from(`\ufeff{${tokens},"x":${objects(120 * KB)}}`, 'utf16le'), json),
};

/** Writes without an end, as fast as the other side reads. */
function pour(socket: Socket, first: string, unit: string): void {
  const piece = unit.repeat(Math.ceil((64 * KB) / unit.length));
  const more = () => {
    while (!socket.destroyed) if (!socket.write(piece)) return void socket.once('drain', more);
  };
  socket.write(first);
  more();
}

interface HostileProvider {
  readonly origin: string;
  /** All that arrived, as Latin-1. */
  received(): string;
  close(): void;
}

/** Answers `/<number>` with the flood of that number, and `/early` before the request is all there. */
async function startHostileProvider(): Promise<HostileProvider> {
  const received: Buffer[] = [];
  const sockets = new Set<Socket>();
  const all = Object.values(floods);
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    let request = '';
    socket.on('data', (chunk) => {
      received.push(chunk);
      if (request.length > 10_000) return;
      request += chunk.toString('latin1');
      const flood = all[Number(/^POST \/(\d+) /.exec(request)?.[1] ?? Number.NaN)];
      const [top = '', body] = request.split('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(top)?.[1] ?? 0);
      if (/^POST \/early /.test(request)) {
        // It keeps the connection open: perhaps somebody else's request follows on it.
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\n{}');
        return;
      }
      if (flood === undefined || body === undefined || body.length < length) return;
      if (typeof flood === 'function') flood(socket);
      else socket.end(flood);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received: () => Buffer.concat(received).toString('latin1'),
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

// Without its role: the function must refuse by itself, too.
const settings = [startPatientAws(), { canary: 'SOUND' }, {}, createWorld] as const;
const { aws, provider: sound, world } = await fileWorld(...settings);
let hostile: HostileProvider;
let bundle: Awaited<ReturnType<typeof synthesizeBundle>>;

beforeAll(async () => {
  bundle = await synthesizeBundle();
  hostile = await startHostileProvider();
});
afterAll(() => {
  hostile.close();
  bundle.remove();
});

const set = (name: string) => ({
  access_token: `${name}-access-token-0`,
  refresh_token: `${name}-refresh-token-0`,
  token_type: 'Bearer',
  obtained_at: 1,
  expires_at: 2,
});
const client = (name: string) => ({ client_id: name, client_secret: `${name}-secret` });

async function addSound(): Promise<readonly string[]> {
  for (let i = 0; i < SOUND_PROFILES; i++) await world.profile(`sound-${i}`, sound.profile);
  const ids = Array.from({ length: SOUND_ACCOUNTS }, (_, i) => `sound-${i}`);
  for (const [i, accountId] of ids.entries())
    await world.account({ accountId, oauthProfile: `sound-${i % SOUND_PROFILES}` }, sound.issue(accountId));
  return ids;
}

async function addFloods(): Promise<void> {
  for (const [i] of Object.keys(floods).entries()) {
    const name = `flood-${i}`;
    await world.profile(name, { ...client(name), token_endpoint: `${hostile.origin}/${i}` });
    for (const n of [1, 2, 3])
      await world.account({ accountId: `${name}-${n}`, oauthProfile: name }, set(`${name}-${n}`));
  }
}

/** Profiles that would have others' requests. */
const thieves = (): Record<string, object> => ({
  'early-answer': {
    token_endpoint: `${hostile.origin}/early`,
    token_request_headers: { 'content-length': '700' },
  },
  'early-answer-chunked': {
    token_endpoint: `${hostile.origin}/early`,
    token_request_headers: { 'Transfer-Encoding': 'chunked' },
  },
  'kept-connection': {
    token_endpoint: `${hostile.origin}/early`,
    token_request_headers: { connection: 'keep-alive' },
  },
  'beside-the-sound': {
    token_endpoint: sound.tokenEndpoint,
    token_request_headers: { expect: '100-continue', host: hostile.origin.slice(7) },
  },
  'two-requests': {
    token_endpoint: `${hostile.origin}/early`,
    token_request_headers: { 'x-a': 'b\r\n\r\nPOST /early HTTP/1.1' },
  },
  'placeholder-host': { token_endpoint: 'http://127.0.0.1:{port}/early' },
  prototype: { token_endpoint: `${hostile.origin}/early`, __proto__: { client_id: 'x' } },
});

/** Items that name what is others'. */
const takings = (): Record<string, Record<string, unknown>> => ({
  'a sound account’s usual secret': { tokenSecretId: `${world.prefix}accounts/sound-0` },
  'another’s in other spelling': { tokenSecretId: `${world.prefix}accounts/./sound-1` },
  'a profile’s secret': { tokenSecretId: `${world.prefix}profiles/sound-1` },
  'a secret beyond the prefix': { tokenSecretId: 'prod/database' },
  'a lease of a sound account’s owner': { lease: { owner: 'x', expiresAt: 'never' } },
  'a sound account’s escrow': { escrow: { kind: 'token', ciphertext: '{}', attemptId: 'x', at: 1 } },
});

function peakMemoryMb(pid: number | undefined): number {
  const status = `/proc/${pid}/status`;
  // Only Linux, which Lambda is, keeps it.
  if (!existsSync(status)) return 0;
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(status, 'utf8'))?.[1] ?? Number.NaN) / KB;
}

/** What the deployed role denies: every secret that is not below the prefix. */
function deniesOutside(prefix: string): FaultRule {
  return ({ service, input }) => {
    const { SecretId = prefix } = (input ?? {}) as { SecretId?: string };
    return service === 'secretsmanager' && !SecretId.startsWith(prefix)
      ? { kind: 'error', status: 400, type: 'AccessDeniedException', message: 'Not authorized' }
      : undefined;
  };
}

test('a hostile provider, profile and table beside 200 sound accounts: all of these are refreshed, none of their secrets goes elsewhere, and memory stays below its limit', async () => {
  const ids = await addSound();
  await addFloods();
  await world.clients.putSecret('prod/database', JSON.stringify(set('SOUND-database')));
  const port = new URL(hostile.origin).port;
  for (const [name, fields] of Object.entries(thieves())) {
    await world.profile(name, { ...client(name), ...fields });
    for (const n of [1, 2])
      await world.account(
        { accountId: `${name}-${n}`, oauthProfile: name, parameters: { port } },
        set(`${name}-${n}`),
      );
  }
  await world.profile('taker', { ...client('taker'), token_endpoint: `${hostile.origin}/early` });
  for (const [i, item] of Object.values(takings()).entries())
    await world.account({ accountId: `taker-${i}`, oauthProfile: 'taker', ...item });
  const large = 'x'.repeat(380 * KB);
  for (let i = 0; i < LARGE_ITEMS; i++)
    await world.account({ accountId: `large-${i}`, oauthProfile: `none-${i}`, name: large });

  aws.inject(deniesOutside(world.prefix));
  const fn = world.process({ module: bundle.path, environment: { NODE_OPTIONS: LIKE_LAMBDA } });
  const invocation = await fn.invoke({});
  const log = fn.takeLog().join('\n');
  expect(invocation).toMatchObject({ kind: 'returned' });
  const troubled = [];
  for (const id of ids) {
    const { status, failure } = await world.item(id);
    const isKept = sound.accepts(id, (await world.tokens(id)).refresh_token);
    const { grants, reuses } = sound.truth(id);
    if (status !== 'healthy' || !isKept || grants !== 1 || reuses > 0)
      troubled.push({ id, status, failure, isKept, grants, reuses });
  }
  expect(troubled).toEqual([]);
  expect(hostile.received()).toContain('flood-');
  expect(hostile.received()).not.toContain('SOUND');
  expect(sound.lastRequest()?.headers.host).toBe(new URL(sound.origin).host);
  expect(log).not.toContain('SOUND');
  expect(log.split('\n').filter((line) => line.length > 10 * KB)).toEqual([]);
  expect(peakMemoryMb(fn.pid)).toBeLessThan(MEMORY_MB);
}, 120_000);
