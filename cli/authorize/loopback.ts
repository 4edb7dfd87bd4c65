import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CliError } from '../cli-error.ts';
import { PAGE_HEADERS, type ResultPage, renderResultPage } from './result-page.ts';

/** A server on this machine to which the provider sends the browser back (RFC 8252 section 7.3). */
export interface Loopback {
  readonly redirectUri: string;
  /** The first answer that is for this request. */
  answer(signal: AbortSignal): Promise<URLSearchParams>;
  /** How many answers came that were for another request. */
  foreign(): number;
  /** Answers the browser, which waits for the end with its tab open, and whoever asks again. */
  show(page: ResultPage): void;
  close(): Promise<void>;
}

const LOOPBACK_HOSTS = new Map([
  ['127.0.0.1', '127.0.0.1'],
  ['localhost', '127.0.0.1'],
  ['[::1]', '::1'],
]);

const LOCAL = 'http://127.0.0.1';

/** Whether the browser can be sent to a server on this machine. */
export function isLoopback(redirectUri: string): boolean {
  const { protocol, hostname } = new URL(redirectUri);
  return protocol === 'http:' && LOOPBACK_HOSTS.has(hostname);
}

const FOREIGN: ResultPage = {
  outcome: 'failed',
  title: 'This is not the answer that is waited for',
  text: [
    'The address has another state than the request that was sent. It may be from an earlier try, or somebody else made it. It was not used, and nothing has changed.',
    'Go on in the window in which you signed in last, or run the command again.',
  ],
  facts: [],
};

/**
 * @param registered the profile's `redirect_uri`: its port and path are kept; without a port any free one is taken
 * @param isOurs whether an answer has this request's state
 * @param onForeign told when the first comes that has not
 * @throws CliError PORT_TAKEN
 */
export async function startLoopback(
  registered: string | undefined,
  isOurs: (parameters: URLSearchParams) => boolean,
  onForeign: () => void,
): Promise<Loopback> {
  const wanted = new URL(registered ?? 'http://127.0.0.1/callback');
  const waiting = new Set<ServerResponse>();
  const arrived = Promise.withResolvers<URLSearchParams>();
  let page: ResultPage | undefined;
  let foreign = 0;
  const server = createServer((request, response) => {
    const { url: target = '/' } = request;
    // Nothing may throw here: the process would end with a code spent and its tokens not stored.
    if (!URL.canParse(target, LOCAL)) return plain(response, 400, 'That is not an address.');
    const url = new URL(target, LOCAL);
    if (url.pathname !== wanted.pathname) return plain(response, 404, 'There is nothing here.');
    if (request.method !== 'GET') return plain(response, 405, 'Only GET is understood here.');
    if (!isOurs(url.searchParams)) {
      // Whoever can reach this port could fill the terminal otherwise.
      if (foreign++ === 0) onForeign();
      return respond(response, 400, FOREIGN);
    }
    arrived.resolve(url.searchParams);
    // Browsers load a page twice now and then: the second time gets what the first one gets.
    if (page !== undefined) return respond(response, statusOf(page), page);
    waiting.add(response);
    response.on('close', () => waiting.delete(response));
  });
  const port = await listen(
    server,
    Number(wanted.port || 0),
    LOOPBACK_HOSTS.get(wanted.hostname) ?? '127.0.0.1',
  );
  const anyPort = wanted.port === '';
  wanted.port = String(port);
  return {
    // A registered address is compared as it was written.
    redirectUri: anyPort ? wanted.href : (registered ?? wanted.href),
    answer: (signal) =>
      new Promise((resolve, reject) => {
        const stop = () => reject(signal.reason);
        if (signal.aborted) return stop();
        signal.addEventListener('abort', stop, { once: true });
        arrived.promise.then((parameters) => {
          signal.removeEventListener('abort', stop);
          resolve(parameters);
        });
      }),
    foreign: () => foreign,
    show: (shown) => {
      page = shown;
      for (const response of waiting) respond(response, statusOf(shown), shown);
    },
    close: async () => {
      for (const response of waiting) if (!response.writableEnded) response.destroy();
      await Promise.race([
        new Promise((resolve) => server.close(resolve)),
        new Promise((resolve) => setTimeout(resolve, CLOSE_PATIENCE).unref()),
      ]);
      server.closeAllConnections();
    },
  };
}

/** A browser that does not read its page to the end does not hold up the command. */
const CLOSE_PATIENCE = 1_000;

function listen(server: ReturnType<typeof createServer>, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE' || error.code === 'EACCES'
          ? new CliError(
              'PORT_TAKEN',
              `The profile's redirect_uri needs port ${port}, and ${error.code === 'EACCES' ? 'this user may not listen there' : 'another program listens there'}. Nothing has changed. End that program, or use --paste.`,
            )
          : error,
      ),
    );
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}

function statusOf({ outcome }: ResultPage): number {
  return outcome === 'connected' ? 200 : 400;
}

function respond(response: ServerResponse, status: number, page: ResultPage): void {
  if (response.writableEnded) return;
  response.writeHead(status, PAGE_HEADERS);
  response.end(renderResultPage(page));
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
  response.end(`${text}\n`);
}
