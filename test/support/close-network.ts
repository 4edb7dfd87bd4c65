import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import { BlockList, isIP, Socket } from 'node:net';

/** Somebody tried to leave this machine. `code` is `NETWORK_CLOSED`; it names the target. */
export class NetworkClosedError extends Error {
  readonly code = 'NETWORK_CLOSED';

  constructor(target: string) {
    super(
      `The network is closed in tests, and this was meant for ${target}. Start a server on 127.0.0.1 instead.`,
    );
  }
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

function isLoopback(host: string): boolean {
  const family = isIP(host);
  return family === 0 ? host === 'localhost' : loopback.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

/** The host that the arguments of `Socket.connect` name; undefined for a path, which can't lead away from here. */
function hostOf(args: readonly unknown[]): string | undefined {
  const [first, second] = args;
  // `net.connect` passes its own arguments on as one list.
  if (Array.isArray(first)) return hostOf(first);
  if (typeof first === 'object' && first !== null) {
    const { path, host } = first as { path?: string | null; host?: string | null };
    return path ? undefined : (host ?? 'localhost');
  }
  if (typeof first === 'string' && Number.isNaN(Number(first))) return undefined;
  return typeof second === 'string' ? second : 'localhost';
}

const connect: (this: Socket, ...args: never) => Socket = Socket.prototype.connect;
Socket.prototype.connect = function (this: Socket, ...args: never) {
  const host = hostOf(args);
  if (host === undefined || isLoopback(host)) return connect.apply(this, args);
  // Fails as it would for a name that can't be looked up, which every client is ready for.
  const target = { port: 1, host: 'closed.invalid', lookup: closed(() => undefined, host) };
  return connect.apply(this, [target] as never);
};

type Lookup = (host: string, ...rest: unknown[]) => unknown;

/** A look-up by callback, its last argument. Its error names the target where that is not the name looked up. */
const closed =
  (lookup: Lookup, target?: string): Lookup =>
  (host, ...rest) => {
    if (isLoopback(host)) return lookup(host, ...rest);
    const error = new NetworkClosedError(target ?? host);
    const callback = rest.at(-1);
    if (typeof callback !== 'function') throw error;
    return process.nextTick(callback, error);
  };

const closedPromise =
  (lookup: Lookup): Lookup =>
  async (host, ...rest) => {
    if (!isLoopback(host)) throw new NetworkClosedError(host);
    return lookup(host, ...rest);
  };

/** Puts another function in the place of each look-up: `lookup`, `resolve`, `resolve4`, `reverse` … */
function replaceLookups(target: object, replace: (lookup: Lookup) => Lookup): void {
  for (const [name, value] of Object.entries(target))
    if (/^(lookup|resolve|reverse)/.test(name)) Object.assign(target, { [name]: replace(value as Lookup) });
}

replaceLookups(dns, closed);
replaceLookups(dns.promises, closedPromise);
// Makes the named exports of node:dns follow.
syncBuiltinESMExports();
