import type { AccountsTable } from '../adapters/aws/accounts-table.ts';
import type { Secrets } from '../adapters/aws/secrets.ts';
import { readTokenSet } from '../adapters/aws/token-secret.ts';
import { type Account, parseAccount } from '../core/account/account.ts';
import { tokenSecretIdOf } from '../core/account/secret-id.ts';
import { type Clock, secondsOf } from '../core/clock.ts';
import type { Reason } from '../core/reason.ts';
import { errorNameOf } from './attempt/errors.ts';
import type { Log } from './attempt/log.ts';

/**
 * An account whose access token is good for hours or days is not due, so no run reads its secret; if that is deleted, its readers
 * fail and nobody knows. So each run reads the secrets of a few healthy accounts that are not due: each account's twice a day.
 */

interface Ports {
  readonly table: Pick<AccountsTable, 'scanSlice' | 'readPauses' | 'expire'>;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly log: Log;
}

interface Sampling {
  /** Items of the whole table. */
  readonly items: number;
  /** When the last sample was taken, seconds since the epoch; undefined where this process does not know. */
  readonly before: number | undefined;
  readonly secretNamePrefix: string;
  /** When this process may be gone, milliseconds since the epoch. */
  readonly deadline: number;
}

interface Slice {
  readonly segment: number;
  readonly totalSegments: number;
}

const MINUTE = 60;
/** Minutes in which each account is read once: half a day, so that one that was missed is still read within the day. */
const ROUND = 720;
/** A small table is read faster: so many accounts in each run. The first one of a process reads so many of any table. */
const LEAST = 2;
const LEAST_AT_FIRST = 10;
/** Minutes that a run makes up for. */
const MOST_MADE_UP = 60;
/** DynamoDB cuts a table into no more. */
const MOST_SEGMENTS = 1_000_000;
/** Reads at once, and in one run. */
const AT_ONCE = 8;
const MOST = 4_000;
/** Milliseconds that it takes at most, and that must be left for it and for the end of the run. */
const LONGEST = 10_000;
const LEAST_TIME = 15_000;

/**
 * Which slice of the table is next.
 *
 * @param now seconds since the epoch
 * @returns one of so many equal slices, as of a parallel scan
 */
export function sliceOf({ items, before }: Pick<Sampling, 'items' | 'before'>, now: number): Slice {
  if (before === undefined) return sliceAt(now, 1, items / LEAST_AT_FIRST);
  const minutes = Math.min(MOST_MADE_UP, Math.max(1, Math.round((now - before) / MINUTE)));
  return sliceAt(now, minutes, Math.min(ROUND, Math.ceil(items / LEAST)) / minutes);
}

/** The slice of these minutes, where the table is cut into about so many. */
function sliceAt(now: number, minutes: number, slices: number): Slice {
  const totalSegments = Math.min(MOST_SEGMENTS, Math.max(1, Math.floor(slices)));
  return { segment: Math.floor(now / MINUTE / minutes) % totalSegments, totalSegments };
}

/**
 * Reads the secrets of one slice of the table. An account whose secret can't be used is made due, and the next run finds out
 * and tells why. Never rejects, and ends in time.
 */
export async function sampleSecrets(sampling: Sampling, ports: Ports): Promise<void> {
  const { clock, log } = ports;
  if (sampling.deadline - clock.now() < LEAST_TIME) return;
  const until = Math.min(clock.now() + LONGEST, sampling.deadline - LEAST_TIME / 3);
  const sample = takeSample(sampling, until, ports).catch((error: unknown) => {
    log.warn('The sample of token secrets could not be read.', { awsError: errorNameOf(error) });
  });
  await Promise.race([sample, clock.sleep(until - clock.now())]);
}

async function takeSample(sampling: Sampling, until: number, ports: Ports): Promise<void> {
  const { log, clock } = ports;
  const slice = sliceOf(sampling, secondsOf(clock));
  const sample = await readSlice(slice, sampling, until, ports);
  if (sample.unusable.length === 0) return;
  // Is it for this account's own sake? A few others tell.
  const others =
    sample.looked.length < SEVERAL
      ? await readSlice(besides(sampling, slice), sampling, until, ports)
      : NOBODY;
  // In a small table they are partly the same.
  const looked = new Set([...sample.looked, ...others.looked]).size;
  const all = [...sample.unusable, ...others.unusable];
  const unusable = new Set(all.map(({ account }) => account.accountId)).size;
  if (unusable >= SEVERAL / 2 && unusable > looked / 2) {
    const [{ detail, reason } = {}] = all;
    log.error(
      `${unusable} of ${looked} token secrets can't be used. ${detail}. This is no account's fault: check SECRET_NAME_PREFIX, the function's role, and the policies of key and secrets.`,
      { reason },
    );
    return;
  }
  for (const one of sample.unusable) if (clock.now() < until) await makeDue(one, sampling, ports);
}

/** So many accounts tell whether it is the secrets that are wrong, or the way to them. */
const SEVERAL = 8;

/** A slice of about so many accounts that is another one. */
function besides({ items }: Sampling, { segment }: Slice): Slice {
  const totalSegments = Math.max(1, Math.floor(items / SEVERAL));
  return { segment: (segment + 1) % totalSegments, totalSegments };
}

interface Unusable {
  readonly account: Account;
  readonly reason: Reason;
  readonly detail?: string | undefined;
}

interface Sample {
  /** Ids of accounts. */
  readonly looked: readonly string[];
  readonly unusable: readonly Unusable[];
}

const NOBODY: Sample = { looked: [], unusable: [] };

async function readSlice(
  slice: Slice,
  { secretNamePrefix }: Sampling,
  until: number,
  { table, secrets, clock }: Ports,
): Promise<Sample> {
  const found: Account[] = [];
  for await (const { items } of table.scanSlice(slice, secondsOf(clock))) {
    for (const item of items) {
      const parsed = parseAccount(item);
      if (parsed.kind === 'account') found.push(parsed.account);
    }
    if (found.length >= MOST || clock.now() > until) break;
  }
  if (found.length === 0) return NOBODY;
  const pauses = await table.readPauses([...new Set(found.map(({ oauthProfile }) => oauthProfile))]);
  if (pauses.everything) return NOBODY;
  const left = found.slice(0, MOST).filter(({ oauthProfile }) => !pauses.profiles.has(oauthProfile));
  const unusable: Unusable[] = [];
  const looked: string[] = [];
  const work = async () => {
    for (let account = left.pop(); account !== undefined && clock.now() < until; account = left.pop()) {
      const read = await readTokenSet(tokenSecretIdOf(secretNamePrefix, account), secrets);
      looked.push(account.accountId);
      if (read.kind === 'failed' && read.reason !== 'store_unavailable') unusable.push({ account, ...read });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { looked, unusable };
}

async function makeDue(
  { account, reason, detail }: Unusable,
  { secretNamePrefix }: Sampling,
  { table, secrets, clock, log }: Ports,
): Promise<void> {
  const { accountId, oauthProfile } = account;
  // A read soon after a write can miss it.
  const again = await readTokenSet(tokenSecretIdOf(secretNamePrefix, account), secrets);
  if (again.kind === 'read' || again.reason !== reason) return;
  if ((await table.expire(account, secondsOf(clock))) === 'conflict') return;
  log.warn(`${detail}, though the access token is not due. The next run tries the account.`, {
    accountId,
    oauthProfile,
    reason,
  });
}
