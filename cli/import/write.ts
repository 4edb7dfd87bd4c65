import { PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { ifConditionHolds } from '../../adapters/aws/aws-error.ts';
import { FORMAT_VERSION } from '../../core/account/account.ts';
import { isJsonObject } from '../../core/json-object.ts';
import type { Fleet } from '../shared/fleet.ts';
import { createTokens, type HowToWrite } from './create-tokens.ts';
import { type Busy, inHand, isLeased, itemOf, secretInUse, whileBusy } from './in-use.ts';
import { differences, fingerprintOf } from './row/compare.ts';
import type { Candidate, Item } from './row/row.ts';

export type Written =
  | { readonly kind: 'created' | 'updated' }
  /** Somebody else has made or changed it since the plan. Nothing is left to do. */
  | { readonly kind: 'already_there' }
  | { readonly kind: 'conflict'; readonly text: string }
  | Busy;

/**
 * Makes one account: its token secret first, so that an item never stands without the tokens that came with it, then
 * the item, if there is none. Both may be repeated: neither overwrites what is there, so a refresh token that was
 * rotated since is never put back to the one in the file.
 *
 * @param takesSecretFrom another account that has had the named token secret
 * @throws the SDK's error where it can't be done
 */
export async function createAccount(
  fleet: Fleet,
  candidate: Candidate,
  takesSecretFrom: string | undefined,
  how: HowToWrite,
): Promise<Written> {
  const { item, tokenText, refreshToken } = candidate;
  const busy = await whileBusy(fleet, how.signal, () => secretInUse(fleet, item, takesSecretFrom));
  if (busy !== undefined) return busy;
  if (tokenText !== undefined) {
    const conflict = await createTokens(fleet, candidate, tokenText, how);
    if (conflict !== undefined) return { kind: 'conflict', text: conflict };
  }
  const refreshTokenFingerprint = refreshToken === undefined ? undefined : fingerprintOf(refreshToken);
  const made = await ifConditionHolds(() =>
    fleet.table.send(
      new PutCommand({
        TableName: fleet.tableName,
        Item: { ...item, refreshTokenFingerprint },
        ConditionExpression: 'attribute_not_exists(accountId)',
      }),
    ),
  );
  return { kind: made ? 'created' : 'already_there' };
}

/**
 * Writes what the file says of an account that is there; never its tokens, and nothing that the function writes, but for
 * `doesNotExpire`, without which the function reads the token set anew. It waits for who holds the lease, and writes only
 * where all is as it was read.
 */
export async function updateAccount(
  fleet: Fleet,
  candidate: Candidate,
  takesSecretFrom: string | undefined,
  { signal }: Pick<HowToWrite, 'signal'>,
): Promise<Written> {
  let written: Written | undefined;
  const busy = await whileBusy(fleet, signal, async () => {
    const existing = await itemOf(fleet, candidate.item.accountId);
    if (existing === undefined)
      written = {
        kind: 'conflict',
        text: 'was removed in the meantime; run the same command again to make it',
      };
    else if (typeof existing.formatVersion === 'number' && existing.formatVersion > FORMAT_VERSION)
      written = { kind: 'conflict', text: 'was made by a newer version, which alone may change it' };
    else if (isLeased(existing, fleet)) return inHand('it');
    else {
      const changed = differences(candidate.item, existing);
      const moves = changed.some((name) => name === 'tokenSecretId' || name === 'oauthProfile');
      if (changed.length === 0) written = { kind: 'already_there' };
      else if (moves && existing.escrow !== undefined)
        written = {
          kind: 'conflict',
          text: 'its newest refresh token is in escrow, not in its secret; have it stored first (accounts refresh)',
        };
      else {
        const inUse = changed.includes('tokenSecretId')
          ? await secretInUse(fleet, candidate.item, takesSecretFrom)
          : undefined;
        if (inUse !== undefined) return inUse;
        if (!(await change(fleet, candidate.item, existing, changed)))
          return { kind: 'busy', text: 'somebody changes it just now; run the same command again' };
        written = { kind: 'updated' };
      }
    }
    return undefined;
  });
  return busy ?? written ?? { kind: 'already_there' };
}

/** @returns whether it was written; not where the item is another by now, or leased */
async function change(
  { table, tableName }: Fleet,
  item: Candidate['item'],
  existing: Item,
  changed: readonly string[],
): Promise<boolean> {
  // An attempt of the function that begins after the read leaves a lease, and one that has ended took it away again.
  const watched = ['lease', 'escrow', 'formatVersion', ...changed];
  const names = new Map([
    ['#accountId', 'accountId'],
    ['#doesNotExpire', 'doesNotExpire'],
  ]);
  const values = new Map<string, unknown>();
  const named = (name: string) => `#${indexIn(names, '#', name)}`;
  const valued = (value: unknown) => `:${indexIn(values, ':', value)}`;
  const unchanged = (path: string, value: unknown): readonly string[] => {
    if (value === undefined) return [`attribute_not_exists(${path})`];
    // Member by member: not every DynamoDB endpoint can compare maps.
    if (!isPlainMap(value)) return [`${path} = ${valued(value)}`];
    const members = Object.entries(value);
    return [
      `size(${path}) = ${valued(members.length)}`,
      ...members.flatMap(([member, one]) => unchanged(`${path}.${named(member)}`, one)),
    ];
  };
  const setting = changed.map((name) => `${named(name)} = ${valued(item[name])}`);
  const conditions = watched.flatMap((name) => unchanged(named(name), existing[name]));
  return await ifConditionHolds(() =>
    table.send(
      new UpdateCommand({
        TableName: tableName,
        Key: { accountId: item.accountId },
        UpdateExpression: `SET ${setting.join(', ')} REMOVE #doesNotExpire`,
        ConditionExpression: ['attribute_exists(#accountId)', ...conditions].join(' AND '),
        ExpressionAttributeNames: Object.fromEntries(names),
        ExpressionAttributeValues: Object.fromEntries(values),
      }),
    ),
  );
}

/** Adds a value to those of an expression. @returns its number */
function indexIn<T>(all: Map<string, T>, sign: string, value: T): number {
  const index = all.size;
  all.set(`${sign}${index}`, value);
  return index;
}

function isPlainMap(value: unknown): value is Item {
  return isJsonObject(value) && [Object.prototype, null].includes(Object.getPrototypeOf(value));
}
