import { randomUUID } from 'node:crypto';
import * as oauth from 'oauth4webapi';
import { secondsOf } from '../../core/clock.ts';
import { interpretTokenResponse } from '../../core/response/token-response.ts';
import type { GrantedTokens, TokenSet } from '../../core/tokens/token-set.ts';
import { awsFailure } from '../aws/aws-error.ts';
import type { Exchange } from '../oauth/token-endpoint.ts';
import { type NewFacts, recordGrant, WORK_TIME } from './account-item.ts';
import { AuthorizationError, type NextStep } from './authorization-error.ts';
import type { Consent } from './consent.ts';
import { type Identity, identityOf } from './identity.ts';
import {
  type LeasedAccount,
  leaseAccount,
  leaseAgain,
  releaseAccount,
  type Target,
} from './leased-account.ts';
import { mayRevoke } from './other-accounts.ts';
import type { Provider } from './provider.ts';
import { newTokenSet, notKept, storeGrant } from './store-grant.ts';
import type { Stores } from './stores.ts';

/** Milliseconds for the store, however long all before it took. */
const LEAST_STORE_TIME = 20_000;

export interface KeptGrant {
  readonly tokenSet: TokenSet & { readonly obtained_at: number };
  readonly identity: Identity;
  /** The account is a new one. */
  readonly created: boolean;
}

/**
 * Turns a person's consent into the account's new grant: lease, redeem, store, record. Between the provider's response
 * and the store stands only the question whose grant it is.
 *
 * @throws AuthorizationError; unless it says otherwise, nothing has changed
 */
export async function keepGrant(consent: Consent, target: Target, provider: Provider): Promise<KeptGrant> {
  const { stores, wanted, wishes } = target;
  const { clock } = stores;
  const owner = randomUUID();
  let leased = await leaseAccount(target, owner, consent.holds).catch((error: unknown) => {
    throw consent.holds === 'tokens' ? grantLost(error) : error;
  });
  let done: 'nothing' | 'stored' | 'recorded' = 'nothing';
  try {
    const deadline = clock.now() + WORK_TIME;
    refuseAnotherAccount(target, consent);
    const exchange = await consent.redeem();
    const tokens = tokensIn(exchange, provider, secondsOf(clock));
    const body = exchange.kind === 'response' ? exchange.response.body : '';
    const identity = await identityOf(body, tokens.accessToken, provider);
    await refuseAnotherPerson(target, leased, { identity, tokens }, provider);
    // A lease that has run out meanwhile, on a machine that slept, is taken anew before anything is written.
    if (clock.now() > deadline)
      leased = await leaseAgain(target, leased).catch((error: unknown) => {
        throw grantLost(error);
      });
    const now = secondsOf(clock);
    const tokenSet = newTokenSet(tokens, leased, target, now);
    await storeGrant(target, leased, tokenSet, Math.max(deadline, clock.now() + LEAST_STORE_TIME));
    done = 'stored';
    const named = wishes.parameter !== undefined || Object.keys(consent.parameters).length > 0;
    const facts = {
      oauthProfile: wanted.account.oauthProfile,
      name: wishes.name,
      parameters: named ? { ...wanted.account.parameters, ...consent.parameters } : undefined,
      authorizedBy: identity.kind === 'known' ? identity.id : undefined,
      authorizedAt: now,
    };
    await record(stores, leased, facts, tokenSet);
    done = 'recorded';
    return { tokenSet, identity, created: leased.created };
  } finally {
    // What has been stored is found by the next run, if it finds the item.
    if (done !== 'recorded')
      await releaseAccount(stores, done === 'stored' ? { ...leased, created: false } : leased);
  }
}

/** The tokens of a device are issued before the account is leased: a failure to lease it leaves a grant behind. */
function grantLost(error: unknown): AuthorizationError {
  if (error instanceof AuthorizationError) return notKept(error);
  const { code } = awsFailure(error);
  return notKept(new AuthorizationError(code, `The account could not be held (${code}).`));
}

/** @param now seconds since the epoch */
function tokensIn(exchange: Exchange, { profile }: Provider, now: number): GrantedTokens {
  if (exchange.kind === 'unsent') throw unsentGrant(exchange);
  if (exchange.kind === 'no_response')
    throw new AuthorizationError(
      'PROVIDER_UNAVAILABLE',
      `${exchange.detail}, so there are no tokens. Nothing has changed.`,
      { next: 'try_again' },
    );
  const interpreted = interpretTokenResponse(exchange.response, {
    profile,
    previous: {},
    sent: '',
    secrets: exchange.secrets,
    now,
  });
  if (interpreted.kind === 'error') {
    const { code, hint, next } = refusals[interpreted.reason] ?? refusals.grant_revoked;
    const what = `${interpreted.detail}. Nothing has changed.`;
    throw new AuthorizationError(code, hint === undefined ? what : `${what} ${hint}`, { next });
  }
  const { refreshToken, expiresAt }: { refreshToken?: string | undefined; expiresAt?: number | undefined } =
    interpreted.tokens;
  // An access token without an end needs nothing to be refreshed with.
  if (refreshToken === undefined && expiresAt !== undefined)
    throw new AuthorizationError(
      'NO_REFRESH_TOKEN',
      'The provider granted access, but no refresh token, so the account could not be kept fresh. Nothing has changed.',
      { next: 'ask_for_offline_access' },
    );
  return interpreted.tokens;
}

interface Refusal {
  readonly code: string;
  readonly hint?: string;
  readonly next?: NextStep;
}

/** What the token endpoint's "no" means for an authorization, and what to do. */
const refusals: Readonly<Record<string, Refusal>> & { readonly grant_revoked: Refusal } = {
  grant_revoked: {
    code: 'CODE_REFUSED',
    hint: 'The code was used before, is too old, or is another client’s.',
    next: 'try_again',
  },
  client_rejected: { code: 'CLIENT_REJECTED', next: 'correct_client' },
  rate_limited: { code: 'PROVIDER_UNAVAILABLE', next: 'try_again_later' },
  provider_unavailable: { code: 'PROVIDER_UNAVAILABLE', next: 'try_again_later' },
  request_rejected: { code: 'REFUSED', next: 'correct_request' },
  malformed_response: {
    code: 'ANSWER_MALFORMED',
    hint: 'Check token_endpoint, token_response_fields and token_error_fields in the profile.',
  },
};

function unsentGrant({ detail, reason }: Extract<Exchange, { kind: 'unsent' }>): AuthorizationError {
  if (reason === 'account_invalid')
    return new AuthorizationError('PARAMETER_MISSING', `${detail}. Nothing has changed.`, {
      next: 'give_parameter',
    });
  return reason === 'provider_unavailable'
    ? new AuthorizationError('PROVIDER_UNAVAILABLE', `${detail}. Nothing has changed.`, {
        next: 'try_again_later',
      })
    : new AuthorizationError('PROFILE_INVALID', `${detail}. Nothing has changed. Correct the profile.`);
}

/** The callback names what was signed in to, such as a company: another one takes the place of none by accident. */
function refuseAnotherAccount({ wanted }: Target, { parameters }: Consent): void {
  if (wanted.replace) return;
  const { accountId, parameters: before = {} } = wanted.account;
  const other = Object.keys(parameters).find(
    (name) => Object.hasOwn(before, name) && before[name] !== parameters[name],
  );
  if (other !== undefined)
    throw new AuthorizationError(
      'ANOTHER_ACCOUNT',
      `The account ${accountId} is connected with the ${other} ${before[other]}, and this sign-in was for ${parameters[other]}. The response was not used, and nothing has changed.`,
      { next: 'use_right_account' },
    );
}

async function refuseAnotherPerson(
  { stores, wanted }: Target,
  { account: { accountId }, authorizedBy: before }: LeasedAccount,
  { identity, tokens }: { readonly identity: Identity; readonly tokens: GrantedTokens },
  provider: Provider,
): Promise<void> {
  if (wanted.replace || before === undefined) return;
  if (identity.kind === 'unknown')
    throw new AuthorizationError(
      'PERSON_UNKNOWN',
      `The account ${accountId} was authorized by ${before}, and the provider does not say who signed in now. The new grant was not kept, but the provider still has it. Nothing else has changed.`,
      { next: 'ask_for_the_person' },
    );
  if (identity.id === before) return;
  const alone = await mayRevoke(stores, provider.profile.client_id, identity.id).catch(() => false);
  const fate =
    alone && (await revoke(tokens, provider))
      ? 'it has been revoked at the provider'
      : `the provider still holds a grant that nobody uses${alone ? ', until it is revoked there' : '. It was not revoked, as another account may live on it'}`;
  throw new AuthorizationError(
    'ANOTHER_PERSON',
    `The account ${accountId} was authorized by ${before}, and ${identity.id} signed in now. The new grant was not kept: ${fate}. Nothing else has changed.`,
    { next: 'use_right_person' },
  );
}

/** RFC 7009. */
async function revoke({ refreshToken = '' }: GrantedTokens, provider: Provider): Promise<boolean> {
  const { server, client } = provider;
  if (server.revocation_endpoint === undefined) return false;
  try {
    const response = await oauth.revocationRequest(
      server,
      client,
      provider.authentication(),
      refreshToken,
      provider.request(),
    );
    return response.status === 200;
  } catch {
    return false;
  }
}

async function record(
  stores: Stores,
  leased: LeasedAccount,
  facts: NewFacts,
  tokenSet: TokenSet,
): Promise<void> {
  try {
    await recordGrant(stores, leased, facts, tokenSet);
  } catch (error) {
    throw new AuthorizationError(
      'RECORD_FAILED',
      `The new grant of ${leased.account.accountId} is safe in its token secret, but the accounts table could not be written (${awsFailure(error).code}).`,
      { next: 'try_again' },
    );
  }
}
