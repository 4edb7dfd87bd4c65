import { awsFailure, isHopeless } from './aws-error.ts';
import type { Edges } from './edges.ts';
import type { EscrowedToken, EscrowVault } from './escrow.ts';
import { secondsOf } from './ports.ts';

export interface KeepTokens {
  readonly accountId: string;
  readonly secretId: string;
  /** The token set's text. */
  readonly text: string;
  /** The attempt's id; it becomes the version's id, so that no try stores twice. */
  readonly attemptId: string;
  /** What to escrow if the store fails; undefined where nothing new is at stake. */
  readonly atStake: EscrowedToken | undefined;
  /** When this process may be gone, milliseconds since the epoch. */
  readonly deadline: number;
}

export type Kept =
  | { readonly kind: 'stored' }
  | { readonly kind: 'escrowed' | 'lost'; readonly code: string };

type KeepEdges = Pick<Edges, 'secrets' | 'table' | 'vault' | 'spending' | 'clock' | 'log' | 'count'>;

const TRY_TIMEOUT = 5_000;
/** A store that is not done by then is helped by escrow, and goes on beside it. */
const ESCROW_AFTER = 500;
/** Left at the end for telling and recording what happened, of all accounts in flight at once. */
const RESERVE = 2_000;

/**
 * Makes what the provider just issued durable, whatever it takes, until the deadline: in the token secret, or, while
 * that can't be written, in escrow in the account's own item. Never throws.
 *
 * Escrow begins at the first try that fails, or after half a second: while the store is being tried again, the process
 * can die with the only copy of a refresh token.
 */
export async function keepTokens(what: KeepTokens, edges: KeepEdges): Promise<Kept> {
  const { secrets, spending, clock, log, count } = edges;
  const escrow = createEscrowing(what, edges);
  const timeLeft = () => what.deadline - RESERVE - clock.now();
  let stored = false;
  clock.sleep(ESCROW_AFTER).then(() => {
    if (!stored) escrow.begin();
  });
  let code = 'OUT_OF_TIME';
  for (let tries = 1; tries === 1 || timeLeft() > 0; tries++) {
    const timeout = Math.max(500, Math.min(TRY_TIMEOUT, timeLeft()));
    const put = await secrets.put(what.secretId, what.text, what.attemptId, timeout);
    if (put.kind === 'stored') {
      stored = true;
      if (tries > 1) spending.storeWorks();
      await escrow.settled();
      return { kind: 'stored' };
    }
    code = put.failure.code;
    escrow.begin();
    if (put.failure.kind === 'throttled') count('storesThrottled');
    else {
      spending.storeFailed();
      log.warn('Token set could not be stored yet.', { accountId: what.accountId, awsError: code, tries });
    }
    if (isHopeless(put.failure) && (what.atStake === undefined || (await escrow.settled()))) break;
    await clock.sleep(Math.max(0, Math.min(pause(tries), timeLeft())));
  }
  escrow.begin();
  return { kind: (await escrow.settled()) ? 'escrowed' : 'lost', code };
}

interface Escrowing {
  /** Puts the refresh token into escrow, unless it is there, or on its way there, or there is none at stake. */
  begin(): void;
  /** Whether it is there, once what was begun has ended. */
  settled(): Promise<boolean>;
}

function createEscrowing(what: KeepTokens, { vault, table, clock, log, count }: KeepEdges): Escrowing {
  const { accountId, atStake, attemptId } = what;
  let current: Promise<boolean> | undefined;
  const attempt = async (token: EscrowedToken, { seal }: EscrowVault) => {
    try {
      const ciphertext = await seal(accountId, token);
      await table.putEscrow(accountId, { ciphertext, attemptId, at: secondsOf(clock) });
      count('escrowed');
      return true;
    } catch (error) {
      log.error('Refresh token could not be put into escrow yet.', {
        accountId,
        awsError: awsFailure(error).code,
      });
      current = undefined;
      return false;
    }
  };
  return {
    begin: () => {
      if (vault !== undefined && atStake !== undefined) current ??= attempt(atStake, vault);
    },
    settled: async () => (await current) ?? false,
  };
}

/** Milliseconds before the next try: 100, doubling to 2 s, half of it at random so that runs don't march in step. */
function pause(tries: number): number {
  const full = Math.min(100 * 2 ** (tries - 1), 2_000);
  return full / 2 + Math.random() * (full / 2);
}
