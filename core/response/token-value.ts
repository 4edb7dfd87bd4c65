const nothing = [
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
 * Whether a value can be a token. It can't where it is no string, empty, blank, with control characters or broken
 * characters, or plainly says something else: `null`, a mask of asterisks, a sentence.
 */
export function canBeToken(value: unknown): value is string {
  if (typeof value !== 'string' || value.trim() === '') return false;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\x00-\x1f\x7f-\x9f\ufffd]/.test(value) || !value.isWellFormed()) return false;
  if (value.length <= 20 && nothing.includes(bare(value))) return false;
  if (value.length <= LONGEST_MASK && /^[$%]?[<({[%]+[A-Za-z_ .-]+[>)}\]%]+$/.test(value)) return false;
  if (value.length <= LONGEST_MASK && /\*{3}|\.\.\.$|…|^(.)\1{3,}$/.test(value)) return false;
  return !isSentence(value);
}

/** A word without what may stand around it. */
function bare(value: string): string {
  return value
    .toLowerCase()
    .replaceAll('_', ' ')
    .replace(/^[\s<({[-]+|[\s>)}\]-]+$/g, '');
}

/** Words alone, such as `same_as_before`, in the place of a token that is known to be longer. */
const WORDS = /^[<({[]*(?:[A-Z]?[a-z]{2,}|[A-Z]{2,})(?:[ _/-]+(?:[A-Z]?[a-z]+|[A-Z]+))*[>)}\]]*$/;

/**
 * Whether what stands in the place of a new refresh token is words about it, judged by the one before: this one has
 * blanks and that one none, or it is short words and that one is long.
 */
export function isRemark(value: string, before: string): boolean {
  if (/\s/.test(value) && !/\s/.test(before)) return true;
  return value.length < LONG_WORD && before.length >= LONG_WORD && WORDS.test(value);
}

/** Whether a value stands for a token in an example: `YOUR_REFRESH_TOKEN_HERE`, words in capitals. */
export function isPlaceholder(value: string): boolean {
  return (
    /EXAMPLE|^[A-Z]+(?:[_-][A-Z]+)+$/.test(value) || /^(?:your|example|dummy|insert|put)[_-]/i.test(value)
  );
}

/** Several words, and nothing in them but letters and what people write between words. */
function isSentence(value: string): boolean {
  if (!/\s/.test(value.trim())) return false;
  return value.split(/\s+/).every((word) => word.length <= 24 && /^[\p{L}\p{P}]*$/u.test(word));
}

/** A token without a blank: a search believes nothing else. */
export function isFound(value: unknown): value is string {
  return canBeToken(value) && !/\s/.test(value);
}
