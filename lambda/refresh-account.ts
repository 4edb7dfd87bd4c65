import { randomUUID } from 'node:crypto';
import { type Account, labelOf } from './account.ts';
import type { Changes } from './accounts-table.ts';
import { decideTokenSet, isShortLived, isStaleRead, roomForVersion } from './decision.ts';
import type { Edges } from './edges.ts';
import { type EscrowedToken, fingerprintOf } from './escrow.ts';
import { keepTokens } from './keep-tokens.ts';
import { ambiguousSince, type Conclusion, conclude, type Ending, type Trouble } from './outcome.ts';
import { type Log, secondsOf } from './ports.ts';
import { type Reason, severityOf } from './reason.ts';
import { claimTokenSecret } from './secret-owner.ts';
import { tokenSecretIdOf } from './secrets.ts';
import { type Deferred, spendRefreshToken, type Visit } from './spend-refresh-token.ts';
import { type ReadTokens, readTokenSet } from './token-secret.ts';
import { serializeTokenSet, type TokenSet, withRescuedRefreshToken } from './token-set.ts';

/** What a run did with an account, as its result shows it. */
export interface Report {
  readonly accountId: string;
  readonly action: 'leave' | 'refresh' | 'reconcile' | 'retry' | 'reauthorize' | 'defer';
  readonly reason: Reason;
  /** Seconds since the epoch; null where no access token is known. */
  readonly accessTokenExpiresAt: number | null;
}

/** Added to the deadline for the difference between two machines' clocks, seconds. */
const CLOCK_SKEW = 30;

/**
 * The way of one due account: lease, re-read, exchange, store, record. Only a lease that can't be asked for makes it
 * reject, with the SDK's error; everything else becomes the report.
 */
export async function refreshAccount(visit: Visit, edges: Edges): Promise<Report> {
  const { account, input, deadline } = visit;
  const attemptId = randomUUID();
  // No holder can outlive its lease: the process is gone by the deadline, whatever becomes of it.
  const leaseEnd = Math.ceil(deadline / 1000) + CLOCK_SKEW;
  const lease = await edges.table.lease(account, attemptId, input.now, leaseEnd);
  if (lease === 'lost') return reportOn(account, 'leave', 'leased_elsewhere');
  const ending = await visitLeased(visit, attemptId, edges);
  if (ending.kind !== 'deferred') return await finish(account, attemptId, ending, edges);
  // An expired lease that was found here goes back: it is the only sign that a run died holding it.
  const changes: Changes = {
    set: {},
    remove: ending.escrowSettled ? ['escrow'] : [],
    leaveLease: account.lease,
  };
  await recordQuietly(account, attemptId, changes, edges);
  return reportOn(account, 'defer', ending.reason);
}

async function visitLeased(visit: Visit, attemptId: string, edges: Edges): Promise<Ending | Deferred> {
  const { account } = visit;
  const secretId = tokenSecretIdOf(visit.secretNamePrefix, account);
  const read = await readTokenSet(secretId, edges.secrets);
  if (read.kind === 'trouble') return { ...read, ambiguousSince: ambiguousSince(account) };
  if (isStaleRead(read.tokenSet, read.version.createdAt, account, visit.input.now))
    return { kind: 'deferred', reason: 'store_unavailable', escrowSettled: false };
  const foreign = await ownSecret(visit, read, edges);
  if (foreign !== undefined) return foreign;
  const settled = await settleEscrow(visit, secretId, read, edges);
  if (settled.kind === 'trouble') return { ...settled, ambiguousSince: ambiguousSince(account) };
  const { tokenSet, version } = settled;
  const escrowSettled = account.escrow !== undefined;
  const decision = decideTokenSet(tokenSet, account, visit.input);
  if (decision.action === 'reconcile') return { kind: 'reconciled', tokenSet, reason: visit.reason };
  if (decision.action === 'reauthorize') return { kind: 'trouble', reason: decision.reason, escrowSettled };
  const doubt = ambiguousSince(account, settled);
  const wait = await waitForRoom(tokenSet, secretId, visit, edges);
  if (wait > 0)
    return {
      kind: 'trouble',
      reason: 'lifetime_too_short',
      retryAfter: wait,
      ambiguousSince: doubt,
      escrowSettled,
    };
  const { refreshToken } = decision;
  return await spendRefreshToken(
    visit,
    attemptId,
    { tokenSet, version, secretId, refreshToken, doubt, escrowSettled },
    edges,
  );
}

async function ownSecret(
  { account, secretNamePrefix }: Visit,
  { version }: ReadTokens,
  edges: Edges,
): Promise<Trouble | Deferred | undefined> {
  try {
    return await claimTokenSecret(account, version, secretNamePrefix, edges);
  } catch (error) {
    edges.log.warn(`It could not be found out whose the token secret is (${nameOf(error)}).`, {
      accountId: account.accountId,
    });
    return { kind: 'deferred', reason: 'store_unavailable', escrowSettled: false };
  }
}

/**
 * Moves a refresh token from escrow into the secret, before anything else.
 *
 * The secret says whether that is still right. If it holds the very attempt that was escrowed, the store had taken
 * effect after all. If it holds the refresh token that was spent for the escrowed one, whoever wrote it, or a version
 * that is older than the escrow, the escrowed one takes its place. Anything else is a newer grant, and that one stays.
 */
async function settleEscrow(
  { account, deadline }: Visit,
  secretId: string,
  read: ReadTokens,
  edges: Edges,
): Promise<ReadTokens | Trouble> {
  const { escrow, accountId } = account;
  if (escrow === undefined || read.version.versionId === escrow.attemptId) return read;
  const { vault } = edges;
  if (vault === undefined) return unsettled('ESCROW_KEY_ID is not set');
  const escrowed = await vault.open(accountId, escrow.ciphertext).catch((error: unknown) => nameOf(error));
  if (typeof escrowed === 'string') return unsettled(`it can't be decrypted (${escrowed})`);
  if (!isSuperseded(read, escrowed)) return read;
  const tokenSet = withRescuedRefreshToken(read.tokenSet, escrowed.refreshToken);
  // Named after the attempt that it comes from, so that two runs that move it make one version of it.
  const attemptId = `escrow-${escrow.attemptId}`;
  const text = serializeTokenSet(tokenSet);
  const kept = await keepTokens(
    { accountId, secretId, text, attemptId, atStake: undefined, deadline },
    edges,
  );
  if (kept.kind !== 'stored') return unsettled(`the token secret can't be written (${kept.code})`);
  edges.log.info('Refresh token moved from escrow into the token secret.', { accountId });
  return {
    kind: 'read',
    tokenSet,
    version: { ...read.version, text, versionId: attemptId, createdAt: undefined },
  };
}

/** An exchange takes less than this from the re-read of the secret to its answer, seconds; with two machines' clocks. */
const LONGEST_EXCHANGE = 60;

function isSuperseded({ tokenSet, version }: ReadTokens, { supersedes, obtainedAt }: EscrowedToken): boolean {
  const { refresh_token } = tokenSet;
  if (refresh_token === undefined || fingerprintOf(refresh_token) === supersedes) return true;
  return version.createdAt !== undefined && version.createdAt < obtainedAt - LONGEST_EXCHANGE;
}

function unsettled(why: string): Trouble {
  return {
    kind: 'trouble',
    reason: 'store_unavailable',
    detail: `The refresh token stays in escrow: ${why}`,
  };
}

/**
 * Sees the version quota coming for token sets that are replaced often, by their lifetime or by force, before a grant
 * could be lost to it.
 *
 * @returns seconds until the secret has room for one more version; 0 where it has
 */
async function waitForRoom(
  tokenSet: TokenSet,
  secretId: string,
  { input }: Visit,
  { secrets }: Edges,
): Promise<number> {
  if (!input.force && !isShortLived(tokenSet, input.refreshWindow)) return 0;
  const dates = await secrets.versionDates(secretId);
  return dates === undefined ? 0 : Math.ceil(roomForVersion(dates, input.now) - input.now);
}

/** Tells, writes down and gives the lease back; in this order, so that no change of state goes untold. */
async function finish(account: Account, attemptId: string, ending: Ending, edges: Edges): Promise<Report> {
  const conclusion = conclude(account, ending, secondsOf(edges.clock));
  logConclusion(account, ending, conclusion, edges.log);
  const changes = await announce(account, ending.reason, conclusion, edges);
  await recordQuietly(account, attemptId, changes, edges);
  if (ending.kind === 'trouble')
    return reportOn(
      account,
      conclusion.status === 'reauthorization_required' ? 'reauthorize' : 'retry',
      ending.reason,
    );
  const action = ending.kind === 'refreshed' ? 'refresh' : 'reconcile';
  const accessTokenExpiresAt = ending.tokenSet.expires_at ?? null;
  return { accountId: account.accountId, action, reason: ending.reason, accessTokenExpiresAt };
}

/**
 * Puts the event of a change of state on the bus, before the change is written: a crash between the two tells it
 * twice, the other order could tell it never. If the bus does not take it, the status stays as it was.
 *
 * @returns the changes to write
 */
export async function announce(
  account: Pick<Account, 'accountId' | 'name' | 'oauthProfile'>,
  reason: Reason,
  { event, changes, changesWithoutTransition }: Conclusion,
  { events, clock, log }: Pick<Edges, 'events' | 'clock' | 'log'>,
): Promise<Changes> {
  if (event === undefined) return changes;
  const { accountId, oauthProfile } = account;
  try {
    const detail = { accountId, name: labelOf(account), oauthProfile, reason, at: secondsOf(clock) };
    await events.put({ type: event, detail });
    return changes;
  } catch (error) {
    log.error('The bus did not take the event of a change of state. It is told again by a later run.', {
      accountId,
      awsError: nameOf(error),
    });
    return changesWithoutTransition;
  }
}

function logConclusion(account: Account, ending: Ending, { message, status }: Conclusion, log: Log): void {
  const fields = {
    accountId: account.accountId,
    oauthProfile: account.oauthProfile,
    reason: ending.reason,
    status,
  };
  if (ending.kind !== 'trouble') log.info(message, fields);
  else if (severityOf(ending.reason) === 'transient') log.warn(message, fields);
  else log.error(message, fields);
}

/**
 * A record that fails loses nothing: the lease runs out, and a later run finds the token set in the secret and
 * writes it down (`reconciled`).
 */
async function recordQuietly(
  { accountId }: Account,
  attemptId: string,
  changes: Changes,
  { table, log }: Edges,
): Promise<void> {
  try {
    const recorded = await table.record(accountId, attemptId, changes);
    if (recorded === 'lost') log.warn('The lease was gone before the end of the visit.', { accountId });
  } catch (error) {
    const awsError = nameOf(error);
    log.warn('The end of a visit could not be recorded. A later run will.', { accountId, awsError });
  }
}

/** How the result shows an account. */
export function reportOn(account: Account, action: Report['action'], reason: Reason): Report {
  const { accountId, accessTokenExpiresAt } = account;
  return { accountId, action, reason, accessTokenExpiresAt: accessTokenExpiresAt ?? null };
}

/** The name alone: an AWS error's message can quote what was sent. */
function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'UnknownError';
}
