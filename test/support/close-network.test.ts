import { lookup as lookupWithCallback } from 'node:dns';
import { lookup, resolve4 } from 'node:dns/promises';
import { once } from 'node:events';
import { createServer, get } from 'node:http';
import { type AddressInfo, Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { promisify } from 'node:util';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, expect, test } from 'vitest';

const closed = expect.objectContaining({ code: 'NETWORK_CLOSED' });
// TEST-NET-1: were the network open, this would be a time-out, or a refusal with another code.
const elsewhere = '192.0.2.1';

/** The error with which a connection fails; rejects where it does not fail. */
const failure = (socket: { once(event: 'error' | 'connect', listener: (error?: Error) => void): unknown }) =>
  new Promise<unknown>((resolve, reject) => {
    socket.once('error', resolve);
    socket.once('connect', () => reject(new Error('It has connected.')));
  });

const server = createServer((_, response) => response.writeHead(204).end());
beforeAll(() => once(server.listen(0, '127.0.0.1'), 'listening'));
afterAll(() => {
  server.close();
  server.closeAllConnections();
});

test('a connection to another machine fails, however its target is given', async () => {
  expect(await failure(new Socket().connect(443, elsewhere))).toEqual(closed);
  expect(await failure(new Socket().connect({ port: 443, host: elsewhere }))).toEqual(closed);
  expect(await failure(new Socket().connect({ port: 443, host: '2001:db8::1' }))).toEqual(closed);
  expect(await failure(new Socket().connect({ port: 443, host: 'example.com' }))).toEqual(closed);
  expect(await failure(tlsConnect({ port: 443, host: elsewhere }))).toEqual(closed);
  expect(await failure(get(`http://${elsewhere}/`))).toEqual(closed);
});

test('a fetch from another machine fails', async () => {
  await expect(fetch('https://example.com/')).rejects.toMatchObject({ cause: closed });
});

test('a call to the real AWS fails', async () => {
  const client = new SecretsManagerClient({
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    endpoint: 'https://secretsmanager.us-east-1.amazonaws.com',
    maxAttempts: 1,
  });
  await expect(client.send(new GetSecretValueCommand({ SecretId: 'any' }))).rejects.toEqual(closed);
});

test('looking up a name fails', async () => {
  await expect(lookup('example.com')).rejects.toEqual(closed);
  await expect(resolve4('example.com')).rejects.toEqual(closed);
  await expect(promisify(lookupWithCallback)('example.com')).rejects.toEqual(closed);
});

test('this machine is still reached', async () => {
  const { port } = server.address() as AddressInfo;
  expect((await fetch(`http://127.0.0.1:${port}`)).status).toBe(204);
  expect((await fetch(`http://localhost:${port}`)).status).toBe(204);
  expect((await lookup('localhost')).address).toMatch(/^(127\.|::1$)/);
});
