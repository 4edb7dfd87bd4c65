import type { KnownAccount } from '../../adapters/authorization/account-item.ts';
import { tokenSecretOf } from '../../adapters/authorization/secret-of-account.ts';
import { accountAsWanted, type Wanted, type Wishes } from '../../adapters/authorization/wanted.ts';
import { usableProfile } from '../profile/profile-secret.ts';
import type { Fleet } from '../shared/fleet.ts';

export interface WantedOptions extends Wishes {
  readonly scope?: string;
}

/** @throws CliError or AuthorizationError where the account or its profile can't be used */
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
    authorizedAt: known?.authorizedAt,
    replace: replace === true,
  };
}
