import * as oauth from 'oauth4webapi';
import type { Account } from '../../lambda/account.ts';
import { clientAuthentication, tlsIdentity } from '../../lambda/client-authentication.ts';
import { discover } from '../../lambda/discovery.ts';
import { createHttpsClient, refusalOf } from '../../lambda/https-request.ts';
import { fillPlaceholders } from '../../lambda/placeholders.ts';
import type { Profile } from '../../lambda/profile.ts';
import {
  checkedEndpoint,
  clientOf,
  type Exchange,
  exchangeFailure,
  type Fill,
  type MakeTokenRequest,
  sendTokenRequest,
} from '../../lambda/token-endpoint.ts';
import { CliError } from '../cli-error.ts';

/** One profile's provider, as it is for one account. */
export interface Provider {
  readonly profile: Profile;
  /** Endpoints, the profile's own before the metadata's; `issuer` is only true where `knowsIssuer`. */
  readonly server: oauth.AuthorizationServer;
  readonly knowsIssuer: boolean;
  readonly client: oauth.Client;
  /** Sends a first grant to the token endpoint. Never throws. */
  exchange(make: MakeTokenRequest): Promise<Exchange>;
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
 * own fields win.
 *
 * @param redirectUri what the account is authorized with; `{redirect_uri}` in the profile's templates stands for it
 * @throws CliError where an endpoint is wrong or the issuer can't be read
 */
export async function openProvider(
  given: Profile,
  account: Account,
  redirectUri: string | undefined,
  allowHttpLoopback: boolean,
): Promise<Provider> {
  const profile = { ...given, redirect_uri: redirectUri ?? given.redirect_uri };
  const https = createHttpsClient({ allowHttpLoopback });
  const options = { send: https.send, allowHttpLoopback, cache: new Map(), now: Date.now };
  const fill: Fill = (template, field) => fillPlaceholders(template, field, account, profile);
  const endpoint = (field: Parameters<typeof checkedEndpoint>[1]) =>
    profile[field] === undefined ? undefined : checkedEndpoint(profile, field, fill, allowHttpLoopback);
  try {
    const issuer = endpoint('issuer');
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT);
    const named = profile.token_endpoint !== undefined && profile.authorization_endpoint !== undefined;
    const metadata: Partial<oauth.AuthorizationServer> =
      issuer === undefined
        ? {}
        : await discover(issuer, tlsIdentity(profile), signal, options).catch((error: unknown) => {
            // Not every issuer publishes metadata, and what is needed most is named.
            if (named) return {};
            throw error;
          });
    const token = endpoint('token_endpoint') ?? metadata.token_endpoint;
    const authorization = endpoint('authorization_endpoint') ?? metadata.authorization_endpoint;
    const device = endpoint('device_authorization_endpoint') ?? metadata.device_authorization_endpoint;
    const server: oauth.AuthorizationServer = {
      ...metadata,
      issuer: issuer ?? token ?? '',
      ...(token !== undefined && { token_endpoint: token }),
      ...(authorization !== undefined && { authorization_endpoint: authorization }),
      ...(device !== undefined && { device_authorization_endpoint: device }),
    };
    for (const url of [authorization, device])
      if (url !== undefined && refusalOf(new URL(url), allowHttpLoopback) !== undefined)
        throw new CliError(
          'PROFILE_INVALID',
          `The provider's endpoint ${url} can't be used: it must be https.`,
        );
    const visit = { profile, account, timeoutMilliseconds: REQUEST_TIMEOUT };
    return {
      profile,
      server,
      knowsIssuer: issuer !== undefined,
      client: clientOf(profile),
      exchange: (make) => sendTokenRequest(visit, 'token_endpoint', options, make),
      refresh: (make) => sendTokenRequest(visit, 'refresh_token_endpoint', options, make),
      request: (timeoutMilliseconds = REQUEST_TIMEOUT) => {
        const timeout = AbortSignal.timeout(timeoutMilliseconds);
        return {
          signal: timeout,
          [oauth.allowInsecureRequests]: allowHttpLoopback,
          [oauth.customFetch]: async (
            url: string,
            { method, headers, body }: { method: string; headers: Record<string, string>; body?: unknown },
          ) => {
            const answer = await https.send(url, {
              method: method === 'POST' ? 'POST' : 'GET',
              headers,
              ...(body instanceof URLSearchParams && { body: body.toString() }),
              signal: timeout,
              tls: tlsIdentity(profile),
            });
            const status = answer.status >= 200 && answer.status <= 599 ? answer.status : 502;
            return new Response([204, 205, 304].includes(status) ? null : answer.body, {
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
    throw error instanceof CliError ? error : unusable(error);
  }
}

/** A request that could not be made, or that nobody answered, as the command's end. */
export function unusable(error: unknown): CliError {
  const { kind, detail, ...rest } = exchangeFailure(error);
  const reason = kind === 'unsent' ? (rest as { reason: string }).reason : 'provider_unavailable';
  if (reason === 'account_invalid')
    return new CliError('PARAMETER_MISSING', `${detail}. Give it with --parameter <name>=<value>.`);
  if (reason === 'profile_invalid')
    return new CliError('PROFILE_INVALID', `${detail}. Correct the profile ("profiles add --change").`);
  return new CliError('PROVIDER_UNAVAILABLE', `${detail}. Nothing has changed. Try again later.`);
}
