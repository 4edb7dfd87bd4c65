import { HIDDEN_NAME, looksLikeName } from '../../../core/field-name.ts';
import { isJsonObject, parseJsonObject } from '../../../core/json-object.ts';
import { instant } from '../../../core/times.ts';
import type { Problem, Row } from '../file/row.ts';
import { isKnown, KNOWN_COLUMNS, TOKEN_FIELDS } from './columns.ts';
import { canonical } from './compare.ts';
import { unprotectCell } from './csv-cells.ts';
import { problemsOfItem } from './item-problems.ts';
import { TIMES, tokenProblems } from './token-problems.ts';

/** Useless or harmful in a secret. The import writes its own `kept_by`. */
const NEVER_STORED = ['expires_in', 'id_token', 'kept_by'];

/** Nobody writes values that are nested deeper, and very deep ones can't be written out again. */
const MAX_DEPTH = 32;

export interface Candidate {
  /** Its item, with only the attributes that people write. */
  readonly item: Item & { readonly accountId: string };
  /** The text for its token secret, without `kept_by`. Undefined if the file has no tokens. */
  readonly tokenText: string | undefined;
  readonly refreshToken: string | undefined;
}

export type Item = Readonly<Record<string, unknown>>;

export interface ReadRow {
  readonly accountId: string | undefined;
  /** The attributes as the row has them. */
  readonly item: Item;
  readonly attributeProblems: readonly Problem[];
  /** All other problems. */
  readonly problems: readonly Problem[];
  readonly keptBy: string | undefined;
  /** Every text in a place for refresh tokens. */
  readonly refreshTokens: readonly string[];
  /** Texts in unknown places. They may be refresh tokens too. */
  readonly texts: readonly string[];
  readonly hasTokens: boolean;
  /** Undefined if there is a problem. */
  readonly candidate: Candidate | undefined;
}

/** Reads one row. In a CSV file each value is text. */
export function readRow({ values, cells, texts = [] }: Pick<Row, 'values' | 'cells' | 'texts'>): ReadRow {
  const plain = (value: unknown) => (cells === 'csv' ? unprotectCell(value) : value);
  const problems: Problem[] = [];
  const item: Record<string, unknown> = {};
  // The file names the members, so "__proto__" must be one like any other.
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

/** Whether a row is of an account that the function does not look at: it has another way to authenticate. */
export function isOfAnotherKind({ authenticationType }: Item): boolean {
  return typeof authenticationType === 'string' && !/^(oauth[ _-]?2?(\.0)?)?$/i.test(authenticationType);
}

function textOf(token: unknown): string | undefined {
  return typeof token === 'string' && token !== '' ? token : undefined;
}

/** A time becomes seconds, however it is written. Everything else stays as it is. */
function tokenValue(field: string, value: unknown): unknown {
  return TIMES.includes(field) ? (instant(value) ?? value) : value;
}

function booleanOf(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const small = value.toLowerCase();
  return small === 'true' ? true : small === 'false' ? false : value;
}
