import { setTimeout as wait } from 'node:timers/promises';
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { GetCommand, PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { FORMAT_VERSION } from '../../adapters/authorization/account-item.ts';
import { takeOver } from '../../adapters/authorization/keeper.ts';
import { awsFailure, ifConditionHolds } from '../../adapters/aws/aws-error.ts';
import { CLAIM } from '../../core/account/account.ts';
import { tokenSecretIdOf } from '../../core/account/secret-id.ts';
import { isJsonObject, parseJsonObject } from '../../core/json-object.ts';
import type { Fleet } from '../shared/fleet.ts';
import type { OwnKeeper } from './plan.ts';
import { type Candidate, differences, fingerprintOf, type Item, versionIdOf } from './row.ts';

export type Written =
  | { readonly kind: 'created' | 'updated' }
  /** Somebody else made or changed it since the plan, so that nothing is left to do. */
  | { readonly kind: 'already_there' }
  | { readonly kind: 'conflict'; readonly text: string }
  /** A run of the function, or somebody else, has it just now. */
  | { readonly kind: 'busy'; readonly text: string };

export interface HowToWrite {
  /** Waited for before each write to Secrets Manager, whose quota is shared with the function. */
  readonly turn: () => Promise<void>;
  readonly kmsKey: string | undefined;
  readonly keeper: OwnKeeper | undefined;
  readonly signal: AbortSignal;
}

const MAX_TRIES = 10;
const LONGEST_PAUSE = 5_000;

/** A run is done with one account in a moment; milliseconds. */
const PATIENCE = 3_000;
const LOOK_AGAIN_AFTER = 250;

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
  const busy = await whileBusy(how.signal, () => secretInUse(fleet, item, takesSecretFrom));
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
  const busy = await whileBusy(signal, async () => {
    const existing = await itemOf(fleet, candidate.item.accountId);
    if (existing === undefined)
      written = {
        kind: 'conflict',
        text: 'was removed in the meantime; give the same command again to make it',
      };
    else if (typeof existing.formatVersion === 'number' && existing.formatVersion > FORMAT_VERSION)
      written = { kind: 'conflict', text: 'was made by a newer version, which alone may change it' };
    else if (isLeased(existing)) return inHand('it');
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
          return { kind: 'busy', text: 'somebody changes it just now; give the same command again' };
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
  // A visit of the function that begins after the read leaves a lease, and one that has ended took it away again.
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
    // Member by member, as not everything that speaks for DynamoDB compares maps.
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

async function itemOf({ table, tableName: TableName }: Fleet, accountId: string): Promise<Item | undefined> {
  const { Item } = await table.send(new GetCommand({ TableName, Key: { accountId }, ConsistentRead: true }));
  return Item;
}

/** The end of a lease already allows for clocks that are wrong. */
function isLeased({ lease }: Item): boolean {
  return isJsonObject(lease) && typeof lease.expiresAt === 'number' && lease.expiresAt > Date.now() / 1000;
}

function inHand(whose: string): Written & { kind: 'busy' } {
  return {
    kind: 'busy',
    text: `a run of the function has ${whose} in hand; give the same command again, in a minute or, if a run has died, within twenty`,
  };
}

/**
 * Whether somebody may be spending what is in the named token secret: the account that has it, or has had it until now.
 * Its own lease says so, though it may name another secret already.
 */
async function secretInUse(
  fleet: Fleet,
  { accountId, tokenSecretId }: Candidate['item'],
  takesSecretFrom: string | undefined,
): Promise<(Written & { kind: 'busy' }) | undefined> {
  if (typeof tokenSecretId !== 'string') return undefined;
  const note = await noteOf(fleet, tokenSecretId);
  const owner = typeof note?.secretOwner === 'string' ? note.secretOwner : undefined;
  if (owner !== accountId && isLeased(note ?? {})) return inHand('the secret');
  for (const other of new Set([takesSecretFrom, owner])) {
    if (other === undefined || other === accountId) continue;
    if (isLeased((await itemOf(fleet, other)) ?? {}))
      return inHand(`the account ${other}, whose secret that is,`);
  }
  return undefined;
}

/** What the function has noted of the secret: whose it is, and whether somebody is at work with it (`#secret:`). */
async function noteOf(fleet: Fleet, SecretId: string): Promise<Item | undefined> {
  try {
    const { ARN } = await fleet.secrets.send(new DescribeSecretCommand({ SecretId }));
    return await itemOf(fleet, `${CLAIM}${ARN}`);
  } catch (error) {
    // Who may not look leaves it to the function, which looks before it spends anything there.
    const { kind } = awsFailure(error);
    if (kind === 'not_found' || kind === 'denied') return undefined;
    throw error;
  }
}

/** Asks again for a moment. @returns what it said last where it was busy all the while */
async function whileBusy(
  signal: AbortSignal,
  ask: () => Promise<(Written & { kind: 'busy' }) | undefined>,
): Promise<(Written & { kind: 'busy' }) | undefined> {
  for (const until = Date.now() + PATIENCE; ; ) {
    const busy = await ask();
    if (busy === undefined || Date.now() >= until || signal.aborted) return busy;
    await wait(LOOK_AGAIN_AFTER);
  }
}

/** @returns why the tokens could not be stored beside what is there; nothing where they are */
async function createTokens(
  { secrets, secretNamePrefix }: Fleet,
  candidate: Candidate,
  tokenText: string,
  { turn, kmsKey: KmsKeyId, keeper }: HowToWrite,
): Promise<string | undefined> {
  const Name = tokenSecretIdOf(secretNamePrefix, candidate.item);
  const ClientRequestToken = versionIdOf(candidate);
  const SecretString = JSON.stringify({ ...parseJsonObject(tokenText), kept_by: keeper?.keptBy });
  for (let tries = 1; ; tries++) {
    await turn();
    try {
      await secrets.send(new CreateSecretCommand({ Name, SecretString, ClientRequestToken, KmsKeyId }));
      return undefined;
    } catch (error) {
      const { kind, code } = awsFailure(error);
      if (code === 'ResourceExistsException')
        return await conflictWith(secrets, Name, ClientRequestToken, keeper);
      if (code === 'InvalidRequestException')
        return `the secret ${Name} is scheduled for deletion; restore it, or wait until it is gone`;
      if (kind !== 'throttled' || tries === MAX_TRIES) throw error;
      await wait(Math.min(LONGEST_PAUSE, 100 * 2 ** tries) * (0.5 + Math.random() / 2));
    }
  }
}

/** @returns why a secret that is there can't be the account's; nothing where it is of this very import */
async function conflictWith(
  secrets: SecretsManagerClient,
  name: string,
  versionId: string,
  keeper: OwnKeeper | undefined,
): Promise<string | undefined> {
  const keptBy = await keeperNotedIn(secrets, name);
  if (keptBy !== undefined && keeper?.isForeign(keptBy) === true)
    return `the secret ${name} is kept by the function of another table, ${keptBy} (kept_by). Import into that one. ${takeOver(keptBy)} Then import the account without tokens`;
  return (await hasVersion(secrets, name, versionId))
    ? undefined
    : `the secret ${name} exists with other tokens, which are kept; delete that secret, or import the account without tokens to use it`;
}

/** Whether a version that this very import wrote is one of the secret's; it need not be the current one any more. */
async function hasVersion(secrets: SecretsManagerClient, SecretId: string, id: string): Promise<boolean> {
  const { VersionIdsToStages } = await secrets.send(new DescribeSecretCommand({ SecretId }));
  return Object.hasOwn(VersionIdsToStages ?? {}, id);
}

/** Who keeps a token set; undefined where it does not say, or may not be read: the function will look itself. */
async function keeperNotedIn(secrets: SecretsManagerClient, SecretId: string): Promise<string | undefined> {
  try {
    const { SecretString = '' } = await secrets.send(new GetSecretValueCommand({ SecretId }));
    const keptBy = parseJsonObject(SecretString)?.kept_by;
    return typeof keptBy === 'string' ? keptBy : undefined;
  } catch (error) {
    if (awsFailure(error).kind === 'denied') return undefined;
    throw error;
  }
}
