import { awsFailure, isHopeless } from './aws-error.ts';
import type { Edges } from './edges.ts';

export interface KeepTokens {
  readonly accountId: string;
  readonly secretId: string;
  /** The token set's text. */
  readonly text: string;
  /** The attempt's id; it becomes the version's id, so that no try stores twice. */
  readonly attemptId: string;
  /** What to escrow if the store fails, and the version it replaces; undefined where nothing new is at stake. */
  readonly refreshToken: string | undefined;
  readonly baseVersionId: string;
  /** When this process may be gone, milliseconds since the epoch. */
  readonly deadline: number;
}

export type Kept =
  | { readonly kind: 'stored' }
  | { readonly kind: 'escrowed' | 'lost'; readonly code: string };

type KeepEdges = Pick<Edges, 'secrets' | 'table' | 'vault' | 'spending' | 'clock' | 'log' | 'count'>;

const TRY_TIMEOUT = 5_000;
/** A store that has failed for so long is helped by escrow first, and goes on afterwards. */
const ESCROW_AFTER = 2_000;
/** Left at the end for recording what happened. */
const RESERVE = 1_000;

/**
 * Makes what the provider just issued durable, whatever it takes, until the deadline: in the token secret, or, while
 * that can't be written, in escrow in the account's own item. Never throws.
 *
 * Escrow does not wait for the deadline: while the store is being tried again, the process can die with the only
 * copy of a refresh token.
 */
export async function keepTokens(what: KeepTokens, edges: KeepEdges): Promise<Kept> {
  const { secrets, spending, clock, log } = edges;
  const begun = clock.now();
  const timeLeft = () => what.deadline - RESERVE - clock.now();
  let escrowed = false;
  let code = 'OUT_OF_TIME';
  for (let tries = 1; tries === 1 || timeLeft() > 0; tries++) {
    const timeout = Math.max(500, Math.min(TRY_TIMEOUT, timeLeft()));
    const put = await secrets.put(what.secretId, what.text, what.attemptId, timeout);
    if (put.kind === 'stored') {
      if (tries > 1) spending.storeWorks();
      return { kind: 'stored' };
    }
    code = put.failure.code;
    const hopeless = isHopeless(put.failure);
    if (put.failure.kind === 'throttled') edges.count('storesThrottled');
    else {
      spending.storeFailed();
      log.warn('Token set could not be stored yet.', { accountId: what.accountId, awsError: code, tries });
    }
    if (!escrowed && (hopeless || clock.now() - begun >= ESCROW_AFTER))
      escrowed = await tryEscrow(what, edges);
    const nothingToLose = escrowed || what.refreshToken === undefined;
    if (hopeless && nothingToLose) break;
    await clock.sleep(Math.max(0, Math.min(pause(tries), timeLeft())));
  }
  if (!escrowed) escrowed = await tryEscrow(what, edges);
  return { kind: escrowed ? 'escrowed' : 'lost', code };
}

async function tryEscrow(what: KeepTokens, { vault, table, clock, log, count }: KeepEdges): Promise<boolean> {
  const { accountId, refreshToken, baseVersionId, attemptId } = what;
  if (vault === undefined || refreshToken === undefined) return false;
  try {
    const ciphertext = await vault.seal(accountId, { refreshToken, baseVersionId });
    await table.putEscrow(accountId, { ciphertext, attemptId, at: Math.floor(clock.now() / 1000) });
    count('escrowed');
    return true;
  } catch (error) {
    log.error('Refresh token could not be put into escrow yet.', {
      accountId,
      awsError: awsFailure(error).code,
    });
    return false;
  }
}

/** Milliseconds before the next try: 100, doubling to 2 s, half of it at random so that runs don't march in step. */
function pause(tries: number): number {
  const full = Math.min(100 * 2 ** (tries - 1), 2_000);
  return full / 2 + Math.random() * (full / 2);
}
