import * as v from 'valibot';
import { shownPath } from '../field-name.ts';
import { wholeNumber } from '../whole-number.ts';
import { CONTROLS, flawOfCredential, HAS_CONTROLS } from './credential.ts';
import { PARAMETER_NAME, PARAMETER_VALUE } from './placeholders.ts';

export type TokenEndpointAuthMethod = (typeof authMethods)[number];

const text = v.pipe(v.string('must be a string'), v.minLength(1, 'must not be empty'));
const url = v.pipe(
  text,
  // Placeholders are filled in later, per account. Here any value will do.
  v.check(
    (value) => URL.canParse(value.replace(/\{[A-Za-z0-9_.-]{1,64}\}/g, 'x')),
    'must be an absolute URL',
  ),
  v.check(
    (value) => !/[\s#]/.test(value) && !CONTROLS.test(value),
    'must be a URL without spaces or a fragment',
  ),
);
/** Without control characters, and without a space at either end (RFC 6749 appendix A). */
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

const authMethods = [
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
  'none',
] as const;
const signingAlgorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA'] as const;
const grantTypes = ['refresh_token'] as const;

/** Fields of a token response that a provider may have elsewhere, or under another name. */
const tokenFields = [
  'access_token',
  'token_type',
  'refresh_token',
  'scope',
  'expires_in',
  'expires_at',
  'refresh_token_expires_in',
  'refresh_token_expires_at',
] as const;

/** Headers of the message or the connection. With one of them, a body could be read as another request. */
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

/** Fields about the provider. A preset may set these too. */
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
      v.entriesFromList(tokenFields, v.optional(pointer)),
      `must be an object from standard names to JSON pointers; known names are ${tokenFields.join(', ')}`,
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

/** Fields about this one client. */
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
  /** Who may be connected by a link: claims or callback parameters, and the values that they must have. */
  expected: v.optional(strings),
};

/** What `presets.json` may say about a provider. Its title, source and notes are elsewhere: only the command line needs them. */
export const presetSchema = v.strictObject(providerEntries);

export type Preset = v.InferOutput<typeof presetSchema>;

export const profileSchema = v.strictObject({ ...providerEntries, ...clientEntries });
export type ProfileFields = v.InferOutput<typeof profileSchema>;

export const PROFILE_FIELDS: readonly string[] = Object.keys(profileSchema.entries);
