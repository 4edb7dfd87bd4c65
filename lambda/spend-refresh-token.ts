import type { AwsFailure } from '../adapters/aws/aws-error.ts';
import { type Escrowed, fingerprintOf, packAnswer } from '../adapters/aws/escrow.ts';
import type { PutSecret, SecretVersion } from '../adapters/aws/secrets.ts';
import { readTokenSet } from '../adapters/aws/token-secret.ts';
import { type Exchange, tokenRequestTimeout } from '../adapters/oauth/token-endpoint.ts';
import { type Account, type EscrowKind, labelOf } from '../core/account/account.ts';
import { type DecisionInput, nextObtainedAt } from '../core/account/decision.ts';
import { judgeDeath, type Refusal } from '../core/account/evidence.ts';
import type { Failed, Outcome } from '../core/account/outcome.ts';
import type { ErrorAnswer } from '../core/answer/provider-error.ts';
import {
  type Asked,
  interpretTokenAnswer,
  type TokenAnswer,
  unjudged,
} from '../core/answer/token-response.ts';
import { secondsOf } from '../core/clock.ts';
import type { Profile } from '../core/profile/profile.ts';
import { type Reason, refreshingSentence, severityOf } from '../core/reason.ts';
import { namedFields } from '../core/tokens/response-fields.ts';
import { mergeTokenSet, storable, type TokenSet } from '../core/tokens/token-set.ts';
import { errorNameOf } from './errors.ts';
import { keepInEscrow, keepTokens } from './keep-tokens.ts';
import type { Ports } from './ports.ts';

/** One due account, as a run hands it over. */
export interface Visit {
  readonly account: Account;
  /** Why the account is due. */
  readonly reason: Reason;
  readonly profile: Profile;
  readonly input: DecisionInput;
  readonly secretNamePrefix: string;
  /** The accounts table's name or ARN, and the tables whose functions have stopped. */
  readonly tableName: string;
  readonly formerTables: readonly string[];
  /** When the run began, and when this process may be gone, milliseconds since the epoch. */
  readonly begun: number;
  readonly deadline: number;
  /** Seconds after which any visit that is under way now has ended, its lease included. */
  readonly longestLease: number;
}

/** What is held, under the lease, when a refresh token is about to be spent. */
export interface CurrentGrant {
  readonly tokenSet: TokenSet;
  readonly version: SecretVersion;
  readonly secretId: string;
  /** The refresh token in the secret; absent where it has none. */
  readonly refreshToken: string | undefined;
  /** Since when an answer for this refresh token may have been lost, seconds since the epoch. */
  readonly ambiguousSince: number | undefined;
  readonly escrow: EscrowState;
  /** When the newest token set known was obtained, seconds since the epoch. */
  readonly newest: number | undefined;
}

/**
 * What the account's escrow comes to in this visit.
 *
 * - `none`: there is nothing in it, or what was in it has been dealt with and can go;
 * - `candidate`: it is tried before the refresh token in the secret;
 * - `stays`: an answer that waits for a person, or what belongs to another secret.
 */
export interface EscrowState {
  readonly kind: 'none' | 'candidate' | 'stays';
  readonly content?: Escrowed | undefined;
}

/** Nothing is wrong with the account, but its turn is in a later run. */
export interface Deferred {
  readonly kind: 'deferred';
  readonly reason: Reason;
  readonly escrowSettled: boolean;
  /** When the token set was obtained that this visit has stored all the same, seconds since the epoch. */
  readonly obtainedAt?: number | undefined;
}

const SHORTEST_EXCHANGE = 3_000;
/** Kept free for storing what an exchange bought. */
const STORE_TIME = 6_000;
/** Where less of it is left when the answer is heard, the process stood still meanwhile. */
const LEAST_STORE_TIME = 5_000;
/** Milliseconds without which no refresh token is spent: a try, a second try where the first is not answered, the store. */
export const MINIMUM_TIME = STORE_TIME + 2 * SHORTEST_EXCHANGE;

/** What happened so far with the refresh tokens of one visit. */
interface Progress {
  readonly grant: CurrentGrant;
  readonly profile: Profile;
  /** Profiles still to be tried if the client is rejected; undefined before they were asked for. */
  readonly otherClients: readonly Profile[] | undefined;
  readonly unanswered: boolean;
  readonly reread: boolean;
  /** Another token is refused than before: a candidate for the first time, or after one that was dropped. */
  readonly anew: boolean;
}

type Step =
  | { readonly kind: 'again'; readonly progress: Progress }
  | { readonly kind: 'end'; readonly outcome: Outcome | Deferred };

/**
 * Spends the refresh token, and keeps what that buys. Four things make it try again within the visit:
 *
 * - no answer: the same token once more at once, inside the grace period that many providers give;
 * - a dead grant: the secret is read again, and if somebody has put a new grant there, that one is used;
 * - a rejected client: the profile is read again, then its previous version is tried;
 * - a candidate that is refused for good: the token in the secret.
 */
export async function spendRefreshToken(
  visit: Visit,
  attemptId: string,
  grant: CurrentGrant,
  ports: Ports,
): Promise<Outcome | Deferred> {
  const { account, reason } = visit;
  ports.log.info(refreshingSentence(labelOf(account)), { accountId: account.accountId, reason });
  let step: Step = {
    kind: 'again',
    progress: {
      grant,
      profile: visit.profile,
      otherClients: undefined,
      unanswered: false,
      reread: false,
      anew: false,
    },
  };
  while (step.kind === 'again') step = await attempt(visit, attemptId, step.progress, ports);
  return step.outcome;
}

/** The token to send: a candidate first, as what the provider issued last is the live one. */
function tokenToSend({ escrow, refreshToken }: CurrentGrant): string | undefined {
  return (escrow.kind === 'candidate' ? escrow.content?.refreshToken : undefined) ?? refreshToken;
}

async function attempt(visit: Visit, attemptId: string, progress: Progress, ports: Ports): Promise<Step> {
  const { account, deadline } = visit;
  const { profile, grant, unanswered } = progress;
  const sent = tokenToSend(grant);
  if (sent === undefined) return ended(trouble('no_refresh_token', undefined, grant));
  const left = deadline - ports.clock.now();
  const needed = unanswered ? SHORTEST_EXCHANGE : timeToAnswer(visit, profile, ports);
  const refusal =
    left < STORE_TIME + needed
      ? 'out_of_time'
      : ports.limits.request(account.oauthProfile, profile, secondsOf(ports.clock));
  if (refusal !== undefined)
    return unanswered
      ? refused(
          visit,
          progress,
          { reason: 'provider_unavailable', message: 'The provider did not answer' },
          ports,
        )
      : ended({ kind: 'deferred', reason: refusal, escrowSettled: grant.escrow.kind === 'none' });
  const asked = await ask(visit, { profile, grant, sent }, Math.floor(left - STORE_TIME), ports);
  return asked.answer.kind === 'granted'
    ? ended(await keep(visit, attemptId, { progress, sent, now: asked.now }, asked.answer, ports))
    : await afterError(visit, attemptId, { progress, sent, now: asked.now }, asked, asked.answer, ports);
}

/** What the provider was found to say, and when, seconds since the epoch. */
interface Heard {
  readonly exchange: Exchange['kind'];
  readonly answer: TokenAnswer;
  readonly now: number;
}

/**
 * Sends one token request and judges the answer. Its text ends here: many large ones, each kept while it is being stored,
 * would fill the memory.
 *
 * @param longest milliseconds that the run can wait. It waits as long as the provider may take, and leaves time for the
 *   store: an answer that is waited for is worth more than a second try
 */
async function ask(
  { account }: Visit,
  { profile, grant, sent }: { profile: Profile; grant: CurrentGrant; sent: string },
  longest: number,
  ports: Ports,
): Promise<Heard> {
  const begun = ports.clock.now();
  const exchange = await ports.endpoint.refresh({
    profile,
    account,
    refreshToken: sent,
    timeoutMilliseconds: Math.min(tokenRequestTimeout(profile), longest),
  });
  if (exchange.kind === 'answered')
    ports.limits.answeredAfter(account.oauthProfile, ports.clock.now() - begun);
  const now = secondsOf(ports.clock);
  const answer = understood(exchange, { profile, previous: grant.tokenSet, sent, now }, ports);
  return { exchange: exchange.kind, answer, now };
}

/**
 * Milliseconds that must be left for the answer before a refresh token is spent: half as long again as this profile's
 * slowest answer in this run; before there is one, as long as its provider may take, as far as the run can afford it.
 */
function timeToAnswer({ account, begun, deadline }: Visit, profile: Profile, { limits }: Ports): number {
  const slowest = limits.slowestAnswer(account.oauthProfile);
  const share = profile.token_request_timeout_seconds === undefined ? UNKNOWN_SHARE : NAMED_SHARE;
  const expected = slowest === undefined ? (deadline - begun) * share : 1.5 * slowest;
  return Math.max(2 * SHORTEST_EXCHANGE, Math.min(tokenRequestTimeout(profile), expected));
}

/** Of a run's whole time, what a provider whose speed nobody knows gets, and one whose profile says how long it takes. */
const UNKNOWN_SHARE = 1 / 3;
const NAMED_SHARE = 1 / 2;

function ended(outcome: Outcome | Deferred): Step {
  return { kind: 'end', outcome };
}

function understood(exchange: Exchange, asked: Omit<Asked, 'secrets'>, { log }: Ports): TokenAnswer {
  if (exchange.kind === 'answered') {
    try {
      return interpretTokenAnswer(exchange.answer, { ...asked, secrets: exchange.secrets });
    } catch (error) {
      log.error('An answer could not be judged. It is kept in escrow for a person.', {
        errorName: errorNameOf(error),
      });
      return unjudged(exchange.answer);
    }
  }
  const { detail } = exchange;
  return exchange.kind === 'unanswered'
    ? { kind: 'error', reason: 'provider_unavailable', detail, mayHaveRotated: true, cut: true }
    : { kind: 'error', reason: exchange.reason, detail, mayHaveRotated: false, cut: false };
}

/** One request, and when its answer came, seconds since the epoch. */
interface Sent {
  readonly progress: Progress;
  readonly sent: string;
  readonly now: number;
}

async function afterError(
  visit: Visit,
  attemptId: string,
  { progress, sent, now }: Sent,
  { exchange }: Pick<Heard, 'exchange'>,
  error: ErrorAnswer,
  ports: Ports,
): Promise<Step> {
  const { accountId, oauthProfile } = visit.account;
  const mayHaveRotated = error.mayHaveRotated || error.candidate !== undefined || error.unread !== undefined;
  const { ambiguousSince } = progress.grant;
  const grant = { ...progress.grant, ambiguousSince: ambiguousSince ?? (mayHaveRotated ? now : undefined) };
  // What the answer may hold comes first, whatever else it says.
  const kept = await keepFromError(visit, attemptId, grant, error, now, ports);
  const { reason, detail: message, retryAfter } = error;
  const refusal = { reason, message, retryAfter };
  const isCandidate = grant.escrow.kind === 'candidate' && sent === grant.escrow.content?.refreshToken;
  if (kept !== undefined) {
    const next = { ...progress, grant: { ...grant, escrow: kept } };
    // An answer that can't be read refuses a candidate as well, unless it brought another one.
    return isCandidate && error.candidate === undefined
      ? await candidateRefused(visit, attemptId, next, refusal, ports)
      : refused(visit, next, refusal, ports);
  }
  if (error.cut && !progress.unanswered) {
    ports.log.warn('The answer to a token request was lost. The same refresh token is tried again at once.', {
      accountId,
    });
    return { kind: 'again', progress: { ...progress, grant, unanswered: true } };
  }
  if (reason === 'grant_revoked' && !progress.reread) {
    const replaced = await replacedGrant(grant, ports);
    if (replaced !== undefined)
      return { kind: 'again', progress: { ...progress, grant: replaced, reread: true } };
  }
  if (reason === 'client_rejected' && exchange === 'answered') {
    const [next, ...rest] =
      progress.otherClients ?? (await ports.profiles.alternatives(oauthProfile, progress.profile));
    if (next !== undefined)
      return { kind: 'again', progress: { ...progress, grant, profile: next, otherClients: rest } };
  }
  return isCandidate
    ? await candidateRefused(visit, attemptId, { ...progress, grant }, refusal, ports)
    : refused(visit, { ...progress, grant }, refusal, ports);
}

/** What a refused candidate may be called, and is then dropped like a dead grant. */
const droppable: readonly Reason[] = ['grant_revoked', 'request_rejected', 'malformed_response'];

/** A candidate that is refused for good makes way for the token in the secret, which was kept. */
async function candidateRefused(
  visit: Visit,
  attemptId: string,
  progress: Progress,
  refusal: Refusal,
  ports: Ports,
): Promise<Step> {
  const { account } = visit;
  const now = secondsOf(ports.clock);
  if (!droppable.includes(refusal.reason)) return refused(visit, progress, refusal, ports);
  const note = ports.notes.get(account.oauthProfile);
  const token = { since: account.escrow?.at ?? now, refusals: droppable };
  const verdict = judgeDeath(account, note, now, token);
  if (verdict !== 'believed')
    return refused(visit, { ...progress, anew: verdict === 'first' }, refusal, ports);
  ports.log.warn(
    'What looked like a new refresh token is refused for good. The one in the secret is tried again.',
    {
      accountId: account.accountId,
    },
  );
  const { content } = progress.grant.escrow;
  // The candidate goes; an answer that was kept beside it waits on.
  const escrow: EscrowState =
    content?.answer === undefined
      ? { kind: 'none' }
      : { kind: 'stays', content: { ...content, refreshToken: undefined } };
  if (escrow.content !== undefined)
    await keepInEscrow(
      {
        accountId: account.accountId,
        attemptId,
        kind: 'answer',
        content: escrow.content,
        secretId: account.tokenSecretId,
      },
      keepUntil(visit, ports),
      ports,
    );
  const grant = { ...progress.grant, escrow };
  return { kind: 'again', progress: { ...progress, grant, reread: false, anew: true } };
}

/** The end of a visit in which nothing was granted: what it says about the profile, and about the account. */
function refused(visit: Visit, progress: Progress, refusal: Refusal, { notes, clock }: Ports): Step {
  const { account } = visit;
  const { grant, anew } = progress;
  const at = secondsOf(clock);
  const { reason, message, retryAfter } = refusal;
  // What people wrote wrongly was found before the provider was asked.
  if (severityOf(reason) !== 'invalid') notes.answered(account.oauthProfile, { account, at, refusal });
  if (reason !== 'grant_revoked')
    return ended({ ...trouble(reason, message, grant), retryAfter, ...(anew && { anew }) });
  const verdict = judgeDeath(account, notes.get(account.oauthProfile), at);
  const dead: Reason =
    verdict === 'provider_wide'
      ? 'provider_wide_refusal'
      : grant.ambiguousSince === undefined
        ? 'grant_revoked'
        : 'grant_possibly_lost';
  return ended({
    ...trouble(dead, dead === 'grant_possibly_lost' ? undefined : message, grant),
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
  const escrow: EscrowState = grant.escrow.kind === 'stays' ? grant.escrow : { kind: 'none' };
  return { ...grant, tokenSet, version, refreshToken, ambiguousSince: undefined, escrow };
}

function trouble(
  reason: Reason,
  detail: string | undefined,
  { ambiguousSince, escrow }: CurrentGrant,
): Failed {
  return { kind: 'failed', reason, detail, ambiguousSince, escrowSettled: escrow.kind === 'none' };
}

/**
 * Keeps in escrow what an answer that is no plain success may hold: what looks like a refresh token, or else the answer
 * itself, where it was a success that can't be read.
 *
 * @returns the escrow as it is then; undefined where there was nothing to keep
 */
async function keepFromError(
  visit: Visit,
  attemptId: string,
  grant: CurrentGrant,
  { candidate, unread }: ErrorAnswer,
  now: number,
  ports: Ports,
): Promise<EscrowState | undefined> {
  const before = grant.escrow.content;
  const spent = grant.refreshToken ?? '';
  const supersedes = fingerprintOf(spent);
  const write = async (kind: EscrowKind, content: Escrowed): Promise<EscrowState> => {
    const { accountId, tokenSecretId: secretId } = visit.account;
    const until = keepUntil(visit, ports);
    await keepInEscrow({ accountId, attemptId, kind, content, secretId }, until, ports);
    return { kind: kind === 'answer' ? 'stays' : 'candidate', content };
  };
  if (candidate !== undefined)
    return await write('candidate', {
      refreshToken: candidate,
      answer: before?.answer,
      supersedes,
      obtainedAt: now,
    });
  if (unread === undefined) return undefined;
  // The oldest is kept: it is the one that may hold a token.
  if (before?.answer !== undefined) return grant.escrow;
  const answer = packAnswer(unread);
  return grant.escrow.kind === 'candidate' && before !== undefined
    ? await write('candidate', { ...before, answer })
    : await write('answer', { answer, supersedes, obtainedAt: now });
}

type Granted = Extract<TokenAnswer, { kind: 'granted' }>;

/**
 * Stores what was granted. If the provider rotates, the refresh token that was sent is dead from here on: a fault of this
 * program's own must not lose the new one either.
 */
async function keep(
  visit: Visit,
  attemptId: string,
  request: Sent,
  answer: Granted,
  ports: Ports,
): Promise<Outcome | Deferred> {
  try {
    return await store(visit, attemptId, request, answer, ports);
  } catch (error) {
    const { accountId, tokenSecretId: secretId } = visit.account;
    ports.log.error('A token set could not be stored.', { accountId, errorName: errorNameOf(error) });
    const { refreshToken } = answer.tokens;
    const { grant } = request.progress;
    const failure: AwsFailure = { kind: 'unavailable', code: 'FAULT' };
    if (refreshToken === undefined) return notStored('lost', failure, false, request.now);
    const supersedes = fingerprintOf(grant.refreshToken ?? '');
    const content = { refreshToken, supersedes, obtainedAt: request.now };
    const write = { accountId, attemptId, kind: 'token' as const, content, secretId };
    const isKept = await keepInEscrow(write, keepUntil(visit, ports), ports);
    return notStored(isKept ? 'escrowed' : 'lost', failure, true, request.now);
  }
}

async function store(
  visit: Visit,
  attemptId: string,
  { progress: { grant, profile }, sent, now }: Sent,
  answer: Granted,
  ports: Ports,
): Promise<Outcome | Deferred> {
  const { account, reason } = visit;
  const { accountId, oauthProfile, tokenSecretId } = account;
  const obtainedAt = nextObtainedAt(now, grant, grant.newest);
  const merged = mergeTokenSet({ ...grant.tokenSet, refresh_token: sent }, answer.tokens, obtainedAt);
  const rotated = merged.refresh_token !== grant.refreshToken;
  const content = {
    refreshToken: merged.refresh_token,
    answer: grant.escrow.content?.answer,
    supersedes: fingerprintOf(grant.refreshToken ?? ''),
    obtainedAt: now,
  };
  const atStake = { accountId, attemptId, kind: 'token' as const, content, secretId: tokenSecretId };
  const { kind, tokenSet, text } = storable(merged, grant.tokenSet, namedFields(profile));
  const { store, until, wasOvertaken } = storing(visit, attemptId, grant, text, ports);
  const kept = await keepTokens(
    {
      accountId,
      secretId: grant.secretId,
      store,
      atStake: rotated ? atStake : undefined,
      isEvidence: true,
      deadline: until,
    },
    ports,
  );
  if (kept.kind === 'stored' && grant.version.isClaim)
    await ports.secrets.relabel(grant.secretId, grant.version.versionId, attemptId);
  for (const doubt of answer.doubts) ports.log.warn(doubt, { accountId, oauthProfile });
  ports.notes.answered(oauthProfile, { account, at: now, refusal: undefined });
  if (profile !== visit.profile) ports.profiles.adopt(oauthProfile, profile);
  // Another visit has begun since: what becomes of the account is for that one to say.
  if (wasOvertaken()) return { kind: 'deferred', reason: 'leased_elsewhere', escrowSettled: false };
  if (kept.kind !== 'stored') return notStored(kept.kind, kept.failure, rotated, now);
  if (kind === 'whole') return { kind: 'refreshed', tokenSet, reason, obtainedAt };
  return { kind: 'failed', reason: 'token_set_too_large', obtainedAt, escrowSettled: true };
}

/** Milliseconds that a process which woke up late takes to keep what it has. */
const LATE_WORK = 120_000;

/** Whether an answer was heard so late that the process must have stood still meanwhile. */
function isLate({ deadline }: Visit, { clock }: Ports): boolean {
  return clock.now() > deadline - LEAST_STORE_TIME;
}

/** Until when what an answer holds is tried to be kept, milliseconds since the epoch. */
function keepUntil(visit: Visit, ports: Ports): number {
  return isLate(visit, ports) ? ports.clock.now() + LATE_WORK : visit.deadline;
}

/**
 * How an answer is stored. A process that was frozen may hear it when its lease is over and another visit has begun:
 * then it takes the place of the version that was read, and of no other.
 */
function storing(
  visit: Visit,
  attemptId: string,
  { secretId, version }: CurrentGrant,
  text: string,
  ports: Ports,
) {
  const { secrets } = ports;
  const until = keepUntil(visit, ports);
  let overtaken = false;
  if (!isLate(visit, ports)) {
    const store = (timeout: number) => secrets.put(secretId, text, attemptId, timeout);
    return { store, until, wasOvertaken: () => false };
  }
  const store = async (timeout: number): Promise<PutSecret> => {
    const put = await secrets.replace(secretId, version.versionId, text, attemptId, timeout);
    if (put.kind !== 'overtaken') return put;
    overtaken = true;
    return { kind: 'failed', failure: { kind: 'refused', code: 'OVERTAKEN' } };
  };
  return { store, until, wasOvertaken: () => overtaken };
}

function notStored(kind: 'escrowed' | 'lost', failure: AwsFailure, rotated: boolean, now: number): Failed {
  const { reason, steady } = troubleOfStore(failure);
  const secret = `The token secret can't be written (${failure.code})`;
  const base = { kind: 'failed', reason, steady } as const;
  if (!rotated) return { ...base, detail: `${secret}; the refresh token did not change` };
  if (kind === 'escrowed') return { ...base, detail: `${secret}; the new refresh token is safe in escrow` };
  const detail = `${secret}, nor could the new refresh token be put into escrow`;
  return { ...base, detail, ambiguousSince: now };
}

/** What a secret that can't be written comes to. Only what may pass by itself is tried by every run. */
export function troubleOfStore({ kind, code }: AwsFailure): {
  readonly reason: Reason;
  readonly steady: boolean;
} {
  if (kind === 'denied') return { reason: 'permission_missing', steady: false };
  if (code === 'LimitExceededException') return { reason: 'lifetime_too_short', steady: false };
  return { reason: 'store_unavailable', steady: kind === 'throttled' || kind === 'unavailable' };
}
