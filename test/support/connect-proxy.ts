import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Certificate } from './certificates.ts';

/** What the proxy does with each request for a tunnel. */
export type Conduct = 'open' | 'refuse' | 'hang';

export interface ConnectProxy {
  readonly url: string;
  /** What it was asked for, as host:port. */
  readonly asked: readonly string[];
  /** Everything that clients sent through its tunnels. */
  passed(): string;
  /** Connections of clients that are open. */
  connections(): number;
  conduct: Conduct;
  /** Opens the tunnels that it let hang. */
  openLate(): void;
  close(): Promise<void>;
}

/**
 * An HTTP proxy for tunnels (CONNECT). It alone knows where names lead: here, all to one port of this machine.
 *
 * @param identity its certificate, where clients speak to it over TLS
 */
export async function startConnectProxy(targetPort: number, identity?: Certificate): Promise<ConnectProxy> {
  const asked: string[] = [];
  const passed: Buffer[] = [];
  const open = new Set<Socket>();
  const hanging: (() => void)[] = [];
  const server = identity ? createSecureServer(identity) : createServer();
  const proxy = { conduct: 'open' as Conduct };
  server.on('connection', (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket)).on('end', () => socket.end());
    socket.on('error', () => undefined);
  });
  server.on('connect', (request, client: Socket) => {
    asked.push(request.url ?? '');
    const tunnel = () => {
      const target = connect(targetPort, '127.0.0.1', () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n');
        client.on('data', (chunk) => passed.push(chunk));
        client.pipe(target).pipe(client);
      });
      target.on('error', () => client.destroy());
      client.on('close', () => target.destroy());
      target.on('close', () => client.destroy());
    };
    if (proxy.conduct === 'open') tunnel();
    // Who does not read does not see the end of a connection.
    else if (proxy.conduct === 'hang') hanging.push(tunnel) && client.resume();
    else client.end('HTTP/1.1 403 Forbidden\r\n\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(proxy, {
    url: `http${identity ? 's' : ''}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    passed: () => Buffer.concat(passed).toString('latin1'),
    connections: () => open.size,
    openLate: () => {
      for (const tunnel of hanging.splice(0)) tunnel();
    },
    close: () => {
      for (const socket of open) socket.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  });
}
