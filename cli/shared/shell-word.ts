import { printable } from '../../terminal/printable.ts';

/** Quotes a text as one word of a shell, for pasting. */
export function shellWord(text: string): string {
  const word = printable(text);
  return /^[\w/+=.@:-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
