import { createHash } from 'node:crypto';
import * as oauth from 'oauth4webapi';
import { HOUR } from '../../core/duration.ts';
import { isJsonObject } from '../../core/json-object.ts';
import { keepNewest } from '../../core/keep-newest.ts';
import { ALLOWED_ADDRESSES, type CallableAddresses } from './addresses.ts';
import type { SendHttpsRequest, TlsIdentity } from './https-request.ts';
import { RequestFailed } from './request-failed.ts';

/** The issuer's metadata can't be used. The profile names the wrong issuer. */
export class UnusableIssuer extends Error {}

/** Metadata by profile, issuer and certificates, and until when it is good (milliseconds since the epoch). Outlives a run. */
export type DiscoveryCache = Map<
  string,
  { readonly server: oauth.AuthorizationServer; readonly until: number }
>;

const CACHE_TIME = HOUR * 1000;
const CACHE_SIZE = 500;

export interface DiscoveryOptions extends CallableAddresses {
  readonly send: SendHttpsRequest;
  readonly cache: DiscoveryCache;
  readonly now: () => number;
}

/** An issuer, and the profile that asks. One profile's metadata is never given to another. */
interface IssuerOf {
  readonly profile: string;
  readonly issuer: string;
  readonly tls: TlsIdentity;
}

/**
 * Finds an authorization server's endpoints from its issuer: OpenID Connect Discovery 1.0 first, then RFC 8414. The
 * metadata must name exactly this issuer (RFC 8414 section 3.3).
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
  // A clock that was set back must not make it good for longer.
  if (known !== undefined && now() < known.until && now() >= known.until - CACHE_TIME) return known.server;
  const url = new URL(issuer);
  const ask = (algorithm: 'oidc' | 'oauth2') =>
    oauth.discoveryRequest(url, {
      algorithm,
      signal,
      [oauth.allowInsecureRequests]: allowHttpLoopback,
      [oauth.customFetch]: async (address, { headers }) => {
        const response = await send(address, { method: 'GET', headers, signal, profile, tls }).catch(
          (error: unknown) => {
            // Whatever happened to this request, it had no token in it.
            if (!(error instanceof RequestFailed)) throw error;
            if (error.code === 'ADDRESS_NOT_ALLOWED')
              throw new UnusableIssuer(
                `issuer: leads to an address that is not allowed: ${ALLOWED_ADDRESSES}`,
              );
            throw new RequestFailed('no', error.code);
          },
        );
        // These say nothing about the metadata.
        if (response.status >= 500 || [408, 425, 429].includes(response.status))
          throw new RequestFailed('no', `HTTP_${response.status}`);
        if (response.status === 200 && !response.complete && !response.tooLarge)
          throw new RequestFailed('no', 'ANSWER_CUT_SHORT');
        const body = response.status === 200 && response.complete ? response.body : null;
        return new Response(body, {
          status: response.status === 200 ? 200 : 404,
          headers: { 'content-type': 'application/json' },
        });
      },
    });
  const openId = await ask('oidc');
  const found = openId.status === 200 ? openId : await ask('oauth2');
  const metadata = await oauth.processDiscoveryResponse(url, found).catch(() => undefined);
  if (metadata === undefined) throw new UnusableIssuer('issuer: has no metadata that names this very issuer');
  const server = usedPartOf(metadata);
  if (server.token_endpoint === undefined)
    throw new UnusableIssuer('issuer: its metadata names no token_endpoint, or one that is no URL');
  keepNewest(cache, key, { server, until: now() + CACHE_TIME }, CACHE_SIZE);
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
/** No endpoint is longer. */
const MAX_URL = 2_048;

/** The part of the metadata that we use. All of it may be a megabyte, and it is kept for an hour. */
function usedPartOf(metadata: oauth.AuthorizationServer): oauth.AuthorizationServer {
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
