import * as oauth from 'oauth4webapi';
import { PARAMETER_VALUE } from '../../core/profile/placeholders.ts';
import { secretValuesOf } from '../../core/profile/profile.ts';
import { withoutUserinfo } from '../../core/profile/shown-address.ts';
import { withoutSecrets } from '../../core/redaction/redaction.ts';
import { AuthorizationError } from './authorization-error.ts';
import type { Consent } from './consent.ts';
import type { Provider } from './provider.ts';

/** One authorization request (RFC 6749 section 4.1, with PKCE, RFC 7636), and the judge of its response. */
export interface AuthorizationRequest {
  /** Where the person's browser has to go. */
  readonly url: string;
  isOurs(response: URLSearchParams): boolean;
  /** Whether a response says anything: a code, or an error. */
  isResponse(response: URLSearchParams): boolean;
  /** Why a code alone, without the rest of the response, is not enough; undefined where it is. */
  readonly needsWholeResponse: string | undefined;
  /**
   * @param response what the provider sent back with the browser
   * @throws AuthorizationError where it is no consent, or not this provider's (RFC 9207)
   */
  accept(response: URLSearchParams): Consent;
  /** The same for a code that came alone: PKCE ties it to this request. */
  acceptCode(code: string): Consent;
}

/** What the request itself decides. */
const OWN_PARAMETERS = [
  'client_id',
  'response_type',
  'response_mode',
  'redirect_uri',
  'state',
  'code_challenge',
  'code_challenge_method',
  'request',
  'request_uri',
];

/**
 * @param more parameters of this provider's own, such as `access_type=offline`
 * @throws AuthorizationError where the provider has no authorization endpoint
 */
export async function createAuthorizationRequest(
  provider: Provider,
  redirectUri: string,
  more: Readonly<Record<string, string>>,
): Promise<AuthorizationRequest> {
  const { server, profile } = provider;
  if (server.authorization_endpoint === undefined)
    throw new AuthorizationError(
      'NO_AUTHORIZATION_ENDPOINT',
      'The profile has no authorization_endpoint, and no issuer that names one.',
      { next: 'add_authorization_endpoint' },
    );
  const { client_id_parameter: idParameter, authorization_code_parameter: codeParameter } = profile;
  const own = Object.keys(more).find((name) => [...OWN_PARAMETERS, idParameter].includes(name));
  if (own !== undefined)
    throw new AuthorizationError('USAGE', `The parameter ${own} is set by the request itself.`, {
      next: 'leave_parameter_out',
    });
  const state = oauth.generateRandomState();
  const verifier = profile.pkce === 'none' ? oauth.nopkce : oauth.generateRandomCodeVerifier();
  const url = new URL(server.authorization_endpoint);
  // The address is shown, and nobody signs in by them.
  url.username = '';
  url.password = '';
  const set = (parameters: Readonly<Record<string, string>>) => {
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  };
  if (profile.scope !== undefined) set({ scope: profile.scope });
  // OpenID Connect Core 11: offline access is granted only where the person is asked. A provider whose endpoint was
  // not found by metadata is not taken for that: a further consent can be more than its people may give.
  const offline = /(^| )offline_access( |$)/.test(profile.scope ?? '');
  if (provider.isOpenId && offline && !url.searchParams.has('prompt')) set({ prompt: 'consent' });
  set(more);
  set({
    [idParameter]: profile.client_id,
    response_type: 'code',
    redirect_uri: redirectUri,
    state,
    ...(typeof verifier === 'string' && {
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    }),
  });
  const consentTo = (accepted: URLSearchParams, parameters: Readonly<Record<string, string>>): Consent => ({
    holds: 'code',
    parameters,
    redeem: () =>
      provider.exchange(
        (to, as, authentication, options) =>
          oauth.authorizationCodeGrantRequest(
            to,
            as,
            authentication,
            accepted,
            redirectUri,
            verifier,
            options,
          ),
        parameters,
      ),
  });
  return {
    url: url.href,
    isOurs: (response) => response.getAll('state').length === 1 && response.get('state') === state,
    isResponse: (response) => response.has(codeParameter) || response.has('error'),
    needsWholeResponse:
      profile.callback_parameters.length > 0
        ? `the profile keeps ${profile.callback_parameters.join(', ')} from it`
        : verifier === oauth.nopkce
          ? 'without PKCE only its state tells that it is the response to this request'
          : undefined,
    accept: (response) => {
      const accepted = accept(provider, withStandardCode(response, codeParameter), state);
      if (!accepted.has('code'))
        throw new AuthorizationError(
          'ANSWER_MALFORMED',
          `The provider sent the browser back with neither a code${codeParameter === 'code' ? '' : ` (${codeParameter})`} nor an error. Nothing has changed. Is authorization_endpoint right?`,
        );
      return consentTo(accepted, callbackParameters(response, profile.callback_parameters));
    },
    acceptCode: (code) =>
      consentTo(accept(provider, new URLSearchParams({ code, state, iss: server.issuer }), state), {}),
  };
}

/** Some providers have a name of their own for the code; one that bears the standard's is then something else. */
function withStandardCode(response: URLSearchParams, codeParameter: string): URLSearchParams {
  if (codeParameter === 'code') return response;
  const standard = new URLSearchParams(response);
  const codes = response.getAll(codeParameter);
  standard.delete(codeParameter);
  standard.delete('code');
  for (const code of codes) standard.append('code', code);
  return standard;
}

/**
 * What the response says of the account itself, such as a company's id. It becomes one of the account's parameters, and
 * must be fit for that: it is put into addresses.
 *
 * @throws AuthorizationError naming the parameter that can't be one
 */
function callbackParameters(response: URLSearchParams, names: readonly string[]): Record<string, string> {
  const found = names.flatMap((name) => {
    const values = response.getAll(name);
    if (values.length === 0) return [];
    const [value = ''] = values;
    if (values.length > 1 || !PARAMETER_VALUE.test(value))
      throw new AuthorizationError(
        'CALLBACK_PARAMETER',
        `The response's ${name} can't become a parameter of the account. It must be there once, with only letters, digits, ".", "_" and "-". The response was not used, and nothing has changed. Take ${name} out of callback_parameters in the profile if it is not needed.`,
      );
    return [[name, value] as const];
  });
  return Object.fromEntries(found);
}

/** What of a response may be told. */
const OF_THE_REFUSAL = ['error', 'error_description', 'error_uri', 'iss', 'scope'];

function accept(
  { server, client, profile, knowsIssuer }: Provider,
  response: URLSearchParams,
  state: string,
) {
  const parameters = new URLSearchParams(response);
  // Nothing to compare it with.
  if (!knowsIssuer) parameters.delete('iss');
  try {
    return oauth.validateAuthResponse(server, client, parameters, state);
  } catch (error) {
    if (error instanceof oauth.AuthorizationResponseError)
      throw refusal(error.error, error.error_description, [
        ...secretValuesOf(profile),
        ...[...response].flatMap(([name, value]) => (OF_THE_REFUSAL.includes(name) ? [] : [value])),
      ]);
    if (parameters.get('state') !== state)
      throw new AuthorizationError(
        'STATE_MISMATCH',
        'The response belongs to another sign-in, perhaps an earlier try (its state differs). It was not used, and nothing has changed.',
        { next: 'try_again' },
      );
    if (parameters.get('iss') !== server.issuer)
      throw new AuthorizationError(
        'ISSUER_MISMATCH',
        `The response does not come from ${withoutUserinfo(server.issuer)}: its "iss" is ${parameters.has('iss') ? 'another' : 'missing'} (RFC 9207). It was not used, and nothing has changed. Is the profile's issuer right?`,
      );
    throw new AuthorizationError(
      'ANSWER_MALFORMED',
      'The response that came with the browser can’t be understood. It was not used, and nothing has changed.',
      { next: 'try_again' },
    );
  }
}

/**
 * The provider's "no" (RFC 6749 section 4.1.2.1, RFC 8628 section 3.5), as the end of the authorization.
 *
 * @param secrets what it may quote, and nobody must be told
 */
export function refusal(
  code: string,
  description: string | undefined,
  secrets: readonly string[],
): AuthorizationError {
  const told = (text: string) => asciiOnly(withoutSecrets(text, secrets));
  const said = description === undefined ? '' : ` (${told(description).replace(/\.$/, '')})`;
  if (code === 'access_denied')
    return new AuthorizationError(
      'DENIED',
      `The provider says that access was not allowed: access_denied${said}. Nothing has changed.`,
      { next: 'try_once_more' },
    );
  if (code === 'server_error' || code === 'temporarily_unavailable')
    return new AuthorizationError(
      'PROVIDER_UNAVAILABLE',
      `The provider has a problem of its own: ${code}${said}. Nothing has changed. Try again later.`,
    );
  return new AuthorizationError(
    'REFUSED',
    `The provider refused the request: ${told(code)}${said}. Nothing has changed. Check the profile's client_id, scope and redirect_uri.`,
  );
}

/** A provider's words, fit for a terminal. */
export function asciiOnly(text: string): string {
  return text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .slice(0, 200)
    .trim();
}
