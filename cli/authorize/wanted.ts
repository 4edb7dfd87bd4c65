import { type Account, parseAccount } from '../../core/account/account.ts';
import type { Profile } from '../../core/profile/profile.ts';
import { usableProfile } from '../profile/profile-secret.ts';
import { CliError, EXIT } from '../shared/cli-error.ts';
import type { Fleet } from '../shared/fleet.ts';
import { type TokenSecret, tokenSecretOf } from '../shared/token-secret.ts';
import type { KnownAccount } from './account-item.ts';

/** What the command line says about the account itself. */
export interface WantedOptions {
  readonly profile?: string;
  readonly name?: string;
  readonly parameter?: Readonly<Record<string, string>>;
  readonly scope?: string;
  readonly replace?: true;
  /** A secret that is not the account's usual one, named by the person. */
  readonly tokenSecret?: string;
}

/** The account as it is to be. */
export interface Wanted {
  readonly account: Account;
  readonly profile: Profile;
  /** The ARN of the profile's secret, which tells AWS account and Region of a token secret that is not there yet. */
  readonly profileArn: string | undefined;
  readonly secret: TokenSecret;
  readonly exists: boolean;
  readonly replace: boolean;
}

/**
 * @throws CliError where the account or its profile can't be used
 */
export async function wantedAccount(
  fleet: Fleet,
  accountId: string,
  known: KnownAccount | undefined,
  options: WantedOptions,
): Promise<Wanted> {
  const account = accountAsWanted(accountId, known?.account, options);
  const secret = await tokenSecretOf(fleet, account, options.tokenSecret);
  const { profile, arn: profileArn } = await usableProfile(fleet, account.oauthProfile);
  const { scope, replace } = options;
  return {
    account,
    profile: scope === undefined ? profile : { ...profile, scope },
    profileArn,
    secret,
    exists: known !== undefined,
    replace: replace === true,
  };
}

/**
 * The account as it is to be, from the one that is there.
 *
 * @throws CliError where it may not become that
 */
export function accountAsWanted(
  accountId: string,
  before: Account | undefined,
  { profile: given, name, parameter, replace }: WantedOptions,
): Account {
  const oauthProfile = given ?? before?.oauthProfile;
  if (oauthProfile === undefined)
    throw new CliError(
      'NO_ACCOUNT',
      `There is no account ${accountId} yet. Name the profile to connect it with: --profile <name>.`,
      EXIT.usage,
    );
  if (before !== undefined && before.oauthProfile !== oauthProfile && replace !== true)
    throw new CliError(
      'ANOTHER_PROFILE',
      `The account ${accountId} is connected with the profile ${before.oauthProfile}. Leave --profile out to keep it, or add --replace to change it to ${oauthProfile}.`,
    );
  const parameters = parameter === undefined ? before?.parameters : { ...before?.parameters, ...parameter };
  const parsed = parseAccount({
    ...before,
    accountId,
    authenticationType: 'oauth2',
    oauthProfile,
    name: name ?? before?.name,
    parameters,
  });
  if (parsed.kind === 'invalid') throw new CliError('USAGE', `${parsed.problem}.`, EXIT.usage);
  return parsed.account;
}

/** Whether a grant for the one is a grant for the other. */
export function sameConnection(one: Account, other: Account): boolean {
  const entries = ({ parameters = {} }: Account) => JSON.stringify(Object.entries(parameters).sort());
  return one.oauthProfile === other.oauthProfile && entries(one) === entries(other);
}
