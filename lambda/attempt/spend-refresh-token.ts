import { type Exchange, tokenRequestTimeout } from '../../adapters/oauth/token-endpoint.ts';
import { labelOf } from '../../core/account/account.ts';
import type { Outcome } from '../../core/account/outcome.ts';
import { secondsOf } from '../../core/clock.ts';
import { type Profile, secretValuesOf } from '../../core/profile/profile.ts';
import { refreshingSentence } from '../../core/reason.ts';
import { withoutKnownSecrets } from '../../core/redaction/redaction.ts';
import type { RequestContext } from '../../core/response/request-context.ts';
import {
  interpretTokenResponse,
  type TokenResponse,
  uninterpreted,
} from '../../core/response/token-response.ts';
import { type Attempt, type CurrentGrant, escrowResult } from './attempt.ts';
import { errorNameOf } from './errors.ts';
import { failed, judgeError, type Progress, refused, type Step } from './judge-error.ts';
import { keepGranted } from './keep-response.ts';
import type { Ports } from './ports.ts';

const SHORTEST_EXCHANGE = 3_000;
/** Kept free for storing what an exchange bought. */
const STORE_TIME = 6_000;
/** Milliseconds without which no refresh token is spent: a try, a second try if the first gets no response, the store. */
export const MINIMUM_TIME = STORE_TIME + 2 * SHORTEST_EXCHANGE;

/**
 * Spends the refresh token, and keeps what that buys. Four things make it try again within the attempt:
 *
 * - no response: the same token once more at once, inside the grace period that many providers give;
 * - a dead grant: the secret is read again, and if somebody has put a new grant there, that one is used;
 * - a rejected client: the profile is read again, then its previous version is tried;
 * - a candidate that is refused for good: the token in the secret.
 */
export async function spendRefreshToken(
  attempt: Attempt,
  grant: CurrentGrant,
  ports: Ports,
): Promise<Outcome> {
  const { account, reason, profile } = attempt;
  ports.log.info(refreshingSentence(labelOf(account)), { accountId: account.accountId, reason });
  let step: Step = {
    kind: 'again',
    progress: { grant, profile, otherClients: undefined, unanswered: false, reread: false, anew: false },
  };
  while (step.kind === 'again') step = await exchangeOnce(attempt, step.progress, ports);
  return step.outcome;
}

/** The token to send: a candidate first, as what the provider issued last is the live one. */
function tokenToSend({ escrow, refreshToken }: CurrentGrant): string | undefined {
  return escrow.kind === 'try_first' ? escrow.content.refreshToken : refreshToken;
}

async function exchangeOnce(attempt: Attempt, progress: Progress, ports: Ports): Promise<Step> {
  const { account, deadline } = attempt;
  const { profile, grant, unanswered } = progress;
  const sentToken = tokenToSend(grant);
  if (sentToken === undefined) return { kind: 'end', outcome: failed('no_refresh_token', undefined, grant) };
  const left = deadline - ports.clock.now();
  const needed = unanswered ? SHORTEST_EXCHANGE : timeToRespond(attempt, profile, ports);
  const refusal =
    left < STORE_TIME + needed
      ? 'out_of_time'
      : ports.limits.whyNotSend(account.oauthProfile, profile, secondsOf(ports.clock));
  if (refusal !== undefined && unanswered) {
    const silence = { reason: 'provider_unavailable', message: 'The provider did not answer' } as const;
    return refused(attempt, progress, silence, ports);
  }
  if (refusal !== undefined)
    return {
      kind: 'end',
      outcome: { kind: 'deferred', reason: refusal, escrow: escrowResult(grant.escrow) },
    };
  const longest = Math.floor(left - STORE_TIME);
  const { response, ...heard } = await ask(attempt, { profile, grant, sentToken, longest }, ports);
  const exchanged = { progress, sentToken, ...heard };
  if (response.kind === 'error') return await judgeError(attempt, exchanged, response, ports);
  return {
    kind: 'end',
    outcome: await keepGranted(attempt, { profile, grant, sentToken, ...heard }, response, ports),
  };
}

interface Request {
  readonly profile: Profile;
  readonly grant: CurrentGrant;
  readonly sentToken: string;
  /**
   * Milliseconds that the run can wait. It waits as long as the provider may take, and leaves time for the store: it is
   * better to wait for a response than to try again.
   */
  readonly longest: number;
}

/** What the provider said, and when, seconds since the epoch. */
interface Heard {
  readonly exchange: Exchange['kind'];
  readonly response: TokenResponse;
  readonly at: number;
}

/**
 * Sends one token request and judges the response. Its text ends here: many large ones, each kept while it is being stored,
 * would fill the memory.
 */
async function ask({ account, request }: Attempt, asked: Request, ports: Ports): Promise<Heard> {
  const { profile, grant, sentToken, longest } = asked;
  const begun = ports.clock.now();
  const exchange = await ports.endpoint.refresh({
    profile,
    account,
    refreshToken: sentToken,
    timeoutMilliseconds: Math.min(tokenRequestTimeout(profile), longest),
  });
  const exchangeMs = ports.clock.now() - begun;
  const at = secondsOf(ports.clock);
  if (exchange.kind === 'response') {
    ports.limits.responseTook(account.oauthProfile, exchangeMs);
    ports.clockCheck.heard(account.oauthProfile, exchange.response.date, at);
  }
  const response = understood(
    exchange,
    { profile, previous: grant.tokenSet, sent: sentToken, now: at },
    ports,
  );
  request.exchangeMs = exchangeMs;
  request.httpStatus = exchange.kind === 'response' ? exchange.response.status : undefined;
  request.providerRequestId = requestIdIn(exchange, response, asked);
  ports.trace({
    name: 'exchange',
    begun,
    ended: begun + exchangeMs,
    annotations: {
      accountId: account.accountId,
      oauthProfile: account.oauthProfile,
      reason: response.kind === 'error' ? response.reason : undefined,
    },
    httpStatus: request.httpStatus,
    failed: response.kind === 'error',
  });
  return { exchange: exchange.kind, response, at };
}

/** The provider's own id of the request, unless it says something of what must stay secret. */
function requestIdIn(
  exchange: Exchange,
  response: TokenResponse,
  { profile, grant: { tokenSet }, sentToken }: Request,
): string | undefined {
  if (exchange.kind !== 'response' || exchange.response.requestId === undefined) return undefined;
  const { requestId, body } = exchange.response;
  const issued = response.kind === 'error' ? [response.candidate] : Object.values(response.tokens);
  const secrets = [
    ...[sentToken, tokenSet.access_token, tokenSet.refresh_token, ...issued],
    ...exchange.secrets,
    ...secretValuesOf(profile),
  ].filter((one) => typeof one === 'string');
  // As part of a secret, or with a secret in it in any writing.
  const isPart = [body, ...secrets].some((text) => text.includes(requestId));
  return isPart || withoutKnownSecrets(requestId, secrets) !== requestId ? undefined : requestId;
}

/**
 * Milliseconds that must be left for the response before a refresh token is spent: half as long again as this profile's
 * slowest response in this run; before there is one, as long as its provider may take, as far as the run can afford it.
 */
function timeToRespond({ account, begun, deadline }: Attempt, profile: Profile, { limits }: Ports): number {
  const slowest = limits.slowestResponse(account.oauthProfile);
  const share = profile.token_request_timeout_seconds === undefined ? UNKNOWN_SHARE : NAMED_SHARE;
  const expected = slowest === undefined ? (deadline - begun) * share : 1.5 * slowest;
  return Math.max(2 * SHORTEST_EXCHANGE, Math.min(tokenRequestTimeout(profile), expected));
}

/** Of a run's whole time, what a provider whose speed nobody knows gets, and one whose profile says how long it takes. */
const UNKNOWN_SHARE = 1 / 3;
const NAMED_SHARE = 1 / 2;

function understood(
  exchange: Exchange,
  asked: Omit<RequestContext, 'secrets'>,
  { log }: Ports,
): TokenResponse {
  if (exchange.kind === 'response') {
    try {
      return interpretTokenResponse(exchange.response, { ...asked, secrets: exchange.secrets });
    } catch (error) {
      log.error('This program failed to read a response. It is kept in escrow for a person.', {
        errorName: errorNameOf(error),
      });
      return uninterpreted(exchange.response);
    }
  }
  const { detail } = exchange;
  return exchange.kind === 'no_response'
    ? { kind: 'error', reason: 'provider_unavailable', detail, mayHaveRotated: true, cut: true }
    : { kind: 'error', reason: exchange.reason, detail, mayHaveRotated: false, cut: false };
}
