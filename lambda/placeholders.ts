import type { Account } from './account.ts';
import type { Profile } from './profile.ts';

/** What a placeholder may be called, and what an account may put there. */
export const PARAMETER_NAME = /^[A-Za-z0-9_.-]{1,64}$/;
export const PARAMETER_VALUE = /^(?!\.)[A-Za-z0-9._-]{1,255}(?<!\.)$/;

/** An account lacks a parameter that its profile's templates need. */
export class MissingParameter extends Error {}

/** What of the profile itself may stand in its request parameters and headers, for providers with names of their own. */
const profileFields = ['client_id', 'client_secret', 'redirect_uri', 'scope'] as const;

/**
 * Puts values into `{placeholders}`: the account's `parameters` anywhere, and in request parameters and headers also
 * the profile's own `client_id`, `client_secret`, `redirect_uri` and `scope`.
 *
 * The account's values hold letters, digits, `.`, `_` and `-` only and neither begin nor end with `.`, so none can
 * leave its place in a host name or a path.
 *
 * @throws MissingParameter naming the parameter and the field that needs it
 */
export function fillPlaceholders(
  template: string,
  field: string,
  account: Account,
  profile: Profile,
): string {
  return template.replace(/\{([A-Za-z0-9_.-]{1,64})\}/g, (_, name: string) => {
    const { parameters = {} } = account;
    const own = profileFields.find((known) => known === name);
    const value = Object.hasOwn(parameters, name)
      ? parameters[name]
      : own !== undefined && field.startsWith('token_request_')
        ? profile[own]
        : undefined;
    if (value === undefined)
      throw new MissingParameter(`parameters.${name}: is missing; the profile's ${field} needs it`);
    return value;
  });
}
