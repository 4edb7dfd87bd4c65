import { DeleteCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { FORMAT_VERSION } from '../../core/account/account.ts';
import { secondsOf } from '../../core/clock.ts';
import { duration, type FleetItem } from '../../terminal/fleet-table.ts';
import { printable } from '../../terminal/printable.ts';
import { CliError, EXIT, type ExitCode } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';
import { confirmed } from '../shared/confirm.ts';
import type { Fleet } from '../shared/fleet.ts';
import { repeatThrottled } from '../shared/throttling.ts';
import { type Change, changeEach, notFound } from './change-each.ts';
import { escrowKind } from './escrow.ts';
import { findItem, readItems, requireProfile } from './items.ts';
import { count } from './list.ts';
import { removeSecret } from './remove-secret.ts';
import { undoCommands } from './undo-commands.ts';

/** A newer version's item is not written to. */
const KNOWN_FORMAT = {
  expression: '(attribute_not_exists(#formatVersion) OR #formatVersion <= :formatVersion)',
  names: { '#formatVersion': 'formatVersion' },
  values: { ':formatVersion': FORMAT_VERSION },
} as const;

/** Accounts by their ids, or all of a profile. */
export interface WhichOptions {
  readonly profile?: string | undefined;
}

/** Has the function look at these accounts, or leave them alone. */
export async function switchAccounts(
  context: Context,
  named: readonly string[],
  { profile }: WhichOptions,
  enabled: boolean,
): Promise<ExitCode> {
  const fleet = repeatThrottled(await context.fleet(), context.signal);
  const accountIds = await select(
    context,
    fleet,
    { named, profile },
    (item) => (item.enabled !== false) !== enabled,
  );
  const result = enabled ? 'enabled' : 'disabled';
  const command = [enabled ? 'enable' : 'disable'];
  const change = async (accountId: string): Promise<Change> => {
    const found = await ifConditionHolds(() =>
      fleet.table.send(
        new UpdateCommand({
          TableName: fleet.tableName,
          Key: { accountId },
          UpdateExpression: 'SET #enabled = :enabled',
          ConditionExpression: `attribute_exists(#accountId) AND ${KNOWN_FORMAT.expression}`,
          ExpressionAttributeNames: {
            '#enabled': 'enabled',
            '#accountId': 'accountId',
            ...KNOWN_FORMAT.names,
          },
          ExpressionAttributeValues: { ':enabled': enabled, ...KNOWN_FORMAT.values },
        }),
      ),
    );
    return found === undefined
      ? refusalOf(await findItem(fleet, accountId), accountId, fleet, 0)
      : { accountId, result, message: `${result} in ${fleet.label}` };
  };
  return await changeEach(context, accountIds, { fleet, command, profile, change });
}

/** The accounts that are named, or those of a profile for which there is something to do. */
async function select(
  { terminal }: Context,
  fleet: Fleet,
  { named, profile }: WhichOptions & { readonly named: readonly string[] },
  isWanted: (item: FleetItem) => boolean,
): Promise<readonly string[]> {
  if (named.length > 0 === (profile !== undefined))
    throw new CliError('USAGE', 'Name accounts, or --profile: one of the two.', EXIT.usage);
  if (profile === undefined) return named;
  const items = await readItems(fleet, terminal);
  await requireProfile(fleet, items, profile);
  return items
    .filter((item) => item.oauthProfile === profile && isWanted(item))
    .map(({ accountId }) => accountId)
    .sort();
}

export interface RemoveOptions extends WhichOptions {
  readonly yes?: boolean;
  readonly recoveryWindow: number;
  readonly keepSecret?: boolean;
  readonly discardEscrow?: boolean;
}

/** Removes accounts and, where it has the default name, the token secret of each, which can be restored for a time. */
export async function removeAccounts(
  context: Context,
  named: readonly string[],
  options: RemoveOptions,
): Promise<ExitCode> {
  const fleet = repeatThrottled(await context.fleet(), context.signal);
  const { profile } = options;
  const accountIds = await select(context, fleet, { named, profile }, () => true);
  const which =
    accountIds.length === 1 ? `account ${printable(accountIds[0] ?? '')}` : count(accountIds.length);
  const question = `Remove ${which} from ${fleet.label}?`;
  if (!(await confirmed(context, question, options.yes === true))) {
    context.terminal.say('Nothing was removed.');
    return EXIT.interrupted;
  }
  const change = (accountId: string) => removeAccount(fleet, accountId, options);
  return await changeEach(context, accountIds, { fleet, command: removeAgain(options), profile, change });
}

function removeAgain({ yes, recoveryWindow, keepSecret, discardEscrow }: RemoveOptions): string[] {
  return [
    'remove',
    ...(yes ? ['--yes'] : []),
    '--recovery-window',
    String(recoveryWindow),
    ...(keepSecret ? ['--keep-secret'] : []),
    ...(discardEscrow ? ['--discard-escrow'] : []),
  ];
}

export async function removeAccount(
  fleet: Fleet,
  accountId: string,
  options: RemoveOptions,
): Promise<Change> {
  const at = secondsOf(fleet.clock);
  const removed = await ifConditionHolds(() =>
    fleet.table.send(
      new DeleteCommand({
        TableName: fleet.tableName,
        Key: { accountId },
        // A run that holds the lease is spending the refresh token, and must find the account to store what it gets.
        ConditionExpression: [
          'attribute_exists(#accountId)',
          'NOT (#lease.#expiresAt > :now)',
          ...(options.discardEscrow ? [] : ['attribute_not_exists(#escrow)']),
          KNOWN_FORMAT.expression,
        ].join(' AND '),
        ExpressionAttributeNames: {
          '#accountId': 'accountId',
          '#lease': 'lease',
          '#expiresAt': 'expiresAt',
          ...(options.discardEscrow ? {} : { '#escrow': 'escrow' }),
          ...KNOWN_FORMAT.names,
        },
        ExpressionAttributeValues: { ':now': at, ...KNOWN_FORMAT.values },
        ReturnValues: 'ALL_OLD',
      }),
    ),
  );
  if (removed === undefined) return refusalOf(await findItem(fleet, accountId), accountId, fleet, at);
  const item = removed.Attributes as FleetItem;
  const secret = await removeSecret(fleet, item, options);
  if (secret.kind === 'made_anew') return { accountId, result: 'failed', message: secret.message };
  const undo = undoCommands(fleet, item, secret.kind === 'deleted' ? secret.id : undefined);
  return {
    accountId,
    result: secret.kind === 'failed' ? 'failed' : 'removed',
    message: `removed from ${fleet.label}${secret.kind === 'failed' ? ', but ' : '; '}${secret.message}`,
    secretId: secret.id,
    undo,
  };
}

function refusalOf(item: FleetItem | undefined, accountId: string, fleet: Fleet, at: number): Change {
  if (item === undefined) return notFound(accountId, fleet);
  if (typeof item.formatVersion === 'number' && item.formatVersion > FORMAT_VERSION)
    return {
      accountId,
      result: 'failed',
      message: `its item is made by a newer version (formatVersion ${item.formatVersion}); use the command line of that version`,
    };
  const { expiresAt } = (item.lease ?? {}) as { expiresAt?: unknown };
  if (at > 0 && typeof expiresAt === 'number' && expiresAt > at)
    return {
      accountId,
      result: 'leased',
      message: `a run is spending its refresh token now; try again in ${duration(expiresAt - at)} at the latest`,
    };
  if (at > 0 && item.escrow !== undefined)
    return { accountId, result: 'in_escrow', message: `${inEscrow(item)}, or lose it with --discard-escrow` };
  return { accountId, result: 'failed', message: 'somebody else has just changed it; try again' };
}

function inEscrow({ accountId, escrow }: FleetItem): string {
  switch (escrowKind(escrow)) {
    case 'token':
      return 'its newest refresh token is in escrow, not in its secret; have it stored first (accounts refresh)';
    case 'candidate':
      return 'what may be its newest refresh token is in escrow, not in its secret; have it tried first (accounts refresh)';
    case 'answer':
      return `a response that may hold its newest refresh token is in escrow; look at it first (accounts answer ${accountId} --out FILE)`;
    default:
      return 'something that a newer version has put there is in escrow; use the command line of that version';
  }
}

async function ifConditionHolds<T>(send: () => Promise<T>): Promise<T | undefined> {
  try {
    return await send();
  } catch (error) {
    if (error instanceof Error && error.name === 'ConditionalCheckFailedException') return undefined;
    throw error;
  }
}
