import { DeleteSecretCommand, RestoreSecretCommand } from '@aws-sdk/client-secrets-manager';
import { awsFailure } from '../../lambda/aws-error.ts';
import { tokenSecretIdOf } from '../../lambda/secrets.ts';
import type { FleetItem } from '../../local/fleet-table.ts';
import type { Fleet } from '../fleet.ts';
import { findItem } from './items.ts';

export interface RemovedSecret {
  /** `made_anew`: the account is there again, and so its secret stays. */
  readonly kind: 'deleted' | 'kept' | 'missing' | 'made_anew' | 'failed';
  readonly id: string;
  readonly message: string;
}

export interface RemoveSecretOptions {
  /** Days. */
  readonly recoveryWindow: number;
  readonly keepSecret?: boolean;
}

/**
 * Deletes the secret of an account whose item has just been deleted.
 *
 * Whoever makes the account anew (`authorize`) makes its item before its secret. So an item that is not there after
 * the deletion has nobody's new tokens in the deleted secret; where one is there, the secret is brought back.
 */
export async function removeSecret(
  fleet: Fleet,
  { accountId, tokenSecretId }: FleetItem,
  { recoveryWindow, keepSecret }: RemoveSecretOptions,
): Promise<RemovedSecret> {
  const { secrets, secretNamePrefix } = fleet;
  const id = tokenSecretIdOf(secretNamePrefix, { accountId });
  // A secret that people named may serve others, too.
  if (typeof tokenSecretId === 'string' && tokenSecretId !== id)
    return {
      kind: 'kept',
      id: tokenSecretId,
      message: `its secret ${tokenSecretId} has a name of its own and is kept`,
    };
  if (keepSecret) return { kind: 'kept', id, message: `its secret ${id} is kept` };
  const anew = {
    kind: 'made_anew',
    id,
    message: `was removed, and has been made anew by somebody else meanwhile; its secret ${id} is kept`,
  } as const;
  try {
    if ((await findItem(fleet, accountId)) !== undefined) return anew;
    await secrets.send(new DeleteSecretCommand({ SecretId: id, RecoveryWindowInDays: recoveryWindow }));
    if ((await findItem(fleet, accountId)) === undefined)
      return { kind: 'deleted', id, message: `its secret ${id} is deleted in ${recoveryWindow} days` };
    await secrets.send(new RestoreSecretCommand({ SecretId: id }));
    return anew;
  } catch (error) {
    const { kind, code } = awsFailure(error);
    return kind === 'not_found'
      ? { kind: 'missing', id, message: 'it had no secret' }
      : { kind: 'failed', id, message: `its secret ${id} could not be deleted (${code})` };
  }
}
