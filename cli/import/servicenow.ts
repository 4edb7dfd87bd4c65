import { CliError, EXIT } from '../cli-error.ts';
import type { Row, Source } from './source.ts';

export interface ServiceNowOptions {
  /** `name of an OAuth profile there` → `profile here`. */
  readonly profiles: ReadonlyMap<string, string>;
  /** The column of the credentials in which somebody put readable tokens; by default none is believed to be readable. */
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
        else yield* accountRow(messages.name, row, tokens, shared, options.profiles);
      }
    },
  };
}

/** A refresh token by what it was requested for; `unclear` where there are several and none is the last. */
type RefreshTokens = ReadonlyMap<string, { readonly text: string; readonly at: string } | 'unclear'>;

function* accountRow(
  file: string,
  { line, values }: Row,
  tokens: RefreshTokens,
  shared: ReadonlySet<unknown>,
  profiles: ServiceNowOptions['profiles'],
): Generator<Row> {
  const { sys_id, name, authentication_type, oauth2_profile } = values;
  const shown = values['oauth2_profile.name'] ?? oauth2_profile;
  if (typeof authentication_type !== 'string')
    throw new CliError(
      'NOT_SERVICENOW',
      `${file}, line ${line}: there is no authentication_type. Export the fields sys_id, name, authentication_type and oauth2_profile of sys_rest_message (docs/importing.md).`,
    );
  if (!isOAuth2(authentication_type)) return;
  const row = (more: Record<string, unknown>): Row => ({
    line,
    cells: 'json',
    values: { accountId: sys_id ?? slug(name), name, oauthProfile: profileOf(shown, profiles), ...more },
  });
  const byId = tokens.get(String(sys_id));
  const token = byId ?? tokens.get(String(name));
  if (byId === undefined && token !== undefined && shared.has(name))
    yield {
      ...row({}),
      problem:
        'shares its name with another REST message, and there is a refresh token for the name; give its requestor_id the sys_id',
    };
  else if (token === 'unclear')
    yield {
      ...row({}),
      problem: 'has several refresh tokens and none is the last; keep one row of them',
    };
  else yield row(token === undefined ? {} : { refresh_token: token.text });
}

/** The names that more than one message has. */
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
  const found = new Map<string, { text: string; at: string } | 'unclear'>();
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
    found.set(requestor, known === undefined ? { text, at } : later(known, { text, at }));
  }
  return found;
}

function later(
  one: { text: string; at: string } | 'unclear',
  other: { text: string; at: string },
): { text: string; at: string } | 'unclear' {
  if (one === 'unclear' || one.text === other.text) return one;
  const comparable = [one.at, other.at].every((at) => /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(at));
  if (!comparable || one.at === other.at) return 'unclear';
  return one.at > other.at ? one : other;
}

/** What stands in place of a password field's value. */
const isMasked = (text: string) => /^[*•]*$/.test(text);

/** The value of the choice is `oauth2`; its label is shown where display values are exported. */
const isOAuth2 = (type: string) => /^oauth[ _]?2(\.0)?$/i.test(type);

function profileOf(shown: unknown, profiles: ServiceNowOptions['profiles']): unknown {
  return typeof shown === 'string' ? (profiles.get(shown) ?? shown) : shown;
}

function slug(name: unknown): unknown {
  return typeof name === 'string'
    ? name
        .toLowerCase()
        .replaceAll(/[^a-z0-9_.]+/g, '-')
        .replaceAll(/^-+|-+$/g, '')
    : name;
}

/** Reads `--map "name there=profile here"`. */
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
