import { createHash } from 'node:crypto';
import { parseAccount, WRITTEN_BY_PEOPLE } from '../../lambda/account.ts';
import { isJsonObject, parseJsonObject } from '../../lambda/json-object.ts';
import { parseTokenSet } from '../../lambda/token-set.ts';
import { SECRET_FIELDS } from '../profiles/fields.ts';
import { unprotectCell } from './csv-cells.ts';
import type { Row } from './source.ts';

const TOKEN_FIELDS = [
  'refresh_token',
  'access_token',
  'token_type',
  'scope',
  'obtained_at',
  'expires_at',
  'refresh_token_expires_at',
];
const TIMES = ['obtained_at', 'expires_at', 'refresh_token_expires_at'];
/** Said in an answer, and worth nothing or harmful in a store. */
const NEVER_STORED = ['expires_in', 'id_token'];

/** Later than the year 5000 in seconds, so milliseconds. */
const TOO_LATE = 100_000_000_000;

/** An account as a file describes it, found right. */
export interface Candidate {
  /** Its item in the accounts table: what people write, and nothing that the function does. */
  readonly item: Readonly<Record<string, unknown>> & { readonly accountId: string };
  /** The text for its token secret, where the file has tokens for it. */
  readonly tokenText: string | undefined;
  readonly refreshToken: string | undefined;
}

/** What is wrong with one field, and what is allowed; never a value of a token. */
export interface Problem {
  readonly field: string;
  readonly text: string;
}

export type ReadRow =
  | { readonly kind: 'candidate'; readonly candidate: Candidate }
  | {
      readonly kind: 'invalid';
      readonly accountId: string | undefined;
      readonly problems: readonly Problem[];
    };

/** Reads one row: each value is text in a CSV file, and of its own kind in JSON. */
export function readRow({ values, cells }: Pick<Row, 'values' | 'cells'>): ReadRow {
  const plain = (value: unknown) => (cells === 'csv' ? unprotectCell(value) : value);
  const problems: Problem[] = [];
  const item: Record<string, unknown> = {};
  const parameters: Record<string, unknown> = {};
  const tokens: Record<string, unknown> = {};
  for (const [column, value] of Object.entries(values)) {
    if (value === undefined || value === null) continue;
    const [, group, member] = /^(parameters|tokens)\.(.+)$/.exec(column) ?? [];
    if (group === 'parameters' && member !== undefined) parameters[member] = plain(value);
    else if (group === 'tokens' && member !== undefined) tokens[member] = tokenValue(member, value);
    else if (TOKEN_FIELDS.includes(column)) tokens[column] = tokenValue(column, value);
    else if (column === 'parameters' || column === 'tokens') {
      const object = typeof value === 'string' ? parseJsonObject(value) : value;
      if (isJsonObject(object)) Object.assign(column === 'tokens' ? tokens : parameters, object);
      else problems.push({ field: column, text: 'must be a JSON object' });
    } else if (column === 'enabled') item.enabled = booleanOf(value);
    else if (isKnown(column)) item[column] = plain(value);
    else problems.push({ field: column, text: `is not known; known are ${KNOWN_COLUMNS}` });
  }
  item.authenticationType ??= 'oauth2';
  if (Object.keys(parameters).length > 0) item.parameters = parameters;
  for (const field of NEVER_STORED) delete tokens[field];
  problems.push(...attributeProblems(item), ...tokenProblems(tokens, item.tokenSecretId));
  const accountId = typeof item.accountId === 'string' ? item.accountId : undefined;
  if (problems.length > 0 || accountId === undefined) return { kind: 'invalid', accountId, problems };
  return {
    kind: 'candidate',
    candidate: {
      item: { ...item, accountId },
      tokenText: Object.keys(tokens).length === 0 ? undefined : canonical(tokens),
      refreshToken: textOf(tokens.refresh_token),
    },
  };
}

/**
 * The id of the token secret's first version, the same whenever the same account is imported from the same content, so
 * that a repeated import makes nothing twice and knows its own secrets again. A hash of tokens tells nobody a token.
 */
export function versionIdOf({ item, tokenText }: Candidate): string {
  return createHash('sha256')
    .update(JSON.stringify(['oauth-token-refresher import', item.accountId, tokenText]))
    .digest('hex');
}

/** The attributes of an item that differ from what a file says of them; what it does not name stays. */
export function differences(
  { item }: Candidate,
  existing: Readonly<Record<string, unknown>>,
): readonly string[] {
  return WRITTEN_BY_PEOPLE.filter(
    (name) => item[name] !== undefined && canonical(item[name]) !== canonical(existing[name] ?? null),
  );
}

const KNOWN_COLUMNS = `${WRITTEN_BY_PEOPLE.join(', ')}, parameters.<name>, ${TOKEN_FIELDS.join(', ')}, tokens.<field>`;

function isKnown(column: string): boolean {
  return (WRITTEN_BY_PEOPLE as readonly string[]).includes(column);
}

/** Names the columns of a CSV header that mean nothing here; undefined where all are known. */
export function checkColumns(header: readonly string[]): string | undefined {
  const unknown = header.filter(
    (column) =>
      !isKnown(column) &&
      !TOKEN_FIELDS.includes(column) &&
      !/^(tokens|parameters\..+|tokens\..+)$/.test(column),
  );
  if (unknown.length === 0) return undefined;
  const names = unknown.map((column) => `"${column}"`).join(', ');
  return `unknown columns: ${names}. Rename or remove them; known are ${KNOWN_COLUMNS}`;
}

/** Each attribute judged by itself, so that all that is wrong is told at once. */
function attributeProblems(item: Readonly<Record<string, unknown>>): Problem[] {
  const right = { accountId: 'x', authenticationType: 'oauth2', oauthProfile: 'x', tokenSecretId: 'x' };
  return WRITTEN_BY_PEOPLE.flatMap((name) => {
    const alone: Record<string, unknown> = { ...right, [name]: item[name] };
    // An account id need only be fit for a secret's name where it is part of one.
    if (name === 'accountId' && item.tokenSecretId === undefined) delete alone.tokenSecretId;
    const parsed = parseAccount(alone);
    if (parsed.kind === 'account') return [];
    const [field = name, ...text] = parsed.problem.split(': ');
    return [{ field, text: text.join(': ') }];
  });
}

function tokenProblems(tokens: Readonly<Record<string, unknown>>, tokenSecretId: unknown): Problem[] {
  const problems: Problem[] = TIMES.flatMap((field) => {
    const value = tokens[field];
    if (value === undefined || (typeof value === 'number' && value < TOO_LATE)) return [];
    return [{ field, text: 'must be a number of seconds since the epoch (not milliseconds, not a date)' }];
  });
  const parsed = parseTokenSet(
    JSON.stringify({ ...tokens, ...Object.fromEntries(TIMES.map((field) => [field, undefined])) }),
  );
  if (parsed.kind === 'invalid') problems.push(splitProblem(parsed.problem));
  for (const field of SECRET_FIELDS)
    if (tokens[field] !== undefined)
      problems.push({ field, text: 'belongs into a profile ("profiles add"), not among the tokens' });
  const empty = tokens.refresh_token === undefined && tokens.access_token === undefined;
  if (empty && Object.keys(tokens).length > 0)
    problems.push({ field: 'tokens', text: 'need refresh_token or access_token; or leave all of them out' });
  if (Object.keys(tokens).length > 0 && typeof tokenSecretId === 'string' && tokenSecretId.startsWith('arn:'))
    problems.push({
      field: 'tokenSecretId',
      text: 'is an ARN, so that secret exists and keeps its tokens: leave the tokens out, or give a name',
    });
  if (Buffer.byteLength(JSON.stringify(tokens)) > 65_536)
    problems.push({ field: 'tokens', text: 'are larger than a secret can be (64 KB)' });
  return problems;
}

function textOf(token: unknown): string | undefined {
  return typeof token === 'string' && token !== '' ? token : undefined;
}

function splitProblem(problem: string): Problem {
  const [field = 'tokens', ...text] = problem.split(': ');
  return text.length === 0 ? { field: 'tokens', text: problem } : { field, text: text.join(': ') };
}

/** Times are numbers also where a cell is text; everything else is kept to the letter. */
function tokenValue(field: string, value: unknown): unknown {
  return TIMES.includes(field) && typeof value === 'string' && /^\d{1,15}$/.test(value)
    ? Number(value)
    : value;
}

function booleanOf(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const small = value.toLowerCase();
  return small === 'true' ? true : small === 'false' ? false : value;
}

/** JSON in which the order of members does not matter. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) =>
    isJsonObject(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : one,
  );
}
