import { DescribeSecretCommand } from '@aws-sdk/client-secrets-manager';
import { GetCommand } from '@aws-sdk/lib-dynamodb';
import { CLAIM } from '../../core/account/account.ts';
import { namesSecret, nameWithin, plainName, tokenSecretIdOf } from '../../core/account/secret-id.ts';
import { parseJsonObject } from '../../core/json-object.ts';
import { awsFailure } from '../aws/aws-error.ts';
import type { CurrentVersion } from '../aws/secret-versions.ts';
import { CLOCK_DOUBT } from './account-item.ts';
import { AuthorizationError } from './authorization-error.ts';
import type { Stores } from './stores.ts';

/** The secret of an account's tokens, where a command may go there. */
export interface TokenSecret {
  /** What to ask Secrets Manager for. */
  readonly id: string;
  /** It is not the account's usual one: the person has named it. */
  readonly beyond: boolean;
  /** What `kept_for` has to be in it: the account that has another's usual secret. */
  readonly keptFor?: string;
  /** An attempt of the function at another account may be spending what is in it. */
  readonly inHand?: boolean;
}

/** Whose tokens are asked for, as the item says; nothing of it is believed. */
interface Naming {
  readonly accountId: string;
  readonly tokenSecretId?: unknown;
}

/**
 * The one place that decides to which secret a command goes for an account: its usual one, `<prefix>accounts/<id>`. Who
 * writes items could lead it to any other, so a person has to name that; and whose it is follows the function's rules
 * (secret-owner.ts): a profile's is never an account's, and another account's is that one's.
 *
 * @param named by the person: exactly what `tokenSecretId` is
 * @throws AuthorizationError FOREIGN_SECRET, SECRET_BEYOND, or ACCOUNT_INVALID; nothing has been read then
 */
export async function tokenSecretOf(
  stores: Stores,
  { accountId, tokenSecretId }: Naming,
  named: string | undefined,
): Promise<TokenSecret> {
  const prefix = stores.secretNamePrefix;
  const usual = tokenSecretIdOf(prefix, { accountId });
  if (tokenSecretId === undefined || tokenSecretId === usual) return { id: usual, beyond: false };
  const whose = `The tokenSecretId of ${accountId}`;
  if (typeof tokenSecretId !== 'string' || tokenSecretId === '')
    throw new AuthorizationError(
      'ACCOUNT_INVALID',
      `${whose} must be the name or the ARN of a secret. Correct the item.`,
    );
  const refused = (what: string) =>
    new AuthorizationError('FOREIGN_SECRET', `${whose} ${what}. Nothing has changed.`);
  const foreign = foreignSecret(prefix, accountId, tokenSecretId);
  if (foreign?.includes('a profile')) throw refused(foreign);
  // An ARN may look like the usual one's, and be of another AWS account, Region, or secret.
  if (foreign === undefined && tokenSecretId.startsWith('arn:')) {
    const found = await describe(stores, usual);
    if (found !== undefined && namesSecret(tokenSecretId, found)) return { id: usual, beyond: false };
  }
  if (named === tokenSecretId) return await beyondUsual(tokenSecretId).then(({ secret }) => secret);
  // One of another account's that the function has claimed for this one is this one's.
  const claimed = foreign === undefined ? undefined : await beyondUsual(tokenSecretId);
  if (claimed?.isClaimed && claimed.secret.keptFor !== undefined) return claimed.secret;
  throw new AuthorizationError(
    foreign === undefined ? 'SECRET_BEYOND' : 'FOREIGN_SECRET',
    `${whose} ${foreign ?? `names ${tokenSecretId}, which is not below ${prefix}accounts/ and may be anybody's`}. It was not read, and nothing has changed.`,
    { next: 'name_secret', about: tokenSecretId },
  );

  /** `isClaimed`: the function has noted that it is this account's. */
  async function beyondUsual(id: string): Promise<{ secret: TokenSecret; isClaimed: boolean }> {
    const found = await describe(stores, id);
    if (found === undefined) return { secret: { id, beyond: true }, isClaimed: false };
    const { name } = found;
    if (name === usual) return { secret: { id, beyond: false }, isClaimed: false };
    if (name.startsWith(`${prefix}profiles/`)) throw refused('names the secret of a profile; name another');
    const accounts = `${prefix}accounts/`;
    const usualOwner = name.startsWith(accounts) ? name.slice(accounts.length) : undefined;
    const note = await itemOf(stores, `${CLAIM}${found.arn}`);
    for (const other of new Set([usualOwner, note?.secretOwner])) {
      if (typeof other !== 'string' || other === accountId) continue;
      const item = await itemOf(stores, other);
      if (item === undefined) continue;
      const { tokenSecretId: its = tokenSecretIdOf(prefix, { accountId: other }) } = item;
      if (namesSecret(String(its), found))
        throw refused(`names the secret of another account, ${other}; name another`);
    }
    const { expiresAt } = (note?.lease ?? {}) as { expiresAt?: unknown };
    const held = typeof expiresAt === 'number' && expiresAt > stores.clock.now() / 1000 - CLOCK_DOUBT;
    const isClaimed = note?.secretOwner === accountId;
    const keptFor = usualOwner === undefined ? {} : { keptFor: accountId };
    return { secret: { id, beyond: true, inHand: held && !isClaimed, ...keptFor }, isClaimed };
  }
}

/**
 * An account's usual secret may be another's by now, which named it while this account named none of its own.
 *
 * @throws AuthorizationError FOREIGN_SECRET where the set says so (`kept_for`) and that account still names the secret
 */
export async function refuseAnothers(
  stores: Stores,
  accountId: string,
  { text, arn = '' }: Pick<CurrentVersion, 'text' | 'arn'>,
): Promise<void> {
  const keptFor = parseJsonObject(text ?? '')?.kept_for;
  if (typeof keptFor !== 'string' || keptFor === accountId) return;
  const { tokenSecretId = undefined } = (await itemOf(stores, keptFor)) ?? {};
  const name = plainName(arn);
  if (typeof tokenSecretId !== 'string' || !namesSecret(tokenSecretId, { name, arn })) return;
  throw new AuthorizationError(
    'FOREIGN_SECRET',
    `The token secret ${name} is kept for another account, ${keptFor}, which names it. Nothing has changed. Give one of the two accounts a secret of its own.`,
  );
}

/** A secret by its own name and ARN, however it was asked for; undefined where there is none. */
async function describe({ secrets }: Stores, SecretId: string) {
  try {
    const { Name: name = '', ARN: arn = '' } = await secrets.send(new DescribeSecretCommand({ SecretId }));
    return { name, arn };
  } catch (error) {
    const { kind } = awsFailure(error);
    // A name that Secrets Manager refuses is no secret's, nor is an ARN of another Region.
    if (kind === 'not_found' || kind === 'refused') return undefined;
    throw error;
  }
}

async function itemOf({ table, tableName: TableName }: Stores, accountId: string) {
  const { Item } = await table.send(new GetCommand({ TableName, Key: { accountId }, ConsistentRead: true }));
  return Item;
}

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
