import { looksLikeName } from '../../core/field-name.ts';
import { CliError, EXIT } from '../shared/cli-error.ts';
import type { Problem, Row } from './file/row.ts';
import type { Source } from './file/source.ts';

interface ServiceNowOptions {
  /** `name of an OAuth profile there` → `profile here`. */
  readonly profiles: ReadonlyMap<string, string>;
  /** The column of the credentials that has readable tokens. By default none has. */
  readonly tokensIn?: string | undefined;
}

/**
 * Two tables of a ServiceNow instance as one source of accounts: `sys_rest_message`, of which each OAuth 2.0 record
 * becomes an account, and optionally `oauth_credential`, of which only refresh tokens count: with one of these the
 * function gets an access token of its own at once.
 *
 * An expiry there is left out: the instance makes one up where the provider named none.
 *
 * @see https://www.servicenow.com/docs/r/platform-security/authentication/t_ManageTokens.html
 */
export function serviceNowSource(
  messages: Source,
  credentials: Source | undefined,
  options: ServiceNowOptions,
): Source {
  return {
    name: messages.name,
    rows: async function* () {
      const tokens = await refreshTokens(credentials, options.tokensIn);
      const shared = tokens.size === 0 ? new Set() : await sharedNames(messages);
      for await (const row of messages.rows()) {
        if (row.problem !== undefined) yield row;
        else yield* accountRow(messages.name, row, { tokens, shared, profiles: options.profiles });
      }
    },
  };
}

/** The last refresh token for a requestor, or all of them if none is the last. */
type RefreshTokens = ReadonlyMap<string, Requested>;
type Requested =
  | { readonly kind: 'one'; readonly text: string; readonly at: string }
  | { readonly kind: 'unclear'; readonly texts: readonly string[] };

/** From the other export and the command line. */
interface Exported extends Pick<ServiceNowOptions, 'profiles'> {
  readonly tokens: RefreshTokens;
  readonly shared: ReadonlySet<unknown>;
}

function* accountRow(
  file: string,
  { line, values }: Row,
  { tokens, shared, profiles }: Exported,
): Generator<Row> {
  const { sys_id, name, authentication_type, oauth2_profile } = values;
  const shown = values['oauth2_profile.name'] ?? oauth2_profile;
  if (typeof authentication_type !== 'string')
    throw new CliError(
      'NOT_SERVICENOW',
      `${file}, line ${line}: there is no authentication_type. Export the fields sys_id, name, authentication_type and oauth2_profile of sys_rest_message (docs/importing.md).`,
    );
  const byId = tokens.get(String(sys_id));
  const token = byId ?? tokens.get(String(name));
  const ofSeveral = byId === undefined && token !== undefined && shared.has(name);
  const mapped = typeof shown === 'string' && profiles.has(shown);
  const row: Row = {
    line,
    cells: 'json',
    values: {
      accountId: sys_id ?? slug(name),
      name,
      oauthProfile: mapped ? profiles.get(shown) : shown,
      refresh_token: token?.kind === 'one' && !ofSeveral ? token.text : undefined,
    },
    ...(token?.kind === 'unclear' && { texts: token.texts }),
    ...(token?.kind === 'one' && ofSeveral && { texts: [token.text] }),
    ...(typeof shown === 'string' && { profileThere: { name: shown, mapped } }),
  };
  if (!isOAuth2(authentication_type)) yield { ...row, passedOver: true };
  else if (ofSeveral)
    yield {
      ...row,
      problem:
        'shares its name with another REST message, and there is a refresh token for the name; give its requestor_id the sys_id',
    };
  else if (token?.kind === 'unclear')
    yield { ...row, problem: 'has several refresh tokens and none is the last; keep one row of them' };
  else yield row;
}

/** Asks for a `--map` for a profile that is not here. */
export async function mappingProblem(
  { name, mapped }: NonNullable<Row['profileThere']>,
  here: unknown,
  exists: (profile: string) => Promise<boolean>,
): Promise<Problem> {
  const field = 'oauth2_profile';
  // Perhaps a token in the wrong column: no application has such a name.
  if (name.length > 200 || (name.length > 40 && !/\s/.test(name) && !looksLikeName(name)))
    return { field, text: 'is none of the profiles here, and looks like a value rather than a name' };
  if (mapped) {
    const text = `there is no profile "${here}" here ("profiles list"), as --map says for "${name}"`;
    return { field, text, together: text };
  }
  // The instance names an application's first profile so. Only the same name counts as the same.
  const likely = String(slug(name.replace(/ default_profile$/, '')));
  const known = /^.{1,200}$/.test(likely) && (await exists(likely));
  const flag = `--map ${quoted(`${name}=${known ? likely : 'PROFILE'}`)}`;
  return { field, text: `is none of the profiles here; say which it is, with ${flag}`, together: flag };
}

/** One word for a shell, whatever is in it. */
const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

async function sharedNames(messages: Source): Promise<ReadonlySet<unknown>> {
  const names = new Set<unknown>();
  const shared = new Set<unknown>();
  for await (const { values } of messages.rows()) (names.has(values.name) ? shared : names).add(values.name);
  return shared;
}

async function refreshTokens(
  credentials: Source | undefined,
  tokensIn: string | undefined,
): Promise<RefreshTokens> {
  const found = new Map<string, Requested>();
  if (credentials === undefined || tokensIn === undefined) return found;
  for await (const { line, values, problem } of credentials.rows()) {
    const requestor = values['oauth_requestor_profile.requestor_id'] ?? values.requestor_id;
    if (problem !== undefined || typeof values.type !== 'string')
      throw new CliError(
        'NOT_SERVICENOW',
        `${credentials.name}, line ${line}: ${problem ?? 'there is no type'}. Export the fields type, expires and oauth_requestor_profile.requestor_id of oauth_credential (docs/importing.md).`,
      );
    const text = values[tokensIn];
    if (!/^refresh[ _]token$/i.test(values.type) || typeof text !== 'string' || isMasked(text)) continue;
    if (typeof requestor !== 'string')
      throw new CliError(
        'NOT_SERVICENOW',
        `${credentials.name}, line ${line}: there is no oauth_requestor_profile.requestor_id, so nothing says which REST message this token is for.`,
      );
    const at = typeof values.expires === 'string' ? values.expires : '';
    const known = found.get(requestor);
    const one = { kind: 'one', text, at } as const;
    found.set(requestor, known === undefined ? one : later(known, one));
  }
  return found;
}

function later(one: Requested, other: Requested & { kind: 'one' }): Requested {
  if (one.kind === 'unclear') return { ...one, texts: [...one.texts, other.text] };
  if (one.text === other.text) return one;
  const comparable = [one.at, other.at].every((at) => /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(at));
  if (!comparable || one.at === other.at) return { kind: 'unclear', texts: [one.text, other.text] };
  return one.at > other.at ? one : other;
}

/** The text that ServiceNow exports in place of a password. */
const isMasked = (text: string) => /^[*•]*$/.test(text);

/** The value of the choice is `oauth2`; its label is shown where display values are exported. */
const isOAuth2 = (type: string) => /^oauth[ _]?2(\.0)?$/i.test(type);

function slug(name: unknown): unknown {
  return typeof name === 'string'
    ? name
        .toLowerCase()
        .replaceAll(/[^a-z0-9_.]+/g, '-')
        .replaceAll(/^-+|-+$/g, '')
    : name;
}

export function readProfileMap(entries: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    entries.map((entry) => {
      const at = entry.lastIndexOf('=');
      if (at <= 0 || at === entry.length - 1)
        throw new CliError(
          'USAGE',
          '--map must be "name of the OAuth profile there=profile here".',
          EXIT.usage,
        );
      return [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}

/** The problem with the columns of an export of sys_rest_message, if there is one. */
export function checkMessageColumns(header: readonly string[]): string | undefined {
  if (header.includes('authentication_type')) return undefined;
  return 'there is no column authentication_type, so this is no export of sys_rest_message. Export its fields sys_id, name, authentication_type and oauth2_profile (docs/importing.md)';
}

export function checkCredentialColumns(header: readonly string[]): string | undefined {
  if (header.includes('type')) return undefined;
  return 'there is no column type, so this is no export of oauth_credential. Export its fields type, expires and oauth_requestor_profile.requestor_id (docs/importing.md)';
}
