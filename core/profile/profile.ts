import * as v from 'valibot';
import { shownPath } from '../field-name.ts';
import { parseJsonObject } from '../json-object.ts';
import { problemOf } from '../problem.ts';
import { basicCredentials, CONTROLS, flawOfCredential, HAS_CONTROLS } from './credential.ts';
import { PARAMETER_NAME, PARAMETER_VALUE } from './placeholders.ts';
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
  v.check(
    (value) => !/[\s#]/.test(value) && !CONTROLS.test(value),
    'must be a URL without spaces or a fragment',
  ),
);
/** What is no part of any credential (RFC 6749 appendix A): a control character, or a space at an end. */
const credential = v.pipe(
  v.string('must be a string'),
  v.check(
    (value) => flawOfCredential(value) === undefined,
    (issue) => flawOfCredential(issue.input) ?? '',
  ),
);
const filledCredential = v.pipe(credential, v.minLength(1, 'must not be empty'));
const withoutControls = v.pipe(
  v.string('must be a string'),
  v.check((value) => !CONTROLS.test(value), HAS_CONTROLS),
);
const strings = v.record(
  text,
  v.pipe(
    v.string('must be an object of strings'),
    v.check((value) => !CONTROLS.test(value), HAS_CONTROLS),
  ),
  'must be an object of strings',
);
const codes = v.array(text, 'must be an array of strings');
const parameterName = v.pipe(
  v.string('must be a string'),
  v.regex(PARAMETER_NAME, 'must be a name of letters, digits, ".", "_" and "-"'),
);
const pointer = v.pipe(
  v.string('must be a JSON pointer, such as "/data/access_token"'),
  v.regex(/^(\/([^~/]|~[01])*)+$/, 'must be a JSON pointer, such as "/data/access_token"'),
);
const wholeNumber = (min: number, max: number, or = '') => {
  const message = `must be a whole number from ${min} to ${max}${or}`;
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
const signingAlgorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA'] as const;
/** The grants that this version knows. */
const grantTypes = ['refresh_token'] as const;

/** Headers that frame a message or belong to the connection: one of them could make a request out of a body. */
const headersOfTheConnection =
  /^(connection|content-length|expect|host|http2-settings|keep-alive|te|trailers?|transfer-encoding|upgrade|proxy-.*)$/i;

function flawInHeaderNames(headers: Readonly<Record<string, unknown>>): string | undefined {
  const names = Object.keys(headers).map((name) => name.toLowerCase());
  const reserved = names.find((name) => headersOfTheConnection.test(name));
  if (reserved !== undefined)
    return `must not have ${reserved}, which frames the message or belongs to the connection`;
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  return twice === undefined
    ? undefined
    : `must not have ${shownPath([twice])} twice; header names have no case`;
}

/** The fields that a preset may set too: all that is the provider's and nothing that is the client's. */
const providerEntries = {
  token_endpoint: v.optional(url),
  issuer: v.optional(url),
  grant_type: v.optional(
    v.picklist(grantTypes, `must be ${grantTypes.join(', ')}; other grants come with a later version`),
  ),
  token_endpoint_auth_method: v.optional(v.picklist(authMethods, `must be one of ${authMethods.join(', ')}`)),
  client_assertion_audience: v.optional(filledCredential),
  client_id_parameter: v.optional(parameterName),
  client_secret_basic_encoding: v.optional(v.picklist(['form', 'none'], 'must be form or none')),
  authorization_endpoint: v.optional(url),
  device_authorization_endpoint: v.optional(url),
  scope: v.optional(withoutControls),
  pkce: v.optional(v.picklist(['S256', 'none'], 'must be S256 or none')),
  authorization_code_parameter: v.optional(parameterName),
  callback_parameters: v.optional(v.array(parameterName, 'must be an array of names')),
  placeholder_values: v.optional(
    v.record(
      parameterName,
      v.pipe(
        v.array(
          v.pipe(
            v.string('must be an object of arrays of strings'),
            v.regex(PARAMETER_VALUE, 'must have values of letters, digits, ".", "_" and "-"'),
          ),
          'must be an object of arrays of strings',
        ),
        v.minLength(1, 'must have at least one value'),
      ),
      'must be an object of arrays of strings',
    ),
  ),
  refresh_token_endpoint: v.optional(url),
  token_request_format: v.optional(v.picklist(['form', 'json'], 'must be form or json')),
  token_request_parameters: v.optional(strings),
  token_request_headers: v.optional(
    v.pipe(
      v.record(
        v.pipe(text, v.regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'must have header names')),
        v.pipe(
          v.string('must be an object of strings'),
          v.regex(/^[\t\x20-\x7e]*$/, 'must have values of printable ASCII characters'),
        ),
        'must be an object of strings',
      ),
      v.check(
        (headers) => flawInHeaderNames(headers) === undefined,
        (issue) => flawInHeaderNames(issue.input) ?? '',
      ),
    ),
  ),
  token_request_timeout_seconds: v.optional(wholeNumber(1, 60)),
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
  client_errors: v.optional(codes),
  public_fields: v.optional(v.array(text, 'must be an array of names')),
  default_expires_in: v.optional(
    v.union(
      [v.literal('never'), wholeNumber(1, 315_360_000, ', or "never"')],
      'must be a whole number from 1 to 315360000, or "never"',
    ),
  ),
  refresh_window_seconds: v.optional(wholeNumber(1, 2_592_000)),
  max_requests_per_minute: v.optional(wholeNumber(1, 100_000)),
};

const clientEntries = {
  provider: v.optional(text),
  client_id: filledCredential,
  client_secret: v.optional(credential),
  private_key: v.optional(
    v.union(
      [text, v.looseObject({ kty: text })],
      'must be a private key as PEM (PKCS #8) or as a JWK object',
    ),
  ),
  kid: v.optional(filledCredential),
  alg: v.optional(v.picklist(signingAlgorithms, `must be one of ${signingAlgorithms.join(', ')}`)),
  tls_client_certificate: v.optional(text),
  tls_client_key: v.optional(text),
  tls_ca_certificate: v.optional(text),
  redirect_uri: v.optional(url),
  /** Who may be connected by a link: claims or parameters of the callback, with the value that they must have. */
  expected: v.optional(strings),
};

/**
 * What `presets.json` may say under a provider's name. Title, source, notes and what takes part in authorizing alone are
 * the command line's, and no part of the function.
 */
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
  readonly client_errors: readonly string[];
  readonly public_fields: readonly string[];
  readonly callback_parameters: readonly string[];
  readonly placeholder_values: Readonly<Record<string, readonly string[]>>;
  readonly pkce: 'S256' | 'none';
  readonly authorization_code_parameter: string;
  readonly client_id_parameter: string;
  readonly client_secret_basic_encoding: 'form' | 'none';
  readonly client_assertion_audience: string;
  readonly grant_type: (typeof grantTypes)[number];
}

export type ParsedProfile =
  | { readonly kind: 'profile'; readonly profile: Profile }
  | { readonly kind: 'invalid'; readonly problem: string };

/**
 * Reads a profile secret's text, lays it over the preset that it names, and fills in the defaults.
 *
 * @param known the presets; by default what the function needs of them
 * @returns the profile, or the first field that is wrong with what is allowed there; never a value
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
 * Each field that the profile sets itself wins. A token endpoint of its own is another server's, so that the preset's
 * issuer goes; with an issuer of its own the preset's endpoints go, as they are found from that issuer.
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

/** Many providers insist on the token endpoint; a preset says so where its source says that the issuer is accepted. */
function audienceOf({ issuer }: ProfileFields): Partial<ProfileFields> {
  return issuer === undefined ? {} : { client_assertion_audience: 'token_endpoint' };
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
    client_errors: fields.client_errors ?? [],
    public_fields: fields.public_fields ?? [],
    callback_parameters: fields.callback_parameters ?? [],
    placeholder_values: fields.placeholder_values ?? {},
    pkce: fields.pkce ?? 'S256',
    authorization_code_parameter: fields.authorization_code_parameter ?? 'code',
    client_id_parameter: fields.client_id_parameter ?? 'client_id',
    client_secret_basic_encoding: fields.client_secret_basic_encoding ?? 'form',
    client_assertion_audience:
      fields.client_assertion_audience ?? (fields.issuer === undefined ? 'token_endpoint' : 'issuer'),
    grant_type: fields.grant_type ?? 'refresh_token',
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

/** Parameters of the callback that say nothing about an account. */
const OF_THE_CALLBACK = ['code', 'state', 'iss', 'error', 'error_description', 'error_uri'];

/** The field of the answer that holds the refresh token, or within which it stands. */
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
  const ofTheAnswer = [...OF_THE_CALLBACK, authorization_code_parameter];
  const spoken = callback_parameters.find((name) => ofTheAnswer.includes(name));
  if (spoken !== undefined)
    return `callback_parameters: must not name ${spoken}, which is for this one sign-in only`;
  const hidden = ['refresh_token', 'id_token', 'client_secret', refreshTokenField(profile)];
  const shown = profile.public_fields.find((name) => hidden.includes(name));
  if (shown !== undefined) return `public_fields: must not name ${shown}, which readers must not get`;
  return undefined;
}

/** Of a request's headers and parameters, those that are known to be no secret. */
const openValues = [
  ...['accept', 'content-type', 'user-agent', 'scope', 'audience', 'resource'],
  ...['grant_type', 'client_id', 'client_assertion_type', 'redirect_uri'],
];

/** What of a request's headers and parameters must not stand in any message. */
export function secretValuesIn(
  fields: readonly (readonly [name: string, value: string])[],
): readonly string[] {
  return fields.flatMap(([name, value]) => (openValues.includes(name.toLowerCase()) ? [] : [value]));
}

/** What of a profile must not stand in any message: a provider may quote what it was sent. */
export function secretValuesOf(profile: Profile): readonly string[] {
  const { client_secret, token_request_headers, token_request_parameters } = profile;
  const added = secretValuesIn(Object.entries({ ...token_request_headers, ...token_request_parameters }));
  return client_secret === undefined || client_secret === ''
    ? added
    : [client_secret, basicCredentials(profile), ...added];
}

function invalid(problem: string): ParsedProfile {
  return { kind: 'invalid', problem };
}
