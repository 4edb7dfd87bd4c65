import { awsFailure } from '../../adapters/aws/aws-error.ts';
import {
  type Account,
  type Changes,
  type Failure,
  labelOf,
  parseAccount,
} from '../../core/account/account.ts';
import {
  type AccountEventType,
  type Conclusion,
  changesOfDeferral,
  conclude,
  type Failed,
  type Outcome,
  type Report,
  reportOn,
  type Succeeded,
  stateToTell,
  type ToldState,
} from '../../core/account/outcome.ts';
import { secondsOf } from '../../core/clock.ts';
import { severityOf } from '../../core/reason.ts';
import type { TokenRequestFacts } from './attempt.ts';
import { errorNameOf, throwIfFatal } from './errors.ts';
import type { Ports } from './ports.ts';

/** How the account's item is held: by an attempt, whose lease is given back, or by nobody, where nothing could be leased. */
export type Holder =
  | { readonly kind: 'attempt'; readonly attemptId: string; readonly request: TokenRequestFacts }
  | { readonly kind: 'nobody' };

/**
 * Writes in the account's item how it ended, which gives the lease back; says so in the log and, where the account's state
 * has changed, to the bus. Rejects only where nothing was leased and the table can't be written at all.
 */
export async function recordOutcome(
  account: Account,
  outcome: Outcome,
  holder: Holder,
  ports: Ports,
): Promise<Report> {
  if (outcome.kind === 'deferred') {
    await write(account, changesOfDeferral(account, outcome), holder, ports);
    return reportOn(account, 'defer', outcome.reason);
  }
  const profileFailure = ports.notes.get(account.oauthProfile).failure;
  const at = secondsOf(ports.clock);
  const conclusion = conclude(account, outcome, at, profileFailure?.reason);
  log(account, outcome, { conclusion, holder }, ports);
  const { event, changes } = conclusion;
  const isWritten = await write(account, changes, holder, ports);
  // If the process was frozen since then, this may be over. A later run puts the event, if it is still so.
  const isLate = secondsOf(ports.clock) - at >= BEING_TOLD;
  const failure = outcome.kind === 'failed' ? (changes.set.failure ?? account.failure) : undefined;
  if (isWritten && event !== undefined && !isLate)
    await tell(account, { event, reason: outcome.reason, at, failure }, ports);
  return reportOf(account, outcome, conclusion);
}

function reportOf(account: Account, outcome: Succeeded | Failed, { status }: Conclusion): Report {
  const { reason } = outcome;
  if (outcome.kind === 'failed')
    return reportOn(account, status === 'reauthorization_required' ? 'reauthorize' : 'retry', reason);
  const action = { refreshed: 'refresh', reconciled: 'reconcile', does_not_expire: 'leave' } as const;
  const accessTokenExpiresAt = outcome.tokenSet.expires_at ?? null;
  return { accountId: account.accountId, action: action[outcome.kind], reason, accessTokenExpiresAt };
}

function log(
  { accountId, oauthProfile }: Account,
  { kind, reason }: Succeeded | Failed,
  { conclusion: { message, status }, holder }: { conclusion: Conclusion; holder: Holder },
  { log }: Ports,
): void {
  const { attemptId, request } = holder.kind === 'attempt' ? holder : {};
  const fields = { accountId, oauthProfile, reason, status, attemptId, ...request };
  if (kind !== 'failed') log.info(message, fields);
  else if (holder.kind === 'attempt' && severityOf(reason) === 'transient') log.warn(message, fields);
  else log.error(message, fields);
}

/** After writing an event down, its writer has this many seconds to put it; later, another run may. */
export const BEING_TOLD = 45;

interface Telling extends ToldState {
  /** As it stands in the item. */
  readonly failure: Failure | undefined;
}

/**
 * Puts the event of a change of state on the bus. The change is in the item by now, and the event too (`eventOwed`): a
 * crash from here on tells it late or twice, and never not at all. Never rejects.
 *
 * @returns whether the bus took it
 */
export async function tell(
  account: Account,
  { failure, ...state }: Telling,
  ports: Pick<Ports, 'events' | 'table' | 'log'>,
): Promise<boolean> {
  const { events, table, log } = ports;
  const { accountId } = account;
  const { event } = state;
  let result: 'told' | 'refused' = 'told';
  try {
    await put(account, state, events);
  } catch (error) {
    const awsError = errorNameOf(error);
    log.error('The event bus did not take an account’s event. A later run puts it again.', {
      accountId,
      awsError,
    });
    if (!isRefusedForSure(error)) return false;
    result = 'refused';
  }
  try {
    const settled = await table.settleEvent(accountId, event, { result, failure });
    if (settled === 'conflict' && result === 'told') await tellWhatIsSo(account, event, ports);
  } catch (error) {
    log.warn('It could not be noted that an event was put. It may be put twice.', {
      accountId,
      awsError: errorNameOf(error),
    });
  }
  return result === 'told';
}

/** Another has changed the state meanwhile, and may have told of it before: the last that is told must be so. */
async function tellWhatIsSo(
  account: Account,
  told: AccountEventType,
  { events, table }: Pick<Ports, 'events' | 'table'>,
): Promise<void> {
  const now = parseAccount((await table.get(account.accountId)) ?? {}).account;
  const state = now.failure?.untold ? undefined : stateToTell(now);
  if (state !== undefined && state.event !== told) await put(account, state, events);
}

async function put(
  account: Account,
  { event, reason, at }: ToldState,
  events: Ports['events'],
): Promise<void> {
  const { accountId, oauthProfile } = account;
  await events.put({ type: event, detail: { accountId, name: labelOf(account), oauthProfile, reason, at } });
}

/** Whether an event has surely not arrived: the bus has refused the only try. */
function isRefusedForSure(error: unknown): boolean {
  const { attempts } = (error as { $metadata?: { attempts?: number } }).$metadata ?? {};
  return attempts === 1 && awsFailure(error).kind !== 'unavailable';
}

/**
 * What an attempt can't write down is not lost: the lease runs out, and a later run finds the token set in the secret
 * and writes it down (`reconciled`).
 *
 * @returns whether it is written
 */
async function write(account: Account, changes: Changes, holder: Holder, ports: Ports): Promise<boolean> {
  const { table, clock, log } = ports;
  const { accountId } = account;
  try {
    if (holder.kind === 'nobody')
      return (await table.note(accountId, secondsOf(clock), changes)) === 'recorded';
    const recorded = await table.release(account, holder.attemptId, changes);
    if (recorded === 'conflict') log.warn('The lease was gone before the attempt ended.', { accountId });
    return recorded === 'recorded';
  } catch (error) {
    if (holder.kind === 'attempt') {
      const awsError = errorNameOf(error);
      log.warn('The outcome of an attempt could not be recorded. A later run does it.', {
        accountId,
        awsError,
      });
      return false;
    }
    throwIfFatal(error);
    const awsError = awsFailure(error).code;
    log.warn('An account’s failure could not be recorded.', { accountId, awsError });
    return false;
  }
}
