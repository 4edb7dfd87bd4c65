import { randomBytes } from 'node:crypto';
import { InvocationType, InvokeCommand } from '@aws-sdk/client-lambda';
import * as oauth from 'oauth4webapi';
import { readAccount } from '../../adapters/authorization/account-item.ts';
import { accountsOf } from '../../adapters/authorization/other-accounts.ts';
import { openProvider, type Provider } from '../../adapters/authorization/provider.ts';
import { awsFailure } from '../../adapters/aws/aws-error.ts';
import type { Exchange } from '../../adapters/oauth/token-endpoint.ts';
import type { Account } from '../../core/account/account.ts';
import type { Profile } from '../../core/profile/profile.ts';
import { REASONS } from '../../core/reason.ts';
import { interpretTokenResponse } from '../../core/response/token-response.ts';
import { wrapTo } from '../../terminal/display-text.ts';
import { printable } from '../../terminal/printable.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { readProfile } from '../profile/profile-secret.ts';
import { asCliError } from '../shared/authorization-error.ts';
import { CliError, EXIT, type ExitCode } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';
import type { Fleet } from '../shared/fleet.ts';
import { shortProblem } from './render.ts';

/** One proof. `open`: neither right nor wrong. */
interface Finding {
  readonly what: 'profile' | 'endpoint' | 'client' | 'permissions' | 'function';
  readonly verdict: 'proved' | 'skipped' | 'open' | 'wrong';
  readonly message: string;
  /** The provider refuses the client, by `invalid_client` or 401 if it can. */
  readonly rejected?: true;
}

export interface CheckOptions {
  readonly parameter?: Readonly<Record<string, string>>;
}

/** Proves a profile, as far as that goes without spending an account's token. */
export async function checkProfile(
  { terminal, fleet: find }: Context,
  name: string,
  { parameter }: CheckOptions,
): Promise<ExitCode> {
  const fleet = await find();
  const { parsed } = await readProfile(fleet, name);
  const findings: Finding[] = [];
  if (parsed.kind === 'invalid')
    findings.push({ what: 'profile', verdict: 'wrong', message: shortProblem(parsed.problem) });
  else {
    findings.push({ what: 'profile', verdict: 'proved', message: 'complete and understood' });
    terminal.progress('Asking the provider …');
    const { account, finding } = await anAccountOf(fleet, name);
    findings.push(
      ...(await askProvider(parsed.profile, parameter ?? account?.parameters, fleet)),
      finding,
      await askFunction(fleet, account),
    );
    terminal.progress(undefined);
  }
  const worst = ['wrong', 'open', 'proved'].find((verdict) =>
    findings.some((found) => found.verdict === verdict),
  );
  const shown = findings.map(({ what, verdict, message }) => ({ what, verdict, message }));
  terminal.result(render(name, findings, terminal), { name, verdict: worst, findings: shown });
  return worst === 'wrong' ? EXIT.failed : worst === 'open' ? EXIT.attention : EXIT.done;
}

const INDENT = 17;
const MARKS = {
  proved: ['green', '✓'],
  skipped: ['dim', '–'],
  open: ['yellow', '?'],
  wrong: ['red', '✗'],
} as const;

function render(name: string, findings: readonly Finding[], { paint, width }: Terminal): string {
  const lines = findings.map(({ what, verdict, message }) => {
    const [color, mark] = MARKS[verdict];
    const text = wrapTo(printable(message), width - INDENT).join(`\n${' '.repeat(INDENT)}`);
    return `  ${paint(color, mark)} ${what.padEnd(INDENT - 4)}${text}`;
  });
  return [paint('bold', name), ...lines].join('\n');
}

/** An account that uses the profile: it knows the parameters, and the function can be asked about it. */
async function anAccountOf(
  fleet: Fleet,
  profile: string,
): Promise<{ readonly account: Account | undefined; readonly finding: Finding }> {
  const what = 'permissions';
  try {
    const first = await accountsOf(fleet, profile).next();
    const accountId = first.done ? undefined : first.value.accountId;
    const known =
      accountId === undefined ? undefined : await readAccount(fleet, accountId).catch(() => undefined);
    await fleet.lambda.send(
      new InvokeCommand({ FunctionName: fleet.functionName, InvocationType: InvocationType.DryRun }),
    );
    const message = 'you may read the profile and the accounts, and invoke the function';
    return { account: known?.account, finding: { what, verdict: 'proved', message } };
  } catch (error) {
    const { kind, code } = awsFailure(error);
    const message =
      kind === 'denied'
        ? `you may not read the accounts or invoke the function (${code})`
        : `could not be looked at (${code})`;
    return { account: undefined, finding: { what, verdict: kind === 'denied' ? 'wrong' : 'open', message } };
  }
}

async function askProvider(
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

/** Asks the function, which has its own permissions. A dry run changes nothing. */
async function askFunction(fleet: Fleet, account: Account | undefined): Promise<Finding> {
  const what = 'function';
  if (account === undefined)
    return { what, verdict: 'skipped', message: 'not asked: no account uses the profile yet' };
  try {
    const event = { accountIds: [account.accountId], force: true, dryRun: true };
    const { Payload, FunctionError } = await fleet.lambda.send(
      new InvokeCommand({ FunctionName: fleet.functionName, Payload: JSON.stringify(event) }),
    );
    if (FunctionError !== undefined)
      return { what, verdict: 'wrong', message: 'the dry run failed; see its log' };
    const { accounts = [] } = JSON.parse(Buffer.from(Payload ?? []).toString('utf8'));
    const reason: unknown = accounts[0]?.reason;
    if (reason === 'profile_missing' || reason === 'profile_invalid')
      return { what, verdict: 'wrong', message: `can't use it: ${REASONS[reason].meaning}` };
    return { what, verdict: 'proved', message: `reads it too (a dry run for ${account.accountId})` };
  } catch (error) {
    return { what, verdict: 'open', message: `could not be asked (${awsFailure(error).code})` };
  }
}
