import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import * as oauth from 'oauth4webapi';
import { awsFailure, isHopeless } from '../../lambda/aws-error.ts';
import { tokenSecretIdOf } from '../../lambda/secrets.ts';
import type { Exchange } from '../../lambda/token-endpoint.ts';
import { interpretTokenAnswer } from '../../lambda/token-response.ts';
import {
  type GrantedTokens,
  mergeTokenSet,
  serializeTokenSet,
  type TokenSet,
} from '../../lambda/token-set.ts';
import { CliError } from '../cli-error.ts';
import type { Fleet } from '../fleet.ts';
import { writeSecret } from '../secret-store.ts';
import {
  createAccount,
  type KnownAccount,
  type NewFacts,
  recordGrant,
  returnLease,
  takeLease,
  WORK_TIME,
} from './account-item.ts';
import type { Consent } from './consent.ts';
import { type Identity, identityOf } from './identity.ts';
import { mayRevoke } from './other-accounts.ts';
import type { Provider } from './provider.ts';

/** Which account gets the grant. */
export interface Target {
  readonly fleet: Fleet;
  readonly accountId: string;
  readonly exists: boolean;
  readonly tokenSecretId: string | undefined;
  readonly facts: Omit<NewFacts, 'authorizedBy'>;
  /** Another person's grant may take the place of the one that is there. */
  readonly replace: boolean;
  readonly onWait: () => void;
}

export interface KeptGrant {
  readonly tokenSet: TokenSet;
  readonly identity: Identity;
  /** Who had authorized the account before. */
  readonly authorizedBefore: string | undefined;
}

/** A code is good for a minute or so; tokens in hand are waited for until any run's lease must have ended. */
const PATIENCE = { code: 30_000, tokens: 16 * 60_000 } as const;

/**
 * Turns a person's consent into the account's new grant: lease, redeem, store, record. Between the provider's answer
 * and the store stands only the question whose grant it is.
 *
 * @throws CliError; unless it says otherwise, nothing has changed
 */
export async function keepGrant(consent: Consent, target: Target, provider: Provider): Promise<KeptGrant> {
  const { fleet, accountId } = target;
  const owner = randomUUID();
  const leased = target.exists
    ? await takeLease(fleet, accountId, owner, PATIENCE[consent.holds], target.onWait)
    : undefined;
  if (target.exists && leased === undefined) throw busy(accountId, consent.holds);
  let recorded = false;
  try {
    const deadline = Date.now() + WORK_TIME;
    const exchange = await consent.redeem();
    const tokens = tokensIn(exchange, provider);
    const body = exchange.kind === 'answered' ? exchange.answer.body : '';
    const identity = await identityOf(body, tokens.accessToken, provider);
    await refuseAnotherPerson(target, leased, identity, tokens, provider);
    // Nothing of an earlier grant goes into it: it may be another client's or another person's.
    const tokenSet = mergeTokenSet({}, tokens, Math.floor(Date.now() / 1000));
    await store(target, tokenSet, owner, deadline);
    const authorizedBy = identity.kind === 'known' ? identity.id : undefined;
    await record(target, leased, owner, { ...target.facts, authorizedBy }, tokenSet);
    recorded = true;
    return { tokenSet, identity, authorizedBefore: leased?.authorizedBy };
  } finally {
    if (!recorded && leased !== undefined) await returnLease(fleet, leased, owner);
  }
}

/** @param held what is lost with it: a code that nobody spends is no grant yet */
export function busy(accountId: string, held: Consent['holds'] = 'code'): CliError {
  const lost = held === 'tokens' ? " The provider's new grant was not kept." : '';
  return new CliError(
    'ACCOUNT_BUSY',
    `A run of the function holds ${accountId} just now.${lost} Nothing has changed. Run the command again in a minute; if it stays so, a run has died, and its hold ends within a quarter of an hour.`,
  );
}

function tokensIn(exchange: Exchange, { profile }: Provider): GrantedTokens {
  if (exchange.kind === 'unsent') throw unsentGrant(exchange);
  if (exchange.kind === 'unanswered')
    throw new CliError(
      'PROVIDER_UNAVAILABLE',
      `${exchange.detail}, so there are no tokens. Nothing has changed. Run the command again.`,
    );
  const secrets = [profile.client_secret ?? ''];
  const answer = interpretTokenAnswer(exchange.answer, profile, secrets, Math.floor(Date.now() / 1000));
  if (answer.kind === 'error') {
    const [code, next] = refusals[answer.reason] ?? refusals.grant_revoked;
    throw new CliError(code, `${answer.detail}. Nothing has changed. ${next}`);
  }
  if (answer.tokens.refreshToken === undefined)
    throw new CliError(
      'NO_REFRESH_TOKEN',
      'The provider granted access, but no refresh token, so the account could not be kept fresh. Nothing has changed. Many providers want offline_access in the profile’s scope, or a parameter: --with access_type=offline.',
    );
  return answer.tokens;
}

/** What the token endpoint's "no" means for an authorization, and what to do. */
const refusals: Readonly<Record<string, readonly [code: string, next: string]>> & {
  readonly grant_revoked: readonly [string, string];
} = {
  grant_revoked: [
    'CODE_REFUSED',
    'The code was used before, is too old, or is another client’s. Run the command again.',
  ],
  client_rejected: ['CLIENT_REJECTED', 'Correct the profile’s client; "profiles check" tells more.'],
  rate_limited: ['PROVIDER_UNAVAILABLE', 'Run the command again later.'],
  provider_unavailable: ['PROVIDER_UNAVAILABLE', 'Run the command again later.'],
  malformed_response: [
    'ANSWER_MALFORMED',
    'Check token_endpoint, token_response_fields and token_error_fields in the profile.',
  ],
};

function unsentGrant({ detail, reason }: Extract<Exchange, { kind: 'unsent' }>): CliError {
  return reason === 'provider_unavailable'
    ? new CliError('PROVIDER_UNAVAILABLE', `${detail}. Nothing has changed. Run the command again later.`)
    : new CliError('PROFILE_INVALID', `${detail}. Nothing has changed. Correct the profile.`);
}

async function refuseAnotherPerson(
  { fleet, accountId, facts, replace }: Target,
  leased: KnownAccount | undefined,
  identity: Identity,
  tokens: GrantedTokens,
  provider: Provider,
): Promise<void> {
  const before = leased?.authorizedBy;
  if (replace || before === undefined || identity.kind === 'unknown' || identity.id === before) return;
  const alone = await mayRevoke(fleet, accountId, facts.oauthProfile, identity.id).catch(() => false);
  const fate = alone
    ? (await revoke(tokens, provider))
      ? 'it has been revoked at the provider'
      : 'it stands at the provider until it is revoked there'
    : 'it was not revoked, as another account of this profile may live on it';
  throw new CliError(
    'ANOTHER_PERSON',
    `The account ${accountId} was authorized by ${before}, and this grant is of ${identity.id}. It was not kept: ${fate}. Nothing else has changed. Sign in as the right person, or use --replace if the account shall be this one's.`,
  );
}

/** RFC 7009. */
async function revoke({ refreshToken = '' }: GrantedTokens, provider: Provider): Promise<boolean> {
  const { server, client } = provider;
  if (server.revocation_endpoint === undefined) return false;
  try {
    const answer = await oauth.revocationRequest(
      server,
      client,
      provider.authentication(),
      refreshToken,
      provider.request(),
    );
    return answer.status === 200;
  } catch {
    return false;
  }
}

const PAUSE = 1_000;

async function store(
  { fleet, accountId, tokenSecretId }: Target,
  tokenSet: TokenSet,
  token: string,
  deadline: number,
): Promise<void> {
  const secretId = tokenSecretIdOf(fleet.secretNamePrefix, { accountId, tokenSecretId });
  for (;;) {
    try {
      return await writeSecret(fleet.secrets, secretId, serializeTokenSet(tokenSet), token);
    } catch (error) {
      const failure = awsFailure(error);
      if (isHopeless(failure) || Date.now() + PAUSE > deadline)
        throw new CliError(
          'STORE_FAILED',
          `The token secret ${secretId} could not be written (${failure.code}), so the provider's new grant was not kept. Nothing has changed here. ${failure.kind === 'denied' ? 'It takes secretsmanager:PutSecretValue and CreateSecret on it.' : 'Run the command again.'}`,
        );
      await sleep(PAUSE);
    }
  }
}

async function record(
  { fleet, accountId }: Target,
  leased: KnownAccount | undefined,
  owner: string,
  facts: NewFacts,
  tokenSet: TokenSet,
): Promise<void> {
  try {
    if (leased === undefined) await createAccount(fleet, accountId, facts, tokenSet);
    else await recordGrant(fleet, leased, owner, facts, tokenSet);
  } catch (error) {
    throw new CliError(
      'RECORD_FAILED',
      `The new grant of ${accountId} is safe in its token secret, but the accounts table could not be written (${awsFailure(error).code}). Run the command again.`,
    );
  }
}
