import { DescribeSecretCommand } from '@aws-sdk/client-secrets-manager';
import { GetCommand } from '@aws-sdk/lib-dynamodb';
import { awsFailure } from '../../adapters/aws/aws-error.ts';
import { CLAIM } from '../../core/account/account.ts';
import { isJsonObject } from '../../core/json-object.ts';
import type { Fleet } from '../shared/fleet.ts';
import type { Candidate, Item } from './row/row.ts';

/** A run of the function, or somebody else, is at work with it. */
export interface Busy {
  readonly kind: 'busy';
  readonly text: string;
}

/** Milliseconds. A run does not take long for one account. */
const PATIENCE = 3_000;

const LOOK_AGAIN_AFTER = 250;

export async function itemOf(
  { table, tableName: TableName }: Fleet,
  accountId: string,
): Promise<Item | undefined> {
  const { Item } = await table.send(new GetCommand({ TableName, Key: { accountId }, ConsistentRead: true }));
  return Item;
}

/** The end of a lease already allows for clocks that are wrong. */
export function isLeased({ lease }: Item, { clock }: Fleet): boolean {
  return isJsonObject(lease) && typeof lease.expiresAt === 'number' && lease.expiresAt > clock.now() / 1000;
}

export function inHand(whose: string): Busy {
  return {
    kind: 'busy',
    text: `a run of the function is working on ${whose}; run the same command again in a minute, or in twenty if a run has died`,
  };
}

/**
 * Whether somebody may be spending what is in the named token secret: the account that has it, or has had it until now.
 * Its own lease says so, though it may name another secret already.
 */
export async function secretInUse(
  fleet: Fleet,
  { accountId, tokenSecretId }: Candidate['item'],
  takesSecretFrom: string | undefined,
): Promise<Busy | undefined> {
  if (typeof tokenSecretId !== 'string') return undefined;
  const note = await noteOf(fleet, tokenSecretId);
  const owner = typeof note?.secretOwner === 'string' ? note.secretOwner : undefined;
  if (owner !== accountId && isLeased(note ?? {}, fleet)) return inHand('the secret');
  for (const other of new Set([takesSecretFrom, owner])) {
    if (other === undefined || other === accountId) continue;
    if (isLeased((await itemOf(fleet, other)) ?? {}, fleet))
      return inHand(`the account ${other}, which has that secret`);
  }
  return undefined;
}

/** What the function has noted of the secret: whose it is, and whether somebody is at work with it (`#secret:`). */
async function noteOf(fleet: Fleet, SecretId: string): Promise<Item | undefined> {
  try {
    const { ARN } = await fleet.secrets.send(new DescribeSecretCommand({ SecretId }));
    return await itemOf(fleet, `${CLAIM}${ARN}`);
  } catch (error) {
    // Without the permission it is left to the function, which looks before it spends anything.
    const { kind } = awsFailure(error);
    if (kind === 'not_found' || kind === 'denied') return undefined;
    throw error;
  }
}

/** Asks again for a moment. @returns what it said last where it was busy all the while */
export async function whileBusy(
  { clock }: Fleet,
  signal: AbortSignal,
  ask: () => Promise<Busy | undefined>,
): Promise<Busy | undefined> {
  for (const until = clock.now() + PATIENCE; ; ) {
    const busy = await ask();
    if (busy === undefined || clock.now() >= until || signal.aborted) return busy;
    await clock.sleep(LOOK_AGAIN_AFTER);
  }
}
