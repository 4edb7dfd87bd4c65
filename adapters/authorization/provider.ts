import * as oauth from 'oauth4webapi';
import type { Account } from '../../core/account/account.ts';
import { shownPath } from '../../core/field-name.ts';
import { fillPlaceholders, UnusableParameter } from '../../core/profile/placeholders.ts';
import type { Profile } from '../../core/profile/profile.ts';
import { withoutUserinfo } from '../../core/profile/shown-address.ts';
import { type CallableAddresses, refusalOf } from '../oauth/addresses.ts';
import { clientAuthentication, tlsIdentity } from '../oauth/client-authentication.ts';
import { discover } from '../oauth/discovery.ts';
import { createHttpsClient } from '../oauth/https-request.ts';
import {
  checkedEndpoint,
  clientOf,
  type Exchange,
  exchangeFailure,
  type Fill,
  type MakeTokenRequest,
  sendTokenRequest,
} from '../oauth/token-endpoint.ts';
import { AuthorizationError } from './authorization-error.ts';

/** One profile's provider, as it is for one account. */
export interface Provider {
  readonly profile: Profile;
  /** Endpoints, the profile's own before the metadata's; `issuer` is only true where `knowsIssuer`. */
  readonly server: oauth.AuthorizationServer;
  readonly knowsIssuer: boolean;
  /** Its authorization endpoint was found in its metadata, as OpenID providers have it. */
  readonly isOpenId: boolean;
  readonly client: oauth.Client;
  /** Sends a first grant to the token endpoint. Never throws. @param parameters of the account, beside those that it has */
  exchange(make: MakeTokenRequest, parameters?: Readonly<Record<string, string>>): Promise<Exchange>;
  /** Sends a refresh, which some providers want elsewhere. Never throws. */
  refresh(make: MakeTokenRequest): Promise<Exchange>;
  /** What oauth4webapi needs for any other request to the provider. */
  request(timeoutMilliseconds?: number): RequestOptions;
  authentication(): oauth.ClientAuth;
  close(): void;
}

type RequestOptions = oauth.HttpRequestOptions<'POST', URLSearchParams> &
  oauth.HttpRequestOptions<'GET'> & { signal: AbortSignal };

const REQUEST_TIMEOUT = 10_000;

/**
 * Finds a provider's endpoints: from its issuer's metadata where the profile names one, and from the profile, whose
 * own fields win. Where they are all named, an issuer without metadata will do: it is compared with `iss` all the same.
 *
 * @param redirectUri what the account is authorized with; `{redirect_uri}` in the profile's templates stands for it
 * @throws AuthorizationError where an endpoint is wrong or the issuer can't be read
 */
export async function openProvider(
  given: Profile,
  account: Account,
  redirectUri: string | undefined,
  addresses: CallableAddresses,
): Promise<Provider> {
  const profile = { ...given, redirect_uri: redirectUri ?? given.redirect_uri };
  const https = createHttpsClient(addresses);
  const options = { ...addresses, send: https.send, cache: new Map(), now: Date.now };
  const fill: Fill = (template, field) => fillPlaceholders(template, field, account, profile);
  const endpoint = (field: Parameters<typeof checkedEndpoint>[1]) =>
    profile[field] === undefined ? undefined : checkedEndpoint(profile, field, fill, addresses);
  try {
    const issuer = endpoint('issuer');
    const named = {
      token: tokenEndpoint(() => endpoint('token_endpoint'), profile),
      authorization: endpoint('authorization_endpoint'),
      device: endpoint('device_authorization_endpoint'),
    };
    const metadata: Partial<oauth.AuthorizationServer> =
      issuer === undefined
        ? {}
        : await discover(
            { profile: account.oauthProfile, issuer, tls: tlsIdentity(profile) },
            AbortSignal.timeout(REQUEST_TIMEOUT),
            options,
          ).catch((error: unknown) => {
            const complete = profile.token_endpoint !== undefined && (named.authorization ?? named.device);
            if (!complete) throw error;
            return { issuer };
          });
    const token = named.token ?? (profile.token_endpoint === undefined ? metadata.token_endpoint : undefined);
    const authorization = named.authorization ?? metadata.authorization_endpoint;
    const device = named.device ?? metadata.device_authorization_endpoint;
    const server: oauth.AuthorizationServer = {
      ...metadata,
      issuer: metadata.issuer ?? token ?? authorization ?? '',
      ...(token !== undefined && { token_endpoint: token }),
      ...(authorization !== undefined && { authorization_endpoint: authorization }),
      ...(device !== undefined && { device_authorization_endpoint: device }),
    };
    for (const url of [authorization, device]) {
      if (url === undefined) continue;
      const refused = URL.canParse(url) ? refusalOf(new URL(url), addresses) : 'must be a URL';
      if (refused !== undefined)
        throw new AuthorizationError(
          'PROFILE_INVALID',
          `The provider's endpoint ${withoutUserinfo(url)} can't be used: it ${refused}.`,
        );
    }
    const attempt = { profile, account, timeoutMilliseconds: REQUEST_TIMEOUT };
    return {
      profile,
      server,
      knowsIssuer: metadata.issuer !== undefined,
      isOpenId: named.authorization === undefined && metadata.authorization_endpoint !== undefined,
      client: clientOf(profile),
      exchange: (make, parameters = {}) => {
        const authorized = { ...account, parameters: { ...account.parameters, ...parameters } };
        return sendTokenRequest({ ...attempt, account: authorized }, 'token_endpoint', options, make);
      },
      refresh: (make) => sendTokenRequest(attempt, 'refresh_token_endpoint', options, make),
      request: (timeoutMilliseconds = REQUEST_TIMEOUT) => {
        const timeout = AbortSignal.timeout(timeoutMilliseconds);
        return {
          signal: timeout,
          [oauth.allowInsecureRequests]: addresses.allowHttpLoopback,
          [oauth.customFetch]: async (
            url: string,
            { method, headers, body }: { method: string; headers: Record<string, string>; body?: unknown },
          ) => {
            const response = await https.send(url, {
              method: method === 'POST' ? 'POST' : 'GET',
              headers,
              ...(body instanceof URLSearchParams && { body: withOwnIdName(body, profile).toString() }),
              signal: timeout,
              profile: account.oauthProfile,
              tls: tlsIdentity(profile),
            });
            const status = response.status >= 200 && response.status <= 599 ? response.status : 502;
            return new Response([204, 205, 304].includes(status) ? null : response.body, {
              status,
              headers: { 'content-type': 'application/json' },
            });
          },
        } as RequestOptions;
      },
      authentication: () => clientAuthentication(profile),
      close: https.close,
    };
  } catch (error) {
    https.close();
    throw error instanceof AuthorizationError ? error : unusable(error);
  }
}

/** What only the response to the sign-in can fill in is not known yet. */
function tokenEndpoint(
  endpoint: () => string | undefined,
  { callback_parameters: later }: Profile,
): string | undefined {
  try {
    return endpoint();
  } catch (error) {
    if (
      error instanceof UnusableParameter &&
      later.some((name) => error.message.includes(`${shownPath(['parameters', name])}:`))
    )
      return undefined;
    throw error;
  }
}

/** The client's id under the name that the provider has for it. */
function withOwnIdName(body: URLSearchParams, { client_id_parameter: name }: Profile): URLSearchParams {
  const id = body.get('client_id');
  if (name === 'client_id' || id === null) return body;
  const own = new URLSearchParams(body);
  own.delete('client_id');
  own.set(name, id);
  return own;
}

/** A request that could not be made, or that nobody answered, as the end of the authorization. */
export function unusable(error: unknown): AuthorizationError {
  const { kind, detail, ...rest } = exchangeFailure(error);
  const reason = kind === 'unsent' ? (rest as { reason: string }).reason : 'provider_unavailable';
  if (reason === 'account_invalid')
    return new AuthorizationError('PARAMETER_MISSING', `${detail}.`, { next: 'give_parameter' });
  if (reason === 'profile_invalid')
    return new AuthorizationError('PROFILE_INVALID', `${detail}.`, { next: 'correct_profile' });
  return new AuthorizationError('PROVIDER_UNAVAILABLE', `${detail}. Nothing has changed. Try again later.`);
}
