import { type AwsFailure, awsFailure, isHopeless } from '../../adapters/aws/aws-error.ts';
import type { Escrowed } from '../../adapters/aws/escrow.ts';
import type { PutSecret } from '../../adapters/aws/secrets.ts';
import type { EscrowKind } from '../../core/account/account.ts';
import { secondsOf } from '../../core/clock.ts';
import type { Reason } from '../../core/reason.ts';
import type { Ports } from './ports.ts';

interface KeepTokens {
  readonly accountId: string;
  readonly secretId: string;
  /** Tries once to store. */
  readonly store: (timeoutMilliseconds: number) => Promise<PutSecret>;
  /** What to escrow if the store fails; undefined where nothing new is at stake. */
  readonly atStake: EscrowWrite | undefined;
  /** A store that fails says something about Secrets Manager, and not only about this secret. */
  readonly isEvidence: boolean;
  /** When this process may be gone, milliseconds since the epoch. */
  readonly deadline: number;
}

/** What goes into an account's escrow. */
export interface EscrowWrite {
  readonly accountId: string;
  readonly attemptId: string;
  readonly kind: EscrowKind;
  readonly content: Escrowed;
  /** The secret that it belongs to, where that is not the account's usual one. */
  readonly secretId: string | undefined;
}

export type Kept =
  | { readonly kind: 'stored' }
  /** `not_kept` also where nothing new was at stake. */
  | { readonly kind: 'escrowed' | 'not_kept'; readonly failure: AwsFailure };

type KeepPorts = Pick<Ports, 'table' | 'vault' | 'limits' | 'clock' | 'log' | 'count'>;

const TRY_TIMEOUT = 5_000;
/** Milliseconds. If a store takes longer, escrow begins beside it. */
const ESCROW_AFTER = 500;
/** Milliseconds for which a store is tried again although escrow already has what it would store. */
const PATIENCE = 15_000;
/** Left at the end for telling and recording what happened, of all accounts in flight at once. */
const RESERVE = 2_000;

/**
 * Makes what the provider just issued durable, whatever it takes, until the deadline: in the token secret, or, while
 * that can't be written, in escrow in the account's own item. Never throws, and leaves nothing running.
 *
 * Escrow begins at the first try that fails, or after half a second: while the store is being tried again, the process
 * can die with the only copy of a refresh token.
 */
export async function keepTokens(what: KeepTokens, ports: KeepPorts): Promise<Kept> {
  const { limits, clock, log, count } = ports;
  const escrow = createEscrowing(what.atStake, ports);
  const timeLeft = () => what.deadline - RESERVE - clock.now();
  const begun = clock.now();
  let over = false;
  clock.sleep(ESCROW_AFTER).then(() => {
    if (!over) escrow.begin();
  });
  let failure: AwsFailure = { kind: 'unavailable', code: 'OUT_OF_TIME' };
  for (let tries = 1; tries === 1 || timeLeft() > 0; tries++) {
    const put = await what.store(Math.floor(Math.max(500, Math.min(TRY_TIMEOUT, timeLeft()))));
    if (put.kind === 'stored') {
      over = true;
      limits.storeWorked();
      await escrow.done();
      return { kind: 'stored' };
    }
    failure = put.failure;
    escrow.begin();
    if (failure.kind === 'throttled') count('storesThrottled');
    else
      log.warn('Token set could not be stored yet.', {
        accountId: what.accountId,
        awsError: failure.code,
        tries,
      });
    if (isHopeless(failure)) {
      if (what.atStake === undefined || (await escrow.done())) break;
    } else if (what.isEvidence) limits.storeFailed(what.secretId);
    // The next run goes on, as with an outage that lasts.
    if (escrow.holds() && clock.now() - begun > PATIENCE) break;
    await clock.sleep(Math.max(0, Math.min(pause(tries), timeLeft())));
  }
  over = true;
  return { kind: (await lastTry(escrow)) ? 'escrowed' : 'not_kept', failure };
}

/** The try under way may fail. Then there is one more, so that nothing is given up too early. */
async function lastTry(escrow: Escrowing): Promise<boolean> {
  escrow.begin();
  if (await escrow.done()) return true;
  escrow.begin();
  return await escrow.done();
}

/**
 * Puts into escrow what nobody may lose, and tries until the deadline. Never throws.
 *
 * @returns whether it is there
 */
export async function keepInEscrow(
  write: EscrowWrite,
  deadline: number,
  ports: Omit<KeepPorts, 'limits'>,
): Promise<boolean> {
  if (ports.vault === undefined) return false;
  const escrow = createEscrowing(write, ports);
  const timeLeft = () => deadline - RESERVE - ports.clock.now();
  for (let tries = 1; ; tries++) {
    escrow.begin();
    if (await escrow.done()) return true;
    if (timeLeft() <= 0) return false;
    await ports.clock.sleep(Math.max(0, Math.min(pause(tries), timeLeft())));
  }
}

interface Escrowing {
  /** Puts it into escrow, unless it is there, or on its way there, or there is nothing at stake. */
  begin(): void;
  /** Whether it is there, once what was begun has ended. */
  done(): Promise<boolean>;
  /** Whether it is known to be there. */
  holds(): boolean;
}

function createEscrowing(
  write: EscrowWrite | undefined,
  { vault, table, clock, log, count }: Omit<KeepPorts, 'limits'>,
): Escrowing {
  let current: Promise<boolean> | undefined;
  let sealed: Promise<string> | undefined;
  let held = false;
  const attempt = async ({ accountId, attemptId, kind, content, secretId }: EscrowWrite) => {
    try {
      sealed ??= vault?.seal(accountId, kind, content);
      const ciphertext = (await sealed) ?? '';
      const escrow = { kind, ciphertext, attemptId, at: secondsOf(clock), secretId };
      if ((await table.putEscrow(accountId, attemptId, escrow)) === 'conflict') throw new EscrowTaken();
      if (kind === 'token') count('escrowed');
      held = true;
      return true;
    } catch (error) {
      const awsError = error instanceof EscrowTaken ? 'ESCROW_TAKEN' : awsFailure(error).code;
      log.error('Refresh token could not be put into escrow yet.', { accountId, awsError });
      current = undefined;
      sealed = undefined;
      return false;
    }
  };
  return {
    begin: () => {
      if (vault !== undefined && write !== undefined) current ??= attempt(write);
    },
    done: async () => (await current) ?? false,
    holds: () => held,
  };
}

/** Another attempt has left something in escrow since. */
class EscrowTaken extends Error {}

/** Milliseconds before the next try: 100, doubling to 2 s, half of it at random so that runs don't march in step. */
function pause(tries: number): number {
  const full = Math.min(100 * 2 ** (tries - 1), 2_000);
  return full / 2 + Math.random() * (full / 2);
}

/** Why a secret can't be written. It is `steady` if that may pass by itself: then every run tries again. */
export function storeFailure({ kind, code }: AwsFailure): {
  readonly reason: Reason;
  readonly steady: boolean;
} {
  if (kind === 'denied') return { reason: 'permission_missing', steady: false };
  if (code === 'LimitExceededException') return { reason: 'lifetime_too_short', steady: false };
  return { reason: 'store_unavailable', steady: kind === 'throttled' || kind === 'unavailable' };
}
