import type * as v from 'valibot';
import { shownPath } from './field-name.ts';

/**
 * A schema issue as "field: what it must be", without the value.
 *
 * @param known the names that are allowed in the place of an unknown one
 */
export function problemOf(issue: v.BaseIssue<unknown>, known: readonly string[] = []): string {
  const keys = issue.path?.map(({ key }) => key) ?? [];
  if (keys.length === 0) return issue.message;
  const field = shownPath(keys);
  if (issue.expected === 'never') {
    const path = keys.length > 1 ? '' : `; known are ${known.join(', ')}`;
    return `${field}: is not a known field${known.length === 0 ? '' : path}`;
  }
  if (issue.received === 'undefined') return `${field}: is missing`;
  return `${field}: ${issue.message}`;
}
