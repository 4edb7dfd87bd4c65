import * as v from 'valibot';
import { problemOf } from './account.ts';
import { parseJsonObject } from './json-object.ts';
import presets from './presets.json' with { type: 'json' };

export type TokenEndpointAuthMethod = (typeof authMethods)[number];

const text = v.pipe(v.string('must be a string'), v.minLength(1, 'must not be empty'));
const url = v.pipe(
  text,
  // Placeholders are filled in later, per account; here they only have to leave a URL a URL.
  v.check(
    (value) => URL.canParse(value.replace(/\{[A-Za-z0-9_.-]{1,64}\}/g, 'x')),
    'must be an absolute URL',
  ),
  v.check((value) => !/[\s#]/.test(value), 'must be a URL without spaces or a fragment'),
);
const strings = v.record(text, v.string('must be an object of strings'), 'must be an object of strings');
const codes = v.array(text, 'must be an array of strings');
const pointer = v.pipe(
  v.string('must be a JSON pointer, such as "/data/access_token"'),
  v.regex(/^(\/([^~/]|~[01])*)+$/, 'must be a JSON pointer, such as "/data/access_token"'),
);
const wholeNumber = (min: number, max: number) => {
  const message = `must be a whole number from ${min} to ${max}`;
  return v.pipe(v.number(message), v.integer(message), v.minValue(min, message), v.maxValue(max, message));
};

const authMethods = [
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
  'none',
] as const;
const signingAlgorithms = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;

/** The fields that a preset may set too: all that is the provider's and nothing that is the client's. */
const providerEntries = {
  token_endpoint: v.optional(url),
  issuer: v.optional(url),
  token_endpoint_auth_method: v.optional(v.picklist(authMethods, `must be one of ${authMethods.join(', ')}`)),
  authorization_endpoint: v.optional(url),
  device_authorization_endpoint: v.optional(url),
  scope: v.optional(v.string('must be a string')),
  refresh_token_endpoint: v.optional(url),
  token_request_format: v.optional(v.picklist(['form', 'json'], 'must be form or json')),
  token_request_parameters: v.optional(strings),
  token_request_headers: v.optional(
    v.record(
      v.pipe(text, v.regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'must have header names')),
      v.pipe(
        v.string('must be an object of strings'),
        v.regex(/^[\t\x20-\x7e]*$/, 'must have values of printable ASCII characters'),
      ),
      'must be an object of strings',
    ),
  ),
  token_response_fields: v.optional(
    v.strictObject(
      {
        access_token: v.optional(pointer),
        token_type: v.optional(pointer),
        refresh_token: v.optional(pointer),
        scope: v.optional(pointer),
        expires_in: v.optional(pointer),
        expires_at: v.optional(pointer),
        refresh_token_expires_in: v.optional(pointer),
        refresh_token_expires_at: v.optional(pointer),
      },
      'must be an object from standard names to JSON pointers; known names are access_token, token_type, refresh_token, scope, expires_in, expires_at, refresh_token_expires_in, refresh_token_expires_at',
    ),
  ),
  token_error_fields: v.optional(
    v.strictObject(
      { error: v.optional(pointer), error_description: v.optional(pointer) },
      'must be an object from error and error_description to JSON pointers',
    ),
  ),
  dead_grant_errors: v.optional(codes),
  transient_errors: v.optional(codes),
  default_expires_in: v.optional(wholeNumber(1, 315_360_000)),
  refresh_window_seconds: v.optional(wholeNumber(1, 2_592_000)),
  max_requests_per_minute: v.optional(wholeNumber(1, 100_000)),
};

const clientEntries = {
  provider: v.optional(text),
  client_id: text,
  client_secret: v.optional(v.string('must be a string')),
  private_key: v.optional(
    v.union(
      [text, v.looseObject({ kty: text })],
      'must be a private key as PEM (PKCS #8) or as a JWK object',
    ),
  ),
  kid: v.optional(text),
  alg: v.optional(v.picklist(signingAlgorithms, `must be one of ${signingAlgorithms.join(', ')}`)),
  tls_client_certificate: v.optional(text),
  tls_client_key: v.optional(text),
  tls_ca_certificate: v.optional(text),
  redirect_uri: v.optional(url),
};

/** What `presets.json` may say under a provider's name. Title, source and notes are the command line's. */
export const presetSchema = v.strictObject(providerEntries);

export type Preset = v.InferOutput<typeof presetSchema>;

const profileSchema = v.strictObject({ ...providerEntries, ...clientEntries });
type ProfileFields = v.InferOutput<typeof profileSchema>;

/** Everything that a profile secret may say. */
export const PROFILE_FIELDS: readonly string[] = Object.keys(profileSchema.entries);

/**
 * A profile: one OAuth client registration at one provider, as its secret describes it (contract), with the preset
 * and the defaults filled in.
 */
export interface Profile extends Omit<ProfileFields, keyof Defaults>, Defaults {}

/** What is always known once the defaults are filled in. */
interface Defaults {
  readonly token_endpoint_auth_method: (typeof authMethods)[number];
  readonly token_request_format: 'form' | 'json';
  readonly token_request_parameters: Readonly<Record<string, string>>;
  readonly token_request_headers: Readonly<Record<string, string>>;
  readonly token_response_fields: NonNullable<ProfileFields['token_response_fields']>;
  readonly token_error_fields: NonNullable<ProfileFields['token_error_fields']>;
  readonly dead_grant_errors: readonly string[];
  readonly transient_errors: readonly string[];
  readonly default_expires_in: number;
}

export type ParsedProfile =
  | { readonly kind: 'profile'; readonly profile: Profile }
  | { readonly kind: 'invalid'; readonly problem: string };

/**
 * Reads a profile secret's text, lays it over the preset that it names, and fills in the defaults.
 *
 * @returns the profile, or the first field that is wrong with what is allowed there; never a value
 */
export function parseProfile(secretText: string | undefined): ParsedProfile {
  if (secretText === undefined)
    return invalid('the profile secret must hold text (SecretString), not binary data');
  const json = parseJsonObject(secretText);
  if (json === undefined) return invalid('the profile secret must hold a JSON object');
  const own = v.safeParse(profileSchema, json, { abortEarly: true });
  if (!own.success) return invalid(problemOf(own.issues[0], PROFILE_FIELDS));
  const preset = presetOf(own.output.provider);
  if (preset === 'unknown')
    return invalid(`provider: is not a known preset; known are ${Object.keys(presets).join(', ')}`);
  const profile = withDefaults(layOver(preset, own.output));
  const problem = contradictionIn(own.output, profile);
  return problem === undefined ? { kind: 'profile', profile } : invalid(problem);
}

function presetOf(name: string | undefined): ProfileFields | 'unknown' | undefined {
  if (name === undefined) return undefined;
  const known: Readonly<Record<string, unknown>> = presets;
  return Object.hasOwn(known, name) ? (known[name] as ProfileFields) : 'unknown';
}

/** Each field that the profile sets itself wins; its own endpoint or issuer takes the place of the preset's. */
function layOver(preset: ProfileFields | undefined, own: ProfileFields): ProfileFields {
  const { token_endpoint, issuer, ...rest } = preset ?? ({} as ProfileFields);
  const ownEndpoint = own.token_endpoint !== undefined || own.issuer !== undefined;
  return { ...rest, ...(ownEndpoint ? {} : { token_endpoint, issuer }), ...own };
}

function withDefaults(fields: ProfileFields): Profile {
  return {
    ...fields,
    token_endpoint_auth_method:
      fields.token_endpoint_auth_method ??
      (fields.client_secret === undefined ? 'none' : 'client_secret_basic'),
    token_request_format: fields.token_request_format ?? 'form',
    token_request_parameters: fields.token_request_parameters ?? {},
    token_request_headers: fields.token_request_headers ?? {},
    token_response_fields: fields.token_response_fields ?? {},
    token_error_fields: fields.token_error_fields ?? {},
    dead_grant_errors: fields.dead_grant_errors ?? [],
    transient_errors: fields.transient_errors ?? [],
    default_expires_in: fields.default_expires_in ?? 3600,
  };
}

/** What each authentication method can't do without. */
const neededBy: Readonly<Record<TokenEndpointAuthMethod, readonly (keyof ProfileFields)[]>> = {
  client_secret_basic: ['client_secret'],
  client_secret_post: ['client_secret'],
  private_key_jwt: ['private_key'],
  tls_client_auth: ['tls_client_certificate', 'tls_client_key'],
  self_signed_tls_client_auth: ['tls_client_certificate', 'tls_client_key'],
  none: [],
};

/** Parameters that are the grant's own; a profile that set them would change what is asked for. */
const ownParameters = [
  'grant_type',
  'refresh_token',
  'client_secret',
  'client_assertion',
  'client_assertion_type',
];

function contradictionIn(own: ProfileFields, profile: Profile): string | undefined {
  if (own.token_endpoint !== undefined && own.issuer !== undefined)
    return 'issuer: must not stand beside token_endpoint; keep one of the two';
  if (profile.token_endpoint === undefined && profile.issuer === undefined)
    return 'token_endpoint: is missing; give token_endpoint, or issuer, or provider';
  const method = profile.token_endpoint_auth_method;
  const missing = neededBy[method].find((field) => profile[field] === undefined);
  if (missing !== undefined) return `${missing}: is missing; token_endpoint_auth_method ${method} needs it`;
  const reserved = ownParameters.find((name) => Object.hasOwn(profile.token_request_parameters, name));
  if (reserved !== undefined)
    return `token_request_parameters.${reserved}: must not be set, as the grant itself sets it`;
  return undefined;
}

/** Of the headers and parameters that a profile adds, those that are known to be no secret. */
const openValues = ['accept', 'content-type', 'user-agent', 'scope', 'audience', 'resource'];

/** What of a profile must not stand in any message: a provider may quote what it was sent. */
export function secretValuesOf(profile: Profile): readonly string[] {
  const { client_id, client_secret, token_request_headers, token_request_parameters } = profile;
  const added = Object.entries({ ...token_request_headers, ...token_request_parameters }).flatMap(
    ([name, value]) => (openValues.includes(name.toLowerCase()) ? [] : [value]),
  );
  return client_secret === undefined || client_secret === ''
    ? added
    : [client_secret, `${client_id}:${client_secret}`, ...added];
}

function invalid(problem: string): ParsedProfile {
  return { kind: 'invalid', problem };
}
