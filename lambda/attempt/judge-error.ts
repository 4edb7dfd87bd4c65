import type { Escrowed } from '../../adapters/aws/escrow.ts';
import { readTokenSet } from '../../adapters/aws/token-secret.ts';
import type { Exchange } from '../../adapters/oauth/token-endpoint.ts';
import { doubtSince } from '../../core/account/doubt.ts';
import { judgeDeath, type Refusal } from '../../core/account/evidence.ts';
import type { Failed, Outcome } from '../../core/account/outcome.ts';
import { secondsOf } from '../../core/clock.ts';
import type { Profile } from '../../core/profile/profile.ts';
import { type Reason, severityOf } from '../../core/reason.ts';
import type { ErrorResponse } from '../../core/response/error-response.ts';
import { type Attempt, type CurrentGrant, type EscrowState, escrowResult } from './attempt.ts';
import { keepFromError, keepUntil } from './keep-response.ts';
import { keepInEscrow } from './keep-tokens.ts';
import type { Ports } from './ports.ts';

/** What happened so far with the refresh tokens of one attempt. */
export interface Progress {
  readonly grant: CurrentGrant;
  readonly profile: Profile;
  /** Profiles still to be tried if the client is rejected; undefined before they were asked for. */
  readonly otherClients: readonly Profile[] | undefined;
  readonly unanswered: boolean;
  readonly reread: boolean;
  /** Another token is refused than before: a candidate for the first time, or after one that was dropped. */
  readonly anew: boolean;
}

export type Step =
  | { readonly kind: 'again'; readonly progress: Progress }
  | { readonly kind: 'end'; readonly outcome: Outcome };

/** One token request, and when it was known what came of it, seconds since the epoch. */
interface Exchanged {
  readonly progress: Progress;
  readonly sentToken: string;
  readonly exchange: Exchange['kind'];
  readonly at: number;
}

/** Handles a response that granted nothing: keep what may hold a token, then try again or give up. */
export async function judgeError(
  attempt: Attempt,
  { progress: before, sentToken, exchange, at }: Exchanged,
  error: ErrorResponse,
  ports: Ports,
): Promise<Step> {
  const { accountId, oauthProfile } = attempt.account;
  const mayHaveRotated = error.mayHaveRotated || error.candidate !== undefined || error.unread !== undefined;
  const ambiguousSince =
    before.grant.ambiguousSince ?? (mayHaveRotated ? doubtSince(at, before.grant) : undefined);
  const grant = { ...before.grant, ambiguousSince };
  const progress = { ...before, grant };
  // What the response may hold comes first, whatever else it says.
  const kept = await keepFromError(attempt, grant, { ...error, at }, ports);
  const { reason, detail: message, retryAfter } = error;
  const refusal = { reason, message, retryAfter };
  const isCandidate = grant.escrow.kind === 'try_first' && sentToken === grant.escrow.content.refreshToken;
  if (kept.kind === 'kept') {
    const next = { ...progress, grant: { ...grant, escrow: kept.escrow } };
    // A response that can't be read refuses a candidate as well, unless it brought another one.
    return isCandidate && error.candidate === undefined
      ? await candidateRefused(attempt, next, refusal, ports)
      : refused(attempt, next, refusal, ports);
  }
  if (error.cut && !progress.unanswered) {
    ports.log.warn(
      'The response to a token request was lost. The same refresh token is sent again at once.',
      {
        accountId,
      },
    );
    return { kind: 'again', progress: { ...progress, unanswered: true } };
  }
  if (reason === 'grant_revoked' && !progress.reread) {
    const replaced = await replacedGrant(grant, ports);
    if (replaced !== undefined)
      return { kind: 'again', progress: { ...progress, grant: replaced, reread: true } };
  }
  if (reason === 'client_rejected' && exchange === 'response') {
    const [next, ...rest] =
      progress.otherClients ?? (await ports.profiles.alternatives(oauthProfile, progress.profile));
    if (next !== undefined)
      return { kind: 'again', progress: { ...progress, profile: next, otherClients: rest } };
  }
  return isCandidate
    ? await candidateRefused(attempt, progress, refusal, ports)
    : refused(attempt, progress, refusal, ports);
}

/** A candidate that is refused for one of these reasons is dropped in the end, like a dead grant. */
const droppable: readonly Reason[] = ['grant_revoked', 'request_rejected', 'malformed_response'];

/** If a candidate is refused for good, the refresh token in the secret, which was kept, is tried again. */
async function candidateRefused(
  attempt: Attempt,
  progress: Progress,
  refusal: Refusal,
  ports: Ports,
): Promise<Step> {
  const { account } = attempt;
  const now = secondsOf(ports.clock);
  if (!droppable.includes(refusal.reason)) return refused(attempt, progress, refusal, ports);
  const note = ports.notes.get(account.oauthProfile);
  const token = { since: account.escrow?.at ?? now, refusals: droppable };
  const verdict = judgeDeath(account, note, now, token);
  if (verdict !== 'believed')
    return refused(attempt, { ...progress, anew: verdict === 'first' }, refusal, ports);
  const { accountId } = account;
  ports.log.warn(
    'What looked like a new refresh token is refused for good. The one in the secret is tried again.',
    { accountId },
  );
  const escrow = await withoutCandidate(attempt, progress.grant.escrow, ports);
  const grant = { ...progress.grant, escrow };
  return { kind: 'again', progress: { ...progress, grant, reread: false, anew: true } };
}

/** Drops the candidate. A response that was kept with it still waits for a person. */
async function withoutCandidate(attempt: Attempt, escrow: EscrowState, ports: Ports): Promise<EscrowState> {
  const before = escrow.kind === 'empty' ? undefined : escrow.content;
  if (before?.answer === undefined) return { kind: 'empty' };
  const content: Escrowed = { ...before, refreshToken: undefined };
  const { accountId, tokenSecretId: secretId } = attempt.account;
  const write = { accountId, attemptId: attempt.id, kind: 'answer' as const, content, secretId };
  await keepInEscrow(write, keepUntil(attempt, ports), ports);
  return { kind: 'leave', content };
}

/** Ends an attempt in which nothing was granted: says what that means for the profile, and for the account. */
export function refused(
  { account }: Attempt,
  { grant, anew }: Progress,
  refusal: Refusal,
  { notes, clock }: Ports,
): Step {
  const at = secondsOf(clock);
  const { reason, message, retryAfter } = refusal;
  // What people wrote wrongly was found before the provider was asked.
  if (severityOf(reason) !== 'invalid') notes.learn(account.oauthProfile, { account, at, refusal });
  if (reason !== 'grant_revoked')
    return end({ ...failed(reason, message, grant), retryAfter, ...(anew && { anew }) });
  const verdict = judgeDeath(account, notes.get(account.oauthProfile), at);
  const dead: Reason =
    verdict === 'provider_wide'
      ? 'provider_wide_refusal'
      : grant.ambiguousSince === undefined
        ? 'grant_revoked'
        : 'grant_possibly_lost';
  return end({
    ...failed(dead, dead === 'grant_possibly_lost' ? undefined : message, grant),
    // A token that was not refused before can't be believed dead yet.
    believed: verdict === 'believed' && !anew,
    ...((anew || verdict === 'first') && { anew: true }),
  });
}

/** A person, or another run, may have put a new grant into the secret while the old one was being refused. */
async function replacedGrant(grant: CurrentGrant, { secrets }: Ports): Promise<CurrentGrant | undefined> {
  const again = await readTokenSet(grant.secretId, secrets);
  if (again.kind !== 'read' || again.version.versionId === grant.version.versionId) return undefined;
  const refreshToken = again.tokenSet.refresh_token;
  if (refreshToken === undefined || refreshToken === grant.refreshToken) return undefined;
  // One reader can see an older version than the next: only what was written later is new.
  const { createdAt: before } = grant.version;
  const { createdAt } = again.version;
  if (before === undefined || createdAt === undefined || createdAt <= before) return undefined;
  const { tokenSet, version } = again;
  // A candidate of the old grant is out of date; what waits for a person goes on waiting.
  const escrow: EscrowState = grant.escrow.kind === 'leave' ? grant.escrow : { kind: 'empty' };
  return { ...grant, tokenSet, version, refreshToken, ambiguousSince: undefined, escrow };
}

export function failed(
  reason: Reason,
  detail: string | undefined,
  { ambiguousSince, escrow }: CurrentGrant,
): Failed {
  return { kind: 'failed', reason, detail, ambiguousSince, escrow: escrowResult(escrow) };
}

function end(outcome: Outcome): Step {
  return { kind: 'end', outcome };
}
