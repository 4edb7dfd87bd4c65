import { setTimeout as sleep } from 'node:timers/promises';
import * as oauth from 'oauth4webapi';
import { parseJsonObject } from '../../core/json-object.ts';
import { secretValuesOf } from '../../core/profile/profile.ts';
import { errorOf } from '../../core/response/provider-error.ts';
import type { Exchange } from '../oauth/token-endpoint.ts';
import { AuthorizationError } from './authorization-error.ts';
import { asciiOnly, refusal } from './authorization-request.ts';
import type { Consent } from './consent.ts';
import { type Provider, unusable } from './provider.ts';

/** What the provider gave the device (RFC 8628 section 3.2). */
interface DeviceCodes {
  readonly device_code: string;
  readonly user_code: string;
  readonly verification_uri: string;
  readonly verification_uri_complete: string | undefined;
  readonly expires_in: number;
  readonly interval: number;
}

/** Seconds; nobody waits longer for a response that is there, and a timer takes no more than 24 days. */
const LONGEST_INTERVAL = 300;

/** Added to the interval at each "slow down" (RFC 8628 section 3.5), seconds. */
const SLOWER = 5;

/** Asks for a code that a person enters on any other device (RFC 8628). @throws AuthorizationError */
export async function askForCodes(provider: Provider): Promise<DeviceCodes> {
  const { server, client, profile } = provider;
  if (server.device_authorization_endpoint === undefined)
    throw new AuthorizationError(
      'NO_DEVICE_ENDPOINT',
      'The profile has no device_authorization_endpoint, and no issuer that names one.',
      { next: 'use_browser' },
    );
  const parameters = profile.scope === undefined ? {} : { scope: profile.scope };
  const response = await oauth
    .deviceAuthorizationRequest(server, client, provider.authentication(), parameters, provider.request())
    .catch((error: unknown) => {
      throw unusable(error);
    });
  const body = parseJsonObject(await response.text());
  const error = body === undefined ? undefined : errorOf(body, profile);
  if (error !== undefined) throw refusal(error.code, error.description, secretValuesOf(profile));
  const codes = codesIn(body ?? {});
  if (response.status >= 500 || codes === undefined)
    throw new AuthorizationError(
      response.status >= 500 ? 'PROVIDER_UNAVAILABLE' : 'ANSWER_MALFORMED',
      `The device authorization endpoint answered HTTP ${response.status} without a code. Nothing has changed.`,
    );
  return codes;
}

function codesIn(body: Record<string, unknown>): DeviceCodes | undefined {
  const { device_code, user_code, expires_in, interval } = body;
  // Some providers keep the name from before the standard.
  const verification = body.verification_uri ?? body.verification_url;
  const complete = body.verification_uri_complete;
  if (typeof device_code !== 'string' || typeof user_code !== 'string' || !isHttps(verification))
    return undefined;
  return {
    device_code,
    user_code: asciiOnly(user_code),
    verification_uri: asciiOnly(verification),
    verification_uri_complete: isHttps(complete) ? asciiOnly(complete) : undefined,
    expires_in: positive(expires_in) ?? 600,
    interval: Math.min(LONGEST_INTERVAL, Math.max(1, positive(interval) ?? 5)),
  };
}

function isHttps(value: unknown): value is string {
  return typeof value === 'string' && /^https?:\/\/[\x21-\x7e]+$/.test(value) && value.length <= 200;
}

function positive(value: unknown): number | undefined {
  const number = Number(value);
  return Number.isFinite(number) && number > 0 ? number : undefined;
}

/**
 * Waits until the person has entered the code. The tokens are issued then.
 *
 * @throws AuthorizationError where consent was not given
 */
export async function deviceConsent(
  provider: Provider,
  codes: DeviceCodes,
  signal: AbortSignal,
): Promise<Consent> {
  const exchange = await poll(provider, codes, signal);
  return { holds: 'tokens', parameters: {}, redeem: async () => exchange };
}

/** Asks until there is another response than "not yet". An outage is waited out (RFC 8628 section 3.5). */
async function poll(
  provider: Provider,
  { device_code, expires_in, interval }: DeviceCodes,
  signal: AbortSignal,
): Promise<Exchange> {
  const until = Date.now() + expires_in * 1000;
  for (let pause = interval; Date.now() < until; ) {
    await sleep(pause * 1000, undefined, { signal }).catch(() => {
      throw signal.reason;
    });
    const exchange = await provider.exchange((server, client, authentication, options) =>
      oauth.deviceCodeGrantRequest(server, client, authentication, device_code, options),
    );
    const next = judge(exchange, provider);
    if (next === 'done') return exchange;
    if (next === 'slower') pause = Math.min(LONGEST_INTERVAL, pause + SLOWER);
  }
  throw expired();
}

function judge(exchange: Exchange, { profile }: Provider): 'done' | 'again' | 'slower' {
  if (exchange.kind === 'no_response') return 'slower';
  if (exchange.kind === 'unsent') return exchange.reason === 'provider_unavailable' ? 'slower' : 'done';
  const { body, status } = exchange.response;
  const response = parseJsonObject(body);
  const error = response === undefined ? undefined : errorOf(response, profile);
  switch (error?.code) {
    case 'authorization_pending':
      return 'again';
    case 'slow_down':
      return 'slower';
    case 'access_denied':
      throw refusal(error.code, error.description, [...secretValuesOf(profile), ...exchange.secrets]);
    case 'expired_token':
      throw expired();
    default:
      return status === 429 || status >= 500 ? 'slower' : 'done';
  }
}

function expired(): AuthorizationError {
  return new AuthorizationError(
    'TIMEOUT',
    'The code has run out before anybody used it. Nothing has changed.',
    { next: 'try_again' },
  );
}
