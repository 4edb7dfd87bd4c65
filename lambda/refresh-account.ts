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
import { ambiguousSince, type Failed, type Outcome } from '../core/account/outcome.ts';
import { type Report, reportOn } from '../core/account/report.ts';
import { tokenSecretIdOf, unusualSecret } from '../core/account/secret-id.ts';
import { secondsOf } from '../core/clock.ts';
import type { Reason } from '../core/reason.ts';
import { serializeTokenSet, type TokenSet, withRefreshToken } from '../core/tokens/token-set.ts';
import { errorNameOf } from './errors.ts';
import { keepTokens } from './keep-tokens.ts';
import type { Ports } from './ports.ts';
import { recordDeferral, recordOutcome } from './record.ts';
import { ownSecret } from './secret-owner.ts';
import {
  type Deferred,
  type EscrowState,
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
export async function refreshAccount(visit: Visit, ports: Ports): Promise<Report> {
  const { account, input, deadline } = visit;
  const attemptId = randomUUID();
  // No holder can outlive its lease: the process is gone by the deadline, whatever becomes of it.
  const lease = {
    owner: attemptId,
    expiresAt: Math.ceil(deadline / 1000) + LEASE_MARGIN,
    secretId: unusualSecret(account, visit.secretNamePrefix),
  };
  if ((await ports.table.lease(account, lease, input.now)) === 'conflict')
    return reportOn(account, 'leave', 'leased_elsewhere');
  const { outcome, leasedSecret } = await visitLeased(visit, lease, ports);
  const report =
    outcome.kind === 'deferred'
      ? await recordDeferral(account, { attemptId, ...outcome }, ports)
      : await recordOutcome(account, outcome, { kind: 'attempt', attemptId }, ports);
  if (leasedSecret !== undefined) await releaseQuietly(leasedSecret, attemptId, outcome.obtainedAt, ports);
  return report;
}

interface Visited {
  readonly outcome: Outcome | Deferred;
  /** The ARN of a secret whose note is leased as well. */
  readonly leasedSecret?: string | undefined;
}

async function visitLeased(visit: Visit, lease: Lease, ports: Ports): Promise<Visited> {
  const { account } = visit;
  const secretId = tokenSecretIdOf(visit.secretNamePrefix, account);
  const read = await readTokenSet(secretId, ports.secrets);
  if (read.kind === 'failed') return { outcome: { ...read, ambiguousSince: ambiguousSince(account) } };
  const kept = keptBy(visit, read);
  if (kept.kind === 'foreign') return { outcome: foreign(secretId, read.tokenSet.kept_by) };
  const own = await ownedBy(visit, lease, read, kept.kind === 'ours', ports);
  if (own.kind === 'busy') return { outcome: deferred('leased_elsewhere') };
  if (own.kind === 'unknown') return { outcome: deferred('store_unavailable') };
  if (own.kind === 'failed') return { outcome: own };
  const newest = Math.max(account.lastRefreshedAt ?? 0, own.newest ?? 0) || undefined;
  const stale =
    isStaleRead(read, newest, visit.input.now) || (await hasStoredSince(visit, secretId, read, ports));
  const { keptFor, spendFrom } = own;
  const outcome = stale
    ? deferred('store_unavailable')
    : await visitOwned(visit, lease.owner, { secretId, read, newest, kept, keptFor, spendFrom }, ports);
  return { outcome, leasedSecret: own.leased };
}

/**
 * Whether a run that died holding the lease had stored what it got, though the read does not show it yet: its attempt's
 * id is the id of the version.
 */
async function hasStoredSince(
  { account: { lease }, input }: Visit,
  secretId: string,
  { version }: ReadTokens,
  { secrets }: Ports,
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
  ports: Ports,
): Promise<Outcome | Deferred> {
  const { secretId, read, newest } = owned;
  const { account, input, profile } = visit;
  const restored = await restoreEscrow(visit, { secretId, read, newest }, ports);
  if (restored.kind === 'failed') return { ...restored, ambiguousSince: ambiguousSince(account, read) };
  if (restored.kind === 'deferred') return restored;
  const { escrow } = restored;
  const moved = restored.read !== read;
  const obtainedAt = moved ? obtainedAtOf(restored.read) : undefined;
  const escrowSettled = escrow.kind === 'none';
  const decision = decideTokenSet(restored.read.tokenSet, account, profile, input);
  if (escrow.kind !== 'candidate') {
    const { tokenSet } = restored.read;
    const escrowStays = escrow.kind === 'stays';
    const known = { tokenSet, obtainedAt: obtainedAtOf(restored.read), escrowStays };
    if (decision.action === 'leave') return { ...known, kind: 'does_not_expire', reason: 'does_not_expire' };
    if (decision.action === 'reconcile') return { ...known, kind: 'reconciled', reason: visit.reason };
    if (decision.action === 'reauthorize')
      return { kind: 'failed', reason: decision.reason, escrowSettled, obtainedAt };
  }
  if (owned.spendFrom !== undefined && owned.spendFrom > input.now)
    return { ...deferred('leased_elsewhere'), escrowSettled, obtainedAt };
  const since = ambiguousSince(account, restored.read);
  const wait = await waitForRoom(restored.read.tokenSet, secretId, visit, ports);
  if (wait > 0)
    return {
      kind: 'failed',
      reason: 'lifetime_too_short',
      retryAfter: wait,
      ambiguousSince: since,
      escrowSettled,
      obtainedAt,
    };
  const claimed = await claim(visit, { ...owned, read: restored.read }, ports);
  if (claimed.kind === 'failed') return { ...claimed, ambiguousSince: since, escrowSettled, obtainedAt };
  if (claimed.kind === 'deferred') return { ...claimed, escrowSettled, obtainedAt };
  const { tokenSet, version } = claimed;
  const outcome = await spendRefreshToken(
    visit,
    attemptId,
    {
      tokenSet,
      version,
      secretId,
      refreshToken: tokenSet.refresh_token,
      ambiguousSince: since,
      escrow,
      newest,
    },
    ports,
  );
  return outcome.kind === 'refreshed' || outcome.obtainedAt !== undefined
    ? outcome
    : { ...outcome, obtainedAt };
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

function foreign(secretId: string, keeper: string | undefined): Failed {
  return {
    kind: 'failed',
    reason: 'secret_invalid',
    detail: `The token secret "${secretId}" is kept by the function of the table ${keeper} (kept_by). If that function has stopped for good, name its table in formerAccountsTables (FORMER_ACCOUNTS_TABLES) and this one takes the secret over`,
  };
}

async function ownedBy(
  { account, secretNamePrefix: prefix, longestLease }: Visit,
  lease: Lease,
  read: ReadTokens,
  keptByUs: boolean,
  ports: Ports,
) {
  try {
    const now = secondsOf(ports.clock);
    const question = { account, read, keptByUs, prefix, lease, now, longestLease };
    return await ownSecret(question, ports);
  } catch (error) {
    ports.log.warn(`It could not be found out whose the token secret is (${errorNameOf(error)}).`, {
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
  { secrets, turn, clock, log }: Ports,
): Promise<ReadTokens | Failed | Deferred> {
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
    return { kind: 'failed', reason, steady, detail };
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
async function turnOfReplacing(turn: Ports['turn']): Promise<void> {
  await turn();
  await turn();
  await turn();
}

/** A version's id that follows from what it is made of, so that two that make it make one. */
function versionNamed(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex');
}

type RestoredEscrow =
  | { readonly kind: 'restored'; readonly read: ReadTokens; readonly escrow: EscrowState }
  | Failed
  | Deferred;

/**
 * What becomes of the account's escrow: a refresh token that waits to be stored goes home before anything else.
 *
 * The secret says whether that is still right. If it holds the very attempt that was escrowed, the store had taken
 * effect after all. If it holds the refresh token that was spent for the escrowed one, whoever wrote it, or a version
 * that is older than the escrow, the escrowed one takes its place. Anything else is a newer grant, and that one stays.
 */
async function restoreEscrow(
  visit: Visit,
  { secretId, read, newest }: Pick<Owned, 'secretId' | 'read' | 'newest'>,
  ports: Ports,
): Promise<RestoredEscrow> {
  const { account } = visit;
  const { escrow, accountId } = account;
  if (escrow === undefined) return { kind: 'restored', read, escrow: { kind: 'none' } };
  if (read.version.versionId === escrow.attemptId)
    return { kind: 'restored', read, escrow: { kind: 'none' } };
  const urgent = isUrgent(escrow);
  const opened = await openEscrow(visit, ports);
  if (!('supersedes' in opened))
    return urgent ? opened : { kind: 'restored', read, escrow: { kind: 'stays' } };
  if (!urgent) return { kind: 'restored', read, escrow: { kind: 'stays', content: opened } };
  // A person may have pointed the account at another secret since, or at a copy of this one.
  const elsewhere = escrow.secretId !== account.tokenSecretId && !holdsSuperseded(read, opened);
  const home = elsewhere ? await readSecretOfEscrow(visit, escrow.secretId, ports) : { secretId, read };
  if ('reason' in home) return home;
  if (!isSuperseded(home.read, opened) || opened.refreshToken === undefined)
    return { kind: 'restored', read, escrow: { kind: 'none' } };
  if (escrow.kind === 'candidate')
    return { kind: 'restored', read, escrow: { kind: elsewhere ? 'stays' : 'candidate', content: opened } };
  const moved = await moveIntoSecret(
    visit,
    { ...home, newest },
    { ...opened, refreshToken: opened.refreshToken },
    ports,
  );
  if (moved.kind !== 'read') return moved;
  ports.log.info('Refresh token moved from escrow into the token secret.', { accountId });
  return { kind: 'restored', read: elsewhere ? read : moved, escrow: { kind: 'none' } };
}

async function openEscrow({ account }: Visit, { vault }: Ports): Promise<Escrowed | Failed> {
  const { accountId, escrow } = account;
  if (vault === undefined || escrow === undefined) return notRestored('ESCROW_KEY_ID is not set');
  try {
    return await vault.open(accountId, escrow);
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
  { account, secretNamePrefix }: Visit,
  tokenSecretId: string | undefined,
  { secrets }: Ports,
): Promise<{ secretId: string; read: ReadTokens } | Failed> {
  const secretId = tokenSecretIdOf(secretNamePrefix, { accountId: account.accountId, tokenSecretId });
  const read = await readTokenSet(secretId, secrets);
  return read.kind === 'read' ? { secretId, read } : read;
}

/** For so long, milliseconds, a visit tries to bring an escrow home; the next one goes on. */
const MOVE_TIME = 8_000;
/** A store that has failed for so long, seconds, says nothing new about Secrets Manager. */
const NO_EVIDENCE_AFTER = 900;

async function moveIntoSecret(
  { account, deadline }: Visit,
  { secretId, read, newest }: Pick<Owned, 'secretId' | 'read' | 'newest'>,
  escrowed: Escrowed & { readonly refreshToken: string },
  ports: Ports,
): Promise<ReadTokens | Failed | Deferred> {
  const { accountId, escrow } = account;
  const { versionId } = read.version;
  // Follows from what was read, so that it is the same text whenever it is tried again.
  const obtainedAt = nextObtainedAt(escrowed.obtainedAt, read, newest);
  const tokenSet = withRefreshToken(read.tokenSet, escrowed.refreshToken, obtainedAt);
  const text = serializeTokenSet(tokenSet);
  const token = versionNamed('escrow', escrow?.attemptId ?? '', versionId);
  await turnOfReplacing(ports.turn);
  const begun = ports.clock.now();
  let overtaken = false;
  const store = async (timeout: number): Promise<PutSecret> => {
    const put = await ports.secrets.replace(secretId, versionId, text, token, timeout);
    if (put.kind !== 'overtaken') return put;
    overtaken = true;
    return { kind: 'failed', failure: { kind: 'refused', code: 'OVERTAKEN' } };
  };
  const isEvidence = begun / 1000 - (escrow?.at ?? 0) < NO_EVIDENCE_AFTER;
  const until = Math.min(deadline, begun + MOVE_TIME);
  const kept = await keepTokens(
    { accountId, secretId, store, atStake: undefined, isEvidence, deadline: until },
    ports,
  );
  if (overtaken) return deferred('leased_elsewhere');
  if (kept.kind === 'stored')
    return {
      kind: 'read',
      tokenSet,
      version: { ...read.version, text, versionId: token, createdAt: begun / 1000, isClaim: true },
    };
  const { reason, steady } = troubleOfStore(kept.failure);
  return { ...notRestored(`the token secret can't be written (${kept.failure.code})`), reason, steady };
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

function notRestored(why: string): Failed {
  return {
    kind: 'failed',
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
  { secrets }: Ports,
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
  { table, log }: Ports,
): Promise<void> {
  try {
    await table.releaseSecret(arn, attemptId, obtainedAt);
  } catch (error) {
    log.warn("The lease of an account's secret could not be given back. It runs out.", {
      awsError: errorNameOf(error),
    });
  }
}
