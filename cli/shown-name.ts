/**
 * Whether a text is the name of something, and no value that stands in the place of a name: a table without a header, or
 * an odd JSON object, has values there, and a value may be a token. Names are made of a few words.
 */
export function looksLikeName(text: string): boolean {
  const words = text.split(/[\s_.-]+|(?<=[a-z])(?=[A-Z])/, MOST_WORDS + 1);
  return words.length <= MOST_WORDS && words.every((word) => /^([A-Z]?[a-z]{1,15}|[A-Z]{1,8})$/.test(word));
}

const MOST_WORDS = 6;

/** What stands in the place of a name that looks like a value. */
export const HIDDEN_NAME = 'a field whose name looks like a value';

/**
 * A name in quotation marks.
 *
 * @param otherwise stands in its place where it looks like a value
 */
export function shownName(name: string, otherwise: string): string {
  return looksLikeName(name) ? `"${name}"` : otherwise;
}

/** Fields of which others name the members. */
const WITH_MEMBERS = [
  'parameters',
  'private_key',
  'placeholder_values',
  'token_request_parameters',
  'token_request_headers',
  'token_response_fields',
  'token_error_fields',
];
const MEMBER = new RegExp(
  `\\b(${WITH_MEMBERS.join('|')})\\.([\\s\\S]+?)(?=: (?:must|may|is|has|ends|begins)\\b)`,
  'g',
);

/**
 * What the function or a parser says is wrong with a profile or an item names the field, and a field that nobody knows may
 * have a token for its name.
 */
export function withoutOddNames(message: string): string {
  return message
    .replace(
      /^([\s\S]*?\bProfile "[^"]*": |)([\s\S]*)(?=: is not a known field)/,
      (_, before: string, path: string) => `${before}${shownPath(path)}`,
    )
    .replace(MEMBER, (_, field: string, member: string) => `${field}.${shownPath(member)}`)
    .replace(/(?<=must not have )\S+(?= twice)/, (header) => (looksLikeName(header) ? header : 'a header'));
}

function shownPath(path: string): string {
  if (path.split('.').every(looksLikeName)) return path;
  const [field = ''] = path.split('.');
  return WITH_MEMBERS.includes(field) ? `${field}.…` : HIDDEN_NAME;
}
