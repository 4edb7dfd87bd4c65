import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CliError } from '../shared/cli-error.ts';
import { PAGE_HEADERS, type ResultPage, renderResultPage } from './result-page.ts';

/** A server on this machine to which the provider sends the browser back (RFC 8252 section 7.3). */
export interface Loopback {
  readonly redirectUri: string;
  /**
   * An address here that leads one browser, once, to another address, and knows that browser again by a cookie. The
   * arguments of a program that opens it can be read by everybody on this machine; the request's state is not in them.
   *
   * @param where `shown` to the person alone, who may so change to another browser; or `passed` to a program
   */
  startAt(url: string, where: 'shown' | 'passed'): string;
  /**
   * The first answer that is for this request, from the browser that was led to it.
   *
   * @throws CliError STARTED_TWICE
   */
  answer(signal: AbortSignal): Promise<URLSearchParams>;
  /** How many answers were refused, and why. */
  refused(): Readonly<Record<Refusal, number>>;
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

interface Start {
  readonly url: string;
  readonly where: 'shown' | 'passed';
  /** Of the browser that was led on from here. */
  cookie?: string;
}

/** Why a response is not taken. */
export type Refusal = 'another_state' | 'another_browser';

const ANOTHER_STATE: ResultPage = {
  outcome: 'failed',
  title: 'This is not the response that is waited for',
  text: [
    'The address has another state than the request that was sent. It may be from an earlier try, or somebody else made it. It was not used, and nothing has changed.',
    'Go on in the window in which you signed in last, or run the command again.',
  ],
  facts: [],
};

const ANOTHER_BROWSER: ResultPage = {
  outcome: 'failed',
  title: 'This is not the browser in which the sign-in began',
  text: [
    'It has no cookie of this sign-in. It was sent here by somebody else, or it keeps no cookies, or the address was opened without the start address that the terminal shows. The response was not used, and nothing has changed.',
    'Open the start address in the browser in which you sign in.',
  ],
  facts: [],
};

const STARTED_TWICE: ResultPage = {
  outcome: 'failed',
  title: 'This sign-in is called off',
  text: [
    'Its start address works once, and another browser has opened it already. If that was not you, somebody else on this machine has read it.',
    'Look at the terminal. If it says that the account is connected, somebody else has signed in: run the command again with --replace. If not, run it again as before.',
  ],
  facts: [],
};

/**
 * @param registered the profile's `redirect_uri`: its port and path are kept; without a port any free one is taken
 * @param isOurs whether a response has this request's state
 * @param onRefused told when the first is refused for this reason
 * @throws CliError PORT_TAKEN
 */
export async function startLoopback(
  registered: string | undefined,
  isOurs: (parameters: URLSearchParams) => boolean,
  onRefused: (why: Refusal) => void,
): Promise<Loopback> {
  const wanted = new URL(registered ?? 'http://127.0.0.1/callback');
  const waiting = new Set<ServerResponse>();
  const arrived = Promise.withResolvers<URLSearchParams>();
  // Nobody need be waiting yet, or any more.
  arrived.promise.catch(() => undefined);
  const starts = new Map<string, Start>();
  const refused = { another_state: 0, another_browser: 0 };
  let page: ResultPage | undefined;
  /** Of the browser that counts. */
  let cookie: string | undefined;
  // Cookies know hosts and no ports; two sign-ins at once need two names.
  const cookieName = () => `sign-in-${wanted.port}`;
  const server = createServer((request, response) => {
    const { url: target = '/' } = request;
    // Nothing may throw here: the process would end with a code spent and its tokens not stored.
    if (!URL.canParse(target, LOCAL)) return plain(response, 400, 'That is not an address.');
    const url = new URL(target, LOCAL);
    const start = starts.get(url.pathname);
    if (start === undefined && url.pathname !== wanted.pathname)
      return plain(response, 404, 'There is nothing here.');
    if (request.method !== 'GET') return plain(response, 405, 'Only GET is understood here.');
    if (start !== undefined) {
      // A browser that looks ahead, or is sent back, asks again; it has its cookie by then.
      const taken = start.cookie ?? (start.where === 'shown' ? undefined : cookie);
      if (taken !== undefined && !has(request, cookieName(), taken)) {
        arrived.reject(startedTwice());
        return respond(response, 400, STARTED_TWICE);
      }
      start.cookie = taken ?? randomBytes(32).toString('base64url');
      cookie = start.cookie;
      return redirect(response, start.url, `${cookieName()}=${cookie}; HttpOnly; SameSite=Lax; Path=/`);
    }
    const why = isOurs(url.searchParams)
      ? has(request, cookieName(), cookie)
        ? undefined
        : 'another_browser'
      : 'another_state';
    if (why !== undefined) {
      // Whoever can reach this port could fill the terminal otherwise.
      if (refused[why]++ === 0) onRefused(why);
      return respond(response, 400, why === 'another_state' ? ANOTHER_STATE : ANOTHER_BROWSER);
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
    startAt: (url, where) => {
      const path = `/start/${randomBytes(24).toString('base64url')}`;
      starts.set(path, { url, where });
      // Cookies are a host's: it has to be the one to which the provider sends the browser.
      return `${wanted.origin}${path}`;
    },
    answer: (signal) =>
      new Promise((resolve, reject) => {
        const stop = () => reject(signal.reason);
        if (signal.aborted) return stop();
        signal.addEventListener('abort', stop, { once: true });
        arrived.promise.finally(() => signal.removeEventListener('abort', stop)).then(resolve, reject);
      }),
    refused: () => refused,
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

/** Whether the browser sends this value of the cookie, among others that other servers of this host may have set. */
function has({ headers }: IncomingMessage, name: string, value: string | undefined): boolean {
  if (value === undefined) return false;
  const wanted = Buffer.from(`${name}=${value}`);
  return (headers.cookie ?? '').split(';').some((pair) => {
    const given = Buffer.from(pair.trim());
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  });
}

function startedTwice(): CliError {
  return new CliError(
    'STARTED_TWICE',
    'The start address of this sign-in was opened in two browsers, and it works once: perhaps somebody else on this machine has read it. The sign-in is called off. No answer was used, and nothing has changed. Run the command again; with --no-browser, --paste or --device no other program is told an address.',
  );
}

function statusOf({ outcome }: ResultPage): number {
  return outcome === 'connected' ? 200 : 400;
}

function redirect(response: ServerResponse, to: string, cookie: string): void {
  response.writeHead(302, {
    location: to,
    'set-cookie': cookie,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    connection: 'close',
  });
  response.end();
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
