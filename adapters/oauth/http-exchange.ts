import type * as http from 'node:http';
import type { Socket } from 'node:net';
import type { HttpResponse } from '../../core/response/http-response.ts';
import { isChunked, isWhole, looksCut, responseFrom } from './assemble-response.ts';
import { CollectedBytes } from './collected-bytes.ts';
import { MAX_HEAD_BYTES } from './raw-response.ts';
import { RequestFailed } from './request-failed.ts';
import { MAX_BODY_BYTES } from './response-body.ts';

/** The bytes that are kept: the largest head and body, and room for the sizes of chunks. */
const MAX_RAW_BYTES = MAX_HEAD_BYTES + MAX_BODY_BYTES + 65_536;
/** How long to wait for more of a body whose stated length is too small. Milliseconds. */
const LINGER = 500;
/** If Node gave up and nothing comes for so long, look whether the response is all there. Milliseconds. */
const SILENCE = 300;
/** The same for a response that is shorter than it says: some servers never close. Milliseconds. */
const LONG_SILENCE = 1_500;
/** Turns of the event loop in which to read what has already arrived. */
const LAST_TURNS = 50;

/**
 * Sends one request and reads what comes. Node's parser tells when the response has ended. A copy of the bytes is kept as
 * well: Node throws away what it can't parse, and a refresh token may be in there.
 *
 * @param live the requests under way, as what ends each
 */
export function exchangeBytes(
  outgoing: http.ClientRequest,
  { body, signal }: { readonly body?: string; readonly signal: AbortSignal },
  live: Set<() => void>,
): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const raw = new CollectedBytes(MAX_RAW_BYTES);
    const parsed = new CollectedBytes(MAX_BODY_BYTES);
    let connection: Socket | undefined;
    let sent: 'no' | 'maybe' = 'no';
    let incoming: http.IncomingMessage | undefined;
    let ended = false;
    let givenUp = false;
    let closed = false;
    let lingering = false;
    let failure = 'NETWORK_ERROR';
    let finished = false;
    let timer: NodeJS.Timeout | undefined;

    const finish = () => {
      if (finished) return;
      finished = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      live.delete(onClose);
      connection?.removeListener('data', take);
      outgoing.destroy();
      connection?.destroy();
      if (raw.length === 0) return reject(new RequestFailed(sent, failure));
      responseFrom({ raw, parsed, incoming, ended, closed }).then(resolve, () =>
        reject(new RequestFailed('maybe', 'UNREADABLE')),
      );
    };
    /** What was read in this turn must reach Node's parser first. */
    const finishSoon = () => setImmediate(finish);
    const finishAfter = (milliseconds: number, when: () => boolean) => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        await readArrivals();
        if (when()) finish();
      }, milliseconds);
    };
    /** A process that was frozen runs its timers before it reads its sockets. The response may be waiting there. */
    const readArrivals = async () => {
      for (let turn = 0, before = -1; turn < LAST_TURNS && before !== raw.length && !finished; turn++) {
        before = raw.length;
        await eventLoopTurn();
        await eventLoopTurn();
      }
    };
    const finishOnceWhole = () => {
      if (!ended) return finishAfter(givenUp ? SILENCE : LONG_SILENCE, () => isWhole(raw.bytes()));
      if (closed || isChunked(incoming) || !looksCut(parsed.bytes(), raw.bytes())) finishSoon();
      else if (!lingering) finishAfter(LINGER, () => true);
      lingering = true;
    };
    const take = (chunk: Buffer) => {
      raw.add(chunk);
      if (raw.full) finishSoon();
      else finishOnceWhole();
    };
    const onAbort = async () => {
      failure = 'TIMEOUT';
      // What has not been sent must not be sent any more.
      if (sent === 'no') return finish();
      await readArrivals();
      finish();
    };
    const onClose = () => {
      failure = 'CLIENT_CLOSED';
      finish();
    };

    outgoing.on('socket', (socket) => {
      connection = socket;
      keepOpen(socket, () => finished);
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
        finishSoon();
      });
      socket.on('end', () => {
        closed = true;
        finishSoon();
      });
      socket.on('close', finishSoon);
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      failure = error.code ?? failure;
      // Node stops at the first byte that it does not like. The rest may come in the next packet.
      if (failure.startsWith('HPE_')) goOnAlone();
      else finishSoon();
    });
    const goOnAlone = () => {
      givenUp = true;
      if (closed || raw.full) return finishSoon();
      connection?.resume();
      finishOnceWhole();
    };
    outgoing.on('upgrade', goOnAlone);
    outgoing.on('response', (message) => {
      incoming = message;
      message.on('data', (chunk: Buffer) => {
        parsed.add(chunk);
        if (parsed.full) finish();
      });
      message.on('end', () => {
        ended = message.complete;
        finishOnceWhole();
      });
      message.on('error', (error: NodeJS.ErrnoException) => {
        failure = error.code ?? failure;
        if (!givenUp && !failure.startsWith('HPE_')) finishSoon();
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
 * Keeps a connection open that Node would close at the first byte that it can't parse. If the connection itself breaks there
 * is an error, and it is closed.
 */
function keepOpen(socket: Socket, released: () => boolean): void {
  const destroy = socket.destroy.bind(socket);
  socket.destroy = (error?: Error) => (released() || error !== undefined ? destroy(error) : socket);
  // Some servers stop sending once the other side has ended its half. Node may only think that it has.
  const destroySoon = socket.destroySoon.bind(socket);
  socket.destroySoon = () => {
    Object.assign(socket, { writable: false });
    if (released() || socket.writable) destroySoon();
  };
}
