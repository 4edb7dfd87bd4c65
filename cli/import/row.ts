import { createHash } from 'node:crypto';
import { NOTE, parseAccount, WRITTEN_BY_PEOPLE } from '../../core/account/account.ts';
import { HIDDEN_NAME, looksLikeName } from '../../core/field-name.ts';
import { isJsonObject, parseJsonObject } from '../../core/json-object.ts';
import { flawOfCredential } from '../../core/profile/credential.ts';
import { instant } from '../../core/times.ts';
import { parseTokenSet } from '../../core/tokens/token-set.ts';
import { SECRET_FIELDS } from '../profile/fields.ts';
import { shownName } from '../shared/shown-name.ts';
import { unprotectCell } from './csv-cells.ts';
import type { Problem, Row } from './source.ts';

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
/** Worth nothing or harmful in a store; `kept_by` is said anew. */
const NEVER_STORED = ['expires_in', 'id_token', 'kept_by'];

/** Values may be nested so deep: nothing that people write is, and what is very deep can't be written out again. */
const MAX_DEPTH = 32;

/** An account as a file describes it, found right. */
export interface Candidate {
  /** Its item in the accounts table: what people write, and nothing that the function does. */
  readonly item: Item & { readonly accountId: string };
  /** The text for its token secret, where the file has tokens for it; without `kept_by`. */
  readonly tokenText: string | undefined;
  readonly refreshToken: string | undefined;
}

export type Item = Readonly<Record<string, unknown>>;

/** All that a row says, right or wrong. */
export interface ReadRow {
  readonly accountId: string | undefined;
  /** The attributes as the row has them. */
  readonly item: Item;
  /** What is wrong with the attributes themselves. */
  readonly attributeProblems: readonly Problem[];
  /** What is wrong with anything else. */
  readonly problems: readonly Problem[];
  /** Who keeps the token set that the row was taken from, where it says so. */
  readonly keptBy: string | undefined;
  /** Every text that stands in the place of a refresh token. */
  readonly refreshTokens: readonly string[];
  /** Texts that may be one, as they stand where nothing is known to stand. */
  readonly texts: readonly string[];
  /** It has fields of a token set. */
  readonly hasTokens: boolean;
  /** Undefined where something is wrong. */
  readonly candidate: Candidate | undefined;
}

/** Reads one row: each value is text in a CSV file, and of its own kind in JSON. */
export function readRow({ values, cells, texts = [] }: Pick<Row, 'values' | 'cells' | 'texts'>): ReadRow {
  const plain = (value: unknown) => (cells === 'csv' ? unprotectCell(value) : value);
  const problems: Problem[] = [];
  const item: Record<string, unknown> = {};
  // Of these the file names the members: "__proto__" must be one like any other.
  const parameters: Record<string, unknown> = Object.create(null);
  const tokens: Record<string, unknown> = Object.create(null);
  const refreshTokens = new Set<string>();
  const unknown: unknown[] = [];
  const setToken = (field: string, value: unknown) => {
    if (value === '' || value === null || value === undefined) return;
    if (field === 'refresh_token' && typeof value === 'string') refreshTokens.add(value);
    tokens[field] = tokenValue(field, value);
  };
  const setObject = (column: 'parameters' | 'tokens', value: unknown) => {
    const object = typeof value === 'string' ? parseJsonObject(value) : value;
    if (!isJsonObject(object)) {
      unknown.push(value);
      problems.push({ field: column, text: 'must be a JSON object' });
    } else if (column === 'tokens') for (const field of Object.keys(object)) setToken(field, object[field]);
    else Object.assign(parameters, object);
  };
  for (const [column, value] of Object.entries(values)) {
    if (value === undefined || value === null) continue;
    const [, group, member] = /^(parameters|tokens)\.(.+)$/.exec(column) ?? [];
    if (group === 'parameters' && member !== undefined) parameters[member] = plain(value);
    else if (group === 'tokens' && member !== undefined) setToken(member, value);
    else if (TOKEN_FIELDS.includes(column)) setToken(column, value);
    else if (column === 'parameters' || column === 'tokens') setObject(column, value);
    else if (column === 'enabled') item.enabled = booleanOf(value);
    else if (isKnown(column)) item[column] = plain(value);
    else {
      unknown.push(value);
      const field = looksLikeName(column) ? column : HIDDEN_NAME;
      problems.push({ field, text: `is not known; known are ${KNOWN_COLUMNS}` });
    }
  }
  item.authenticationType ??= 'oauth2';
  if (Object.keys(parameters).length > 0) item.parameters = { ...parameters };
  const { kept_by: keptBy } = tokens;
  for (const field of NEVER_STORED) delete tokens[field];
  for (const part of [item, tokens])
    for (const field of Object.keys(part))
      if (isDeep(part[field], MAX_DEPTH)) {
        delete part[field];
        problems.push({ field: part === tokens ? 'tokens' : field, text: 'is nested too deep' });
      }
  const ofTokens = tokenProblems(tokens, item.tokenSecretId);
  problems.push(...ofTokens);
  if (refreshTokens.size > 1)
    problems.push({ field: 'refresh_token', text: 'is there twice, and not the same; keep one of the two' });
  if (keptBy !== undefined && typeof keptBy !== 'string')
    problems.push({ field: 'kept_by', text: 'must be a string' });
  const attributeProblems = problemsOfItem(item);
  const accountId = typeof item.accountId === 'string' ? item.accountId : undefined;
  const right = problems.length === 0 && attributeProblems.length === 0;
  return {
    accountId,
    item,
    attributeProblems,
    problems,
    keptBy: typeof keptBy === 'string' ? keptBy : undefined,
    refreshTokens: [...refreshTokens],
    hasTokens: Object.keys(tokens).length > 0,
    texts: [...texts, ...textsIn(unknown), ...(ofTokens.length > 0 ? textsIn([tokens]) : [])],
    candidate:
      right && accountId !== undefined
        ? {
            item: { ...item, accountId },
            tokenText: Object.keys(tokens).length === 0 ? undefined : canonical(tokens),
            refreshToken: textOf(tokens.refresh_token),
          }
        : undefined,
  };
}

function isDeep(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((one) => isDeep(one, levels - 1));
}

/** Every text within these values, however deep. */
function textsIn(values: readonly unknown[]): string[] {
  const texts: string[] = [];
  for (let left = [...values]; left.length > 0; ) {
    const value = left.pop();
    if (typeof value === 'string') texts.push(value);
    else if (typeof value === 'object' && value !== null)
      for (const one of Object.values(value)) left.push(one);
  }
  return texts;
}

/** Tells whether two refresh tokens are the same, and tells nobody a token: base64url of SHA-256 (contract). */
export function fingerprintOf(refreshToken: string): string {
  return createHash('sha256').update(refreshToken).digest('base64url');
}

/**
 * The id of the token secret's first version, the same whenever the same account is imported from the same content, so
 * that a repeated import makes nothing twice and knows its own secrets again. A hash of tokens tells nobody a token.
 */
export function versionIdOf({ item, tokenText }: Pick<Candidate, 'item' | 'tokenText'>): string {
  return createHash('sha256')
    .update(JSON.stringify(['oauth-token-refresher import', item.accountId, tokenText]))
    .digest('hex');
}

/** The attributes of an item that differ from what a file says of them; what it does not name stays. */
export function differences(item: Item, existing: Item): readonly (typeof WRITTEN_BY_PEOPLE)[number][] {
  return WRITTEN_BY_PEOPLE.filter(
    (name) => item[name] !== undefined && canonical(item[name]) !== canonical(existing[name] ?? null),
  );
}

const KNOWN_COLUMNS = `${WRITTEN_BY_PEOPLE.join(', ')}, parameters.<name>, ${TOKEN_FIELDS.join(', ')}, tokens.<field>`;

function isKnown(column: string): boolean {
  return (WRITTEN_BY_PEOPLE as readonly string[]).includes(column);
}

/** A table without a header has a thousand of them. */
const SHOWN_COLUMNS = 20;

/** What is wrong with the columns of a CSV header; undefined where nothing is. */
export function checkColumns(header: readonly string[]): string | undefined {
  if (!header.includes('accountId'))
    return 'there is no column accountId, so this is no table of accounts, or its first line is no header. It must name the columns (docs/importing.md)';
  const unknown = header.flatMap((column, index) =>
    column === '' ||
    isKnown(column) ||
    TOKEN_FIELDS.includes(column) ||
    /^(tokens|parameters\..+|tokens\..+)$/.test(column)
      ? []
      : [shownName(column, `number ${index + 1}`)],
  );
  if (unknown.length === 0) return undefined;
  const more = unknown.length - SHOWN_COLUMNS;
  const shown = unknown.slice(0, SHOWN_COLUMNS).join(', ');
  return `unknown columns: ${shown}${more > 0 ? ` and ${more} more` : ''}. Rename or remove them; known are ${KNOWN_COLUMNS}`;
}

/** Each attribute judged by itself, so that all that is wrong is told at once. */
function problemsOfItem(item: Item): Problem[] {
  const right = { accountId: 'x', authenticationType: 'oauth2', oauthProfile: 'x', tokenSecretId: 'x' };
  const problems = WRITTEN_BY_PEOPLE.flatMap((name): Problem[] => {
    const alone: Record<string, unknown> = { ...right, [name]: item[name] };
    // An account id need only be fit for a secret's name where it is part of one.
    if (name === 'accountId' && item.tokenSecretId === undefined) delete alone.tokenSecretId;
    const parsed = parseAccount(alone);
    if (parsed.kind === 'account') return [];
    const [field = name, ...text] = parsed.problem.split(': ');
    return [{ field: shownField(field), text: text.join(': ') }];
  });
  const { accountId, authenticationType, tokenSecretId } = item;
  if (typeof accountId === 'string' && accountId.startsWith(NOTE))
    problems.push({
      field: 'accountId',
      text: `must not begin with ${NOTE}: such items are the function's own notes`,
    });
  if (typeof accountId === 'string' && Buffer.byteLength(accountId) > 2_048)
    problems.push({ field: 'accountId', text: 'is longer than a key can be (2 KB)' });
  if (typeof authenticationType === 'string' && authenticationType !== 'oauth2')
    problems.push({ field: 'authenticationType', text: 'must be oauth2, written so' });
  if (
    typeof tokenSecretId === 'string' &&
    !/^([\w/+=.@-]{1,512}|arn:[\w/+=.@:-]{1,2048})$/.test(tokenSecretId)
  )
    problems.push({ field: 'tokenSecretId', text: 'must be the name or the ARN of a secret' });
  if (isLarge(item, 390_000)) problems.push({ field: 'row', text: 'is larger than an item can be (400 KB)' });
  return problems;
}

/** A parameter's name is anybody's. */
function shownField(field: string): string {
  const [attribute = field, ...member] = field.split('.');
  return member.every(looksLikeName) ? field : attribute;
}

/** Whether a row is of an account that the function does not look at: it has another way to authenticate. */
export function isOfAnotherKind({ authenticationType }: Item): boolean {
  return typeof authenticationType === 'string' && !/^(oauth[ _-]?2?(\.0)?)?$/i.test(authenticationType);
}

function isLarge(value: unknown, bytes: number): boolean {
  return Buffer.byteLength(JSON.stringify(value)) > bytes;
}

function tokenProblems(tokens: Readonly<Record<string, unknown>>, tokenSecretId: unknown): Problem[] {
  const problems: Problem[] = TIMES.flatMap((field) => {
    const value = tokens[field];
    if (value === undefined || instant(value) !== undefined) return [];
    return [
      {
        field,
        text: 'must be a time: seconds or milliseconds since the epoch, or such as 2027-01-31T12:00:00Z',
      },
    ];
  });
  for (const field of ['refresh_token', 'access_token']) {
    const text = flawOfToken(tokens[field]);
    if (text !== undefined) problems.push({ field, text });
  }
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
  if (isLarge(tokens, MAX_TOKEN_BYTES))
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

/** As much as a secret holds, less `kept_by`. */
const MAX_TOKEN_BYTES = 65_536 - 512;

/** What makes a text no token. */
function flawOfToken(token: unknown): string | undefined {
  if (typeof token !== 'string') return undefined;
  if (token.trim() === '') return 'is blank';
  if (/[\r\n]$/.test(token) && flawOfCredential(token.trim()) === undefined)
    return 'ends with a line break, perhaps from pasting; remove it';
  return flawOfCredential(token);
}

/** A time becomes seconds, whatever it is written in; everything else is kept to the letter. */
function tokenValue(field: string, value: unknown): unknown {
  return TIMES.includes(field) ? (instant(value) ?? value) : value;
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
