import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export class PortInUseError extends Error {
  override readonly name = 'PortInUseError';
  readonly code = 'PORT_IN_USE';
}

/** Local servers can only be reached from this machine. */
export const HOST = '127.0.0.1';

/** Whether a request's Host is a name for our own address and port. */
export function isOwnHost(host: string | undefined, port: number): boolean {
  return [HOST, 'localhost'].some(
    (name) => host?.toLowerCase() === `${name}:${port}` || (port === 80 && host?.toLowerCase() === name),
  );
}

/**
 * Whether a request's target is only a path. HTTP also allows a whole address, and libraries build links from it though
 * we only checked the Host.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2
 */
export function isPathTarget(target: string | undefined): boolean {
  return /^\/(?![/\\])/.test(target ?? '');
}

/**
 * Makes a server listen on the loopback address.
 *
 * @param port 0 picks a free one
 * @returns the port
 * @throws PortInUseError
 */
export function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new PortInUseError(
              `Port ${port} on ${HOST} is in use. Stop the program there, or choose another port.`,
            )
          : error,
      ),
    );
    server.listen(port, HOST, () => resolve((server.address() as AddressInfo).port));
  });
}
