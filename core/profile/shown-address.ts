import { looksLikeName } from '../field-name.ts';

/**
 * An address without what proves somebody: a name and a password before the host, and the values of its query but those
 * that are known to be harmless. Read as a text, since a template with placeholders is no address yet, and since a
 * password with a slash or a question mark in it is no password to a parser.
 */
export function withoutUserinfo(address: string): string {
  const at = address.lastIndexOf('@');
  const scheme = /^\s*https?:[/\\]+/i.exec(address)?.[0] ?? '';
  const shown = at === -1 ? address : `${scheme}…@${address.slice(at + 1)}`;
  const from = shown.search(/[?#]/);
  if (from === -1) return shown;
  // Every second piece is what divides them.
  const pieces = shown.slice(from).split(/([?#&;])/);
  return shown.slice(0, from) + pieces.map((piece, index) => (index % 2 ? piece : shownPair(piece))).join('');
}

/** Parameters that people want to see, and whose values are nobody's secret. */
const HARMLESS: readonly string[] = [
  ...['access_type', 'token_access_type', 'approval_prompt', 'prompt', 'include_granted_scopes'],
  ...['response_type', 'response_mode', 'grant_type', 'audience', 'resource', 'scope', 'display'],
  ...['duration', 'owner', 'session', 'type', 'version', 'api-version'],
];

function shownPair(pair: string): string {
  const [, name, value] = /^([^=]*)=(.*)$/s.exec(pair) ?? [];
  if (name === undefined || value === undefined) return pair === '' ? '' : '…';
  if (HARMLESS.includes(name) && isPlain(value)) return pair;
  if (looksLikeName(name) && /^\{\w+\}$/.test(value)) return pair;
  return `${looksLikeName(name) ? name : '…'}=${value === '' ? '' : '…'}`;
}

/** Neither another address with a query or a password in it, nor anything that hides one. */
function isPlain(value: string): boolean {
  try {
    return /^[\w .~:/,+{}-]*$/.test(decodeURIComponent(value));
  } catch {
    return false;
  }
}
