import { createHash } from 'node:crypto';
import type { PutSecret, Replacement } from '../../adapters/aws/secrets.ts';
import type { ReadTokens } from '../../adapters/aws/token-secret.ts';
import { CLOCK_ERROR, STALE_READS_FOR } from '../../core/account/decision.ts';
import type { Ports } from './ports.ts';

/** Stores in place of the version that was read and of no other; `wasOvertaken` tells whether another had come. */
export function replacing(replacement: Replacement, { secrets }: Ports) {
  let overtaken = false;
  const store = async (timeout: number): Promise<PutSecret> => {
    const put = await secrets.replace(replacement, timeout);
    if (put.kind !== 'overtaken') return put;
    overtaken = true;
    return { kind: 'failed', failure: { kind: 'refused', code: 'OVERTAKEN' } };
  };
  return { store, wasOvertaken: () => overtaken };
}

/** Two writes to replace, and one for the later store, whose own turn has passed. */
const TURNS_TO_REPLACE = 3;

/** Waits for the turns that replacing a version takes, so that no second gets more writes than it has turns. */
export async function waitForReplaceTurns({ turn }: Ports): Promise<void> {
  for (let turns = 0; turns < TURNS_TO_REPLACE; turns++) await turn();
}

/** A version's id that depends only on its parts: two runs that make the same version make only one. */
export function versionNamed(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex');
}

interface FenceAttempt {
  readonly attemptId: string;
  readonly secretId: string;
  readonly read: ReadTokens;
  /** A time before the read, seconds since the epoch. */
  readonly readAfter: number;
}

/** `stale`: the read may not show yet what the attempt has stored. */
export type Fenced = PutSecret | { readonly kind: 'stale' };

/**
 * Settles whether an earlier attempt has stored what it got: its id is the id of the version. A write of it that comes
 * late is kept out, since a fence has its id then.
 *
 * @returns `stored` where nothing of it is newer than what was read, or will be
 */
export async function fenceAttempt(
  { attemptId, secretId, read: { version }, readAfter }: FenceAttempt,
  timeoutMilliseconds: number,
  { secrets, turn }: Ports,
): Promise<Fenced> {
  if (attemptId === version.versionId) return { kind: 'stored' };
  await turn();
  const fence = await secrets.fence(secretId, version.text ?? '', attemptId, timeoutMilliseconds);
  if (fence.kind !== 'taken') return fence;
  const other = await secrets.readVersion(secretId, attemptId);
  if (other.kind !== 'found') return { kind: 'stale' };
  const madeAt = other.secret.createdAt ?? readAfter;
  // By then every read gives it, unless it never became the current version: it was put aside only, or moved back.
  const mayBeUnseen = readAfter < madeAt + STALE_READS_FOR + CLOCK_ERROR;
  return { kind: mayBeUnseen && madeAt >= (version.createdAt ?? 0) ? 'stale' : 'stored' };
}
