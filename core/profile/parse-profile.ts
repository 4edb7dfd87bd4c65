import * as v from 'valibot';
import { parseJsonObject } from '../json-object.ts';
import { problemOf } from '../problem.ts';
import { flawOfCredential } from './credential.ts';
import presets from './presets.json' with { type: 'json' };
import { type Profile, withDefaults } from './profile.ts';
import {
  PROFILE_FIELDS,
  type ProfileFields,
  profileSchema,
  type TokenEndpointAuthMethod,
} from './profile-schema.ts';

export type ParsedProfile =
  | { readonly kind: 'profile'; readonly profile: Profile }
  | { readonly kind: 'invalid'; readonly problem: string };

/**
 * Reads the text of a profile secret, adds what its preset says, and fills in the defaults.
 *
 * @param known the presets
 * @returns the profile, or the first field that is wrong and what is allowed there; never a value
 */
export function parseProfile(
  secretText: string | undefined,
  known: Readonly<Record<string, unknown>> = presets,
): ParsedProfile {
  if (secretText === undefined)
    return invalid('the profile secret must hold text (SecretString), not binary data');
  const json = parseJsonObject(secretText);
  if (json === undefined) return invalid('the profile secret must hold a JSON object');
  const own = v.safeParse(profileSchema, json, { abortEarly: true });
  if (!own.success) return invalid(problemOf(own.issues[0], PROFILE_FIELDS));
  const preset = presetOf(own.output.provider, known);
  if (preset === 'unknown')
    return invalid(`provider: is not a known preset; known are ${Object.keys(presets).join(', ')}`);
  const profile = withDefaults(layOver(preset, own.output));
  const problem = contradictionIn(profile);
  return problem === undefined ? { kind: 'profile', profile } : invalid(problem);
}

function presetOf(
  name: string | undefined,
  known: Readonly<Record<string, unknown>>,
): ProfileFields | 'unknown' | undefined {
  if (name === undefined) return undefined;
  return Object.hasOwn(known, name) ? (known[name] as ProfileFields) : 'unknown';
}

/**
 * The profile's own fields win. If it has its own token endpoint, that is another server, and the preset's issuer is dropped.
 * If it has its own issuer, the preset's endpoints are dropped: they are found from that issuer.
 */
function layOver(preset: ProfileFields | undefined, own: ProfileFields): ProfileFields {
  if (preset === undefined) return own;
  const inherited = { ...audienceOf(preset), ...preset };
  if (own.issuer !== undefined && own.issuer !== preset.issuer) {
    delete inherited.token_endpoint;
    delete inherited.refresh_token_endpoint;
    delete inherited.authorization_endpoint;
    delete inherited.device_authorization_endpoint;
  } else if (own.token_endpoint !== undefined && own.issuer === undefined) {
    delete inherited.issuer;
    if (inherited.client_assertion_audience === 'issuer') delete inherited.client_assertion_audience;
  }
  return { ...inherited, ...own };
}

/** Many providers insist on the token endpoint. A preset names the issuer only where its source says that it works. */
function audienceOf({ issuer }: ProfileFields): Partial<ProfileFields> {
  return issuer === undefined ? {} : { client_assertion_audience: 'token_endpoint' };
}

/** The fields that each authentication method needs. */
const neededBy: Readonly<Record<TokenEndpointAuthMethod, readonly (keyof ProfileFields)[]>> = {
  client_secret_basic: ['client_secret'],
  client_secret_post: ['client_secret'],
  private_key_jwt: ['private_key'],
  tls_client_auth: ['tls_client_certificate', 'tls_client_key'],
  self_signed_tls_client_auth: ['tls_client_certificate', 'tls_client_key'],
  none: [],
};

/** Parameters that the grant itself sets. A profile that set them would change the request. */
const ownParameters = [
  'grant_type',
  'refresh_token',
  'client_secret',
  'client_assertion',
  'client_assertion_type',
];

/** Parameters of every callback. They say nothing about an account. */
const callbackStandards = ['code', 'state', 'iss', 'error', 'error_description', 'error_uri'];

/** The field of the response that holds the refresh token, or has it somewhere inside. */
function refreshTokenField({ token_response_fields: { refresh_token } }: Profile): string | undefined {
  return refresh_token?.split('/')[1]?.replaceAll('~1', '/').replaceAll('~0', '~');
}

function contradictionIn(profile: Profile): string | undefined {
  if (profile.token_endpoint === undefined && profile.issuer === undefined)
    return 'token_endpoint: is missing; give token_endpoint, or issuer, or provider';
  const method = profile.token_endpoint_auth_method;
  const missing = neededBy[method].find((field) => profile[field] === undefined);
  if (missing !== undefined) return `${missing}: is missing; token_endpoint_auth_method ${method} needs it`;
  const reserved = ownParameters.find((name) => Object.hasOwn(profile.token_request_parameters, name));
  if (reserved !== undefined)
    return `token_request_parameters.${reserved}: must not be set, as the grant itself sets it`;
  if (profile.client_secret_basic_encoding === 'none' && profile.client_id.includes(':'))
    return 'client_secret_basic_encoding: must be form, as client_id has a colon';
  if (ownParameters.includes(profile.client_id_parameter))
    return `client_id_parameter: must not be ${profile.client_id_parameter}, which the grant itself sets`;
  const kid = typeof profile.private_key === 'object' ? profile.private_key.kid : undefined;
  const flaw = typeof kid === 'string' ? flawOfCredential(kid) : undefined;
  if (flaw !== undefined) return `private_key.kid: ${flaw}`;
  if (profile.client_assertion_audience === 'issuer' && profile.issuer === undefined)
    return 'issuer: is missing; client_assertion_audience issuer needs it';
  const { callback_parameters, authorization_code_parameter } = profile;
  const reservedNames = [...callbackStandards, authorization_code_parameter];
  const forThisSignIn = callback_parameters.find((name) => reservedNames.includes(name));
  if (forThisSignIn !== undefined)
    return `callback_parameters: must not name ${forThisSignIn}, which is for this one sign-in only`;
  const hidden = ['refresh_token', 'id_token', 'client_secret', refreshTokenField(profile)];
  const shown = profile.public_fields.find((name) => hidden.includes(name));
  if (shown !== undefined) return `public_fields: must not name ${shown}, which readers must not get`;
  return undefined;
}

function invalid(problem: string): ParsedProfile {
  return { kind: 'invalid', problem };
}
