import { shownPath } from '../field-name.ts';
import type { Profile } from './profile.ts';

/** The names of placeholders, and the values that an account may give them. */
export const PARAMETER_NAME = /^[A-Za-z0-9_.-]{1,64}$/;
export const PARAMETER_VALUE = /^(?!\.)[A-Za-z0-9._-]{1,255}(?<!\.)$/;

/** An account lacks a parameter that its profile needs, or its value is not allowed there. */
export class UnusableParameter extends Error {}

/** One part of a host name. Underscores are in use, though RFC 952 does not allow them. */
const HOST_LABEL = /^[A-Za-z0-9_-]{1,63}$/;

/** Fields of the profile that its request parameters and headers may use, for providers with their own names. */
const profileFields = ['client_id', 'client_secret', 'redirect_uri', 'scope'] as const;

/**
 * Puts values into `{placeholders}`: the account's `parameters` anywhere, and in request parameters and headers also
 * the profile's own `client_id`, `client_secret`, `redirect_uri` and `scope`.
 *
 * An account's value has only letters, digits, `.`, `_` and `-`, and does not begin or end with `.`. So it can't leave its place
 * in a host name or a path. In a host it is one label without dots, so that it can't name another domain. If the profile lists
 * the allowed values (`placeholder_values`), no others are.
 *
 * @throws UnusableParameter with the parameter and the field that needs it. A name that looks like a value is not shown: a
 * secret may have braces
 */
export function fillPlaceholders(
  template: string,
  field: string,
  { parameters = {} }: { readonly parameters?: Readonly<Record<string, string>> | undefined },
  profile: Profile,
): string {
  const inRequest = field.startsWith('token_request_');
  const hostEnd = inRequest ? 0 : (/^[^:/?#]*:[/\\]*[^/?#\\]*/.exec(template)?.[0].length ?? 0);
  return template.replace(/\{([A-Za-z0-9_.-]{1,64})\}/g, (_, name: string, position: number) => {
    const shown = shownPath(['parameters', name]);
    if (Object.hasOwn(parameters, name)) {
      const value = parameters[name] ?? '';
      const refusal = refusalOfValue(name, value, position < hostEnd, profile);
      if (refusal !== undefined)
        throw new UnusableParameter(`${shown}: ${refusal}; the profile's ${field} needs it`);
      return value;
    }
    const own = profileFields.find((known) => known === name);
    const value = own !== undefined && inRequest ? profile[own] : undefined;
    if (value === undefined)
      throw new UnusableParameter(`${shown}: is missing; the profile's ${field} needs it`);
    return value;
  });
}

function refusalOfValue(name: string, value: string, inHost: boolean, profile: Profile): string | undefined {
  const { placeholder_values: lists } = profile;
  const allowed = Object.hasOwn(lists, name) ? lists[name] : undefined;
  if (allowed !== undefined)
    return allowed.includes(value) ? undefined : `must be one of ${allowed.join(', ')}`;
  if (inHost && !HOST_LABEL.test(value))
    return 'must be one part of a host name, of letters, digits and "-" without dots, unless the profile\'s placeholder_values list it';
  return PARAMETER_VALUE.test(value) ? undefined : 'may hold letters, digits, ".", "_" and "-" only';
}
