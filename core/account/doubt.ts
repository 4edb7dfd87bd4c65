import type { Account } from './account.ts';
import { CLOCK_ERROR, obtainedAtOf, type ReadVersion } from './decision.ts';

/**
 * Since when a response for the refresh token now in the secret may have been lost, or undefined.
 *
 * An expired lease that was never given back means that a run died holding it. If its attempt is the version that
 * the secret holds, it had stored what it got; if this very refresh token was believed to be dead before, there
 * was nothing to lose; otherwise it may have died between the provider's response and the store. A token set that is
 * newer than the doubt ends the doubt: somebody obtained it since.
 *
 * @param read absent where the secret could not be read: then a doubt stays
 */
export function ambiguousSince(account: Account, read?: ReadVersion): number | undefined {
  const { lease, failure, escrow } = account;
  // What the dead attempt obtained was kept after all, in the secret or in escrow. What could not be read, or has not
  // worked yet, is no such thing.
  const obtained = escrow?.kind === undefined || escrow.kind === 'token' ? escrow?.attemptId : undefined;
  const kept = lease !== undefined && [read?.version.versionId, obtained].includes(lease.owner);
  const harmless = kept || wasDeadBefore(account, read);
  const ofDeadRun = harmless ? undefined : lease?.expiresAt;
  const since = Math.max(failure?.ambiguousSince ?? 0, ofDeadRun ?? 0) || undefined;
  return since !== undefined && read !== undefined && isNewerThan(read, since) ? undefined : since;
}

/** Whether a set was surely obtained after a time: by its own word, and by the service's, which knows when it was written. */
function isNewerThan(read: ReadVersion, time: number): boolean {
  const { createdAt = time } = read.version;
  return (obtainedAtOf(read) ?? 0) > time && createdAt > time - 2 * CLOCK_ERROR;
}

/** When a doubt about the refresh token of a set begins: not before that set, whatever the clocks of two machines say. */
export function doubtSince(now: number, read: ReadVersion): number {
  return Math.max(now, obtainedAtOf(read) ?? 0);
}

/** Seconds between a version and a failure before the failure surely speaks of that version. */
const SURELY_BEFORE = 60;

/** A refusal that isn't believed yet may be the provider's error: its next response may have brought a grant. */
function wasDeadBefore({ failure, status }: Account, read: ReadVersion | undefined): boolean {
  if (status !== 'reauthorization_required' || failure?.reason !== 'grant_revoked') return false;
  const createdAt = read?.version.createdAt;
  return createdAt !== undefined && createdAt + SURELY_BEFORE < failure.at;
}
