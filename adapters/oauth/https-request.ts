import * as http from 'node:http';
import * as https from 'node:https';
import type { Duplex } from 'node:stream';
import { keepNewest } from '../../core/keep-newest.ts';
import type { HttpResponse } from '../../core/response/http-response.ts';
import { type CallableAddresses, guardedLookup, refusalOf } from './addresses.ts';
import { exchangeBytes } from './http-exchange.ts';
import { MAX_HEAD_BYTES } from './raw-response.ts';
import { RequestFailed } from './request-failed.ts';

export interface TlsIdentity {
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The certificate authorities to trust, PEM. The usual ones are then not trusted. */
  readonly ca?: string | undefined;
}

export interface HttpsRequest {
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
  /** The profile that it is for. Profiles share neither connections nor TLS sessions. */
  readonly profile: string;
  readonly tls?: TlsIdentity;
}

/** The proxy that https requests go through, in the terms of the variables HTTPS_PROXY and NO_PROXY. */
export interface HttpsProxy {
  readonly url: string;
  /** The names that are called directly, with commas: `id.example.com`, or `.example.com` with all below it. */
  readonly except: string;
}

export type SendHttpsRequest = (url: string, request: HttpsRequest) => Promise<HttpResponse>;

interface HttpsClient {
  readonly send: SendHttpsRequest;
  /** Ends the requests that are under way. */
  readonly close: () => void;
}

/**
 * An HTTP client with the limits that a token endpoint needs: only https, no redirects (a 3xx is a response like others), only
 * public addresses unless others are allowed, a limit on what is read, and errors that tell whether the request can have
 * arrived.
 *
 * Each request has its own connection. So nothing that is left on one meets another profile's request, and no request goes out
 * on a connection that the server has just closed. A profile's TLS sessions are resumed.
 *
 * A proxy is asked for a tunnel (CONNECT), so it sees names and no tokens. It resolves the names itself: what is behind them is
 * then its business.
 *
 * It uses node:https because fetch can't present a client certificate, and can't check the address behind a name.
 */
export function createHttpsClient(addresses: CallableAddresses, proxy?: HttpsProxy): HttpsClient {
  // With a limit on sockets, an agent would give a connection to the next request that waits.
  const shared = { keepAlive: false, lookup: guardedLookup(addresses) };
  const httpAgent = new http.Agent(shared);
  const proxyEnv = proxy && { HTTPS_PROXY: proxy.url, NO_PROXY: proxy.except };
  const httpsAgents = new Map<string, https.Agent>();
  const live = new Set<() => void>();
  const sockets = new Set<Duplex>();
  /** An agent does not know the sockets of tunnels that are not ready yet. */
  const remembered = (agent: https.Agent): https.Agent => {
    const connect = agent.createConnection.bind(agent);
    agent.createConnection = (options, callback) => {
      const socket = connect(options, callback);
      if (socket) sockets.add(socket.once('close', () => sockets.delete(socket)));
      return socket;
    };
    return agent;
  };
  const agentFor = ({ profile, tls: { cert, key, ca } = {} }: HttpsRequest) => {
    const owner = JSON.stringify([profile, cert, key, ca]);
    const agent =
      httpsAgents.get(owner) ?? remembered(new https.Agent({ ...shared, cert, key, ca, proxyEnv }));
    // One that is taken out has no connection open, and requests that use it now go on.
    keepNewest(httpsAgents, owner, agent, MAX_AGENTS);
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
        // Being lenient is safe here, as nothing else follows on the connection (decision 12).
        insecureHTTPParser: true,
      };
      const outgoing =
        url.protocol === 'https:'
          ? https.request(url, { ...common, agent: agentFor(request) })
          : http.request(url, { ...common, agent: httpAgent });
      return await exchangeBytes(outgoing, request, live);
    },
    close: () => {
      for (const end of live) end();
      httpAgent.destroy();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Agents that are kept, each with the TLS sessions of one profile. */
const MAX_AGENTS = 100;
