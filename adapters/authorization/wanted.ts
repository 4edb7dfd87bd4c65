import { type Account, parseAccount } from '../../core/account/account.ts';
import type { Profile } from '../../core/profile/profile.ts';
import { AuthorizationError } from './authorization-error.ts';
import type { TokenSecret } from './secret-of-account.ts';

/** What a person asks for the account itself. */
export interface Wishes {
  readonly profile?: string;
  readonly name?: string;
  readonly parameter?: Readonly<Record<string, string>>;
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
  /** When somebody had last signed in for it, as this sign-in began; seconds since the epoch. */
  readonly authorizedAt: number | undefined;
  readonly replace: boolean;
}

/** The account as it is to be, from the one that is there. @throws AuthorizationError where it may not become that */
export function accountAsWanted(
  accountId: string,
  before: Account | undefined,
  { profile: given, name, parameter, replace }: Wishes,
): Account {
  const oauthProfile = given ?? before?.oauthProfile;
  if (oauthProfile === undefined)
    throw new AuthorizationError('NO_ACCOUNT', `There is no account ${accountId} yet.`, {
      next: 'name_profile',
    });
  if (before !== undefined && before.oauthProfile !== oauthProfile && replace !== true)
    throw new AuthorizationError(
      'ANOTHER_PROFILE',
      `The account ${accountId} is connected with the profile ${before.oauthProfile}.`,
      { next: 'keep_profile', about: oauthProfile },
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
  if (parsed.kind === 'invalid') throw new AuthorizationError('USAGE', `${parsed.problem}.`);
  return parsed.account;
}

/** Whether a grant for the one is a grant for the other. */
export function sameConnection(one: Account, other: Account): boolean {
  const entries = ({ parameters = {} }: Account) => JSON.stringify(Object.entries(parameters).sort());
  return one.oauthProfile === other.oauthProfile && entries(one) === entries(other);
}
