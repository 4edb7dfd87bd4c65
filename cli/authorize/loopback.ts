import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CliError } from '../shared/cli-error.ts';
import { PAGE_HEADERS, type ResultPage, renderResultPage } from './result-page.ts';

/** A server on this machine to which the provider sends the browser back (RFC 8252 section 7.3). */
export interface Loopback {
  readonly redirectUri: string;
  /**
   * An address here that leads one browser to another address, once, and sets a cookie to recognize that browser.
   * Everybody on this machine can read a program's arguments, so the request's state is not in this address.
   *
   * @param where `shown` to the person only, who may then change to another browser, or `passed` to a program
   */
  startAt(url: string, where: 'shown' | 'passed'): string;
  /** The first response to this request, from the browser that was led to it. @throws CliError STARTED_TWICE */
  response(signal: AbortSignal): Promise<URLSearchParams>;
  refused(): Readonly<Record<Refusal, number>>;
  /** Shows the page in the browser, which has been waiting, and again when it reloads. */
  show(page: ResultPage): void;
  close(): Promise<void>;
}

const LOOPBACK_HOSTS = new Map([
  ['127.0.0.1', '127.0.0.1'],
  ['localhost', '127.0.0.1'],
  ['[::1]', '::1'],
]);

const LOCAL = 'http://127.0.0.1';

export function isLoopback(redirectUri: string): boolean {
  const { protocol, hostname } = new URL(redirectUri);
  return protocol === 'http:' && LOOPBACK_HOSTS.has(hostname);
}

interface Start {
  readonly url: string;
  readonly where: 'shown' | 'passed';
  /** The cookie of the browser that was led on from here. */
  cookie?: string;
}

export type Refusal = 'another_state' | 'another_browser';

const ANOTHER_STATE: ResultPage = {
  outcome: 'failed',
  title: 'This page belongs to another sign-in',
  text: [
    'Perhaps it is from an earlier try, or somebody else made it. It was not used, and nothing has changed.',
    'Please go on in the window that you opened last.',
  ],
  facts: [],
};

const ANOTHER_BROWSER: ResultPage = {
  outcome: 'failed',
  title: 'You began to sign in with another browser',
  text: [
    'So the sign-in in this browser was not used, and nothing has changed. The same happens if a browser keeps no cookies.',
    'Please open the address that the terminal shows in the browser in which you want to sign in.',
  ],
  facts: [],
};

const STARTED_TWICE: ResultPage = {
  outcome: 'failed',
  title: 'This sign-in was stopped',
  text: [
    'Its address works once, and another browser has opened it already. If that was not you, somebody else on this computer has read it.',
    'Please look at the terminal and try again. If it says that the account is connected, somebody else has signed in.',
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
  // Perhaps nobody waits for it.
  arrived.promise.catch(() => undefined);
  const starts = new Map<string, Start>();
  const refused = { another_state: 0, another_browser: 0 };
  let page: ResultPage | undefined;
  /** The cookie of the browser that counts. */
  let cookie: string | undefined;
  // Ports share their host's cookies, so two sign-ins at a time need two names.
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
      // A browser may ask again, after a look ahead or a step back. Then it has its cookie.
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
      // Otherwise anybody who can reach this port could fill the terminal.
      if (refused[why]++ === 0) onRefused(why);
      return respond(response, 400, why === 'another_state' ? ANOTHER_STATE : ANOTHER_BROWSER);
    }
    arrived.resolve(url.searchParams);
    // Browsers sometimes load a page twice. Both get the same.
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
      // The cookie must be of the host to which the provider sends the browser back.
      return `${wanted.origin}${path}`;
    },
    response: (signal) =>
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

/** Milliseconds. A browser that does not read its page to the end must not hold up the command. */
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

/** Whether the browser sends this cookie. Other servers of this host may have set more of the same name. */
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
    'The start address was opened in two browsers, but it works only once. Perhaps somebody else on this machine has read it. So the sign-in was stopped, and nothing has changed. Run the command again. With --no-browser, --paste or --device no other program sees the address.',
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
