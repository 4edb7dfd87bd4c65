import { WRITTEN_BY_PEOPLE } from '../../../core/account/account.ts';
import { shownName } from '../../shared/shown-name.ts';

export const TOKEN_FIELDS = [
  'refresh_token',
  'access_token',
  'token_type',
  'scope',
  'obtained_at',
  'expires_at',
  'refresh_token_expires_at',
];

export const KNOWN_COLUMNS = `${WRITTEN_BY_PEOPLE.join(', ')}, parameters.<name>, ${TOKEN_FIELDS.join(', ')}, tokens.<field>`;

export function isKnown(column: string): boolean {
  return (WRITTEN_BY_PEOPLE as readonly string[]).includes(column);
}

/** A table without a header may have a thousand unknown columns. */
const SHOWN_COLUMNS = 20;

/** The problem with the columns of a CSV header, if there is one. */
export function checkColumns(header: readonly string[]): string | undefined {
  if (!header.includes('accountId'))
    return 'there is no column accountId, so this is no table of accounts, or its first line is no header. It must name the columns (docs/importing.md)';
  const unknown = header.flatMap((column, index) =>
    column === '' ||
    isKnown(column) ||
    TOKEN_FIELDS.includes(column) ||
    /^(tokens|parameters\..+|tokens\..+)$/.test(column)
      ? []
      : [shownName(column, `number ${index + 1}`)],
  );
  if (unknown.length === 0) return undefined;
  const more = unknown.length - SHOWN_COLUMNS;
  const shown = unknown.slice(0, SHOWN_COLUMNS).join(', ');
  return `unknown columns: ${shown}${more > 0 ? ` and ${more} more` : ''}. Rename or remove them; known are ${KNOWN_COLUMNS}`;
}
