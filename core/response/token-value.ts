/** What some providers put in the place of a token. */
const noTokens = [
  'null',
  'undefined',
  'none',
  'nil',
  'nan',
  'n/a',
  'true',
  'false',
  'bearer',
  'mac',
  'dpop',
  'object object',
  'redacted',
  'unchanged',
  'hidden',
  'not applicable',
];

/** A word without quotes can be a token from this length on. */
export const LONG_WORD = 16;
/** A mask in the place of a token is no longer than this. */
const LONGEST_MASK = 64;

/**
 * Whether a value can be a token. It can't be one if it is no string, is blank, has control characters or broken
 * characters, or clearly says something else: `null`, a mask of asterisks, a sentence.
 */
export function canBeToken(value: unknown): value is string {
  if (typeof value !== 'string' || value.trim() === '') return false;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\x00-\x1f\x7f-\x9f\ufffd]/.test(value) || !value.isWellFormed()) return false;
  if (value.length <= 20 && noTokens.includes(bare(value))) return false;
  if (value.length <= LONGEST_MASK && /^[$%]?[<({[%]+[A-Za-z_ .-]+[>)}\]%]+$/.test(value)) return false;
  if (value.length <= LONGEST_MASK && /\*{3}|\.\.\.$|…|^(.)\1{3,}$/.test(value)) return false;
  return !isSentence(value);
}

/** A word without the brackets around it. */
function bare(value: string): string {
  return value
    .toLowerCase()
    .replaceAll('_', ' ')
    .replace(/^[\s<({[-]+|[\s>)}\]-]+$/g, '');
}

/** Only words, such as `same_as_before`. */
const WORDS = /^[<({[]*(?:[A-Z]?[a-z]{2,}|[A-Z]{2,})(?:[ _/-]+(?:[A-Z]?[a-z]+|[A-Z]+))*[>)}\]]*$/;

/**
 * Whether the value of a new refresh token is a remark about it. The token before it tells: that one has no spaces and this
 * one has, or that one is long and this one is a few short words.
 */
export function isRemark(value: string, before: string): boolean {
  if (/\s/.test(value) && !/\s/.test(before)) return true;
  return value.length < LONG_WORD && before.length >= LONG_WORD && WORDS.test(value);
}

/** Whether a value is from an example, such as `YOUR_REFRESH_TOKEN_HERE`. */
export function isPlaceholder(value: string): boolean {
  return (
    /EXAMPLE|^[A-Z]+(?:[_-][A-Z]+)+$/.test(value) || /^(?:your|example|dummy|insert|put)[_-]/i.test(value)
  );
}

/** Several words of letters and punctuation. */
function isSentence(value: string): boolean {
  if (!/\s/.test(value.trim())) return false;
  return value.split(/\s+/).every((word) => word.length <= 24 && /^[\p{L}\p{P}]*$/u.test(word));
}

/** A token without a space. A search takes nothing else for one. */
export function isSolidToken(value: unknown): value is string {
  return canBeToken(value) && !/\s/.test(value);
}
