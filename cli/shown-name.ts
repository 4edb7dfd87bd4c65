/**
 * Whether a text is the name of something, and no value that stands in the place of a name: a table without a header, or
 * an odd JSON object, has values there, and a value may be a token. Names are made of a few words.
 */
export function looksLikeName(text: string): boolean {
  const words = text.split(/[\s_.-]+|(?<=[a-z])(?=[A-Z])/, MOST_WORDS + 1);
  return words.length <= MOST_WORDS && words.every((word) => /^([A-Z]?[a-z]{1,15}|[A-Z]{1,8})$/.test(word));
}

const MOST_WORDS = 5;

/**
 * A name in quotation marks.
 *
 * @param otherwise stands in its place where it looks like a value
 */
export function shownName(name: string, otherwise: string): string {
  return looksLikeName(name) ? `"${name}"` : otherwise;
}
