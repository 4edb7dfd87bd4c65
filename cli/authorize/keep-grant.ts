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
import { type NewFacts, recordGrant, WORK_TIME } from './account-item.ts';
import type { Consent } from './consent.ts';
import { type Held, hold, letGo, type Target } from './hold.ts';
import { type Identity, identityOf } from './identity.ts';
import { mayRevoke } from './other-accounts.ts';
import type { Provider } from './provider.ts';

export interface KeptGrant {
  readonly tokenSet: TokenSet;
  readonly identity: Identity;
  /** The account is a new one. */
  readonly created: boolean;
}

/**
 * Turns a person's consent into the account's new grant: lease, redeem, store, record. Between the provider's answer
 * and the store stands only the question whose grant it is.
 *
 * @throws CliError; unless it says otherwise, nothing has changed
 */
export async function keepGrant(consent: Consent, target: Target, provider: Provider): Promise<KeptGrant> {
  const { fleet, wanted, options } = target;
  const owner = randomUUID();
  const held = await hold(target, owner, consent.holds).catch((error: unknown) => {
    throw consent.holds === 'tokens' ? grantLost(error) : error;
  });
  let done: 'nothing' | 'stored' | 'recorded' = 'nothing';
  try {
    const deadline = Date.now() + WORK_TIME;
    const exchange = await consent.redeem();
    const tokens = tokensIn(exchange, provider);
    const body = exchange.kind === 'answered' ? exchange.answer.body : '';
    const identity = await identityOf(body, tokens.accessToken, provider);
    await refuseAnotherPerson(target, held, identity, tokens, provider);
    // Nothing of an earlier grant goes into it: it may be another client's or another person's.
    const tokenSet = mergeTokenSet({}, tokens, Math.floor(Date.now() / 1000));
    await store(fleet, held, tokenSet, deadline);
    done = 'stored';
    const facts = {
      oauthProfile: wanted.account.oauthProfile,
      name: options.name,
      parameters: options.parameter === undefined ? undefined : wanted.account.parameters,
      authorizedBy: identity.kind === 'known' ? identity.id : undefined,
    };
    await record(fleet, held, facts, tokenSet);
    done = 'recorded';
    return { tokenSet, identity, created: held.created };
  } finally {
    // What has been stored is found by the next run, if it finds the item.
    if (done !== 'recorded') await letGo(fleet, done === 'stored' ? { ...held, created: false } : held);
  }
}

/** The tokens of a device are issued before the account is held: a failure to hold it leaves a grant behind. */
function grantLost(error: unknown): CliError {
  const { code, message } =
    error instanceof CliError
      ? error
      : {
          code: awsFailure(error).code,
          message: `The account could not be held (${awsFailure(error).code}).`,
        };
  return new CliError(
    code,
    `${message} The provider's new grant was not kept: it stands there, and nobody uses it.`,
  );
}

function tokensIn(exchange: Exchange, { profile }: Provider): GrantedTokens {
  if (exchange.kind === 'unsent') throw unsentGrant(exchange);
  if (exchange.kind === 'unanswered')
    throw new CliError(
      'PROVIDER_UNAVAILABLE',
      `${exchange.detail}, so there are no tokens. Nothing has changed. Run the command again.`,
    );
  const answer = interpretTokenAnswer(exchange.answer, {
    profile,
    previous: {},
    sent: '',
    now: Math.floor(Date.now() / 1000),
  });
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
  request_rejected: [
    'CLIENT_REJECTED',
    'Correct the profile’s scope and parameters, or run the command again.',
  ],
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
  { fleet, wanted }: Target,
  { account: { accountId }, authorizedBy: before }: Held,
  identity: Identity,
  tokens: GrantedTokens,
  provider: Provider,
): Promise<void> {
  if (wanted.replace || before === undefined || identity.kind === 'unknown' || identity.id === before) return;
  const alone = await mayRevoke(fleet, provider.profile.client_id, identity.id).catch(() => false);
  const fate =
    alone && (await revoke(tokens, provider))
      ? 'it has been revoked at the provider'
      : `the provider still holds a grant that nobody uses${alone ? ', until it is revoked there' : '. It was not revoked, as another account may live on it'}`;
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

async function store(fleet: Fleet, held: Held, tokenSet: TokenSet, deadline: number): Promise<void> {
  const secretId = tokenSecretIdOf(fleet.secretNamePrefix, held.account);
  for (;;) {
    try {
      return await writeSecret(fleet.secrets, secretId, serializeTokenSet(tokenSet), held.owner);
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

async function record(fleet: Fleet, held: Held, facts: NewFacts, tokenSet: TokenSet): Promise<void> {
  try {
    await recordGrant(fleet, held, held.owner, facts, tokenSet);
  } catch (error) {
    throw new CliError(
      'RECORD_FAILED',
      `The new grant of ${held.account.accountId} is safe in its token secret, but the accounts table could not be written (${awsFailure(error).code}). Run the command again.`,
    );
  }
}
