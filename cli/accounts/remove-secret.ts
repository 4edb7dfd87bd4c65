import { DeleteSecretCommand, DescribeSecretCommand } from '@aws-sdk/client-secrets-manager';
import { foreignKeeper } from '../../adapters/authorization/keeper.ts';
import { awsFailure } from '../../adapters/aws/aws-error.ts';
import { type CurrentVersion, findSecret, restoreSecret } from '../../adapters/aws/secret-versions.ts';
import { CLAIM } from '../../core/account/account.ts';
import { tokenSecretIdOf } from '../../core/account/secret-id.ts';
import { parseJsonObject } from '../../core/json-object.ts';
import type { FleetItem } from '../../terminal/fleet-table.ts';
import type { Fleet } from '../shared/fleet.ts';
import { readKeeper } from '../shared/keeper.ts';
import { shellWord } from '../shared/shell-word.ts';
import { findItem, findNote } from './items.ts';

interface RemovedSecret {
  /** `made_anew`: the account is there again, and so its secret stays. */
  readonly kind: 'deleted' | 'kept' | 'missing' | 'made_anew' | 'failed';
  readonly id: string;
  readonly message: string;
}

interface RemoveSecretOptions {
  readonly recoveryWindow: number;
  readonly keepSecret?: boolean;
}

/**
 * Deletes the secret of an account whose item has just been deleted.
 *
 * Whoever makes the account anew (`authorize`) makes its item before its secret, and whoever takes the secret over
 * notes that before spending anything. So where neither is there after the deletion, nobody needs the deleted secret;
 * else it is brought back.
 */
export async function removeSecret(
  fleet: Fleet,
  { accountId, tokenSecretId }: FleetItem,
  { recoveryWindow, keepSecret }: RemoveSecretOptions,
): Promise<RemovedSecret> {
  const { secrets, secretNamePrefix } = fleet;
  const id = tokenSecretIdOf(secretNamePrefix, { accountId });
  const kept = (message: string): RemovedSecret => ({ kind: 'kept', id, message });
  // A secret that people named may serve others, too.
  if (typeof tokenSecretId === 'string' && tokenSecretId !== id)
    return {
      kind: 'kept',
      id: tokenSecretId,
      message: `its secret ${tokenSecretId} has a name of its own and is kept`,
    };
  if (keepSecret) return kept(`its secret ${id} is kept`);
  const anew = {
    kind: 'made_anew',
    id,
    message: `was removed, but somebody else has created it again; its secret ${id} is kept`,
  } as const;
  try {
    if ((await findItem(fleet, accountId)) !== undefined) return anew;
    const found = await findSecret(secrets, id);
    if (found.kind === 'missing') return { kind: 'missing', id, message: 'it had no secret' };
    if (found.kind === 'deleted')
      return { kind: 'missing', id, message: `its secret ${id} waits for its deletion already` };
    const keptBy = foreignKeeper(found.text, found.arn, await readKeeper(fleet));
    if (keptBy !== undefined)
      return kept(`its secret ${id} is kept, as the function of another table, ${keptBy}, uses it`);
    const keptFor = keptForAnother(found, accountId);
    if (keptFor !== undefined)
      return kept(`its secret ${id} is kept, as the account ${keptFor} has it (kept_for)`);
    const heir = await heirOf(fleet, accountId, id, found);
    if (heir !== undefined) return kept(`its secret ${id} is kept, as the account ${heir} names it`);
    await secrets.send(new DeleteSecretCommand({ SecretId: id, RecoveryWindowInDays: recoveryWindow }));
    const needed = await reasonToRestore(fleet, accountId, id, found);
    if (needed === undefined)
      return { kind: 'deleted', id, message: `its secret ${id} is deleted in ${recoveryWindow} days` };
    await restoreSecret(secrets, id);
    return needed === 'made anew' ? anew : kept(`its secret ${id} is kept, as ${needed}`);
  } catch (error) {
    const { kind, code } = awsFailure(error);
    return kind === 'not_found'
      ? { kind: 'missing', id, message: 'it had no secret' }
      : {
          kind: 'failed',
          id,
          message: `its secret ${id} could not be deleted (${code}); do it yourself: aws secretsmanager delete-secret --secret-id ${shellWord(id)}`,
        };
  }
}

async function reasonToRestore(
  fleet: Fleet,
  accountId: string,
  id: string,
  read: CurrentVersion,
): Promise<'made anew' | string | undefined> {
  if ((await findItem(fleet, accountId)) !== undefined) return 'made anew';
  const heir = await heirOf(fleet, accountId, id, read);
  if (heir !== undefined) return `the account ${heir} names it`;
  const { VersionIdsToStages = {} } = await fleet.secrets.send(new DescribeSecretCommand({ SecretId: id }));
  return VersionIdsToStages[read.versionId]?.includes('AWSCURRENT')
    ? undefined
    : 'somebody else has just written to it';
}

/** Another account that the token set itself says it is kept for. */
function keptForAnother({ text }: CurrentVersion, accountId: string): string | undefined {
  const keptFor = parseJsonObject(text ?? '')?.kept_for;
  return typeof keptFor === 'string' && keptFor !== accountId ? keptFor : undefined;
}

/** Another account that has taken the secret over by `tokenSecretId`. */
async function heirOf(
  fleet: Fleet,
  accountId: string,
  id: string,
  { arn = '' }: CurrentVersion,
): Promise<string | undefined> {
  const owner = (await findNote(fleet, `${CLAIM}${arn}`))?.secretOwner;
  if (typeof owner !== 'string' || owner === accountId) return undefined;
  const named = (await findItem(fleet, owner))?.tokenSecretId;
  return typeof named === 'string' && (named === id || arn.startsWith(named)) ? owner : undefined;
}
