import { awsFailure } from '../../adapters/aws/aws-error.ts';
import { type Escrowed, fingerprintOf } from '../../adapters/aws/escrow.ts';
import type { PutSecret } from '../../adapters/aws/secrets.ts';
import { type ReadTokens, readTokenSet } from '../../adapters/aws/token-secret.ts';
import { CLOCK_ERROR, isUrgent, nextObtainedAt } from '../../core/account/decision.ts';
import type { Deferred, Failed } from '../../core/account/outcome.ts';
import { tokenSecretIdOf } from '../../core/account/secret-id.ts';
import { secondsOf } from '../../core/clock.ts';
import { serializeTokenSet, withRefreshToken } from '../../core/tokens/token-set.ts';
import type { Attempt, EscrowedToken, EscrowState } from './attempt.ts';
import { errorNameOf } from './errors.ts';
import { keepTokens, storeFailure } from './keep-tokens.ts';
import type { Ports } from './ports.ts';
import {
  type Fenced,
  fenceAttempt,
  replacing,
  versionNamed,
  waitForReplaceTurns,
} from './replace-version.ts';

interface SecretRead {
  readonly secretId: string;
  readonly read: ReadTokens;
  /** When the newest token set known was obtained, seconds since the epoch. */
  readonly newest: number | undefined;
}

type RestoredEscrow =
  | { readonly kind: 'restored'; readonly read: ReadTokens; readonly escrow: EscrowState }
  | Failed
  | Deferred;

/**
 * Deals with the account's escrow: a refresh token that waits to be stored goes into its secret before anything else.
 *
 * The secret says whether that is still right. If it holds the very attempt that was escrowed, the store had taken
 * effect after all. If it holds the refresh token that was spent for the escrowed one, whoever wrote it, or a version
 * that is older than the escrow, the escrowed one takes its place. Anything else is a newer grant, and that one stays.
 */
export async function restoreEscrow(
  attempt: Attempt,
  { secretId, read, newest }: SecretRead,
  ports: Ports,
): Promise<RestoredEscrow> {
  const { account } = attempt;
  const { escrow, accountId } = account;
  const restored = (state: EscrowState, now = read): RestoredEscrow => ({
    kind: 'restored',
    read: now,
    escrow: state,
  });
  if (escrow === undefined || read.version.versionId === escrow.attemptId) return restored({ kind: 'empty' });
  const urgent = isUrgent(escrow);
  const opened = await openEscrow(attempt, ports);
  if (opened.kind === 'failed') return urgent ? opened : restored({ kind: 'leave', content: undefined });
  const { content } = opened;
  if (!urgent) return restored({ kind: 'leave', content });
  // A person may have pointed the account at another secret since, or at a copy of this one.
  const elsewhere = escrow.secretId !== account.tokenSecretId && !holdsSuperseded(read, content);
  const home = elsewhere
    ? await readSecretOfEscrow(attempt, escrow.secretId, ports)
    : { kind: 'read' as const, secretId, read };
  if (home.kind === 'failed') return home;
  const { refreshToken } = content;
  if (!isSuperseded(home.read, content) || refreshToken === undefined) return restored({ kind: 'empty' });
  const token = { ...content, refreshToken };
  if (escrow.kind === 'candidate')
    return restored({ kind: elsewhere ? 'leave' : 'try_first', content: token });
  const moved = await moveIntoSecret(attempt, { ...home, newest }, token, ports);
  if (moved.kind !== 'read') return moved;
  ports.log.info('Refresh token moved from escrow into the token secret.', { accountId });
  return restored({ kind: 'empty' }, elsewhere ? read : moved);
}

async function openEscrow(
  { account: { accountId, escrow } }: Attempt,
  { vault }: Ports,
): Promise<{ readonly kind: 'opened'; readonly content: Escrowed } | Failed> {
  if (vault === undefined || escrow === undefined) return notRestored('ESCROW_KEY_ID is not set');
  try {
    return { kind: 'opened', content: await vault.open(accountId, escrow) };
  } catch (error) {
    const denied = awsFailure(error).kind === 'denied';
    return {
      ...notRestored(`it can't be decrypted (${errorNameOf(error)})`),
      ...(denied && { reason: 'permission_missing' }),
    };
  }
}

/** The secret that an escrow belongs to, where the account names another by now. */
async function readSecretOfEscrow(
  { account: { accountId }, secretNamePrefix }: Attempt,
  tokenSecretId: string | undefined,
  { secrets }: Ports,
): Promise<{ readonly kind: 'read'; readonly secretId: string; readonly read: ReadTokens } | Failed> {
  const secretId = tokenSecretIdOf(secretNamePrefix, { accountId, tokenSecretId });
  const read = await readTokenSet(secretId, secrets);
  return read.kind === 'read' ? { kind: 'read', secretId, read } : read;
}

/** Milliseconds for which an attempt tries to move an escrow into its secret. If it fails, the next attempt goes on. */
const MOVE_TIME = 8_000;
/** A store that has failed for so long, seconds, says nothing new about Secrets Manager. */
const NO_EVIDENCE_AFTER = 900;

async function moveIntoSecret(
  { account, deadline, input: { now: readAfter } }: Attempt,
  { secretId, read, newest }: SecretRead,
  escrowed: EscrowedToken,
  ports: Ports,
): Promise<ReadTokens | Failed | Deferred> {
  const { accountId, escrow } = account;
  const from = read.version.versionId;
  // It comes into the secret only now, and for a while a read may not show it. So the item must not think it old.
  const obtainedAt = nextObtainedAt(secondsOf(ports.clock), read, newest, escrowed.obtainedAt);
  const tokenSet = withRefreshToken(read.tokenSet, escrowed.refreshToken, obtainedAt);
  const text = serializeTokenSet(tokenSet);
  const versionId = versionNamed('escrow', escrow?.attemptId ?? '', from, String(obtainedAt));
  await waitForReplaceTurns(ports);
  const begun = ports.clock.now();
  const { store: replace, wasOvertaken } = replacing({ secretId, from, text, versionId }, ports);
  let fenced: Fenced | undefined;
  // The store that failed when this went into escrow may still land: after this move, it would undo it.
  const store = async (timeout: number): Promise<PutSecret> => {
    if (fenced?.kind !== 'stored')
      fenced = await fenceAttempt(
        { attemptId: escrow?.attemptId ?? '', secretId, read, readAfter },
        timeout,
        ports,
      );
    if (fenced.kind === 'stale') return { kind: 'failed', failure: { kind: 'refused', code: 'STALE_READ' } };
    return fenced.kind === 'stored' ? await replace(timeout) : fenced;
  };
  const isEvidence = begun / 1000 - (escrow?.at ?? 0) < NO_EVIDENCE_AFTER;
  const until = Math.min(deadline, begun + MOVE_TIME);
  const kept = await keepTokens(
    { accountId, secretId, store, atStake: undefined, isEvidence, deadline: until },
    ports,
  );
  if (wasOvertaken()) return { kind: 'deferred', reason: 'leased_elsewhere' };
  if (fenced?.kind === 'stale') return { kind: 'deferred', reason: 'store_unavailable' };
  if (kept.kind === 'stored') {
    const version = { ...read.version, text, versionId, createdAt: begun / 1000, isClaim: true };
    return { kind: 'read', tokenSet, version };
  }
  return {
    ...notRestored(`the token secret can't be written (${kept.failure.code})`),
    ...storeFailure(kept.failure),
  };
}

/** An exchange takes less than this from the re-read of the secret to the response, seconds, by two machines' clocks. */
const LONGEST_EXCHANGE = 60 + 2 * CLOCK_ERROR;

function holdsSuperseded({ tokenSet: { refresh_token } }: ReadTokens, { supersedes }: Escrowed): boolean {
  return refresh_token !== undefined && fingerprintOf(refresh_token) === supersedes;
}

function isSuperseded(read: ReadTokens, escrowed: Escrowed): boolean {
  const { tokenSet, version } = read;
  if (tokenSet.refresh_token === undefined || holdsSuperseded(read, escrowed)) return true;
  const { obtainedAt } = escrowed;
  return version.createdAt !== undefined && version.createdAt < obtainedAt - LONGEST_EXCHANGE;
}

function notRestored(why: string): Failed {
  return {
    kind: 'failed',
    reason: 'store_unavailable',
    detail: `The refresh token stays in escrow: ${why}`,
  };
}
