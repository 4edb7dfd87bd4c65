import { createHash, randomUUID } from 'node:crypto';
import { awsFailure } from '../adapters/aws/aws-error.ts';
import { type Escrowed, fingerprintOf } from '../adapters/aws/escrow.ts';
import type { PutSecret } from '../adapters/aws/secrets.ts';
import { type ReadTokens, readTokenSet } from '../adapters/aws/token-secret.ts';
import type { Lease } from '../core/account/account.ts';
import {
  CLOCK_ERROR,
  decideTokenSet,
  isShortLived,
  isStaleRead,
  isUrgent,
  nextObtainedAt,
  obtainedAtOf,
  roomForVersion,
  STALE_READS_FOR,
} from '../core/account/decision.ts';
import { keeperOf, keeping } from '../core/account/kept-by.ts';
import { ambiguousSince, type Ending, type Trouble } from '../core/account/outcome.ts';
import { tokenSecretIdOf, unusualSecret } from '../core/account/secret-id.ts';
import { secondsOf } from '../core/clock.ts';
import type { Reason } from '../core/reason.ts';
import { serializeTokenSet, type TokenSet, withRefreshToken } from '../core/tokens/token-set.ts';
import type { Edges } from './edges.ts';
import { errorNameOf } from './errors.ts';
import { keepTokens } from './keep-tokens.ts';
import { recordDeferral, recordEnding } from './record.ts';
import { type Report, reportOn } from './run-result.ts';
import { ownSecret } from './secret-owner.ts';
import {
  type Deferred,
  type HeldEscrow,
  spendRefreshToken,
  troubleOfStore,
  type Visit,
} from './spend-refresh-token.ts';

/** Added to the deadline, seconds: the holder's clock and another's may each be wrong. */
export const LEASE_MARGIN = 2 * CLOCK_ERROR;

/**
 * The way of one due account: lease, re-read, exchange, store, record. Only a lease that can't be asked for makes it
 * reject, with the SDK's error; everything else becomes the report.
 */
export async function refreshAccount(visit: Visit, edges: Edges): Promise<Report> {
  const { account, input, deadline } = visit;
  const attemptId = randomUUID();
  // No holder can outlive its lease: the process is gone by the deadline, whatever becomes of it.
  const lease = {
    owner: attemptId,
    expiresAt: Math.ceil(deadline / 1000) + LEASE_MARGIN,
    secretId: unusualSecret(account, visit.secretNamePrefix),
  };
  if ((await edges.table.lease(account, lease, input.now)) === 'lost')
    return reportOn(account, 'leave', 'leased_elsewhere');
  const { ending, leasedSecret } = await visitLeased(visit, lease, edges);
  const report =
    ending.kind === 'deferred'
      ? await recordDeferral(account, { attemptId, ...ending }, edges)
      : await recordEnding(account, ending, { kind: 'attempt', attemptId }, edges);
  if (leasedSecret !== undefined) await releaseQuietly(leasedSecret, attemptId, ending.obtainedAt, edges);
  return report;
}

interface Visited {
  readonly ending: Ending | Deferred;
  /** The ARN of a secret whose note is leased as well. */
  readonly leasedSecret?: string | undefined;
}

async function visitLeased(visit: Visit, lease: Lease, edges: Edges): Promise<Visited> {
  const { account } = visit;
  const secretId = tokenSecretIdOf(visit.secretNamePrefix, account);
  const read = await readTokenSet(secretId, edges.secrets);
  if (read.kind === 'trouble') return { ending: { ...read, ambiguousSince: ambiguousSince(account) } };
  const kept = keptBy(visit, read);
  if (kept.kind === 'foreign') return { ending: foreign(secretId, read.tokenSet.kept_by) };
  const own = await ownedBy(visit, lease, read, kept.kind === 'ours', edges);
  if (own.kind === 'busy') return { ending: deferred('leased_elsewhere') };
  if (own.kind === 'unknown') return { ending: deferred('store_unavailable') };
  if (own.kind === 'trouble') return { ending: own };
  const newest = Math.max(account.lastRefreshedAt ?? 0, own.newest ?? 0) || undefined;
  const stale =
    isStaleRead(read, newest, visit.input.now) || (await hasStoredSince(visit, secretId, read, edges));
  const { keptFor, spendFrom } = own;
  const ending = stale
    ? deferred('store_unavailable')
    : await visitOwned(visit, lease.owner, { secretId, read, newest, kept, keptFor, spendFrom }, edges);
  return { ending, leasedSecret: own.leased };
}

/**
 * Whether a run that died holding the lease had stored what it got, though the read does not show it yet: its attempt's
 * id is the id of the version.
 */
async function hasStoredSince(
  { account: { lease }, input }: Visit,
  secretId: string,
  { version }: ReadTokens,
  { secrets }: Edges,
): Promise<boolean> {
  if (lease === undefined || lease.owner === version.versionId) return false;
  // By then every read gives it, unless it never became the current version: it was put aside only, or moved back.
  if (input.now >= lease.expiresAt + STALE_READS_FOR) return false;
  const stored = await secrets.readVersion(secretId, lease.owner);
  if (stored.kind !== 'found') return stored.kind === 'failed';
  const { createdAt } = stored.secret;
  return createdAt === undefined || version.createdAt === undefined || createdAt >= version.createdAt;
}

/** What is known of the secret when it is sure whose it is. */
interface Owned {
  readonly secretId: string;
  readonly read: ReadTokens;
  /** When the newest token set known was obtained, seconds since the epoch. */
  readonly newest: number | undefined;
  readonly kept: KeptBy;
  readonly keptFor: string | undefined;
  readonly spendFrom: number | undefined;
}

async function visitOwned(
  visit: Visit,
  attemptId: string,
  owned: Owned,
  edges: Edges,
): Promise<Ending | Deferred> {
  const { secretId, read, newest } = owned;
  const { account, input, profile } = visit;
  const settled = await settleEscrow(visit, { secretId, read, newest }, edges);
  if (settled.kind === 'trouble') return { ...settled, ambiguousSince: ambiguousSince(account, read) };
  if (settled.kind === 'deferred') return settled;
  const { escrow } = settled;
  const moved = settled.read !== read;
  const obtainedAt = moved ? obtainedAtOf(settled.read) : undefined;
  const escrowSettled = escrow.kind === 'none';
  const decision = decideTokenSet(settled.read.tokenSet, account, profile, input);
  if (escrow.kind !== 'candidate') {
    const { tokenSet } = settled.read;
    const escrowStays = escrow.kind === 'stays';
    const known = { tokenSet, obtainedAt: obtainedAtOf(settled.read), escrowStays };
    if (decision.action === 'leave') return { ...known, kind: 'does_not_expire', reason: 'does_not_expire' };
    if (decision.action === 'reconcile') return { ...known, kind: 'reconciled', reason: visit.reason };
    if (decision.action === 'reauthorize')
      return { kind: 'trouble', reason: decision.reason, escrowSettled, obtainedAt };
  }
  if (owned.spendFrom !== undefined && owned.spendFrom > input.now)
    return { ...deferred('leased_elsewhere'), escrowSettled, obtainedAt };
  const doubt = ambiguousSince(account, settled.read);
  const wait = await waitForRoom(settled.read.tokenSet, secretId, visit, edges);
  if (wait > 0)
    return {
      kind: 'trouble',
      reason: 'lifetime_too_short',
      retryAfter: wait,
      ambiguousSince: doubt,
      escrowSettled,
      obtainedAt,
    };
  const claimed = await claim(visit, { ...owned, read: settled.read }, edges);
  if (claimed.kind === 'trouble') return { ...claimed, ambiguousSince: doubt, escrowSettled, obtainedAt };
  if (claimed.kind === 'deferred') return { ...claimed, escrowSettled, obtainedAt };
  const { tokenSet, version } = claimed;
  const ending = await spendRefreshToken(
    visit,
    attemptId,
    { tokenSet, version, secretId, refreshToken: tokenSet.refresh_token, doubt, escrow, newest },
    edges,
  );
  return ending.kind === 'refreshed' || ending.obtainedAt !== undefined ? ending : { ...ending, obtainedAt };
}

function deferred(reason: Reason): Deferred {
  return { kind: 'deferred', reason, escrowSettled: false };
}

type KeptBy =
  | { readonly kind: 'ours' | 'foreign' }
  /** It is to be claimed with this value before it is first spent. */
  | { readonly kind: 'free'; readonly keeper: string }
  /** Which table this is can't be told, so nothing can be claimed. */
  | { readonly kind: 'unknown' };

function keptBy({ tableName, formerTables }: Visit, { tokenSet, version }: ReadTokens): KeptBy {
  const keeper = keeperOf(tableName, version.arn);
  if (keeper === undefined) return { kind: 'unknown' };
  const kind = keeping(tokenSet.kept_by, keeper, formerTables);
  return kind === 'free' ? { kind, keeper } : { kind };
}

function foreign(secretId: string, keeper: string | undefined): Trouble {
  return {
    kind: 'trouble',
    reason: 'secret_invalid',
    detail: `The token secret "${secretId}" is kept by the function of the table ${keeper} (kept_by). If that function has stopped for good, name its table in formerAccountsTables (FORMER_ACCOUNTS_TABLES) and this one takes the secret over`,
  };
}

async function ownedBy(
  { account, secretNamePrefix: prefix, longestLease }: Visit,
  lease: Lease,
  read: ReadTokens,
  keptByUs: boolean,
  edges: Edges,
) {
  try {
    const now = secondsOf(edges.clock);
    const question = { account, read, keptByUs, prefix, lease, now, longestLease };
    return await ownSecret(question, edges);
  } catch (error) {
    edges.log.warn(`It could not be found out whose the token secret is (${errorNameOf(error)}).`, {
      accountId: account.accountId,
    });
    return { kind: 'unknown' as const };
  }
}

const CLAIM_TIMEOUT = 5_000;

/**
 * Makes a token set this table's and this account's, before its refresh token is first spent: of two functions over the
 * same secrets, one alone can do that to the version that both have read.
 */
async function claim(
  { account }: Visit,
  { secretId, read, kept, keptFor }: Owned,
  { secrets, turn, clock, log }: Edges,
): Promise<ReadTokens | Trouble | Deferred> {
  if (kept.kind !== 'free' && read.tokenSet.kept_for === keptFor) return read;
  await turnOfReplacing(turn);
  const { versionId } = read.version;
  const kept_by = kept.kind === 'free' ? kept.keeper : read.tokenSet.kept_by;
  const tokenSet = { ...read.tokenSet, kept_by, kept_for: keptFor };
  const text = serializeTokenSet(tokenSet);
  const token = versionNamed('claim', versionId, keptFor ?? '');
  const put = await secrets.replace(secretId, versionId, text, token, CLAIM_TIMEOUT);
  if (put.kind === 'overtaken') return deferred('leased_elsewhere');
  if (put.kind === 'failed') {
    const { reason, steady } = troubleOfStore(put.failure);
    const detail = `The token secret can't be written (${put.failure.code}), so nothing was spent`;
    return { kind: 'trouble', reason, steady, detail };
  }
  log.info('The token set is kept by this function from now on.', { accountId: account.accountId });
  const createdAt = secondsOf(clock);
  return {
    ...read,
    tokenSet,
    version: { ...read.version, text, versionId: token, createdAt, isClaim: true },
  };
}

/**
 * A replacing takes two writes. While a visit waits for their turns, that of its store has gone by: taken again, so that
 * never more is written in a second than there are turns.
 */
async function turnOfReplacing(turn: Edges['turn']): Promise<void> {
  await turn();
  await turn();
  await turn();
}

/** A version's id that follows from what it is made of, so that two that make it make one. */
function versionNamed(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex');
}

type SettledEscrow =
  | { readonly kind: 'settled'; readonly read: ReadTokens; readonly escrow: HeldEscrow }
  | Trouble
  | Deferred;

/**
 * What becomes of the account's escrow: a refresh token that waits to be stored goes home before anything else.
 *
 * The secret says whether that is still right. If it holds the very attempt that was escrowed, the store had taken
 * effect after all. If it holds the refresh token that was spent for the escrowed one, whoever wrote it, or a version
 * that is older than the escrow, the escrowed one takes its place. Anything else is a newer grant, and that one stays.
 */
async function settleEscrow(
  visit: Visit,
  { secretId, read, newest }: Pick<Owned, 'secretId' | 'read' | 'newest'>,
  edges: Edges,
): Promise<SettledEscrow> {
  const { account } = visit;
  const { escrow, accountId } = account;
  if (escrow === undefined) return { kind: 'settled', read, escrow: { kind: 'none' } };
  if (read.version.versionId === escrow.attemptId) return { kind: 'settled', read, escrow: { kind: 'none' } };
  const urgent = isUrgent(escrow);
  const opened = await openEscrow(visit, edges);
  if (!('supersedes' in opened))
    return urgent ? opened : { kind: 'settled', read, escrow: { kind: 'stays' } };
  if (!urgent) return { kind: 'settled', read, escrow: { kind: 'stays', content: opened } };
  // A person may have pointed the account at another secret since, or at a copy of this one.
  const elsewhere = escrow.secretId !== account.tokenSecretId && !holdsSuperseded(read, opened);
  const home = elsewhere ? await readHome(visit, escrow.secretId, edges) : { secretId, read };
  if ('reason' in home) return home;
  if (!isSuperseded(home.read, opened) || opened.refreshToken === undefined)
    return { kind: 'settled', read, escrow: { kind: 'none' } };
  if (escrow.kind === 'candidate')
    return { kind: 'settled', read, escrow: { kind: elsewhere ? 'stays' : 'candidate', content: opened } };
  const moved = await moveHome(
    visit,
    { ...home, newest },
    { ...opened, refreshToken: opened.refreshToken },
    edges,
  );
  if (moved.kind !== 'read') return moved;
  edges.log.info('Refresh token moved from escrow into the token secret.', { accountId });
  return { kind: 'settled', read: elsewhere ? read : moved, escrow: { kind: 'none' } };
}

async function openEscrow({ account }: Visit, { vault }: Edges): Promise<Escrowed | Trouble> {
  const { accountId, escrow } = account;
  if (vault === undefined || escrow === undefined) return unsettled('ESCROW_KEY_ID is not set');
  try {
    return await vault.open(accountId, escrow);
  } catch (error) {
    const denied = awsFailure(error).kind === 'denied';
    return {
      ...unsettled(`it can't be decrypted (${errorNameOf(error)})`),
      ...(denied && { reason: 'permission_missing' }),
    };
  }
}

/** The secret that an escrow belongs to, where the account names another by now. */
async function readHome(
  { account, secretNamePrefix }: Visit,
  tokenSecretId: string | undefined,
  { secrets }: Edges,
): Promise<{ secretId: string; read: ReadTokens } | Trouble> {
  const secretId = tokenSecretIdOf(secretNamePrefix, { accountId: account.accountId, tokenSecretId });
  const read = await readTokenSet(secretId, secrets);
  return read.kind === 'read' ? { secretId, read } : read;
}

/** For so long, milliseconds, a visit tries to bring an escrow home; the next one goes on. */
const MOVE_TIME = 8_000;
/** A store that has failed for so long, seconds, says nothing new about Secrets Manager. */
const NO_EVIDENCE_AFTER = 900;

async function moveHome(
  { account, deadline }: Visit,
  { secretId, read, newest }: Pick<Owned, 'secretId' | 'read' | 'newest'>,
  escrowed: Escrowed & { readonly refreshToken: string },
  edges: Edges,
): Promise<ReadTokens | Trouble | Deferred> {
  const { accountId, escrow } = account;
  const { versionId } = read.version;
  // Follows from what was read, so that it is the same text whenever it is tried again.
  const obtainedAt = nextObtainedAt(escrowed.obtainedAt, read, newest);
  const tokenSet = withRefreshToken(read.tokenSet, escrowed.refreshToken, obtainedAt);
  const text = serializeTokenSet(tokenSet);
  const token = versionNamed('escrow', escrow?.attemptId ?? '', versionId);
  await turnOfReplacing(edges.turn);
  const begun = edges.clock.now();
  let overtaken = false;
  const store = async (timeout: number): Promise<PutSecret> => {
    const put = await edges.secrets.replace(secretId, versionId, text, token, timeout);
    if (put.kind !== 'overtaken') return put;
    overtaken = true;
    return { kind: 'failed', failure: { kind: 'refused', code: 'OVERTAKEN' } };
  };
  const isEvidence = begun / 1000 - (escrow?.at ?? 0) < NO_EVIDENCE_AFTER;
  const until = Math.min(deadline, begun + MOVE_TIME);
  const kept = await keepTokens(
    { accountId, secretId, store, atStake: undefined, isEvidence, deadline: until },
    edges,
  );
  if (overtaken) return deferred('leased_elsewhere');
  if (kept.kind === 'stored')
    return {
      kind: 'read',
      tokenSet,
      version: { ...read.version, text, versionId: token, createdAt: begun / 1000, isClaim: true },
    };
  const { reason, steady } = troubleOfStore(kept.failure);
  return { ...unsettled(`the token secret can't be written (${kept.failure.code})`), reason, steady };
}

/** An exchange takes less than this from the re-read of the secret to its answer, seconds; with two machines' clocks. */
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

/** A lease of a secret's note that is not given back runs out by itself. */
async function releaseQuietly(
  arn: string,
  attemptId: string,
  obtainedAt: number | undefined,
  { table, log }: Edges,
): Promise<void> {
  try {
    await table.releaseSecret(arn, attemptId, obtainedAt);
  } catch (error) {
    log.warn("The lease of an account's secret could not be given back. It runs out.", {
      awsError: errorNameOf(error),
    });
  }
}
