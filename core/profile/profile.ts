import { basicCredentials } from './credential.ts';
import type { ProfileFields } from './profile-schema.ts';

/** One OAuth client at one provider, as its secret describes it (docs/profiles.md), with the preset and the defaults filled in. */
export interface Profile extends Omit<ProfileFields, keyof Defaults>, Defaults {}

/** Fields that always have a value. */
type Defaults = {
  readonly [Field in keyof ReturnType<typeof defaultsOf>]: NonNullable<ProfileFields[Field]>;
};

/** The values of fields that neither the profile nor its preset sets. */
function defaultsOf({ client_secret, issuer }: ProfileFields) {
  return {
    token_endpoint_auth_method: client_secret === undefined ? 'none' : 'client_secret_basic',
    token_request_format: 'form',
    token_request_parameters: {},
    token_request_headers: {},
    token_response_fields: {},
    token_error_fields: {},
    dead_grant_errors: [],
    transient_errors: [],
    client_errors: [],
    public_fields: [],
    callback_parameters: [],
    placeholder_values: {},
    pkce: 'S256',
    authorization_code_parameter: 'code',
    client_id_parameter: 'client_id',
    client_secret_basic_encoding: 'form',
    client_assertion_audience: issuer === undefined ? 'token_endpoint' : 'issuer',
    grant_type: 'refresh_token',
  } satisfies Partial<ProfileFields>;
}

export function withDefaults(fields: ProfileFields): Profile {
  // What came from JSON has no field that is undefined, so that none hides its default.
  return { ...defaultsOf(fields), ...fields } as Profile;
}

/** Headers and parameters of a request that are no secret. */
const openNames = (
  'accept content-type user-agent scope audience resource grant_type client_id client_assertion_type ' +
  'redirect_uri'
).split(' ');

/** The values of headers and parameters that no message may show. */
export function secretValuesIn(
  fields: readonly (readonly [name: string, value: string])[],
): readonly string[] {
  return fields.flatMap(([name, value]) => (openNames.includes(name.toLowerCase()) ? [] : [value]));
}

/** What no message may show of a profile. A provider may quote what it was sent. */
export function secretValuesOf(profile: Profile): readonly string[] {
  const { client_secret, token_request_headers, token_request_parameters } = profile;
  const added = secretValuesIn(Object.entries({ ...token_request_headers, ...token_request_parameters }));
  return client_secret === undefined || client_secret === ''
    ? added
    : [client_secret, basicCredentials(profile), ...added];
}
