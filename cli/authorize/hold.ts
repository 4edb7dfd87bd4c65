import { DescribeSecretCommand } from '@aws-sdk/client-secrets-manager';
import { awsFailure } from '../../lambda/aws-error.ts';
import { tokenSecretIdOf } from '../../lambda/secrets.ts';
import { CliError } from '../cli-error.ts';
import type { Fleet } from '../fleet.ts';
import { createLeased, type KnownAccount, removeLeased, returnLease, takeLease } from './account-item.ts';
import type { Consent } from './consent.ts';
import { accountAsWanted, sameConnection, type Wanted, type WantedOptions } from './wanted.ts';

/** Which account gets the grant. */
export interface Target {
  readonly fleet: Fleet;
  readonly wanted: Wanted;
  readonly options: WantedOptions;
  /** The token secret's version before the sign-in. */
  readonly versionBefore: string | undefined;
  readonly onWait: () => void;
}

/** An account that nobody else may change until it is let go. */
export interface Held extends KnownAccount {
  readonly owner: string;
  /** Its item was made for this, and goes again where this fails. */
  readonly created: boolean;
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
 * @throws CliError; nothing has changed then
 */
export async function hold(target: Target, owner: string, holds: Consent['holds']): Promise<Held> {
  const { fleet, wanted, options, onWait } = target;
  const { accountId } = wanted.account;
  if (!wanted.exists && (await createLeased(fleet, wanted.account, owner)))
    return await unlessSecretChanged(target, {
      account: wanted.account,
      authorizedBy: undefined,
      owner,
      created: true,
    });
  const known = await takeLease(fleet, accountId, owner, PATIENCE[holds], onWait);
  if (known === undefined) throw busy(accountId);
  // One's own lease was there: the answer to its making was lost, and the SDK asked again.
  const held = { ...known, owner, created: known.account.lease?.owner === owner };
  if (held.created) return await unlessSecretChanged(target, held);
  try {
    const now = accountAsWanted(fleet, accountId, known.account, options);
    if (!sameConnection(now, wanted.account)) throw changed(accountId);
    return held;
  } catch (error) {
    await letGo(fleet, held);
    throw error;
  }
}

/** Gives an account back with nothing changed. */
export async function letGo(fleet: Fleet, held: Held): Promise<void> {
  if (held.created) await removeLeased(fleet, held.account.accountId, held.owner);
  else await returnLease(fleet, held, held.owner);
}

/** A secret without an item is what an import leaves that is at work, or was stopped: its tokens are not written over. */
async function unlessSecretChanged({ fleet, versionBefore }: Target, held: Held): Promise<Held> {
  try {
    if ((await currentVersion(fleet, held.account)) !== versionBefore) throw changed(held.account.accountId);
    return held;
  } catch (error) {
    await letGo(fleet, held);
    throw error;
  }
}

/** The id of the version that an account's token secret has now; undefined where there is none. */
export async function currentVersion(
  { secrets, secretNamePrefix }: Fleet,
  account: KnownAccount['account'],
): Promise<string | undefined> {
  try {
    const SecretId = tokenSecretIdOf(secretNamePrefix, account);
    const { VersionIdsToStages = {} } = await secrets.send(new DescribeSecretCommand({ SecretId }));
    return Object.keys(VersionIdsToStages).find((id) => VersionIdsToStages[id]?.includes('AWSCURRENT'));
  } catch (error) {
    if (awsFailure(error).kind === 'not_found') return undefined;
    throw error;
  }
}

export function busy(accountId: string): CliError {
  return new CliError(
    'ACCOUNT_BUSY',
    `A run of the function holds ${accountId} just now. Nothing has changed. Run the command again in a minute; if it stays so, a run has died, and its hold ends within twenty minutes.`,
  );
}

function changed(accountId: string): CliError {
  return new CliError(
    'ACCOUNT_CHANGED',
    `Somebody else has made or changed the account ${accountId} during the sign-in. Nothing has changed here. Look at it (accounts show), and run the command again.`,
  );
}
