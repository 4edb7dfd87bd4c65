import * as oauth from 'oauth4webapi';
import type { Account } from '../../core/account/account.ts';
import { shownPath } from '../../core/field-name.ts';
import { fillPlaceholders, UnusableParameter } from '../../core/profile/placeholders.ts';
import { type Profile, secretValuesIn } from '../../core/profile/profile.ts';
import type { Reason } from '../../core/reason.ts';
import type { HttpResponse } from '../../core/response/http-response.ts';
import { ALLOWED_ADDRESSES, type CallableAddresses, refusalOf } from './addresses.ts';
import { clientAuthentication, InvalidKey, tlsIdentity } from './client-authentication.ts';
import { type DiscoveryOptions, discover, UnusableIssuer } from './discovery.ts';
import { RequestFailed } from './request-failed.ts';

/** What became of a token request. */
export type Exchange =
  | {
      readonly kind: 'response';
      readonly response: HttpResponse;
      /** What was sent and must stay secret: the response may quote it. */
      readonly secrets: readonly string[];
    }
  /** The provider can't have seen it. */
  | { readonly kind: 'unsent'; readonly reason: Reason; readonly detail: string }
  /** It was sent and no response came: the provider may have acted on it. */
  | { readonly kind: 'no_response'; readonly detail: string };

interface RefreshRequest {
  readonly profile: Profile;
  readonly account: Account;
  readonly refreshToken: string;
  readonly timeoutMilliseconds: number;
}

const USUAL_TIMEOUT_SECONDS = 30;

/** How long this profile's provider may take to respond, milliseconds. A caller may have less time. */
export function tokenRequestTimeout({ token_request_timeout_seconds }: Profile): number {
  return (token_request_timeout_seconds ?? USUAL_TIMEOUT_SECONDS) * 1000;
}

export interface TokenEndpoint {
  /** Sends one `refresh_token` grant (RFC 6749 section 6). Never throws. */
  refresh(request: RefreshRequest): Promise<Exchange>;
}

/**
 * oauth4webapi makes the request, but does not read the response: once a provider has rotated a token, no odd field may cost
 * us the new one.
 */
export function createTokenEndpoint(options: DiscoveryOptions): TokenEndpoint {
  return {
    refresh: ({ refreshToken, ...request }) =>
      sendTokenRequest(request, 'refresh_token_endpoint', options, (server, client, authentication, more) =>
        oauth.refreshTokenGrantRequest(server, client, authentication, refreshToken, more),
      ),
  };
}

/** One of oauth4webapi's grant requests, without what belongs to the grant alone. */
export type MakeTokenRequest = (
  server: oauth.AuthorizationServer,
  client: oauth.Client,
  authentication: oauth.ClientAuth,
  options: oauth.TokenEndpointRequestOptions,
) => Promise<Response>;

/**
 * Sends one request to a profile's token endpoint, as the profile says. Never throws.
 *
 * @param wanted the field that names the endpoint; where the profile has none, `token_endpoint` is used
 */
export async function sendTokenRequest(
  { profile, account, timeoutMilliseconds }: Omit<RefreshRequest, 'refreshToken'>,
  wanted: 'token_endpoint' | 'refresh_token_endpoint',
  options: DiscoveryOptions,
  make: MakeTokenRequest,
): Promise<Exchange> {
  const { send, allowHttpLoopback } = options;
  const field = profile[wanted] === undefined ? 'token_endpoint' : wanted;
  try {
    const fill: Fill = (template, name) => fillPlaceholders(template, name, account, profile);
    const signal = AbortSignal.timeout(timeoutMilliseconds);
    const server = await authorizationServer({ profile, account, fill }, field, signal, options);
    let response: HttpResponse | undefined;
    let secrets: readonly string[] = [];
    const client_assertion_audience = fill(profile.client_assertion_audience, 'client_assertion_audience');
    const authentication = clientAuthentication({ ...profile, client_assertion_audience });
    await make(server, clientOf(profile), authentication, {
      additionalParameters: filled(profile.token_request_parameters, 'token_request_parameters', fill),
      signal,
      [oauth.allowInsecureRequests]: allowHttpLoopback,
      [oauth.customFetch]: async (url, request) => {
        const own = filled(profile.token_request_headers, 'token_request_headers', fill);
        const odd = Object.keys(own).find((name) => !/^[\t\x20-\x7e]*$/.test(own[name] ?? ''));
        if (odd !== undefined)
          throw new UnusableField(
            `${shownPath(['token_request_headers', odd])}: has other than printable ASCII, once filled in`,
          );
        const body = withClientIdRenamed(profile, request.body as URLSearchParams);
        const message = encoded(profile, body, request.headers, own);
        secrets = secretValuesIn([...body, ...Object.entries(message.headers)]);
        response = await send(url, {
          method: 'POST',
          ...message,
          signal,
          profile: account.oauthProfile,
          tls: tlsIdentity(profile),
        });
        // The library wants a Response; the real one is kept above, whatever its status.
        return new Response();
      },
    });
    if (response === undefined) return unsent('malformed_response', 'The token request was not sent');
    return { kind: 'response', response, secrets };
  } catch (error) {
    return exchangeFailure(error, field);
  }
}

/** The profile's client, as oauth4webapi knows it. */
export function clientOf(profile: Profile): oauth.Client {
  return {
    client_id: profile.client_id,
    use_mtls_endpoint_aliases: profile.tls_client_certificate !== undefined,
  };
}

async function authorizationServer(
  { profile, account, fill }: { profile: Profile; account: Account; fill: Fill },
  field: 'token_endpoint' | 'refresh_token_endpoint',
  signal: AbortSignal,
  options: DiscoveryOptions,
): Promise<oauth.AuthorizationServer> {
  const checked = (name: EndpointField) => checkedEndpoint(profile, name, fill, options);
  if (profile[field] === undefined)
    return await discover(
      { profile: account.oauthProfile, issuer: checked('issuer'), tls: tlsIdentity(profile) },
      signal,
      options,
    );
  const endpoint = checked(field);
  const issuer = profile.issuer === undefined ? endpoint : fill(profile.issuer, 'issuer');
  return { issuer, token_endpoint: endpoint };
}

type EndpointField =
  | 'issuer'
  | 'token_endpoint'
  | 'refresh_token_endpoint'
  | 'authorization_endpoint'
  | 'device_authorization_endpoint';

/** A profile's URL with the account's parameters in it. @throws UnusableField, UnusableParameter */
export function checkedEndpoint(
  profile: Profile,
  field: EndpointField,
  fill: Fill,
  addresses: CallableAddresses,
): string {
  const url = fill(profile[field] ?? '', field);
  const refusal = URL.canParse(url) ? refusalOf(new URL(url), addresses) : 'must be a URL';
  if (refusal !== undefined) throw new UnusableField(`${field}: ${refusal}`);
  return url;
}

export type Fill = (template: string, field: string) => string;

/** A field of the profile can't be used for this account. */
class UnusableField extends Error {}

function filled(values: Readonly<Record<string, string>>, field: string, fill: Fill): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, fill(value, shownPath([field, name]))]),
  );
}

/** The body with the client's id under the name that this provider uses. */
function withClientIdRenamed({ client_id_parameter: name }: Profile, body: URLSearchParams): URLSearchParams {
  const id = body.get('client_id');
  if (name === 'client_id' || id === null) return body;
  const renamed = new URLSearchParams(body);
  renamed.delete('client_id');
  renamed.set(name, id);
  return renamed;
}

/** The body in the profile's format, and the library's headers with the profile's over them, in any case. */
function encoded(
  { token_request_format: format }: Profile,
  body: URLSearchParams,
  usual: Readonly<Record<string, string>>,
  own: Readonly<Record<string, string>>,
) {
  const headers = new Map(Object.entries(usual).map(([name, value]) => [name.toLowerCase(), value]));
  if (format === 'json') headers.set('content-type', 'application/json');
  for (const [name, value] of Object.entries(own)) headers.set(name.toLowerCase(), value);
  return {
    headers: Object.fromEntries(headers),
    body: format === 'json' ? JSON.stringify(Object.fromEntries(body)) : body.toString(),
  };
}

function unsent(reason: Reason, detail: string): Extract<Exchange, { kind: 'unsent' }> {
  return { kind: 'unsent', reason, detail };
}

/** The error codes for a certificate that can't be verified. */
const distrust = /CERT|SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY_LEAF)/;

/**
 * What to make of a request that threw.
 *
 * @param field of the profile, or of its issuer's metadata, that names the endpoint
 */
export function exchangeFailure(
  error: unknown,
  field: EndpointField = 'token_endpoint',
): Exclude<Exchange, { kind: 'response' }> {
  if (error instanceof UnusableParameter) return unsent('account_invalid', error.message);
  if (error instanceof UnusableField || error instanceof InvalidKey || error instanceof UnusableIssuer)
    return unsent('profile_invalid', error.message);
  if (error instanceof RequestFailed && error.code === 'ADDRESS_NOT_ALLOWED')
    return unsent(
      'profile_invalid',
      `${field}: leads to an address that is not allowed: ${ALLOWED_ADDRESSES}`,
    );
  if (error instanceof RequestFailed && distrust.test(error.code))
    return unsent(
      'provider_unavailable',
      `The provider's certificate is not trusted (${error.code}); set tls_ca_certificate if its authority is private`,
    );
  if (error instanceof RequestFailed && error.code === 'ERR_PROXY_TUNNEL')
    return unsent(
      'provider_unavailable',
      'The proxy opens no tunnel to the provider (ERR_PROXY_TUNNEL); let it allow CONNECT to this host, or add the host to NO_PROXY',
    );
  if (error instanceof RequestFailed && error.sent === 'maybe')
    return { kind: 'no_response', detail: `The provider did not answer (${error.code})` };
  // Anything else is our own fault. Only its name is shown: a message can quote what was to be sent.
  const code =
    error instanceof RequestFailed
      ? error.code
      : `REQUEST_NOT_MADE, ${error instanceof Error ? error.name : 'unknown'}`;
  return unsent('provider_unavailable', `The provider could not be reached (${code})`);
}
