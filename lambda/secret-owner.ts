import type { Account } from './account.ts';
import type { Edges } from './edges.ts';
import type { Trouble } from './outcome.ts';
import { type SecretVersion, tokenSecretIdOf } from './secrets.ts';

/**
 * Makes sure that the secret that an account names with `tokenSecretId` is no other account's, nor a profile's: two
 * accounts with one refresh token would each spend it under a lease of their own.
 *
 * @param version what was read of it, under the account's lease
 * @returns the trouble, where it is another's; rejects with the SDK's error
 */
export async function claimTokenSecret(
  account: Account,
  { name = '', arn = name }: SecretVersion,
  prefix: string,
  { table }: Pick<Edges, 'table'>,
): Promise<Trouble | undefined> {
  const { accountId, tokenSecretId } = account;
  if (tokenSecretId === undefined || name === tokenSecretIdOf(prefix, { accountId })) return undefined;
  if (name.startsWith(`${prefix}profiles/`)) return not(account, "it is a profile's");
  const usualOwner = name.startsWith(`${prefix}accounts/`)
    ? name.slice(`${prefix}accounts/`.length)
    : undefined;
  if (usualOwner !== undefined && (await holds(usualOwner, undefined)))
    return not(account, `it is the account "${usualOwner}"'s`);
  const claim = await table.claimSecret(arn, accountId);
  if (claim === 'claimed') return undefined;
  // Whoever had it may be gone, or have another now.
  const again = (await holds(claim.owner, arn))
    ? claim
    : await table.claimSecret(arn, accountId, claim.owner);
  return again === 'claimed' ? undefined : not(account, `it is the account "${again.owner}"'s`);

  /** @param secret the ARN of a secret that it names, or undefined for its usual one */
  async function holds(owner: string, secret: string | undefined): Promise<boolean> {
    const item = await table.get(owner);
    if (item === undefined) return false;
    if (secret === undefined) return item.tokenSecretId === undefined;
    // By name, or by an ARN with or without its random end.
    return item.tokenSecretId === name || secret.startsWith(String(item.tokenSecretId));
  }
}

function not({ tokenSecretId }: Account, why: string): Trouble {
  return {
    kind: 'trouble',
    reason: 'secret_invalid',
    detail: `tokenSecretId "${tokenSecretId}" can't be this account's secret: ${why}`,
  };
}
