import * as http from 'node:http';
import * as https from 'node:https';
import type { Socket } from 'node:net';
import type { HttpResponse } from '../../core/response/http-response.ts';
import { type CallableAddresses, guardedLookup, refusalOf } from './addresses.ts';
import { readRawResponse } from './raw-response.ts';
import { decodeBody, MAX_BODY_BYTES } from './response-body.ts';

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
  /** The profile that it is for: profiles share neither connections nor TLS sessions. */
  readonly profile: string;
  readonly tls?: TlsIdentity;
}

export type SendHttpsRequest = (url: string, request: HttpsRequest) => Promise<HttpResponse>;

export interface HttpsClient {
  readonly send: SendHttpsRequest;
  /** Ends the connections that are kept open. */
  readonly close: () => void;
}

/**
 * An HTTP client with the limits that a token endpoint needs: https only, no redirects (an answer 3xx is an answer),
 * public addresses unless others are allowed, a bound on what is read, and errors that tell whether the request can have arrived.
 *
 * Each request has a connection of its own: nothing that is left on one can meet another profile's request, and no
 * request is written to a connection that the server has just given up. A profile's TLS sessions are resumed.
 *
 * It stands on node:https rather than fetch because fetch can neither present a client certificate nor look at the
 * address that a name resolved to.
 */
export function createHttpsClient(addresses: CallableAddresses): HttpsClient {
  // A limit on sockets would make an agent hand a connection on to the next request that waits.
  const shared = { keepAlive: false, lookup: guardedLookup(addresses) };
  const httpAgent = new http.Agent(shared);
  const httpsAgents = new Map<string, https.Agent>();
  const live = new Set<() => void>();
  const agentFor = ({ profile, tls: { cert, key, ca } = {} }: HttpsRequest) => {
    const whose = JSON.stringify([profile, cert, key, ca]);
    const agent = httpsAgents.get(whose) ?? new https.Agent({ ...shared, cert, key, ca });
    httpsAgents.delete(whose);
    httpsAgents.set(whose, agent);
    // It keeps no connection open, and whoever uses it now goes on.
    const [oldest] = httpsAgents.size > MAX_AGENTS ? httpsAgents.keys() : [];
    if (oldest !== undefined) httpsAgents.delete(oldest);
    return agent;
  };
  return {
    send: async (address, request) => {
      const url = new URL(address);
      const refusal = refusalOf(url, addresses);
      if (refusal !== undefined) throw new RequestFailed('no', 'ADDRESS_NOT_ALLOWED');
      if (request.signal.aborted) throw new RequestFailed('no', 'TIMEOUT');
      const { method, headers } = request;
      const common = {
        method,
        headers: { 'accept-encoding': 'identity', ...headers },
        maxHeaderSize: MAX_HEAD_BYTES,
        // Lenient is safe where nothing follows on the connection (decision 12).
        insecureHTTPParser: true,
      };
      const outgoing =
        url.protocol === 'https:'
          ? https.request(url, { ...common, agent: agentFor(request) })
          : http.request(url, { ...common, agent: httpAgent });
      return await converse(outgoing, request, live);
    },
    close: () => {
      for (const end of live) end();
      httpAgent.destroy();
      for (const agent of httpsAgents.values()) agent.destroy();
    },
  };
}

/** Agents kept at once, each with the TLS sessions of one profile. */
const MAX_AGENTS = 100;
const MAX_HEAD_BYTES = 65_536;
/** So much is kept of what the socket brings: the largest head and body, and room for the sizes of chunks. */
const MAX_RAW_BYTES = MAX_HEAD_BYTES + MAX_BODY_BYTES + 65_536;
const MAX_UNDECODABLE_BYTES = 65_536;
/** How long the rest of a body that its framing has cut is waited for, milliseconds. */
const LINGER = 500;
/** After so long a silence an answer that Node gave up is looked at: is it all there? Milliseconds. */
const SILENCE = 300;
/** The same for an answer that has not come to the end that it announced: some servers never close. Milliseconds. */
const LONG_SILENCE = 1_500;
/** Turns of the event loop in which what has already arrived is read. */
const LAST_TURNS = 50;

/** Bytes up to a limit, in one piece: thousands of small ones would take a hundred times their size. */
class Collected {
  readonly #limit: number;
  #buffer = Buffer.alloc(0);
  #length = 0;
  #full = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get length(): number {
    return this.#length;
  }

  /** More came than fits. */
  get full(): boolean {
    return this.#full;
  }

  add(chunk: Buffer): void {
    const part = chunk.subarray(0, this.#limit - this.#length);
    this.#full ||= part.length < chunk.length;
    const needed = this.#length + part.length;
    if (needed > this.#buffer.length) {
      const size = Math.min(this.#limit, Math.max(4_096, 2 * this.#buffer.length, needed));
      this.#buffer = Buffer.concat([this.bytes()], size);
    }
    part.copy(this.#buffer, this.#length);
    this.#length = needed;
  }

  /** What there is, not copied. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
}

/**
 * Sends one request and reads what comes. Node's parser tells when the answer has ended; a copy of the bytes is kept
 * beside it, since from the first of them on a refresh token may be among them, and Node throws away what it can't parse.
 */
function converse(
  outgoing: http.ClientRequest,
  { body, signal }: HttpsRequest,
  live: Set<() => void>,
): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const raw = new Collected(MAX_RAW_BYTES);
    const parsed = new Collected(MAX_BODY_BYTES);
    let connection: Socket | undefined;
    let sent: 'no' | 'maybe' = 'no';
    let incoming: http.IncomingMessage | undefined;
    let ended = false;
    let givenUp = false;
    let closed = false;
    let lingering = false;
    let failure = 'NETWORK_ERROR';
    let settled = false;
    let timer: NodeJS.Timeout | undefined;

    const settle = () => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      live.delete(onClose);
      connection?.removeListener('data', take);
      outgoing.destroy();
      connection?.destroy();
      if (raw.length === 0) return reject(new RequestFailed(sent, failure));
      answerOf({ raw, parsed, incoming, ended, closed }).then(resolve, () =>
        reject(new RequestFailed('maybe', 'UNREADABLE')),
      );
    };
    /** Lets what was read in this turn reach Node's parser first. */
    const settleSoon = () => setImmediate(settle);
    const settleAfter = (milliseconds: number, when: () => boolean) => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        await arrivals();
        if (when()) settle();
      }, milliseconds);
    };
    /** A process that was frozen runs its timers before it reads its sockets: the answer may lie there. */
    const arrivals = async () => {
      for (let turn = 0, before = -1; turn < LAST_TURNS && before !== raw.length && !settled; turn++) {
        before = raw.length;
        await eventLoopTurn();
        await eventLoopTurn();
      }
    };
    const settleOnceWhole = () => {
      if (!ended) return settleAfter(givenUp ? SILENCE : LONG_SILENCE, () => isWhole(raw.bytes()));
      if (closed || isChunked(incoming) || !looksCut(parsed.bytes(), raw.bytes())) settleSoon();
      else if (!lingering) settleAfter(LINGER, () => true);
      lingering = true;
    };
    const take = (chunk: Buffer) => {
      raw.add(chunk);
      if (raw.full) settleSoon();
      else settleOnceWhole();
    };
    const onAbort = async () => {
      failure = 'TIMEOUT';
      // What has not gone out must not go out now.
      if (sent === 'no') return settle();
      await arrivals();
      settle();
    };
    const onClose = () => {
      failure = 'CLIENT_CLOSED';
      settle();
    };

    outgoing.on('socket', (socket) => {
      connection = socket;
      hold(socket, () => settled);
      socket.prependListener('data', take);
      const secure = socket as Socket & { secureConnecting?: boolean };
      const connected = () => {
        sent = 'maybe';
      };
      if (socket.connecting || secure.secureConnecting)
        socket.once('encrypted' in socket ? 'secureConnect' : 'connect', connected);
      else connected();
      socket.on('error', (error: NodeJS.ErrnoException) => {
        failure = error.code ?? failure;
        settleSoon();
      });
      socket.on('end', () => {
        closed = true;
        settleSoon();
      });
      socket.on('close', settleSoon);
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      failure = error.code ?? failure;
      // Node ends its part at the first byte that it does not like; the rest may come in the next packet.
      if (failure.startsWith('HPE_')) goOnAlone();
      else settleSoon();
    });
    const goOnAlone = () => {
      givenUp = true;
      if (closed || raw.full) return settleSoon();
      connection?.resume();
      settleOnceWhole();
    };
    outgoing.on('upgrade', goOnAlone);
    outgoing.on('response', (message) => {
      incoming = message;
      message.on('data', (chunk: Buffer) => {
        parsed.add(chunk);
        if (parsed.full) settle();
      });
      message.on('end', () => {
        ended = message.complete;
        settleOnceWhole();
      });
      message.on('error', (error: NodeJS.ErrnoException) => {
        failure = error.code ?? failure;
        if (!givenUp && !failure.startsWith('HPE_')) settleSoon();
      });
    });
    live.add(onClose);
    signal.addEventListener('abort', onAbort, { once: true });
    outgoing.end(body);
  });
}

function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Keeps a connection open that Node's parser would throw away at the first byte that it can't parse. What breaks or
 * ends the connection itself comes with an error, and is let through.
 */
function hold(socket: Socket, released: () => boolean): void {
  const destroy = socket.destroy.bind(socket);
  socket.destroy = (error?: Error) => (released() || error !== undefined ? destroy(error) : socket);
  // Some servers stop sending when the other side has ended its own half: Node may only think that it has.
  const destroySoon = socket.destroySoon.bind(socket);
  socket.destroySoon = () => {
    Object.assign(socket, { writable: false });
    if (released() || socket.writable) destroySoon();
  };
}

/** Whether an answer is all there though its end was not seen: by its own account, or because it is JSON that has ended. */
function isWhole(bytes: Buffer): boolean {
  const { body, whole } = readRawResponse(bytes);
  if (whole === true && body.length > 0 && !looksCut(body, body)) return true;
  try {
    JSON.parse(body.toString('latin1'));
    return true;
  } catch {
    return false;
  }
}

function isChunked(incoming: http.IncomingMessage | undefined): boolean {
  return incoming?.headers['transfer-encoding'] !== undefined;
}

/** JSON or markup that has begun and has not ended: a `content-length` that is too small cuts it. */
function looksCut(begun: Buffer, end: Buffer): boolean {
  const first = begun.toString('latin1', 0, 64).trimStart().slice(0, 1);
  const last = end
    .toString('latin1', Math.max(0, end.length - 64))
    .trimEnd()
    .slice(-1);
  if (first === '<') return last !== '>';
  return (first === '{' || first === '[') && last !== '}' && last !== ']';
}

interface Arrived {
  readonly raw: Collected;
  readonly parsed: Collected;
  readonly incoming: http.IncomingMessage | undefined;
  /** Node has read the answer to its end. */
  readonly ended: boolean;
  /** The server has closed the connection in order. */
  readonly closed: boolean;
}

/** Puts the answer together: Node's reading where it came to its end, else our own of the same bytes. */
async function answerOf({ raw, parsed, incoming, ended, closed }: Arrived): Promise<HttpResponse> {
  const own = readRawResponse(raw.bytes());
  const { length } = parsed;
  // A body longer than it said, or an answer whose interim heads hid it.
  const surplus = !isChunked(incoming) && !raw.full && own.body.length > length;
  const trusted = incoming !== undefined && ended && !surplus;
  const bytes = trusted || (incoming !== undefined && raw.full) ? parsed.bytes() : own.body;
  const header = (name: string) => {
    const value = incoming?.headers[name] ?? own.headers.get(name);
    return typeof value === 'string' ? value : undefined;
  };
  const { text, whole, tooLarge, legible } = await decodeBody(bytes, header('content-encoding'));
  const overrun = tooLarge || parsed.full || (raw.full && !trusted);
  return {
    status: incoming?.statusCode ?? own.status,
    retryAfter: header('retry-after'),
    body: text,
    complete: whole && !overrun && (trusted || (own.whole ?? closed)),
    unframed: header('content-length') === undefined && header('transfer-encoding') === undefined,
    tooLarge: overrun,
    date: header('date'),
    head: own.head,
    undecodable: legible ? undefined : bytes.subarray(0, MAX_UNDECODABLE_BYTES),
  };
}
