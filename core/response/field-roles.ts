/** A standard field of a token response that is looked for. */
export type Role =
  | 'access_token'
  | 'refresh_token'
  | 'expires_in'
  | 'expires_at'
  | 'refresh_token_expires_in'
  | 'refresh_token_expires_at'
  | 'token_type'
  | 'scope'
  | 'error'
  | 'error_description';

/** Names in small letters, without `_` and `-`. A name that only begins like one of these is another field. */
const roles = new Map<string, Role>([
  ...['', 'x', 'oauth', 'oauth2', 'new', 'user'].flatMap((prefix): [string, Role][] =>
    ['token', 'jwt', 'tokenvalue', 'tokenstring'].flatMap((noun): [string, Role][] => [
      [`${prefix}access${noun}`, 'access_token'],
      [`${prefix}refresh${noun}`, 'refresh_token'],
    ]),
  ),
  ['expiresin', 'expires_in'],
  ['accesstokenexpiresin', 'expires_in'],
  ['accessexpiresin', 'expires_in'],
  ['expiresat', 'expires_at'],
  ['expireson', 'expires_at'],
  ['accesstokenexpiresat', 'expires_at'],
  ['refreshtokenexpiresin', 'refresh_token_expires_in'],
  ['refreshexpiresin', 'refresh_token_expires_in'],
  ['xrefreshtokenexpiresin', 'refresh_token_expires_in'],
  ['refreshtokenexpiresat', 'refresh_token_expires_at'],
  ['refreshexpiresat', 'refresh_token_expires_at'],
  ['tokentype', 'token_type'],
  ['scope', 'scope'],
  ['scopes', 'scope'],
  ['error', 'error'],
  ['errorcode', 'error'],
  ['errordescription', 'error_description'],
  ['errormessage', 'error_description'],
]);

/** No name in the list is longer. */
export const MAX_NAME = 40;

/** Which standard field a name means; undefined where it means none of them. */
export function roleOf(name: string): Role | undefined {
  return name.length > MAX_NAME ? undefined : roles.get(name.toLowerCase().replaceAll(/[_$ -]/g, ''));
}
