/** Days for which a deleted secret can be brought back. */
export const RECOVERY_DAYS = 30;

/** The name of an account's token secret below the prefix, unless the account names another. */
export function tokenSecretIdOf(
  prefix: string,
  account: { accountId: string; tokenSecretId?: string | undefined },
) {
  return account.tokenSecretId ?? `${prefix}accounts/${account.accountId}`;
}

/** The name of a profile's secret below the prefix. */
export function profileSecretIdOf(prefix: string, profile: string): string {
  return `${prefix}profiles/${profile}`;
}

/** What stands for the name in an id: an ARN may have six random characters more at its end. */
export function nameWithin(secretId: string): string {
  return /^arn:[^:]*:secretsmanager:[^:]*:[^:]*:secret:(.*)$/i.exec(secretId)?.[1] ?? secretId;
}

/** The name that a secret's id stands for, taken from its whole ARN. */
export function plainName(secretId: string): string {
  const name = nameWithin(secretId);
  return name === secretId ? name : withoutRandomEnd(name);
}

function withoutRandomEnd(arn: string): string {
  return arn.replace(/-[A-Za-z0-9]{6}$/, '');
}

/** Whether an id stands for a secret: by name, or by its ARN with or without the six characters at its end. */
export function namesSecret(
  secretId: string,
  { name, arn }: { readonly name: string; readonly arn: string },
): boolean {
  return [name, arn, withoutRandomEnd(arn)].includes(secretId);
}

/**
 * The secret that a lease of the account is for, where it is not its usual one.
 *
 * @returns undefined for the usual one, however the account names it
 */
export function unusualSecret(
  { accountId, tokenSecretId }: { accountId: string; tokenSecretId?: string | undefined },
  prefix: string,
): string | undefined {
  if (tokenSecretId === undefined) return undefined;
  const usual = tokenSecretIdOf(prefix, { accountId });
  const named = nameWithin(tokenSecretId);
  return named === usual || plainName(tokenSecretId) === usual ? undefined : tokenSecretId;
}
