import type { AccountsTable } from '../adapters/aws/accounts-table.ts';
import type { Secrets } from '../adapters/aws/secrets.ts';
import { readTokenSet } from '../adapters/aws/token-secret.ts';
import { type Account, parseAccount } from '../core/account/account.ts';
import { tokenSecretIdOf } from '../core/account/secret-id.ts';
import { type Clock, secondsOf } from '../core/clock.ts';
import type { Reason } from '../core/reason.ts';
import type { Log } from './attempt/log.ts';

/**
 * An account whose access token is good for hours or days is not due, so no run reads its secret; if that is deleted, its readers
 * fail and nobody knows. So each run reads the secrets of a few healthy accounts that are not due: each account's twice a day.
 */

interface Ports {
  readonly table: Pick<AccountsTable, 'scanSlice' | 'pausedAmong' | 'expire'>;
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

const MINUTE = 60;
/** Minutes in which each account is read once: half a day, so that one that was missed is still read within the day. */
const ROUND = 720;
/** A small table is read faster: so many accounts in each run. */
const LEAST = 2;
/** Minutes that a process makes up for which knows of none before. */
const MOST_MADE_UP = 60;
/** Reads at once, and in one run. */
const AT_ONCE = 8;
const MOST = 2_000;
/** Milliseconds before the end of the process after which none is begun. */
const LEAST_TIME = 15_000;

/**
 * Which slice of the table is next.
 *
 * @param now seconds since the epoch
 * @returns one of so many equal slices, as of a parallel scan
 */
export function sliceOf(
  { items, before }: Pick<Sampling, 'items' | 'before'>,
  now: number,
): { readonly segment: number; readonly totalSegments: number } {
  const slices = Math.min(ROUND, Math.max(1, Math.ceil(items / LEAST)));
  const minutes = before === undefined ? MOST_MADE_UP : Math.round((now - before) / MINUTE);
  const width = Math.min(MOST_MADE_UP, Math.max(1, minutes));
  const totalSegments = Math.max(1, Math.floor(slices / width));
  return { segment: Math.floor(now / MINUTE / width) % totalSegments, totalSegments };
}

/**
 * Reads the secrets of one slice of the table. An account whose secret can't be used is made due, and the next run finds out
 * and tells why. Never rejects.
 */
export async function sampleSecrets(sampling: Sampling, ports: Ports): Promise<void> {
  const { table, secrets, clock, log } = ports;
  const isTime = () => sampling.deadline - clock.now() > LEAST_TIME;
  try {
    const now = secondsOf(clock);
    const found: Account[] = [];
    for await (const { items } of table.scanSlice(sliceOf(sampling, now), now)) {
      for (const item of items) {
        const parsed = parseAccount(item);
        if (parsed.kind === 'account') found.push(parsed.account);
      }
      if (found.length >= MOST || !isTime()) break;
    }
    if (found.length === 0) return;
    const paused = await table.pausedAmong([...new Set(found.map(({ oauthProfile }) => oauthProfile))]);
    const looked = found.slice(0, MOST).filter(({ oauthProfile }) => !paused.has(oauthProfile));
    const left = [...looked];
    const unusable: Unusable[] = [];
    const work = async () => {
      for (let account = left.pop(); account !== undefined && isTime(); account = left.pop()) {
        const read = await readTokenSet(tokenSecretIdOf(sampling.secretNamePrefix, account), secrets);
        if (read.kind === 'failed' && read.reason !== 'store_unavailable')
          unusable.push({ account, ...read });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    if (isWidespread(unusable.length, looked.length)) {
      const [{ detail, reason } = {}] = unusable;
      log.error(
        `${unusable.length} of ${looked.length} token secrets can't be used. ${detail}. This is no account's fault: check SECRET_NAME_PREFIX, the function's role, and the policies of key and secrets.`,
        { reason },
      );
    } else for (const one of unusable) await makeDue(one, ports);
  } catch (error) {
    const { name } = error as { name?: unknown };
    log.warn('The sample of token secrets could not be read.', { awsError: String(name) });
  }
}

/** If so many are unusable, and most, it is not for each account's own sake, and no account is touched. */
const SEVERAL = 4;

function isWidespread(unusable: number, looked: number): boolean {
  return unusable >= SEVERAL && unusable > looked / 2;
}

interface Unusable {
  readonly account: Account;
  readonly reason: Reason;
  readonly detail?: string | undefined;
}

async function makeDue({ account, reason, detail }: Unusable, { table, clock, log }: Ports): Promise<void> {
  const { accountId, oauthProfile } = account;
  if ((await table.expire(account, secondsOf(clock))) === 'conflict') return;
  log.warn(`${detail}, though the access token is not due. The next run tries the account.`, {
    accountId,
    oauthProfile,
    reason,
  });
}
