import { DescribeSecretCommand } from '@aws-sdk/client-secrets-manager';
import { awsFailure } from '../aws/aws-error.ts';
import { type CurrentVersion, findSecret } from '../aws/secret-versions.ts';
import { createLeased, type KnownAccount, removeLeased, returnLease, takeLease } from './account-item.ts';
import { AuthorizationError } from './authorization-error.ts';
import type { Consent } from './consent.ts';
import { foreignKeeper, type Keeper, takeOver } from './keeper.ts';
import { refuseAnothers, type TokenSecret, tokenSecretOf } from './secret-of-account.ts';
import type { Stores } from './stores.ts';
import { accountAsWanted, sameConnection, type Wanted, type Wishes } from './wanted.ts';

/** Which account gets the grant. */
export interface Target {
  readonly stores: Stores;
  readonly wanted: Wanted;
  readonly wishes: Wishes;
  /** The token secret's version before the sign-in. */
  readonly versionBefore: string | undefined;
  readonly keeper: Keeper;
  readonly onWait: () => void;
}

/** An account that nobody else may change until it is let go. */
export interface LeasedAccount extends KnownAccount {
  readonly owner: string;
  /** Its item was made for this, and goes again where this fails. */
  readonly created: boolean;
  readonly secret: TokenSecret;
  /** The token secret as it was read under the lease; undefined where there is none. */
  readonly current: CurrentVersion | undefined;
}

/**
 * A code is good for a minute or so. Tokens in hand are waited for until any run's lease must have ended: a quarter of
 * an hour, and the doubt about this machine's clock.
 */
const PATIENCE = { code: 30_000, tokens: 21 * 60_000 } as const;

/**
 * Takes the account as it is now, which need not be as it was before the person signed in, and judges it anew.
 *
 * @param owner of the lease
 * @throws AuthorizationError; nothing has changed then
 */
export async function leaseAccount(
  target: Target,
  owner: string,
  holds: Consent['holds'],
): Promise<LeasedAccount> {
  const { stores, wanted, wishes, onWait } = target;
  const { accountId } = wanted.account;
  const own = { owner, created: true, current: undefined, secret: wanted.secret };
  if (!wanted.exists && (await createLeased(stores, wanted.account, owner)))
    return await judged(target, {
      ...own,
      account: wanted.account,
      authorizedBy: undefined,
      authorizedAt: undefined,
    });
  const known = await takeLease(stores, accountId, owner, { patience: PATIENCE[holds], onWait });
  if (known === undefined) throw busy(accountId);
  // One's own lease was there: the response to its making was lost, and the SDK asked again.
  return await judged(target, { ...known, ...own, created: known.account.lease?.owner === owner });

  async function judged(target: Target, leased: LeasedAccount): Promise<LeasedAccount> {
    try {
      if (leased.created) await refuseChangedSecret(target, leased);
      else if (
        !sameConnection(accountAsWanted(accountId, leased.account, wishes), wanted.account) ||
        leased.authorizedAt !== wanted.authorizedAt
      )
        throw changed(accountId);
      const secret = await tokenSecretOf(stores, leased.account, wishes.tokenSecret);
      if (secret.inHand) throw busy(accountId);
      return { ...leased, secret, current: await ownSecret(stores, leased.account, secret, target.keeper) };
    } catch (error) {
      await releaseAccount(stores, leased);
      throw error;
    }
  }
}

/**
 * Holds an account for longer, where that took longer than was thought: a machine that slept, or a service that is slow.
 *
 * @throws AuthorizationError where another holds it meanwhile, and does not give it back
 */
export async function leaseAgain(
  { stores, onWait, wishes, keeper }: Target,
  leased: LeasedAccount,
): Promise<LeasedAccount> {
  const known = await takeLease(stores, leased.account.accountId, leased.owner, {
    patience: PATIENCE.tokens,
    onWait,
  });
  if (known === undefined) throw busy(leased.account.accountId);
  // Another sign-in has come between.
  if (known.authorizedAt !== leased.authorizedAt) throw changed(leased.account.accountId);
  const secret = await tokenSecretOf(stores, known.account, wishes.tokenSecret);
  return { ...leased, ...known, secret, current: await ownSecret(stores, known.account, secret, keeper) };
}

/**
 * An account's token secret as it is now; undefined where there is none, or one that waits for its deletion.
 *
 * @throws AuthorizationError KEPT_ELSEWHERE where the function of another table keeps it; FOREIGN_SECRET where another account
 * has it, whose grant would be lost
 */
export async function ownSecret(
  stores: Stores,
  { accountId }: KnownAccount['account'],
  { id: secretId }: TokenSecret,
  keeper: Keeper,
): Promise<CurrentVersion | undefined> {
  const found = await findSecret(stores.secrets, secretId);
  if (found.kind !== 'found') return undefined;
  const keptBy = foreignKeeper(found.text, found.arn, keeper);
  if (keptBy !== undefined) throw keptElsewhere(secretId, keptBy);
  await refuseAnothers(stores, accountId, found);
  return found;
}

export function keptElsewhere(secretId: string, keptBy: string): AuthorizationError {
  return new AuthorizationError(
    'KEPT_ELSEWHERE',
    `The token secret ${secretId} is kept by the function of another table, ${keptBy} (kept_by), which may be spending its refresh token. Nothing has changed here. Authorize the account there. ${takeOver(keptBy)}`,
  );
}

/** Gives an account back with nothing changed. */
export async function releaseAccount(stores: Stores, leased: LeasedAccount): Promise<void> {
  if (leased.created) await removeLeased(stores, leased.account.accountId, leased.owner);
  else await returnLease(stores, leased, leased.owner);
}

/** A secret without an item is what an import leaves that is at work, or was stopped: its tokens are not written over. */
async function refuseChangedSecret(
  { stores, versionBefore }: Target,
  { account, secret }: LeasedAccount,
): Promise<void> {
  if ((await currentVersion(stores, secret)) !== versionBefore) throw changed(account.accountId);
}

/** The id of the version that an account's token secret has now; undefined where there is none. */
export async function currentVersion(
  { secrets }: Stores,
  { id: SecretId }: TokenSecret,
): Promise<string | undefined> {
  try {
    const { VersionIdsToStages = {} } = await secrets.send(new DescribeSecretCommand({ SecretId }));
    return Object.keys(VersionIdsToStages).find((id) => VersionIdsToStages[id]?.includes('AWSCURRENT'));
  } catch (error) {
    if (awsFailure(error).kind === 'not_found') return undefined;
    throw error;
  }
}

export function busy(accountId: string): AuthorizationError {
  return new AuthorizationError(
    'ACCOUNT_BUSY',
    `A run of the function holds ${accountId} just now. Nothing has changed.`,
    { next: 'try_again_in_a_minute' },
  );
}

function changed(accountId: string): AuthorizationError {
  return new AuthorizationError(
    'ACCOUNT_CHANGED',
    `Somebody else has made or changed the account ${accountId} during the sign-in. Nothing has changed here.`,
    { next: 'look_at_account' },
  );
}
