import type { AwsFailure } from '../../adapters/aws/aws-error.ts';
import { type Escrowed, fingerprintOf, packResponse } from '../../adapters/aws/escrow.ts';
import { nextObtainedAt } from '../../core/account/decision.ts';
import { doubtSince } from '../../core/account/doubt.ts';
import type { Failed, Outcome } from '../../core/account/outcome.ts';
import type { Profile } from '../../core/profile/profile.ts';
import type { ErrorResponse } from '../../core/response/error-response.ts';
import type { TokenResponse } from '../../core/response/token-response.ts';
import { namedFields } from '../../core/tokens/response-fields.ts';
import { mergeTokenSet, storable } from '../../core/tokens/token-set.ts';
import type { Attempt, CurrentGrant, EscrowedToken, EscrowState } from './attempt.ts';
import { errorNameOf } from './errors.ts';
import { type EscrowWrite, keepInEscrow, keepTokens, storeFailure } from './keep-tokens.ts';
import type { Ports } from './ports.ts';
import { replacing } from './replace-version.ts';

type Granted = Extract<TokenResponse, { kind: 'granted' }>;

/** The exchange in which something was granted. */
interface Bought {
  readonly profile: Profile;
  /** What the account had before. */
  readonly grant: CurrentGrant;
  readonly sentToken: string;
  /** Seconds since the epoch. */
  readonly at: number;
}

/**
 * Stores what was granted. If the provider rotates, the refresh token that was sent is dead from here on: a fault of this
 * program's own must not lose the new one either.
 */
export async function keepGranted(
  attempt: Attempt,
  bought: Bought,
  response: Granted,
  ports: Ports,
): Promise<Outcome> {
  try {
    return await store(attempt, bought, response, ports);
  } catch (error) {
    const { accountId } = attempt.account;
    ports.log.error('A token set could not be stored.', { accountId, errorName: errorNameOf(error) });
    const { refreshToken } = response.tokens;
    const { grant, at } = bought;
    const failure: AwsFailure = { kind: 'unavailable', code: 'FAULT' };
    if (refreshToken === undefined) return notStored('not_kept', failure, false, doubtSince(at, grant));
    const write = escrowWrite(attempt, 'token', escrowedFrom(grant, refreshToken, at));
    const isKept = await keepInEscrow(write, keepUntil(attempt, ports), ports);
    return notStored(isKept ? 'escrowed' : 'not_kept', failure, true, doubtSince(at, grant));
  }
}

async function store(
  attempt: Attempt,
  { profile, grant, sentToken, at }: Bought,
  response: Granted,
  ports: Ports,
): Promise<Outcome> {
  const { account, reason } = attempt;
  const { accountId, oauthProfile } = account;
  const { secretId, version } = grant;
  const obtainedAt = nextObtainedAt(at, grant, grant.newest);
  const merged = mergeTokenSet({ ...grant.tokenSet, refresh_token: sentToken }, response.tokens, obtainedAt);
  const rotated = merged.refresh_token !== grant.refreshToken;
  const content = escrowedFrom(grant, merged.refresh_token ?? sentToken, at);
  const atStake = rotated ? escrowWrite(attempt, 'token', content) : undefined;
  const { kind, tokenSet, text } = storable(merged, grant.tokenSet, namedFields(profile));
  const { store, deadline, wasOvertaken } = storing(attempt, grant, text, ports);
  const begun = ports.clock.now();
  const kept = await keepTokens({ accountId, secretId, store, atStake, isEvidence: true, deadline }, ports);
  ports.trace({
    name: 'store',
    begun,
    ended: ports.clock.now(),
    annotations: { accountId, oauthProfile, reason },
    failed: kept.kind !== 'stored',
  });
  if (kept.kind === 'stored' && version.isClaim)
    await ports.secrets.relabel(secretId, version.versionId, attempt.id);
  for (const doubt of response.doubts) ports.log.warn(doubt, { accountId, oauthProfile });
  const grantedWith = ports.profiles.versionOf(profile);
  ports.notes.learn(oauthProfile, { account, at, refusal: undefined, grantedWith });
  if (profile !== attempt.profile) ports.profiles.adopt(oauthProfile, profile);
  // Another attempt has begun since: what becomes of the account is for that one to say.
  if (wasOvertaken()) return { kind: 'deferred', reason: 'leased_elsewhere', escrow: 'stays' };
  if (kept.kind !== 'stored') return notStored(kept.kind, kept.failure, rotated, obtainedAt);
  return kind === 'whole'
    ? { kind: 'refreshed', tokenSet, reason, obtainedAt }
    : { kind: 'failed', reason: 'token_set_too_large', obtainedAt, escrow: 'done' };
}

/** Milliseconds. If less than this is left when the response arrives, the process must have been frozen. */
const LEAST_STORE_TIME = 5_000;
/** Milliseconds that a process which woke up late takes to keep what it has. */
const LATE_WORK = 120_000;

function isLate({ deadline }: Attempt, { clock }: Ports): boolean {
  return clock.now() > deadline - LEAST_STORE_TIME;
}

/** How long to go on trying to keep what a response holds, milliseconds since the epoch. */
export function keepUntil(attempt: Attempt, ports: Ports): number {
  return isLate(attempt, ports) ? ports.clock.now() + LATE_WORK : attempt.deadline;
}

/**
 * How a response is stored. A process that was frozen may hear it when its lease is over and another attempt has begun:
 * then it takes the place of the version that was read, and of no other.
 */
function storing(attempt: Attempt, { secretId, version }: CurrentGrant, text: string, ports: Ports) {
  const deadline = keepUntil(attempt, ports);
  const { id: versionId } = attempt;
  if (isLate(attempt, ports))
    return { deadline, ...replacing({ secretId, from: version.versionId, text, versionId }, ports) };
  const store = (timeout: number) => ports.secrets.put(secretId, text, versionId, timeout);
  return { deadline, store, wasOvertaken: () => false };
}

function notStored(kind: 'escrowed' | 'not_kept', failure: AwsFailure, rotated: boolean, at: number): Failed {
  const secret = `The token secret can't be written (${failure.code})`;
  const base = { kind: 'failed', ...storeFailure(failure), escrow: 'stays' } as const;
  if (!rotated) return { ...base, detail: `${secret}; the refresh token did not change` };
  if (kind === 'escrowed') return { ...base, detail: `${secret}; the new refresh token is safe in escrow` };
  const detail = `${secret}, nor could the new refresh token be put into escrow`;
  return { ...base, detail, ambiguousSince: at };
}

type KeptFromError = { readonly kind: 'nothing' } | { readonly kind: 'kept'; readonly escrow: EscrowState };

/**
 * Keeps in escrow what a response that is no plain success may hold: what looks like a refresh token, or else the response
 * itself, where it was a success that can't be read.
 */
export async function keepFromError(
  attempt: Attempt,
  grant: CurrentGrant,
  { candidate, unread, at }: ErrorResponse & { readonly at: number },
  ports: Ports,
): Promise<KeptFromError> {
  const keep = async (kind: 'candidate' | 'answer', content: Escrowed) => {
    await keepInEscrow(escrowWrite(attempt, kind, content), keepUntil(attempt, ports), ports);
  };
  const keepCandidate = async (content: EscrowedToken): Promise<KeptFromError> => {
    await keep('candidate', content);
    return { kind: 'kept', escrow: { kind: 'try_first', content } };
  };
  if (candidate !== undefined) return await keepCandidate(escrowedFrom(grant, candidate, at));
  if (unread === undefined) return { kind: 'nothing' };
  // The oldest is kept: it is the one that may hold a token.
  if (answerIn(grant.escrow) !== undefined) return { kind: 'kept', escrow: grant.escrow };
  const answer = packResponse(unread);
  if (grant.escrow.kind === 'try_first') return await keepCandidate({ ...grant.escrow.content, answer });
  const content = { answer, supersedes: supersededBy(grant), obtainedAt: at };
  await keep('answer', content);
  return { kind: 'kept', escrow: { kind: 'leave', content } };
}

function escrowWrite(
  { account, id, deadline }: Attempt,
  kind: EscrowWrite['kind'],
  content: Escrowed,
): EscrowWrite {
  const { accountId, tokenSecretId: secretId } = account;
  // A process that stood still hears late what the provider sent before.
  const obtainedAt = Math.min(content.obtainedAt, Math.floor(deadline / 1000));
  return { accountId, attemptId: id, kind, content: { ...content, obtainedAt }, secretId };
}

/** A new refresh token, with the response that waits in escrow for a person. */
function escrowedFrom(grant: CurrentGrant, refreshToken: string, at: number): EscrowedToken {
  return { refreshToken, answer: answerIn(grant.escrow), supersedes: supersededBy(grant), obtainedAt: at };
}

function answerIn(escrow: EscrowState): Escrowed['answer'] {
  return escrow.kind === 'empty' ? undefined : escrow.content?.answer;
}

/** What the secret held is out of date once this is stored; see `Escrowed.supersedes`. */
function supersededBy({ refreshToken }: CurrentGrant): string {
  return fingerprintOf(refreshToken ?? '');
}
