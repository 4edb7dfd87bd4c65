import { randomUUID } from 'node:crypto';
import * as oauth from 'oauth4webapi';
import { awsFailure } from '../../adapters/aws/aws-error.ts';
import type { Exchange } from '../../adapters/oauth/token-endpoint.ts';
import { interpretTokenResponse } from '../../core/response/token-response.ts';
import type { GrantedTokens, TokenSet } from '../../core/tokens/token-set.ts';
import { CliError } from '../shared/cli-error.ts';
import type { Fleet } from '../shared/fleet.ts';
import { type NewFacts, recordGrant, WORK_TIME } from './account-item.ts';
import type { Consent } from './consent.ts';
import { type Held, hold, holdOn, letGo, type Target } from './hold.ts';
import { type Identity, identityOf } from './identity.ts';
import { mayRevoke } from './other-accounts.ts';
import type { Provider } from './provider.ts';
import { newTokenSet, storeGrant } from './store-grant.ts';

/** Milliseconds for the store, however long all before it took. */
const LEAST_STORE_TIME = 20_000;

export interface KeptGrant {
  readonly tokenSet: TokenSet & { readonly obtained_at: number };
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
  let held = await hold(target, owner, consent.holds).catch((error: unknown) => {
    throw consent.holds === 'tokens' ? grantLost(error) : error;
  });
  let done: 'nothing' | 'stored' | 'recorded' = 'nothing';
  try {
    const deadline = Date.now() + WORK_TIME;
    refuseAnotherAccount(target, consent);
    const exchange = await consent.redeem();
    const tokens = tokensIn(exchange, provider);
    const body = exchange.kind === 'response' ? exchange.response.body : '';
    const identity = await identityOf(body, tokens.accessToken, provider);
    await refuseAnotherPerson(target, held, identity, tokens, provider);
    // A lease that has run out meanwhile, on a machine that slept, is taken anew before anything is written.
    if (Date.now() > deadline)
      held = await holdOn(target, held).catch((error: unknown) => {
        throw grantLost(error);
      });
    const now = Math.floor(Date.now() / 1000);
    const tokenSet = newTokenSet(tokens, held, target, now);
    await storeGrant(target, held, tokenSet, Math.max(deadline, Date.now() + LEAST_STORE_TIME));
    done = 'stored';
    const named = options.parameter !== undefined || Object.keys(consent.parameters).length > 0;
    const facts = {
      oauthProfile: wanted.account.oauthProfile,
      name: options.name,
      parameters: named ? { ...wanted.account.parameters, ...consent.parameters } : undefined,
      authorizedBy: identity.kind === 'known' ? identity.id : undefined,
      authorizedAt: now,
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
  if (exchange.kind === 'no_response')
    throw new CliError(
      'PROVIDER_UNAVAILABLE',
      `${exchange.detail}, so there are no tokens. Nothing has changed. Run the command again.`,
    );
  const answer = interpretTokenResponse(exchange.response, {
    profile,
    previous: {},
    sent: '',
    secrets: exchange.secrets,
    now: Math.floor(Date.now() / 1000),
  });
  if (answer.kind === 'error') {
    const [code, next] = refusals[answer.reason] ?? refusals.grant_revoked;
    throw new CliError(code, `${answer.detail}. Nothing has changed. ${next}`);
  }
  const { refreshToken, expiresAt }: { refreshToken?: string | undefined; expiresAt?: number | undefined } =
    answer.tokens;
  // An access token without an end needs nothing to be refreshed with.
  if (refreshToken === undefined && expiresAt !== undefined)
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
  request_rejected: [
    'REFUSED',
    'Check the profile’s scope, redirect_uri and token_request_parameters; the code may also be too old: run the command again.',
  ],
  malformed_response: [
    'ANSWER_MALFORMED',
    'Check token_endpoint, token_response_fields and token_error_fields in the profile.',
  ],
};

function unsentGrant({ detail, reason }: Extract<Exchange, { kind: 'unsent' }>): CliError {
  if (reason === 'account_invalid')
    return new CliError(
      'PARAMETER_MISSING',
      `${detail}. Nothing has changed. Give it with --parameter <name>=<value>.`,
    );
  return reason === 'provider_unavailable'
    ? new CliError('PROVIDER_UNAVAILABLE', `${detail}. Nothing has changed. Run the command again later.`)
    : new CliError('PROFILE_INVALID', `${detail}. Nothing has changed. Correct the profile.`);
}

/** The callback names what was signed in to, such as a company: another one takes the place of none by accident. */
function refuseAnotherAccount({ wanted }: Target, { parameters }: Consent): void {
  if (wanted.replace) return;
  const { accountId, parameters: before = {} } = wanted.account;
  const other = Object.keys(parameters).find(
    (name) => Object.hasOwn(before, name) && before[name] !== parameters[name],
  );
  if (other !== undefined)
    throw new CliError(
      'ANOTHER_ACCOUNT',
      `The account ${accountId} is connected with the ${other} ${before[other]}, and this sign-in was for ${parameters[other]}. The answer was not used, and nothing has changed. Sign in to the right one, or use --replace if the account shall be this one's.`,
    );
}

async function refuseAnotherPerson(
  { fleet, wanted }: Target,
  { account: { accountId }, authorizedBy: before }: Held,
  identity: Identity,
  tokens: GrantedTokens,
  provider: Provider,
): Promise<void> {
  if (wanted.replace || before === undefined) return;
  if (identity.kind === 'unknown')
    throw new CliError(
      'PERSON_UNKNOWN',
      `The account ${accountId} was authorized by ${before}, and the provider does not say whose this grant is. It was not kept: the provider still holds a grant that nobody uses. Nothing else has changed. Ask for a scope with which it says so, such as --scope "openid …", or use --replace if the account shall be whose this grant is.`,
    );
  if (identity.id === before) return;
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
