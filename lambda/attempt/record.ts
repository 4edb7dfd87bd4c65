import { awsFailure } from '../../adapters/aws/aws-error.ts';
import { type Account, type Changes, labelOf } from '../../core/account/account.ts';
import {
  type Conclusion,
  changesOfDeferral,
  conclude,
  type Failed,
  type Outcome,
  type Report,
  reportOn,
  type Succeeded,
} from '../../core/account/outcome.ts';
import { secondsOf } from '../../core/clock.ts';
import { type Reason, severityOf } from '../../core/reason.ts';
import { errorNameOf, throwIfFatal } from './errors.ts';
import type { Ports } from './ports.ts';

/** How the account's item is held: by an attempt, whose lease is given back, or by nobody, where nothing could be leased. */
export type Holder = { readonly kind: 'attempt'; readonly attemptId: string } | { readonly kind: 'nobody' };

/**
 * Says in the log, to the bus and in the account's item how it ended, and gives the lease back; in this order, so that
 * everybody hears of each change of state. Rejects only where nothing was leased and the table can't be written at all.
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
  const conclusion = conclude(account, outcome, secondsOf(ports.clock), profileFailure?.reason);
  log(account, outcome, { conclusion, holder }, ports);
  const changes = await tell(account, outcome.reason, conclusion, ports);
  await write(account, changes, holder, ports);
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
  const fields = { accountId, oauthProfile, reason, status };
  if (kind !== 'failed') log.info(message, fields);
  else if (holder.kind === 'attempt' && severityOf(reason) === 'transient') log.warn(message, fields);
  else log.error(message, fields);
}

/**
 * Puts the event of a change of state on the bus, before the change is written: a crash between the two tells it
 * twice, the other order could tell it never. If the bus does not take it, the status stays as it was.
 *
 * @returns the changes to write
 */
async function tell(
  account: Account,
  reason: Reason,
  { event, changes, changesIfUntold }: Conclusion,
  { events, clock, log }: Ports,
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
      awsError: errorNameOf(error),
    });
    return changesIfUntold;
  }
}

/**
 * What an attempt can't write down is not lost: the lease runs out, and a later run finds the token set in the secret
 * and writes it down (`reconciled`).
 */
async function write(account: Account, changes: Changes, holder: Holder, ports: Ports): Promise<void> {
  const { table, clock, log } = ports;
  const { accountId } = account;
  try {
    if (holder.kind === 'nobody') return void (await table.note(accountId, secondsOf(clock), changes));
    const recorded = await table.release(account, holder.attemptId, changes);
    if (recorded === 'conflict') log.warn('The lease was gone before the end of the attempt.', { accountId });
  } catch (error) {
    if (holder.kind === 'attempt') {
      const awsError = errorNameOf(error);
      return log.warn('The end of an attempt could not be recorded. A later run will.', {
        accountId,
        awsError,
      });
    }
    throwIfFatal(error);
    const awsError = awsFailure(error).code;
    log.warn('The trouble of an account could not be recorded.', { accountId, awsError });
  }
}
