import { createServer } from 'node:https';
import { type AddressInfo, type LookupFunction, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createHttpsClient, type TlsIdentity } from '../../adapters/oauth/https-request.ts';
import { RequestFailed } from '../../adapters/oauth/request-failed.ts';
import { createAuthority } from '../support/certificates.ts';
import { type ConnectProxy, startConnectProxy } from '../support/connect-proxy.ts';

/** The name servers here know one name, at a private address. */
vi.mock('node:dns/promises', async (original) => ({
  ...(await original<typeof import('node:dns/promises')>()),
  Resolver: class {
    resolve4 = async () => ['10.1.2.3'];
    resolve6 = async () => [];
  },
}));

/** Only the proxy knows where this name leads. */
const NAME = 'id.provider.example';
const authority = await createAuthority();
const identity = await authority.issue('CN=provider', NAME);
const clientIdentity = await authority.issue('CN=client');

let bodies: string[];
let proxy: ConnectProxy;
let port: number;
let client: ReturnType<typeof createHttpsClient>;
const provider = createServer(
  { ...identity, ca: authority.cert, requestCert: true, rejectUnauthorized: false },
  async (request, response) => {
    bodies.push(Buffer.concat(await request.toArray()).toString());
    if (request.url === '/reset') return void request.socket.destroy();
    response.end((request.socket as TLSSocket).getPeerCertificate()?.subject?.CN ?? 'nobody');
  },
);

beforeEach(async () => {
  bodies = [];
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve));
  port = (provider.address() as AddressInfo).port;
  proxy = await startConnectProxy(port);
  client = createHttpsClient({ allowHttpLoopback: false }, { url: proxy.url, except: '' });
});

afterEach(async () => {
  client.close();
  await proxy.close();
  provider.closeAllConnections();
  await new Promise((resolve) => provider.close(resolve));
});

interface Asked {
  readonly from?: typeof client;
  readonly tls?: TlsIdentity;
  readonly timeout?: number;
}

function post(url: string, { from = client, tls, timeout = 5_000 }: Asked = {}) {
  return from.send(url, {
    method: 'POST',
    headers: {},
    body: 'refresh_token=once',
    profile: 'crm',
    signal: AbortSignal.timeout(timeout),
    tls: { ca: authority.cert, ...tls },
  });
}

async function failureOf(request: Promise<unknown>) {
  const error = await request.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RequestFailed);
  const { sent, code } = error as RequestFailed;
  return { sent, code };
}

describe('through a proxy', () => {
  test('a request reaches the provider, and the proxy sees its name and no token', async () => {
    expect(await post(`https://${NAME}/token`)).toMatchObject({ status: 200, body: 'nobody' });
    expect(bodies).toEqual(['refresh_token=once']);
    expect(proxy.asked).toEqual([`${NAME}:443`]);
    expect(proxy.passed().length).toBeGreaterThan(100);
    expect(proxy.passed()).not.toContain('once');
  });

  test('each request has a tunnel of its own', async () => {
    await Promise.all([post(`https://${NAME}/token`), post(`https://${NAME}/token`)]);
    await post(`https://${NAME}/token`);
    expect(proxy.asked).toHaveLength(3);
  });

  test('a client certificate reaches the provider', async () => {
    expect(await post(`https://${NAME}/token`, { tls: clientIdentity })).toMatchObject({ body: 'client' });
  });

  test('the provider must prove its name', async () => {
    expect(await failureOf(post('https://other.example/token'))).toEqual({
      sent: 'no',
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
    expect(bodies).toEqual([]);
  });

  test('a response that is lost may have been one', async () => {
    expect(await failureOf(post(`https://${NAME}/reset`))).toEqual({ sent: 'maybe', code: 'ECONNRESET' });
  });

  test.each([
    'https://10.1.2.3/token',
    'https://169.254.169.254/latest',
    'https://[fd12::1]/token',
    'https://127.0.0.1/token',
    'https://localhost/token',
    'https://localhost./token',
    'https://inner.localhost/token',
    `http://${NAME}/token`,
    `https://user:secret@${NAME}/token`,
  ])('%s is refused before the proxy is asked', async (url) => {
    expect(await failureOf(post(url))).toEqual({ sent: 'no', code: 'ADDRESS_NOT_ALLOWED' });
    expect(proxy.asked).toEqual([]);
  });
});

describe('a name that needs no proxy', () => {
  const except = 'localhost,.internal.example';

  test('is called directly', async () => {
    const direct = createHttpsClient({ allowHttpLoopback: true }, { url: proxy.url, except });
    // Its certificate is for another name: so it was called, and not through the proxy.
    expect(await failureOf(post(`https://localhost:${port}/token`, { from: direct }))).toEqual({
      sent: 'no',
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
    expect(proxy.asked).toEqual([]);
    direct.close();
  });

  test('has its address checked, as ever', async () => {
    const direct = createHttpsClient({ allowHttpLoopback: false }, { url: proxy.url, except });
    // The network is closed in tests, so the look-up that the connection was given is made here.
    const connecting = vi.spyOn(Socket.prototype, 'connect');
    await failureOf(post('https://id.internal.example/token', { from: direct }));
    const [options] = connecting.mock.calls.flat(2) as unknown as { host: string; lookup: LookupFunction }[];
    const found = await new Promise((resolve) => options?.lookup(options.host, { all: true }, resolve));
    expect(found).toMatchObject({ code: 'ADDRESS_NOT_ALLOWED' });
    expect(proxy.asked).toEqual([]);
    connecting.mockRestore();
    direct.close();
  });
});

describe('a proxy that makes no tunnel sends nothing:', () => {
  test('it refuses', async () => {
    proxy.conduct = 'refuse';
    expect(await failureOf(post(`https://${NAME}/token`))).toEqual({ sent: 'no', code: 'ERR_PROXY_TUNNEL' });
    expect(bodies).toEqual([]);
  });

  test('nobody listens', async () => {
    await proxy.close();
    expect(await failureOf(post(`https://${NAME}/token`))).toEqual({ sent: 'no', code: 'ECONNREFUSED' });
  });

  test('it is too late: the request is not sent any more', async () => {
    proxy.conduct = 'hang';
    expect(await failureOf(post(`https://${NAME}/token`, { timeout: 300 }))).toEqual({
      sent: 'no',
      code: 'TIMEOUT',
    });
    proxy.openLate();
    await vi.waitFor(() => expect(proxy.connections()).toBe(0));
    expect(bodies).toEqual([]);
  });

  test('it hangs: its connection ends with the client', async () => {
    proxy.conduct = 'hang';
    await failureOf(post(`https://${NAME}/token`, { timeout: 300 }));
    expect(proxy.connections()).toBe(1);
    client.close();
    await vi.waitFor(() => expect(proxy.connections()).toBe(0));
  });
});
