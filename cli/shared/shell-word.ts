import { isPlain, quoted } from '../../terminal/printable.ts';

/** Quotes a text as one word of a shell, for pasting; one with control characters as bash and zsh read it. */
export function shellWord(text: string): string {
  if (!isPlain(text)) return quoted(text);
  return /^[\w/+=.@:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
