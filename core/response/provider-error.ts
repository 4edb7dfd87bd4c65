import { isJsonObject, type JsonObject } from '../json-object.ts';
import type { Profile } from '../profile/profile.ts';
import { at } from '../tokens/response-fields.ts';
import { saysDeadGrant } from './dead-grant.ts';
import { reasonOfCode } from './error-codes.ts';

/** What a provider says is wrong. */
export interface ProviderError {
  /** The first code; where there is none, the words that say what is wrong. */
  readonly code: string;
  readonly description: string | undefined;
  /** All that may be a code. */
  readonly codes: readonly string[];
  /** False where only a flag, or words, say that it is an error. */
  readonly hasCode: boolean;
}

/** Fields in which providers wrap an error. */
const wrappers = 'error errors fault data response result body detail details meta'.split(' ');
/** Fields that hold a code, at the top or within `error`. */
const codeFields = 'code errorCode error_code errorcode errcode error_type err'.split(' ');
/** What they hold where all is well. */
const successCodes = ['0', '200', '201', 'ok', 'success'];
/** Within `error` these hold one too. Elsewhere they may hold anything, so that only a code that we know counts. */
const kindFields = 'type status reason name __type title id error_subtype'.split(' ');
/** Fields that hold words about the error. */
const wordFields = (
  'error_description errorDescription message error_message errorMessage errorSummary description detail ' +
  'faultstring msg Message reason title'
).split(' ');

/**
 * The error in a body (RFC 6749 section 5.2): first where the profile says, then where the standard says, then where other
 * providers put it.
 *
 * @param status give it for a token response only: there a bare `code` is an error too, and with 4xx or 5xx words alone are
 *   one. In other responses, as to a device, they may mean anything.
 */
export function errorOf(fields: JsonObject, profile: Profile, status?: number): ProviderError | undefined {
  const { error: errorPointer, error_description: descriptionPointer } = profile.token_error_fields;
  const pointed = errorPointer === undefined ? undefined : codeIn(at(fields, errorPointer));
  const described = descriptionPointer === undefined ? undefined : wordsIn(at(fields, descriptionPointer));
  const nested = nestedIn(fields);
  const { error } = fields;
  const inError = isJsonObject(error) ? error : undefined;
  const named = [
    pointed,
    codeIn(error),
    ...[...codeFields, ...kindFields, 'error'].map((field) => codeIn(inError?.[field])),
    ...nested.map((place) => codeIn(place.error)),
    ...(status === undefined ? [] : [fields, ...nested]).flatMap((place) =>
      codeFields.map((field) => codeIn(place[field])),
    ),
  ].filter((code) => code !== undefined && !successCodes.includes(code.toLowerCase()));
  // A success may have a field such as `type` too.
  const known = [fields, ...nested]
    .flatMap((place) => [...codeFields, ...kindFields].map((field) => codeIn(place[field])))
    .filter((code) => code !== undefined && reasonOfCode(code) !== undefined);
  const description =
    described ??
    [fields, ...nested].flatMap((place) => wordFields.map((name) => wordsIn(place[name]))).find(isText);
  const codes = [...new Set([...named, ...known].filter(isText))];
  const [code] = codes;
  if (code !== undefined) return { code, description, codes, hasCode: true };
  const isFlagged =
    error === true ||
    isJsonObject(error) ||
    fields.ok === false ||
    fields.success === false ||
    (Array.isArray(fields.errors) && fields.errors.length > 0);
  const failed = status !== undefined && status >= 400;
  const isWorded = isText(description) && (failed || described !== undefined || saysDeadGrant(description));
  if (!isFlagged && !isWorded) return undefined;
  return { code: description ?? 'not_ok', description: undefined, codes: [], hasCode: false };
}

function isText(value: string | undefined): value is string {
  return value !== undefined;
}

/** The objects in which providers wrap an error, `error` itself first. */
function nestedIn(fields: JsonObject): readonly JsonObject[] {
  const direct = wrappers.map((name) => first(fields[name])).filter(isJsonObject);
  const deeper = direct.flatMap((place) => [place.error, place.detail, place.errors].map(first));
  return [...direct, ...deeper.filter(isJsonObject)];
}

function first(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : value;
}

/** A text or a number; `true` is no code. */
function codeIn(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value.trim() !== '' ? value.slice(0, MAX_TEXT) : undefined;
}

function wordsIn(value: unknown): string | undefined {
  return codeIn(first(value));
}

/** No more of a provider's text is read: a response may have a megabyte of it. */
const MAX_TEXT = 4_000;
