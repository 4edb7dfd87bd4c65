import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { guardedLookup } from '../../adapters/oauth/addresses.ts';

/** Names are asked of a name server of the test's own, which answers some and never the others. */
const known: Readonly<Record<string, string>> = { 'sound.example': '127.0.0.1' };
const asked: string[] = [];
const servers = vi.hoisted(() => ({ address: '', open: [] as { cancel(): void }[] }));
vi.mock('node:dns/promises', async (original) => {
  const dns = await original<typeof import('node:dns/promises')>();
  class Resolver extends dns.Resolver {
    constructor(options: object) {
      super(options);
      this.setServers([servers.address]);
      servers.open.push(this);
    }
  }
  return { ...dns, Resolver };
});

let server: Socket;

beforeAll(async () => {
  server = createSocket('udp4', (query, from) => {
    const answer = answerTo(query);
    if (answer !== undefined) server.send(answer, from.port, from.address);
  });
  await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
  servers.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  asked.length = 0;
});
afterAll(() => server.close());

/** RFC 1035 section 4: one question, and one address where the name has one of that kind. */
function answerTo(query: Buffer): Buffer | undefined {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const name = labels.join('.').toLowerCase();
  const isIpv4 = query.readUInt16BE(at + 1) === 1;
  asked.push(name);
  if (name.startsWith('hangs')) return undefined;
  const address = isIpv4 ? known[name] : undefined;
  const question = query.subarray(12, at + 5);
  const code = Object.hasOwn(known, name) ? 0x8180 : 0x8183;
  const header = Buffer.alloc(12);
  header.writeUInt16BE(query.readUInt16BE(0), 0);
  header.writeUInt16BE(code, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(address === undefined ? 0 : 1, 6);
  if (address === undefined) return Buffer.concat([header, question]);
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split('.').map(Number)]);
  return Buffer.concat([header, question, record]);
}

function lookedUp(name: string) {
  return new Promise<unknown[]>((resolve) => {
    guardedLookup({ allowHttpLoopback: true })(name, { all: true }, (...heard) => resolve(heard));
  });
}

test('a name is asked of the name servers', async () => {
  expect(await lookedUp('sound.example')).toEqual([null, [{ address: '127.0.0.1', family: 4 }]]);
  expect(new Set(asked)).toEqual(new Set(['sound.example']));
});

test('names that are never answered hold up no other, nor anybody else’s look-ups', async () => {
  let ended = 0;
  const hanging = Array.from({ length: 40 }, (_, i) => lookedUp(`hangs-${i}.example`).finally(() => ended++));
  expect((await lookedUp('sound.example'))[0]).toBeNull();
  // As the AWS SDK looks up its endpoints.
  expect(await lookup('localhost', { family: 4 })).toMatchObject({ address: '127.0.0.1' });
  expect(ended).toBe(0);
  for (const resolver of servers.open) resolver.cancel();
  for (const [error] of await Promise.all(hanging)) expect(error).toMatchObject({ code: 'ECANCELLED' });
});

test('a name that nobody knows says so', async () => {
  expect((await lookedUp('nobody.example'))[0]).toMatchObject({
    code: expect.stringMatching(/NETWORK_CLOSED|ENOTFOUND/),
  });
});
