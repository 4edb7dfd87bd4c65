/**
 * What nobody sees at the beginning of a cell, and a spreadsheet may pass over: blanks, control and format characters (a
 * byte order mark is one), and letters that look like blanks.
 */
const UNSEEN = '[\\s\\p{Z}\\p{C}\\p{Default_Ignorable_Code_Point}\\u2800]';
/** What begins a formula, also in its full-width, small and raised forms, and as a typeset minus. */
const SIGN = '[=+@\\-＝＋－＠﹦﹢﹣﹫⁼⁺⁻₌₊₋﬩−]';
/**
 * What makes a spreadsheet take a cell for a formula, and the mark that keeps it from doing so. A tab or the end of a
 * line at the beginning has done so by itself.
 */
const DANGEROUS = new RegExp(`^(?:[\\t\\r\\n']|${UNSEEN}*${SIGN})`, 'u');

/**
 * A value for a CSV cell that a spreadsheet does not run: one that begins like a formula gets an apostrophe before it.
 * So does one that begins with an apostrophe, so that `unprotectCell` gives back exactly what was there.
 *
 * @see https://owasp.org/www-community/attacks/CSV_Injection
 */
export function protectCell(value: string): string {
  return DANGEROUS.test(value) ? `'${value}` : value;
}

/** Undoes `protectCell`; a value that is not text, or has no such mark, stays. */
export function unprotectCell<T>(value: T): T | string {
  return typeof value === 'string' && value.startsWith("'") && DANGEROUS.test(value.slice(1))
    ? value.slice(1)
    : value;
}
