import { printable } from '../../terminal/display-text.ts';

/** Text that a shell takes as one word, to be pasted. */
export function shellWord(text: string): string {
  const word = printable(text);
  return /^[\w/+=.@:-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
