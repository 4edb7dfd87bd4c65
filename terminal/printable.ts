/** What a terminal obeys instead of showing it: control characters, and marks that reorder or hide text. */
export const INVISIBLE = /[\p{Cc}\p{Zl}\p{Zp}]|(?!\u200d)\p{Cf}|\p{Cs}/gu;
const PILED_UP_MARKS = /(\p{M}{4})\p{M}+/gu;
const TAB_OR_BREAK = /[\t\n\r\u2028\u2029]+/g;

/** Whether a name shows what it is: nothing in it is invisible, and it is not empty. */
export function isPlain(name: string): boolean {
  return name !== '' && printable(name) === name;
}

/** A name as people can tell it and paste it into a shell: one that `isPlain` as it is, another as bash and zsh quote it. */
export function copyableName(name: string): string {
  // One that looks quoted is, so that no two names look the same.
  return isPlain(name) && !/^(\$'|''$)/.test(name) ? name : quoted(name);
}

const HARD_TO_SEE = /[\p{C}\p{Zl}\p{Zp}\p{M}]/u;
const ESCAPES: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\\': '\\\\',
  "'": "\\'",
};

/** As a shell reads it: `''`, or as in `$'two\\nlines'`. */
export function quoted(name: string): string {
  if (name === '') return "''";
  const bytes = (character: string) =>
    [...Buffer.from(character)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
  const escaped = (character: string) =>
    ESCAPES[character] ?? (HARD_TO_SEE.test(character) ? bytes(character) : character);
  return `$'${[...name].map(escaped).join('')}'`;
}

/**
 * Makes text from elsewhere, such as an account's name, safe to print: it stays on its line, and can't colour, move or
 * reorder anything on the terminal. Each character taken out leaves a visible mark.
 */
export function printable(text: string): string {
  return text.replace(TAB_OR_BREAK, ' ').replace(INVISIBLE, '�').replace(PILED_UP_MARKS, '$1');
}
