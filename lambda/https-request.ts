import { lookup } from 'node:dns';
import * as http from 'node:http';
import * as https from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

/** What a server answered. `complete` is false where the body was cut short, or was larger than 1 MB. */
export interface HttpAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: string;
  readonly complete: boolean;
}

/**
 * A request that got no answer.
 *
 * `sent` tells what the server may have done: with `no` it can't have seen the request; with `maybe` it may have
 * acted on it.
 */
export class RequestFailed extends Error {
  readonly sent: 'no' | 'maybe';
  readonly code: string;

  constructor(sent: 'no' | 'maybe', code: string) {
    super(`the request failed: ${code}`);
    this.name = 'RequestFailed';
    this.sent = sent;
    this.code = code;
  }
}

export interface TlsIdentity {
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Further certificate authorities to trust, PEM; the usual ones are then not trusted. */
  readonly ca?: string | undefined;
}

export interface HttpsRequest {
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
  readonly tls?: TlsIdentity;
}

export type SendHttpsRequest = (url: string, request: HttpsRequest) => Promise<HttpAnswer>;

const MAX_BODY_BYTES = 1_048_576;

/**
 * Addresses that no provider has: link-local ones, where clouds keep their metadata services, and the unspecified
 * and multicast ones.
 */
const forbidden = new BlockList();
forbidden.addSubnet('169.254.0.0', 16, 'ipv4');
forbidden.addSubnet('0.0.0.0', 8, 'ipv4');
forbidden.addSubnet('224.0.0.0', 3, 'ipv4');
forbidden.addSubnet('fe80::', 10, 'ipv6');
forbidden.addSubnet('ff00::', 8, 'ipv6');
forbidden.addAddress('::', 'ipv6');
forbidden.addSubnet('fd00:ec2::', 32, 'ipv6');

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

function isIn(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

/** Resolves names as usual, and refuses the forbidden addresses whatever name leads to them. */
export const guardedLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, '');
    if (addresses.some(({ address }) => isIn(forbidden, address)))
      return callback(
        Object.assign(new Error('the address is not allowed'), { code: 'ADDRESS_NOT_ALLOWED' }),
        '',
      );
    if (options.all) return callback(null, addresses);
    const [first] = addresses;
    callback(null, first?.address ?? '', first?.family);
  });
};

/**
 * Why a URL must not be called, or undefined.
 *
 * @param allowHttpLoopback permits plain http to 127.0.0.0/8, ::1 and `localhost`, for a provider on this machine
 */
export function refusalOf(url: URL, allowHttpLoopback: boolean): string | undefined {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const local = host === 'localhost' || (isIP(host) !== 0 && isIn(loopback, host));
  if (url.protocol === 'http:' && !(allowHttpLoopback && local)) return 'must use https';
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must use https';
  if (url.username !== '' || url.password !== '') return 'must not hold credentials';
  if (isIP(host) !== 0 && isIn(forbidden, host)) return 'must not be a link-local or metadata address';
  return undefined;
}

export interface HttpsClient {
  readonly send: SendHttpsRequest;
  /** Ends the connections that are kept open. */
  readonly close: () => void;
}

/**
 * An HTTP client with the limits that a token endpoint needs: https only, no redirects (an answer 3xx is an answer),
 * no link-local or metadata address, at most 1 MB, and errors that tell whether the request can have arrived.
 * Connections are kept for the client's life; make one for each run, since sockets don't survive a frozen function.
 *
 * It stands on node:https rather than fetch because fetch can neither present a client certificate nor look at the
 * address that a name resolved to.
 */
export function createHttpsClient(options: { allowHttpLoopback: boolean; maxSockets?: number }): HttpsClient {
  const shared = { keepAlive: true, maxSockets: options.maxSockets ?? 50, lookup: guardedLookup };
  const httpAgent = new http.Agent(shared);
  const httpsAgents = new Map<string, https.Agent>();
  const agentFor = (tls: TlsIdentity) => {
    const key = `${tls.cert ?? ''}\n${tls.key ?? ''}\n${tls.ca ?? ''}`;
    const agent = httpsAgents.get(key) ?? new https.Agent({ ...shared, ...tls });
    httpsAgents.set(key, agent);
    return agent;
  };
  return {
    send: async (address, request) => {
      const url = new URL(address);
      const refusal = refusalOf(url, options.allowHttpLoopback);
      if (refusal !== undefined) throw new RequestFailed('no', 'ADDRESS_NOT_ALLOWED');
      const { method, headers, signal } = request;
      const common = { method, headers: { 'accept-encoding': 'gzip, br', ...headers }, signal };
      const outgoing =
        url.protocol === 'https:'
          ? https.request(url, { ...common, agent: agentFor(request.tls ?? {}) })
          : http.request(url, { ...common, agent: httpAgent });
      return await converse(outgoing, request.body);
    },
    close: () => {
      httpAgent.destroy();
      for (const agent of httpsAgents.values()) agent.destroy();
    },
  };
}

function converse(outgoing: http.ClientRequest, body: string | undefined): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    let sent: 'no' | 'maybe' = 'no';
    let answered = false;
    outgoing.on('socket', (socket) => {
      const connected = () => {
        sent = 'maybe';
      };
      if (outgoing.reusedSocket) connected();
      else socket.once('encrypted' in socket ? 'secureConnect' : 'connect', connected);
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      // Once an answer has begun, its reader reports how it ended.
      if (!answered) reject(new RequestFailed(sent, failureCode(error)));
    });
    outgoing.on('response', (incoming) => {
      answered = true;
      readBody(incoming).then(
        ({ text, complete }) =>
          resolve({
            status: incoming.statusCode ?? 0,
            retryAfter: incoming.headers['retry-after'],
            body: text,
            complete,
          }),
        reject,
      );
    });
    outgoing.end(body);
  });
}

function failureCode(error: NodeJS.ErrnoException): string {
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return 'TIMEOUT';
  return error.code ?? 'NETWORK_ERROR';
}

const decoders = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  br: createBrotliDecompress,
  deflate: createInflate,
} as const;

/** The body as text, up to the limit; what arrived is returned even if the rest never does. */
function readBody(incoming: http.IncomingMessage): Promise<{ text: string; complete: boolean }> {
  const encoding = incoming.headers['content-encoding']?.trim().toLowerCase() ?? '';
  const decoder = Object.hasOwn(decoders, encoding)
    ? decoders[encoding as keyof typeof decoders]()
    : undefined;
  const body: Readable = decoder === undefined ? incoming : incoming.pipe(decoder);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let overrun = false;
    const finish = (complete: boolean) => {
      resolve({ text: Buffer.concat(chunks).toString('utf8'), complete });
      incoming.destroy();
      decoder?.destroy();
    };
    body.on('data', (chunk: Buffer) => {
      if (overrun) return;
      overrun = size + chunk.length > MAX_BODY_BYTES;
      chunks.push(overrun ? chunk.subarray(0, MAX_BODY_BYTES - size) : chunk);
      size += chunk.length;
      if (overrun) finish(false);
    });
    body.on('end', () => finish(incoming.complete));
    body.on('error', () => finish(false));
    incoming.on('error', () => finish(false));
    incoming.on('aborted', () => finish(false));
  });
}
