/**
 * Whether a text is a name. In the place of a name there may be a value, in a table without a header or an odd JSON object, and
 * that value may be a token. Names are made of a few words.
 */
export function looksLikeName(text: string): boolean {
  const words = text.split(/[\s_.-]+|(?<=[a-z])(?=[A-Z])/, MOST_WORDS + 1);
  return words.length <= MOST_WORDS && words.every((word) => /^([A-Z]?[a-z]{1,15}|[A-Z]{1,8})$/.test(word));
}

const MOST_WORDS = 6;

/** Shown in the place of a name that looks like a value. */
export const HIDDEN_NAME = 'a field whose name looks like a value';

/** A path, such as `parameters.region`, without any part that looks like a value. */
export function shownPath(path: readonly unknown[]): string {
  const parts = path.map((part) =>
    looksLikeName(String(part)) || typeof part === 'number' ? String(part) : '…',
  );
  return parts[0] === '…' ? HIDDEN_NAME : parts.join('.');
}
