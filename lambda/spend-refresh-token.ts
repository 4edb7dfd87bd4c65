import { type Account, labelOf } from './account.ts';
import type { DecisionInput } from './decision.ts';
import type { Edges } from './edges.ts';
import { fingerprintOf } from './escrow.ts';
import { type Kept, keepTokens } from './keep-tokens.ts';
import type { Ending, Trouble } from './outcome.ts';
import { secondsOf } from './ports.ts';
import type { Profile } from './profile.ts';
import type { ErrorAnswer } from './provider-error.ts';
import { type Reason, refreshingSentence } from './reason.ts';
import type { SecretVersion } from './secrets.ts';
import type { Exchange } from './token-endpoint.ts';
import { interpretTokenAnswer, type TokenAnswer } from './token-response.ts';
import { readTokenSet } from './token-secret.ts';
import { mergeTokenSet, serializeTokenSet, type TokenSet } from './token-set.ts';

/** One due account, as a run hands it over. */
export interface Visit {
  readonly account: Account;
  /** Why the account is due. */
  readonly reason: Reason;
  readonly profile: Profile;
  readonly input: DecisionInput;
  readonly secretNamePrefix: string;
  /** When this process may be gone, milliseconds since the epoch. */
  readonly deadline: number;
}

/** What is held, under the lease, when a refresh token is about to be spent. */
export interface Held {
  readonly tokenSet: TokenSet;
  readonly version: SecretVersion;
  readonly secretId: string;
  readonly refreshToken: string;
  /** Since when an answer for this refresh token may have been lost, seconds since the epoch. */
  readonly doubt: number | undefined;
  /** The account's escrow has been dealt with and can go. */
  readonly escrowSettled: boolean;
}

/** Nothing is wrong with the account, but its turn is in a later run. */
export interface Deferred {
  readonly kind: 'deferred';
  readonly reason: Reason;
  readonly escrowSettled: boolean;
}

/** A provider gets so long to answer, if there is so much. */
const EXCHANGE_TIMEOUT = 10_000;
const SHORTEST_EXCHANGE = 3_000;
/** Kept free for storing what an exchange bought. */
const STORE_TIME = 6_000;
/** Milliseconds without which no refresh token is spent: a try, a second try where the first is not answered, the store. */
export const MINIMUM_TIME = STORE_TIME + 2 * SHORTEST_EXCHANGE;

/** What happened so far with the refresh token of one visit. */
interface Progress {
  readonly held: Held;
  readonly profile: Profile;
  /** Profiles still to be tried if the client is rejected; undefined before they were asked for. */
  readonly otherClients: readonly Profile[] | undefined;
  readonly answerLost: boolean;
  readonly reread: boolean;
}

/**
 * Spends the refresh token, and keeps what that buys. Three things make it try again within the visit:
 *
 * - no answer: the same token once more at once, inside the grace period that many providers give;
 * - a dead grant: the secret is read again, and if somebody has put a new grant there, that one is used;
 * - a rejected client: the profile is read again, then its previous version is tried.
 */
export async function spendRefreshToken(
  visit: Visit,
  attemptId: string,
  held: Held,
  edges: Edges,
): Promise<Ending | Deferred> {
  const { account } = visit;
  edges.log.info(refreshingSentence(labelOf(account)), {
    accountId: account.accountId,
    reason: visit.reason,
  });
  let progress: Progress = {
    held,
    profile: visit.profile,
    otherClients: undefined,
    answerLost: false,
    reread: false,
  };
  for (;;) {
    const next = await attempt(visit, attemptId, progress, edges);
    if ('kind' in next) return next;
    progress = next;
  }
}

async function attempt(
  visit: Visit,
  attemptId: string,
  progress: Progress,
  edges: Edges,
): Promise<Progress | Ending | Deferred> {
  const { account, deadline } = visit;
  const { endpoint, spending, clock } = edges;
  const { profile, held, answerLost } = progress;
  const left = deadline - clock.now();
  const refusal =
    left < (answerLost ? STORE_TIME + SHORTEST_EXCHANGE : MINIMUM_TIME)
      ? 'out_of_time'
      : spending.request(account.oauthProfile, profile, secondsOf(clock));
  if (refusal !== undefined)
    return answerLost
      ? trouble('provider_unavailable', 'The provider did not answer', held)
      : { kind: 'deferred', reason: refusal, escrowSettled: held.escrowSettled };
  const exchange = await endpoint.refresh({
    profile,
    account,
    refreshToken: held.refreshToken,
    timeoutMilliseconds: Math.min(EXCHANGE_TIMEOUT, Math.floor((left - STORE_TIME) / (answerLost ? 1 : 2))),
  });
  const now = secondsOf(clock);
  const answer = understood(exchange, profile, held, now);
  if (answer.kind !== 'error') {
    spending.answered(account.oauthProfile, undefined, undefined, now);
    if (profile !== visit.profile) edges.profiles.adopt(account.oauthProfile, profile);
    return await keep(visit, attemptId, held, answer, now, edges);
  }
  return await afterError(visit, progress, answer, now, edges);
}

function understood(exchange: Exchange, profile: Profile, held: Held, now: number): TokenAnswer {
  switch (exchange.kind) {
    case 'answered': {
      return interpretTokenAnswer(exchange.answer, {
        profile,
        previous: held.tokenSet,
        sent: held.refreshToken,
        now,
      });
    }
    case 'unanswered':
      return {
        kind: 'error',
        reason: 'provider_unavailable',
        detail: exchange.detail,
        mayHaveRotated: true,
        cut: true,
      };
    case 'unsent':
      return {
        kind: 'error',
        reason: exchange.reason,
        detail: exchange.detail,
        mayHaveRotated: false,
        cut: false,
      };
  }
}

async function afterError(
  visit: Visit,
  progress: Progress,
  error: ErrorAnswer,
  now: number,
  edges: Edges,
): Promise<Progress | Trouble> {
  const { accountId, oauthProfile } = visit.account;
  const held = error.mayHaveRotated ? { ...progress.held, doubt: progress.held.doubt ?? now } : progress.held;
  if (error.cut && !progress.answerLost) {
    edges.log.warn('The answer to a token request was lost. The same refresh token is tried again at once.', {
      accountId,
    });
    return { ...progress, held, answerLost: true };
  }
  if (error.reason === 'grant_revoked' && !progress.reread) {
    const replaced = await replacedGrant(held, edges);
    return replaced === undefined
      ? deadGrant(visit, { ...progress, held, reread: true }, error, now, edges)
      : { ...progress, held: replaced, reread: true };
  }
  if (error.reason === 'grant_revoked') return deadGrant(visit, { ...progress, held }, error, now, edges);
  if (error.reason === 'client_rejected') {
    const [next, ...rest] = progress.otherClients ?? (await edges.profiles.alternatives(oauthProfile));
    if (next !== undefined) return { ...progress, held, profile: next, otherClients: rest };
  }
  edges.spending.answered(oauthProfile, error.reason, error.retryAfter, now);
  return { ...trouble(error.reason, error.detail, held), retryAfter: error.retryAfter };
}

function deadGrant(
  visit: Visit,
  { held }: Progress,
  { detail }: ErrorAnswer,
  now: number,
  { spending }: Edges,
): Trouble {
  spending.answered(visit.account.oauthProfile, 'grant_revoked', undefined, now);
  return held.doubt === undefined
    ? trouble('grant_revoked', detail, held)
    : trouble('grant_possibly_lost', undefined, held);
}

/** A person, or another run, may have put a new grant into the secret while the old one was being refused. */
async function replacedGrant(held: Held, { secrets }: Edges): Promise<Held | undefined> {
  const again = await readTokenSet(held.secretId, secrets);
  if (again.kind !== 'read' || again.version.versionId === held.version.versionId) return undefined;
  const refreshToken = again.tokenSet.refresh_token;
  if (refreshToken === undefined || refreshToken === held.refreshToken) return undefined;
  return { ...held, tokenSet: again.tokenSet, version: again.version, refreshToken, doubt: undefined };
}

function trouble(reason: Reason, detail: string | undefined, { doubt, escrowSettled }: Held): Trouble {
  return { kind: 'trouble', reason, detail, ambiguousSince: doubt, escrowSettled };
}

/** Stores what was granted. If the provider rotates, the refresh token that was sent is dead from here on. */
async function keep(
  { account, reason, deadline }: Visit,
  attemptId: string,
  held: Held,
  answer: Exclude<TokenAnswer, ErrorAnswer>,
  now: number,
  edges: Edges,
): Promise<Ending> {
  const tokenSet = mergeTokenSet(held.tokenSet, answer.tokens, now);
  const rotated = tokenSet.refresh_token !== held.refreshToken;
  const kept = await keepTokens(
    {
      accountId: account.accountId,
      secretId: held.secretId,
      text: serializeTokenSet(tokenSet),
      attemptId,
      atStake:
        rotated && tokenSet.refresh_token !== undefined
          ? {
              refreshToken: tokenSet.refresh_token,
              supersedes: fingerprintOf(held.refreshToken),
              obtainedAt: now,
            }
          : undefined,
      deadline,
    },
    edges,
  );
  if (kept.kind !== 'stored') return notStored(kept, rotated, now);
  return { kind: 'refreshed', tokenSet, reason };
}

function notStored(
  { kind, code }: Exclude<Kept, { kind: 'stored' }>,
  rotated: boolean,
  now: number,
): Trouble {
  const reason = code === 'LimitExceededException' ? 'lifetime_too_short' : 'store_unavailable';
  const secret = `The token secret can't be written (${code})`;
  if (!rotated) return { kind: 'trouble', reason, detail: `${secret}; the refresh token did not change` };
  if (kind === 'escrowed')
    return { kind: 'trouble', reason, detail: `${secret}; the new refresh token is safe in escrow` };
  const detail = `${secret}, nor could the new refresh token be put into escrow`;
  return { kind: 'trouble', reason, detail, ambiguousSince: now };
}
