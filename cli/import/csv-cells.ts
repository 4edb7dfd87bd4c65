/** What makes a spreadsheet take a cell for a formula, and the mark that keeps it from doing so. */
const DANGEROUS = /^[=+\-@＝＋－＠\t\r\n']/;

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
