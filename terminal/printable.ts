/** What a terminal obeys instead of showing it: control characters, and marks that reorder or hide text. */
export const INVISIBLE = /[\p{Cc}\p{Zl}\p{Zp}]|(?!\u200d)\p{Cf}|\p{Cs}/gu;
const PILED_UP_MARKS = /(\p{M}{4})\p{M}+/gu;
const TAB_OR_BREAK = /[\t\n\r\u2028\u2029]+/g;

/**
 * Makes text from elsewhere, such as an account's name, safe to print: it stays on its line, and can't colour, move or
 * reorder anything on the terminal. Each character taken out leaves a visible mark.
 */
export function printable(text: string): string {
  return text.replace(TAB_OR_BREAK, ' ').replace(INVISIBLE, '�').replace(PILED_UP_MARKS, '$1');
}
