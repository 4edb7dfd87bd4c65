import { createHash } from 'node:crypto';
import * as oauth from 'oauth4webapi';
import { isJsonObject } from '../../core/json-object.ts';
import { ALLOWED_ADDRESSES, type CallableAddresses } from './addresses.ts';
import type { SendHttpsRequest, TlsIdentity } from './https-request.ts';
import { RequestFailed } from './request-failed.ts';

/** The issuer's metadata can't be used: the profile names the wrong issuer. */
export class UnusableIssuer extends Error {}

/**
 * Metadata by profile, issuer and what vouched for it, with when it is to be read again (milliseconds since the epoch).
 * Outlives a run.
 */
export type DiscoveryCache = Map<
  string,
  { readonly server: oauth.AuthorizationServer; readonly until: number }
>;

const CACHE_TIME = 3_600_000;
const CACHE_SIZE = 500;

export interface DiscoveryOptions extends CallableAddresses {
  readonly send: SendHttpsRequest;
  readonly cache: DiscoveryCache;
  readonly now: () => number;
}

/** Whose issuer it is: what one profile is told is nothing to another. */
export interface IssuerOf {
  readonly profile: string;
  readonly issuer: string;
  readonly tls: TlsIdentity;
}

/**
 * Finds an authorization server's endpoints from its issuer: OpenID Connect Discovery 1.0 first, then RFC 8414. The
 * metadata must name the very issuer that it was asked for (RFC 8414 section 3.3).
 *
 * @throws UnusableIssuer, or RequestFailed where the issuer can't be reached
 */
export async function discover(
  { profile, issuer, tls }: IssuerOf,
  signal: AbortSignal,
  { send, allowHttpLoopback, cache, now }: DiscoveryOptions,
): Promise<oauth.AuthorizationServer> {
  const key = createHash('sha256')
    .update(JSON.stringify([profile, issuer, tls.ca, tls.cert]))
    .digest('base64');
  const known = cache.get(key);
  // A clock that was set back does not make it good for longer.
  if (known !== undefined && now() < known.until && now() >= known.until - CACHE_TIME) return known.server;
  const url = new URL(issuer);
  const ask = (algorithm: 'oidc' | 'oauth2') =>
    oauth.discoveryRequest(url, {
      algorithm,
      signal,
      [oauth.allowInsecureRequests]: allowHttpLoopback,
      [oauth.customFetch]: async (address, { headers }) => {
        const answer = await send(address, { method: 'GET', headers, signal, profile, tls }).catch(
          (error: unknown) => {
            // Whatever became of this request, no token was sent with it.
            if (!(error instanceof RequestFailed)) throw error;
            if (error.code === 'ADDRESS_NOT_ALLOWED')
              throw new UnusableIssuer(
                `issuer: leads to an address that is not allowed: ${ALLOWED_ADDRESSES}`,
              );
            throw new RequestFailed('no', error.code);
          },
        );
        // These say nothing of the metadata.
        if (answer.status >= 500 || [408, 425, 429].includes(answer.status))
          throw new RequestFailed('no', `HTTP_${answer.status}`);
        if (answer.status === 200 && !answer.complete && !answer.tooLarge)
          throw new RequestFailed('no', 'ANSWER_CUT_SHORT');
        const body = answer.status === 200 && answer.complete ? answer.body : null;
        return new Response(body, {
          status: answer.status === 200 ? 200 : 404,
          headers: { 'content-type': 'application/json' },
        });
      },
    });
  const openId = await ask('oidc');
  const response = openId.status === 200 ? openId : await ask('oauth2');
  const metadata = await oauth.processDiscoveryResponse(url, response).catch(() => undefined);
  if (metadata === undefined) throw new UnusableIssuer('issuer: has no metadata that names this very issuer');
  const server = used(metadata);
  if (server.token_endpoint === undefined)
    throw new UnusableIssuer('issuer: its metadata names no token_endpoint, or one that is no URL');
  cache.delete(key);
  cache.set(key, { server, until: now() + CACHE_TIME });
  const [oldest] = cache.keys();
  if (cache.size > CACHE_SIZE && oldest !== undefined) cache.delete(oldest);
  return server;
}

const endpoints = [
  'token_endpoint',
  'authorization_endpoint',
  'device_authorization_endpoint',
  'revocation_endpoint',
  'userinfo_endpoint',
  'jwks_uri',
] as const;
/** No endpoint is so long. */
const MAX_URL = 2_048;

/** What is used of the metadata: it may be a megabyte, and is kept for an hour. */
function used(metadata: oauth.AuthorizationServer): oauth.AuthorizationServer {
  const { issuer, mtls_endpoint_aliases: aliases, authorization_response_iss_parameter_supported } = metadata;
  return {
    issuer,
    ...endpointsIn(metadata),
    ...(isJsonObject(aliases) && { mtls_endpoint_aliases: endpointsIn(aliases) }),
    ...(authorization_response_iss_parameter_supported === true && {
      authorization_response_iss_parameter_supported,
    }),
  };
}

function endpointsIn(metadata: object): Partial<Record<(typeof endpoints)[number], string>> {
  const named = metadata as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    endpoints.flatMap((name) => {
      const value = named[name];
      return typeof value === 'string' && value.length <= MAX_URL && URL.canParse(value)
        ? [[name, value]]
        : [];
    }),
  );
}
