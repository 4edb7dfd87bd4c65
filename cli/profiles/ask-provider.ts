import { randomBytes } from 'node:crypto';
import * as oauth from 'oauth4webapi';
import { openProvider, type Provider } from '../../adapters/authorization/provider.ts';
import type { Exchange } from '../../adapters/oauth/token-endpoint.ts';
import type { Account } from '../../core/account/account.ts';
import type { Profile } from '../../core/profile/profile.ts';
import { interpretTokenResponse } from '../../core/response/token-response.ts';
import { asCliError } from '../shared/authorization-error.ts';
import { CliError } from '../shared/cli-error.ts';
import type { Fleet } from '../shared/fleet.ts';

/** One proof. `open`: neither right nor wrong. */
export interface Finding {
  readonly what: 'profile' | 'endpoint' | 'client' | 'permissions' | 'function';
  readonly verdict: 'proved' | 'skipped' | 'open' | 'wrong';
  readonly message: string;
  /** The provider refuses the client, by `invalid_client` or 401 if it can. */
  readonly rejected?: true;
}

/**
 * Asks the provider with a refresh token that was made up: whether it can be reached, and whether it knows the client. Nothing is
 * spent.
 *
 * @param parameters of an account, for the placeholders of endpoints
 */
export async function askProvider(
  profile: Profile,
  parameters: Readonly<Record<string, string>> | undefined,
  fleet: Fleet,
): Promise<readonly Finding[]> {
  const account: Account = {
    accountId: 'check',
    authenticationType: 'oauth2',
    oauthProfile: 'check',
    parameters,
  };
  const madeUp = `made-up-${randomBytes(24).toString('base64url')}`;
  try {
    const provider = await openProvider(profile, account, undefined, fleet.addresses);
    try {
      const findings = judge(await ask(provider, madeUp), profile, madeUp);
      const client = findings.find(({ what }) => what === 'client');
      if (client?.rejected !== true || profile.token_endpoint_auth_method !== 'client_secret_basic')
        return findings;
      const told = await tryOtherEncoding(client, { profile, account, madeUp }, fleet);
      return findings.map((finding) => (finding === client ? told : finding));
    } finally {
      provider.close();
    }
  } catch (thrown) {
    const error = asCliError(thrown);
    if (!(error instanceof CliError)) throw error;
    return [{ what: 'endpoint', verdict: 'wrong', message: error.message }, notAsked];
  }
}

function ask(provider: Provider, madeUp: string): Promise<Exchange> {
  return provider.refresh((server, client, authentication, options) =>
    oauth.refreshTokenGrantRequest(server, client, authentication, madeUp, options),
  );
}

/**
 * Tells a wrong secret from a server that compares id and secret without decoding them (or insists on the encoding of
 * RFC 6749 section 2.3.1): where the two forms differ, the other one is tried, too.
 */
async function tryOtherEncoding(
  refused: Finding,
  { profile, account, madeUp }: { profile: Profile; account: Account; madeUp: string },
  fleet: Fleet,
): Promise<Finding> {
  const { client_id, client_secret = '', client_secret_basic_encoding: own } = profile;
  const other = own === 'form' ? 'none' : 'form';
  // Letters, digits and - . _ ~ are the same in both.
  if (!/[^A-Za-z0-9._~-]/.test(client_id + client_secret))
    return {
      ...refused,
      message: `${refused.message}. Tried as client_secret_basic; for this id and secret both values of client_secret_basic_encoding are the same`,
    };
  const changed = { ...profile, client_secret_basic_encoding: other } as const;
  const provider = await openProvider(changed, account, undefined, fleet.addresses);
  try {
    const found = judge(await ask(provider, madeUp), changed, madeUp).find(({ what }) => what === 'client');
    return found?.verdict === 'proved'
      ? {
          what: 'client',
          verdict: 'wrong',
          message: `refused with client_secret_basic_encoding ${own}, and accepted with ${other}: id and secret are right, so set client_secret_basic_encoding to ${other} (profiles add --change --set client_secret_basic_encoding=${other})`,
        }
      : {
          ...refused,
          message: `${refused.message}. Tried with both values of client_secret_basic_encoding, form and none`,
        };
  } finally {
    provider.close();
  }
}

const notAsked: Finding = { what: 'client', verdict: 'open', message: 'could not be asked' };

function judge(exchange: Exchange, profile: Profile, madeUp: string): readonly Finding[] {
  if (exchange.kind !== 'response')
    return [{ what: 'endpoint', verdict: 'wrong', message: exchange.detail }, notAsked];
  const interpreted = interpretTokenResponse(exchange.response, {
    profile,
    previous: {},
    sent: madeUp,
    secrets: exchange.secrets,
    now: Math.floor(Date.now() / 1000),
  });
  const reached: Finding = {
    what: 'endpoint',
    verdict: 'proved',
    message: 'answers, and its certificate is trusted',
  };
  if (interpreted.kind !== 'error')
    return [
      reached,
      {
        what: 'client',
        verdict: 'open',
        message: 'A made-up refresh token was accepted. Is this really a token endpoint?',
      },
    ];
  switch (interpreted.reason) {
    case 'grant_revoked': {
      const none = profile.token_endpoint_auth_method === 'none';
      const message = none ? 'known; a public client has no secret to prove' : 'accepted';
      return [reached, { what: 'client', verdict: 'proved', message }];
    }
    case 'client_rejected':
      return [
        reached,
        {
          what: 'client',
          verdict: /\binvalid_client\b|\b401\b/.test(interpreted.detail) ? 'wrong' : 'open',
          message: interpreted.detail,
          rejected: true,
        },
      ];
    case 'provider_unavailable':
    case 'malformed_response':
      return [{ what: 'endpoint', verdict: 'wrong', message: interpreted.detail }, notAsked];
    default:
      return [reached, { what: 'client', verdict: 'open', message: interpreted.detail }];
  }
}
