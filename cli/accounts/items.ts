import { DescribeSecretCommand } from '@aws-sdk/client-secrets-manager';
import { GetCommand, paginateScan } from '@aws-sdk/lib-dynamodb';
import { awsFailure } from '../../adapters/aws/aws-error.ts';
import { PAUSE_NOTE, PROFILE_NOTE, pauseNoteOf } from '../../core/account/account.ts';
import { profileSecretIdOf } from '../../core/account/secret-id.ts';
import {
  accountsOf,
  type FailingProfile,
  failingProfile,
  pausedIn,
  waiting,
  withPause,
} from '../../terminal/fleet-notes.ts';
import { type FleetItem, isAccount } from '../../terminal/fleet-table.ts';
import { printable } from '../../terminal/printable.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { CliError } from '../shared/cli-error.ts';
import type { Fleet } from '../shared/fleet.ts';

/** What a scan of the accounts table finds. */
interface Fleetwide {
  /** Each as it is: one that waits for its profile shows that. */
  readonly accounts: FleetItem[];
  /** The one that holds up most accounts first. */
  readonly failingProfiles: FailingProfile[];
  /** What people have paused: `everything`, then the names of profiles. */
  readonly paused: string[];
  /** The items that are no accounts: the function's own notes, and pauses. */
  readonly notes: FleetItem[];
}

/**
 * Every account of the table, with a count as progress, and the profiles that are failing.
 *
 * @param refreshWindow the function's own, seconds, where it was asked
 */
export async function readFleet(
  fleet: Fleet,
  terminal?: Pick<Terminal, 'progress'>,
  refreshWindow?: number,
): Promise<Fleetwide> {
  const items: FleetItem[] = [];
  for await (const { Items = [] } of paginateScan({ client: fleet.table }, { TableName: fleet.tableName })) {
    items.push(...(Items as FleetItem[]));
    terminal?.progress(`Reading the accounts table … ${items.length}`);
  }
  terminal?.progress(undefined);
  const failingProfiles = items
    .map((item) => failingProfile(item, now()))
    .filter((one) => one !== undefined)
    .sort((a, b) => b.accounts - a.accounts);
  const notes = items.filter((item) => !isAccount(item));
  return {
    accounts: accountsOf(items, now(), refreshWindow),
    failingProfiles,
    paused: pausedIn(items),
    notes,
  };
}

export async function readItems(fleet: Fleet, terminal?: Pick<Terminal, 'progress'>): Promise<FleetItem[]> {
  return (await readFleet(fleet, terminal)).accounts;
}

/** An account as it is now, also where it waits for its profile. @throws CliError where there is none */
export async function readAccount(fleet: Fleet, accountId: string): Promise<FleetItem> {
  const item = await readItem(fleet, accountId);
  const profile = String(item.oauthProfile);
  const keys = [`${PROFILE_NOTE}${profile}`, PAUSE_NOTE, pauseNoteOf(profile)];
  const [note, ...pauses] = await Promise.all(keys.map((key) => findNote(fleet, key)));
  const paused = new Set(pauses.flatMap((one) => one?.accountId ?? []));
  return withPause(waiting(item, note && failingProfile(note, now()), now()), paused);
}

/** One account's item, as it is now; undefined where there is none. */
export async function findItem(fleet: Fleet, accountId: string): Promise<FleetItem | undefined> {
  return isAccount({ accountId }) ? await findNote(fleet, accountId) : undefined;
}

/** An item of the table, the function's own notes among them, as it is now; undefined where there is none. */
export async function findNote(fleet: Fleet, accountId: string): Promise<FleetItem | undefined> {
  const { Item } = await fleet.table.send(
    new GetCommand({ TableName: fleet.tableName, Key: { accountId }, ConsistentRead: true }),
  );
  return Item as FleetItem | undefined;
}

/** One item, as it is now. @throws CliError where there is none */
export async function readItem(fleet: Fleet, accountId: string): Promise<FleetItem> {
  const item = await findItem(fleet, accountId);
  if (item === undefined)
    throw new CliError(
      'NO_ACCOUNT',
      `There is no account "${printable(accountId)}" in ${fleet.label}. See "accounts list" for the ids.`,
    );
  return item;
}

/** @throws CliError where neither an account names the profile nor a secret holds it */
export async function requireProfile(
  { secrets, secretNamePrefix }: Fleet,
  items: readonly FleetItem[],
  profile: string | undefined,
): Promise<void> {
  if (profile === undefined || items.some(({ oauthProfile }) => oauthProfile === profile)) return;
  try {
    await secrets.send(new DescribeSecretCommand({ SecretId: profileSecretIdOf(secretNamePrefix, profile) }));
  } catch (error) {
    const { kind } = awsFailure(error);
    // Who may not look can't be told that it is missing; a name that Secrets Manager refuses is no profile's.
    if (kind === 'denied') return;
    if (kind !== 'not_found' && kind !== 'refused') throw error;
    throw new CliError('NO_PROFILE', `There is no profile ${printable(profile)}. See "profiles list".`);
  }
}

/** Seconds since the epoch. */
export function now(): number {
  return Math.floor(Date.now() / 1000);
}
