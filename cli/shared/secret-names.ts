import { nameWithin, plainName } from '../../core/account/secret-id.ts';
import { printable } from '../../terminal/display-text.ts';

/**
 * Whether a token secret that an account names is another's: a profile's, or that of another account. To store tokens
 * there would destroy what it holds, or make a profile of them.
 *
 * @param tokenSecretId a name, or an ARN, with or without the six characters at its end
 * @returns what is wrong with it, to be said after its name
 */
export function foreignSecret(
  prefix: string,
  accountId: string,
  tokenSecretId: string | undefined,
): string | undefined {
  if (tokenSecretId === undefined) return undefined;
  const name = nameWithin(tokenSecretId);
  if (name.startsWith(`${prefix}profiles/`)) return 'names the secret of a profile; name another';
  if (!name.startsWith(`${prefix}accounts/`)) return undefined;
  const own = `${prefix}accounts/${accountId}`;
  return name === own || plainName(tokenSecretId) === own
    ? undefined
    : 'names the secret of another account; name another';
}

/** Text that a shell takes as one word, to be pasted. */
export function shellWord(text: string): string {
  const word = printable(text);
  return /^[\w/+=.@:-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
