import { isJsonObject, type JsonObject } from '../json-object.ts';
import type { Profile } from '../profile/profile.ts';

/** A field that a profile can say where to find. */
type TokenField = keyof Profile['token_response_fields'];

/** A standard field of a token response, where this provider has it. */
export function valueAt(fields: JsonObject | undefined, profile: Profile, name: TokenField): unknown {
  if (fields === undefined) return undefined;
  const pointer = profile.token_response_fields[name];
  return pointer === undefined ? fields[name] : at(fields, pointer);
}

/** The same, if it is a string that is not empty. */
export function textAt(
  fields: JsonObject | undefined,
  profile: Profile,
  name: TokenField,
): string | undefined {
  const value = valueAt(fields, profile, name);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The value where the profile says that a field is; undefined where it does not say so. */
export function pointedAt(document: unknown, profile: Profile, name: TokenField): unknown {
  const pointer = profile.token_response_fields[name];
  return pointer === undefined ? undefined : at(document, pointer);
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

/** Fields that the profile names: they are stored as long as there is room. */
export function namedFields({
  token_response_fields,
  public_fields,
}: Pick<Profile, 'token_response_fields' | 'public_fields'>): readonly string[] {
  const mapped = Object.values(token_response_fields).map((pointer) => pointer?.split('/')[1] ?? '');
  return [...mapped, ...(public_fields ?? [])];
}
