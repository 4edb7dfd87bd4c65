import { isJsonObject, type JsonObject } from '../json-object.ts';
import type { Profile } from '../profile/profile.ts';

/** A standard field of a token response, where this provider has it. */
export function valueAt(
  response: JsonObject | undefined,
  profile: Profile,
  field: keyof Profile['token_response_fields'],
): unknown {
  if (response === undefined) return undefined;
  const pointer = profile.token_response_fields[field];
  return pointer === undefined ? response[field] : at(response, pointer);
}

/** The same, where it is a string that is not empty. */
export function textAt(
  response: JsonObject | undefined,
  profile: Profile,
  field: keyof Profile['token_response_fields'],
): string | undefined {
  const value = valueAt(response, profile, field);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The value at a JSON pointer (RFC 6901). */
export function at(document: unknown, pointer: string): unknown {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>((value, part) => {
      if (Array.isArray(value)) return value[Number(part)];
      return isJsonObject(value) && Object.hasOwn(value, part) ? value[part] : undefined;
    }, document);
}

/** Fields of the response that the profile names: they are stored as long as there is room. */
export function namedFields({
  token_response_fields,
  public_fields,
}: Pick<Profile, 'token_response_fields' | 'public_fields'>): readonly string[] {
  const mapped = Object.values(token_response_fields).map((pointer) => pointer?.split('/')[1] ?? '');
  return [...mapped, ...(public_fields ?? [])];
}
