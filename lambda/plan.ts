import { awsFailure } from '../adapters/aws/aws-error.ts';
import { type LoadedProfile, windowOf } from '../adapters/aws/profiles.ts';
import type { Item } from '../adapters/aws/table-items.ts';
import { readTokenSet } from '../adapters/aws/token-secret.ts';
import {
  type Account,
  FORMAT_VERSION,
  NOTE,
  type ParsedAccount,
  PROFILE_NOTE,
  parseAccount,
} from '../core/account/account.ts';
import { type DecisionInput, decide, decideTokenSet, isUrgent } from '../core/account/decision.ts';
import { ambiguousSince } from '../core/account/doubt.ts';
import { isDueAgain } from '../core/account/evidence.ts';
import { type Report, reportOn } from '../core/account/outcome.ts';
import { parseProfileNote } from '../core/account/parse-profile-note.ts';
import { isNews } from '../core/account/profile-note.ts';
import { tokenSecretIdOf } from '../core/account/secret-id.ts';
import { secondsOf } from '../core/clock.ts';
import type { Reason } from '../core/reason.ts';
import type { DueAccount } from './attempt/attempt.ts';
import { throwIfFatal } from './attempt/errors.ts';
import type { Ports } from './attempt/ports.ts';
import { BEING_TOLD, recordOutcome } from './attempt/record.ts';
import { LEASE_MARGIN, refreshAccount } from './attempt/refresh-account.ts';
import type { RunRequest } from './event.ts';
import { type OwedEvent, owedEvent } from './owed-events.ts';
import type { Work } from './schedule.ts';

export interface RunSettings {
  readonly runId: string;
  /** The accounts table's name or ARN, and the tables whose functions have stopped. */
  readonly tableName: string;
  readonly formerTables: readonly string[];
  readonly secretNamePrefix: string;
  /** Seconds; a profile's own window wins. */
  readonly refreshWindow: number;
  /** Seconds; by its own share of them an account is due earlier. */
  readonly refreshSpread: number;
  /** When this run began, and when its process may be gone, milliseconds since the epoch. */
  readonly begun: number;
  readonly deadline: number;
}

/** What is to be done with one account: nothing but to say so, or work that is done when its turn comes. */
export type Plan =
  | {
      readonly kind: 'nothing';
      readonly account: Account;
      readonly report: Report;
      readonly owed?: OwedEvent | undefined;
    }
  | { readonly kind: 'due' | 'invalid'; readonly work: Work };

/** Decides what is to be done with each account of a page. */
export async function planPage(
  items: readonly Item[],
  request: RunRequest,
  settings: RunSettings,
  ports: Ports,
): Promise<readonly Plan[]> {
  const isNote = ({ accountId }: Item) => request.accountIds === undefined && isProfileNote(accountId);
  const parsed = items.filter((item) => !isNote(item)).map((item) => ({ item, parsed: parseAccount(item) }));
  const usable = new Set(
    parsed.flatMap(({ parsed: { kind, account } }) => (kind === 'account' ? [account.oauthProfile] : [])),
  );
  const load = async (name: string) => [name, await ports.profiles.load(name)] as const;
  const [pairs] = await Promise.all([
    Promise.all([...usable].map(load)),
    Promise.all(parsed.map(({ parsed: { account } }) => ports.notes.load(account.oauthProfile))),
  ]);
  const loaded = new Map(pairs);
  await Promise.all(items.filter(isNote).map((item, index) => lookAtNote(item, index < MOST_TOLD, ports)));
  return parsed.flatMap(({ item, parsed }) => {
    const { account } = parsed;
    if (isUrgent(account.escrow)) ports.count('inEscrow');
    if (owedEvent(account, secondsOf(ports.clock)) !== undefined) ports.count('eventsOwed');
    const why = whyLeftAlone(item);
    if (why !== undefined) {
      ports.log.warn(`The account is left alone: ${why}`, { accountId: account.accountId });
      return [nothing(account, 'retry', 'account_invalid')];
    }
    if (parsed.kind === 'invalid') return [planInvalid(parsed, request, ports)];
    const profile = loaded.get(account.oauthProfile);
    return profile === undefined ? [] : [planAccount(account, profile, { request, settings }, ports)];
  });
}

function isProfileNote(accountId: unknown): boolean {
  return String(accountId).startsWith(PROFILE_NOTE);
}

/** Of a page's notes that owe an event, so many are put; a later run puts the rest. */
const MOST_TOLD = 20;
/** A profile's note that a scan found: what it says is counted, and an event that it owes may be put. */
async function lookAtNote(item: Item, mayTell: boolean, { notes, count, clock }: Ports): Promise<void> {
  const { failure, atRisk, eventOwed, eventOwedAt = 0 } = parseProfileNote(item);
  const now = secondsOf(clock);
  if (isNews(failure, now)) count('profilesFailing');
  else if (isNews(atRisk, now)) count('profilesAtRisk');
  if (eventOwed === undefined || now - eventOwedAt < BEING_TOLD) return;
  count('eventsOwed');
  if (mayTell) await notes.load(String(item.accountId).slice(PROFILE_NOTE.length));
}

function nothing(
  account: Account,
  action: Report['action'],
  reason: Reason,
): Extract<Plan, { kind: 'nothing' }> {
  return { kind: 'nothing', account, report: reportOn(account, action, reason) };
}

function planAccount(
  account: Account,
  loaded: LoadedProfile,
  { request, settings }: { request: RunRequest; settings: RunSettings },
  ports: Ports,
): Plan {
  const input: DecisionInput = {
    now: secondsOf(ports.clock),
    refreshWindow: windowOf(loaded, settings.refreshWindow),
    refreshSpread: settings.refreshSpread,
    force: request.force,
    dueAgain: isDueAgain(account, ports.notes.get(account.oauthProfile)),
  };
  const isPaused = ports.notes.isPaused(account.oauthProfile);
  // Whoever reads it fails, and a pause can be forgotten.
  if (isPaused && (account.accessTokenExpiresAt ?? input.now) < input.now) ports.count('expiredWhilePaused');
  const { action, reason } = isPaused ? PAUSED : decide(account, input);
  return action === 'refresh'
    ? planDue({ account, reason, input, loaded }, request, settings, ports)
    : {
        ...nothing(account, action, reason),
        owed: request.dryRun ? undefined : owedEvent(account, input.now),
      };
}

/** What people have paused is left alone like what they have disabled. */
const PAUSED = { action: 'leave', reason: 'disabled' } as const;

/** What a scan filters out can still be asked for by its id; nothing is written to it. */
function whyLeftAlone(item: Item): string | undefined {
  if (String(item.accountId).startsWith(NOTE)) return "it is one of the function's own notes";
  if (item.authenticationType !== 'oauth2')
    return 'there is no such account, or its authenticationType is not oauth2';
  if (typeof item.formatVersion === 'number' && item.formatVersion > FORMAT_VERSION)
    return 'it was made by a newer version of the function (formatVersion); deploy that version again';
  return item.oauthProfile === undefined ? 'it has no oauthProfile' : undefined;
}

function planInvalid(
  { account, problem }: Extract<ParsedAccount, { kind: 'invalid' }>,
  { dryRun, accountIds }: RunRequest,
  ports: Ports,
): Plan {
  const { accountId, nextAttemptAt = 0 } = account;
  if (ports.notes.isPaused(account.oauthProfile)) return nothing(account, 'leave', 'disabled');
  if (nextAttemptAt > secondsOf(ports.clock) && accountIds === undefined)
    return nothing(account, 'leave', 'account_invalid');
  const tooLate = reportOn(account, 'retry', 'account_invalid');
  const detail = `The account's item can't be used: ${problem}`;
  const run = async () => {
    if (!dryRun) await recordUnleased(account, 'account_invalid', detail, ports);
    else ports.log.warn(detail, { accountId });
    return tooLate;
  };
  return { kind: 'invalid', work: { account, run, tooLate, bytes: bytesOf(account) } };
}

function bytesOf(account: Account): number {
  return JSON.stringify(account).length;
}

type Found = Pick<DueAccount, 'account' | 'reason' | 'input'> & { readonly loaded: LoadedProfile };

function planDue(
  { account, reason, input, loaded }: Found,
  { dryRun }: RunRequest,
  settings: RunSettings,
  ports: Ports,
): Plan {
  const { secretNamePrefix, tableName, formerTables, begun, deadline } = settings;
  const refuse = async (unusable: Extract<LoadedProfile, { kind: 'unusable' }>) => {
    if (!dryRun) await recordUnleased(account, unusable.reason, unusable.detail, ports);
    return reportOn(account, 'retry', unusable.reason);
  };
  const refresh = async () => {
    const again = await ports.profiles.load(account.oauthProfile);
    if (again.kind === 'unusable') return await refuse(again);
    const { profile } = again;
    if (dryRun) return await preview({ account, reason, profile, input }, secretNamePrefix, ports);
    const tables = { tableName, formerTables };
    const times = { begun, deadline, longestLease: longestLease(settings) };
    const due = { account, reason, profile, input, secretNamePrefix, ...tables, ...times };
    return await refreshAccount(due, ports).catch((error: unknown) => notLeased(account, error, ports));
  };
  const run = () => (loaded.kind === 'unusable' ? refuse(loaded) : refresh());
  const tooLate = reportOn(account, 'defer', 'out_of_time');
  return { kind: 'due', work: { account, run, tooLate, bytes: bytesOf(account) } };
}

/** Seconds that a function is given at most, unless this run was given more. */
const USUAL_TIME = 120;
const MINUTE = 60;

/** Seconds after which any attempt that is under way now has ended, its lease included. */
function longestLease({ begun, deadline }: RunSettings): number {
  return Math.max(USUAL_TIME, (deadline - begun) / 1000) + LEASE_MARGIN + MINUTE;
}

/** What a run would do, from what can be read without changing anything. */
async function preview(
  { account, reason, profile, input }: Pick<DueAccount, 'account' | 'reason' | 'profile' | 'input'>,
  prefix: string,
  { secrets }: Ports,
): Promise<Report> {
  const read = await readTokenSet(tokenSecretIdOf(prefix, account), secrets);
  if (read.kind === 'failed') return reportOn(account, 'retry', read.reason);
  const decision = decideTokenSet(read.tokenSet, account, profile, {
    ...input,
    isDoubted: ambiguousSince(account, read) !== undefined,
  });
  if (decision.action === 'leave') return reportOn(account, 'leave', 'does_not_expire');
  if (decision.action === 'reauthorize') return reportOn(account, 'reauthorize', decision.reason);
  return reportOn(account, decision.action === 'reconcile' ? 'reconcile' : 'refresh', reason);
}

/** Writes down what was found wrong before there was anything to lease. */
async function recordUnleased(account: Account, reason: Reason, detail: string, ports: Ports): Promise<void> {
  const outcome = { kind: 'failed', reason, detail, ambiguousSince: ambiguousSince(account) } as const;
  await recordOutcome(account, outcome, { kind: 'nobody' }, ports);
}

/** The lease could not even be asked for. Without the table there is no job to do; anything less is this account's. */
function notLeased(account: Account, error: unknown, { log }: Ports): Report {
  throwIfFatal(error);
  const { kind, code } = awsFailure(error);
  const reason = kind === 'refused' ? 'account_invalid' : 'store_unavailable';
  log.warn(`The account could not be leased (${code}).`, { accountId: account.accountId, reason });
  return reportOn(account, 'retry', reason);
}
