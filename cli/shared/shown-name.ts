import { looksLikeName } from '../../core/field-name.ts';

/** A name in quotation marks. @param otherwise stands in its place where it looks like a value */
export function shownName(name: string, otherwise: string): string {
  return looksLikeName(name) ? `"${name}"` : otherwise;
}
