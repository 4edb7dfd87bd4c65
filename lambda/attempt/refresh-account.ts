import { randomUUID } from 'node:crypto';
import { type ReadTokens, readTokenSet } from '../../adapters/aws/token-secret.ts';
import {
  CLOCK_ERROR,
  clockDoubtOf,
  decideTokenSet,
  isShortLived,
  isStaleRead,
  obtainedAtOf,
  roomForVersion,
  STALE_READS_FOR,
} from '../../core/account/decision.ts';
import { ambiguousSince } from '../../core/account/doubt.ts';
import { type Deferred, type Outcome, type Report, reportOn } from '../../core/account/outcome.ts';
import { tokenSecretIdOf, unusualSecret } from '../../core/account/secret-id.ts';
import { secondsOf } from '../../core/clock.ts';
import type { Reason } from '../../core/reason.ts';
import { type Attempt, type DueAccount, type EscrowState, escrowResult } from './attempt.ts';
import {
  claimTokenSet,
  isClaimed,
  type KeptBy,
  keptBy,
  keptElsewhere,
  type SetToClaim,
} from './claim-token-set.ts';
import { errorNameOf } from './errors.ts';
import type { Ports } from './ports.ts';
import { recordOutcome } from './record.ts';
import { fenceAttempt } from './replace-version.ts';
import { restoreEscrow } from './restore-escrow.ts';
import { ownSecret } from './secret-owner.ts';
import { spendRefreshToken } from './spend-refresh-token.ts';

/** Added to the deadline, seconds: the holder's clock and another's may each be wrong. */
export const LEASE_MARGIN = 2 * CLOCK_ERROR;

/**
 * The steps for one due account: lease, re-read, exchange, store, record. It rejects, with the SDK's error, only if the
 * lease can't be asked for; everything else goes into the report.
 */
export async function refreshAccount(due: DueAccount, ports: Ports): Promise<Report> {
  const { account, input, deadline, secretNamePrefix } = due;
  const id = randomUUID();
  // No holder can outlive its lease: the process is gone by the deadline, whatever becomes of it.
  const expiresAt = Math.ceil(deadline / 1000) + LEASE_MARGIN;
  const lease = { owner: id, expiresAt, secretId: unusualSecret(account, secretNamePrefix) };
  if ((await ports.table.lease(account, lease, input.now)) === 'conflict')
    return reportOn(account, 'leave', 'leased_elsewhere');
  const request = {};
  const { outcome, leasedSecret } = await attemptLeased({ ...due, id, lease, request }, ports);
  const report = await recordOutcome(account, outcome, { kind: 'attempt', attemptId: id, request }, ports);
  if (leasedSecret !== undefined) await releaseSecret(leasedSecret, id, outcome.obtainedAt, ports);
  return report;
}

interface Attempted {
  readonly outcome: Outcome;
  /** The ARN of a secret whose note is leased as well. */
  readonly leasedSecret?: string | undefined;
}

async function attemptLeased(attempt: Attempt, ports: Ports): Promise<Attempted> {
  const { account, input } = attempt;
  const secretId = tokenSecretIdOf(attempt.secretNamePrefix, account);
  const read = await readTokenSet(secretId, ports.secrets);
  if (read.kind === 'failed') return { outcome: { ...read, ambiguousSince: ambiguousSince(account) } };
  const kept = keptBy(attempt, read);
  if (kept.kind === 'foreign') return { outcome: keptElsewhere(secretId, read.tokenSet.kept_by) };
  const own = await ownedBy(attempt, read, kept, ports);
  if (own.kind === 'busy') return { outcome: deferred('leased_elsewhere') };
  if (own.kind === 'unknown') return { outcome: deferred('store_unavailable') };
  if (own.kind === 'failed') return { outcome: own };
  const newest = Math.max(account.lastRefreshedAt ?? 0, own.newest ?? 0) || undefined;
  const times = { now: input.now, longestLease: attempt.longestLease, clockDoubt: clockDoubtOf(account) };
  const stale = isStaleRead(read, newest, times) || (await mayHaveStored(attempt, secretId, read, ports));
  const { keptFor, spendFrom } = own;
  const outcome = stale
    ? deferred('store_unavailable')
    : await attemptOwned(attempt, { secretId, read, newest, kept, keptFor, spendFrom }, ports);
  return { outcome, leasedSecret: own.leased };
}

const FENCE_TIMEOUT = 5_000;

/** Whether a run that died holding the lease had stored what it got, though the read may not show it yet. */
async function mayHaveStored(
  { account: { lease }, input }: Attempt,
  secretId: string,
  read: ReadTokens,
  ports: Ports,
): Promise<boolean> {
  if (lease === undefined || input.now >= lease.expiresAt + STALE_READS_FOR) return false;
  const what = { attemptId: lease.owner, secretId, read, readAfter: input.now };
  const fenced = await fenceAttempt(what, FENCE_TIMEOUT, ports);
  return fenced.kind !== 'stored';
}

/** What is known of the secret when it is sure whose it is. */
interface Owned extends SetToClaim {
  /** When the newest token set known was obtained, seconds since the epoch. */
  readonly newest: number | undefined;
  /** Nothing is spent before, seconds since the epoch. */
  readonly spendFrom: number | undefined;
}

async function attemptOwned(attempt: Attempt, owned: Owned, ports: Ports): Promise<Outcome> {
  const { account } = attempt;
  const restored = await restoreEscrow(attempt, owned, ports);
  if (restored.kind === 'failed') return { ...restored, ambiguousSince: ambiguousSince(account, owned.read) };
  if (restored.kind === 'deferred') return restored;
  const { read, escrow } = restored;
  const outcome = await decideAndSpend(attempt, { ...owned, read }, escrow, ports);
  const wasMoved = read !== owned.read;
  // Nothing is forgotten of an escrow unless the item comes to know of the set that makes it needless.
  if (outcome.kind === 'deferred' && !wasMoved) return { ...outcome, escrow: 'stays' };
  const isNeedless = account.escrow !== undefined && escrow.kind === 'empty';
  const storedAt = wasMoved || isNeedless ? obtainedAtOf(read) : undefined;
  return {
    ...outcome,
    escrow: outcome.escrow ?? escrowResult(escrow),
    obtainedAt: outcome.obtainedAt ?? storedAt,
  };
}

async function decideAndSpend(
  attempt: Attempt,
  owned: Owned,
  escrow: EscrowState,
  ports: Ports,
): Promise<Outcome> {
  const { account, input, profile } = attempt;
  const { read, secretId, newest, spendFrom } = owned;
  const since = ambiguousSince(account, read);
  const obtainedAt = obtainedAtOf(read);
  const dated = { ...read.tokenSet, obtained_at: obtainedAt };
  const decision = decideTokenSet(dated, account, profile, { ...input, isDoubted: since !== undefined });
  if (escrow.kind !== 'try_first') {
    const good = { tokenSet: read.tokenSet, obtainedAt };
    if (decision.action === 'leave') return { ...good, kind: 'does_not_expire', reason: 'does_not_expire' };
    if (decision.action === 'reconcile') return { ...good, kind: 'reconciled', reason: attempt.reason };
    if (decision.action === 'reauthorize') return { kind: 'failed', reason: decision.reason };
  }
  if (spendFrom !== undefined && spendFrom > input.now) return deferred('leased_elsewhere');
  const retryAfter = await secondsUntilRoom(owned, attempt, ports);
  if (retryAfter > 0)
    return { kind: 'failed', reason: 'lifetime_too_short', retryAfter, ambiguousSince: since };
  const claimed = await claimTokenSet(attempt, owned, ports);
  if (claimed.kind === 'failed') return { ...claimed, ambiguousSince: since };
  if (claimed.kind === 'deferred') return claimed;
  const { tokenSet, version } = claimed;
  const refreshToken = tokenSet.refresh_token;
  return await spendRefreshToken(
    attempt,
    { tokenSet, version, secretId, refreshToken, ambiguousSince: since, escrow, newest },
    ports,
  );
}

function deferred(reason: Reason): Deferred {
  return { kind: 'deferred', reason };
}

async function ownedBy(
  { account, secretNamePrefix: prefix, longestLease, lease }: Attempt,
  read: ReadTokens,
  kept: KeptBy,
  ports: Ports,
) {
  try {
    const now = secondsOf(ports.clock);
    const keptByUs = kept.kind === 'ours';
    const question = { account, read, keptByUs, prefix, lease, now, longestLease };
    return await ownSecret(question, ports);
  } catch (error) {
    ports.log.warn(`The owner of the token secret could not be checked (${errorNameOf(error)}).`, {
      accountId: account.accountId,
    });
    return { kind: 'unknown' as const };
  }
}

/**
 * Sees the version quota coming, before a grant could be lost to it: for token sets that are replaced often, by their
 * lifetime or by force, or in whose secret this attempt has made a version already, or will.
 *
 * @returns seconds until the secret has room for one more version; 0 where it has
 */
async function secondsUntilRoom(
  owned: Owned,
  { account, input }: Attempt,
  { secrets }: Ports,
): Promise<number> {
  const { read, secretId } = owned;
  const { tokenSet } = read;
  // How often a set changes is not known before it was first stored.
  const isKnown = tokenSet.obtained_at !== undefined && isClaimed(owned);
  // A fence takes a version, and so does an escrow that goes home.
  const isFirstVersion = account.lease === undefined && account.escrow === undefined;
  if (isKnown && isFirstVersion && !input.force && !isShortLived(tokenSet, input.refreshWindow)) return 0;
  const dates = await secrets.versionDates(secretId);
  return dates === undefined ? 0 : Math.ceil(roomForVersion(dates, input.now) - input.now);
}

/** A lease of a secret's note that is not given back runs out by itself. */
async function releaseSecret(
  arn: string,
  attemptId: string,
  obtainedAt: number | undefined,
  { table, log }: Ports,
): Promise<void> {
  try {
    await table.releaseSecret(arn, attemptId, obtainedAt);
  } catch (error) {
    log.warn('The lease of a token secret could not be given back. It ends by itself.', {
      awsError: errorNameOf(error),
    });
  }
}
