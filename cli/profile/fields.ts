import { shownPath } from '../../core/field-name.ts';
import { isJsonObject, parseJsonObject } from '../../core/json-object.ts';
import { PROFILE_FIELDS } from '../../core/profile/profile-schema.ts';
import { withoutUserinfo } from '../../core/profile/shown-address.ts';
import { CliError, EXIT } from '../shared/cli-error.ts';
import { parseWholeProfile } from './presets.ts';

/** A profile as people give it, before anything in it is believed. */
export type Fields = Readonly<Record<string, unknown>>;

/** Their values are never shown, and never taken from the command line. */
export const SECRET_FIELDS: readonly string[] = ['client_secret', 'private_key', 'tls_client_key'];

/** Objects whose values may be secret, such as an API key that goes with each request. */
const MAY_HOLD_SECRETS: readonly string[] = ['token_request_parameters', 'token_request_headers'];

/**
 * The fields that flags give.
 *
 * @param named by field
 * @param set of `--set field=value`; a value that is JSON is taken as such
 * @throws CliError for a secret on the command line, or a field that profiles do not have
 */
export function fieldsFromFlags(
  named: Readonly<Record<string, string | undefined>>,
  set: Readonly<Record<string, string>>,
): Fields {
  for (const field of Object.keys(set)) {
    if ([...SECRET_FIELDS, ...MAY_HOLD_SECRETS].includes(field))
      throw new CliError(
        'SECRET_ON_COMMAND_LINE',
        `--set ${field}: what may be secret is never taken from the command line, where others can read it. Give it by --stdin, or at the prompt.`,
        EXIT.usage,
      );
    if (!PROFILE_FIELDS.includes(field))
      throw new CliError(
        'USAGE',
        `--set: ${shownPath([field])} is not a field of profiles; known are ${PROFILE_FIELDS.join(', ')}.`,
        EXIT.usage,
      );
  }
  const given = Object.entries(named).filter(([, value]) => value !== undefined);
  const more = Object.entries(set).map(([field, text]) => [field, parsed(text)]);
  return { ...Object.fromEntries(given), ...Object.fromEntries(more) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * The fields that standard input gives: a JSON object of them; or the one secret alone, which is the private key where
 * it looks like one, and the client secret otherwise.
 */
export function fieldsFromInput(text: string): Fields {
  const trimmed = text.replace(/^\uFEFF/, '').trim();
  if (trimmed === '')
    throw new CliError('USAGE', '--stdin: standard input is empty; it should hold the secret.', EXIT.usage);
  const json = parseJsonObject(trimmed);
  if (json !== undefined) return 'kty' in json ? { private_key: json } : json;
  if (trimmed.startsWith('{'))
    throw new CliError('USAGE', '--stdin: standard input begins like JSON, but is not.', EXIT.usage);
  return /^-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(trimmed)
    ? { private_key: trimmed }
    : // Programs end what they print with a line break. A space at an end is somebody's mistake, and is told.
      { client_secret: text.replace(/^\uFEFF/, '').replace(/(\r?\n)+$/, '') };
}

/**
 * The same profile with nothing secret in it: "set" stands for each value that is secret, or may be, as is one of a field
 * that profiles do not have, or that does not take it.
 *
 * @param wrong a field that the profile as a whole is refused for
 */
export function withoutSecrets(fields: Fields, wrong?: string): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([field, value]) => {
      if (!PROFILE_FIELDS.includes(field)) return [shownPath([field]), 'set'];
      if (SECRET_FIELDS.includes(field)) return [field, value === '' ? 'empty' : 'set'];
      if (MAY_HOLD_SECRETS.includes(field)) return [field, membersOf(value, () => 'set')];
      return [field, field === wrong || !takes(field, value) ? 'set' : shownValue(field, value)];
    }),
  );
}

/** Whether a field takes the value, whatever is wrong elsewhere. */
function takes(field: string, value: unknown): boolean {
  const alone = { client_id: 'x', token_endpoint: 'https://x.example', [field]: value };
  const parsed = parseWholeProfile(JSON.stringify(alone));
  return parsed.kind === 'profile' || /^\w+/.exec(parsed.problem)?.[0] !== field;
}

function shownValue(field: string, value: unknown): unknown {
  const shown = (text: string) => shownText(field, text);
  if (typeof value === 'string') return shown(value);
  if (value === undefined || value === null) return value;
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (isTexts(value)) return value.map(shown);
  return membersOf(value, (member) =>
    typeof member === 'string' ? shown(member) : isTexts(member) ? member.map(shown) : 'set',
  );
}

function membersOf(value: unknown, shown: (member: unknown) => unknown): unknown {
  if (!isJsonObject(value)) return 'set';
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [shownPath([name]), shown(member)]),
  );
}

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string');

const IS_ADDRESS = /_endpoint$|^issuer$|^redirect_uri$/;
const LIKE_AN_ADDRESS = /^(?:[^\s/\\?#]*:[/\\]|[/\\]{2}|https?:)/i;
const CERTIFICATES = /^\s*(?:-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*)+$/;

function shownText(field: string, text: string): string {
  if (IS_ADDRESS.test(field)) return withoutUserinfo(text);
  if (/^tls_\w+_certificate$/.test(field)) return CERTIFICATES.test(text) ? text : 'set';
  if (text.includes('PRIVATE KEY')) return 'set';
  return text.replace(/\S+/g, (word) => (LIKE_AN_ADDRESS.test(word) ? withoutUserinfo(word) : word));
}
