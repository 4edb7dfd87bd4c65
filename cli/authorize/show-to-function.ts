import { InvokeCommand } from '@aws-sdk/client-lambda';
import { type KnownAccount, readAccount } from '../../adapters/authorization/account-item.ts';
import { awsFailure } from '../../adapters/aws/aws-error.ts';
import type { Account } from '../../core/account/account.ts';
import type { TokenSet } from '../../core/tokens/token-set.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import type { Fleet } from '../shared/fleet.ts';

/** What the function says of the new grant. */
export type Seen =
  | { readonly kind: 'healthy'; readonly accessTokenExpiresAt: number | undefined }
  /** It could not be asked, or leaves the account alone; nothing is wrong with the grant. */
  | { readonly kind: 'later'; readonly remark: string }
  | { readonly kind: 'trouble'; readonly message: string };

/** What the secret holds now. */
type StoredSet = TokenSet & { readonly obtained_at: number };

/** Lets the function look at the account now, so that the person sees that it works. */
export async function showToFunction(
  fleet: Fleet,
  accountId: string,
  stored: StoredSet,
  terminal: Terminal,
): Promise<Seen> {
  terminal.progress('Showing the account to the function …');
  try {
    const failed = await invoke(fleet, accountId);
    return judge(await readAccount(fleet, accountId), stored, failed);
  } catch (error) {
    return { kind: 'later', remark: `The account could not be looked at (${awsFailure(error).code}).` };
  } finally {
    terminal.progress(undefined);
  }
}

/** @returns why it could not be asked */
async function invoke({ lambda, functionName }: Fleet, accountId: string): Promise<string | undefined> {
  try {
    const Payload = JSON.stringify({ accountIds: [accountId] });
    const { FunctionError } = await lambda.send(new InvokeCommand({ FunctionName: functionName, Payload }));
    return FunctionError === undefined
      ? undefined
      : 'The function failed when it was asked for this account.';
  } catch (error) {
    const { kind, code } = awsFailure(error);
    return kind === 'denied'
      ? 'You may not invoke the function, so it looks at the account in its next run.'
      : `The function could not be asked (${code}); it looks at the account in its next run.`;
  }
}

function judge(known: KnownAccount | undefined, stored: StoredSet, failed: string | undefined): Seen {
  if (known === undefined)
    return { kind: 'trouble', message: 'The account has been removed in the meantime.' };
  const { account } = known;
  if (account.enabled === false)
    return {
      kind: 'trouble',
      message: `The account is disabled, so it is left alone. Run: accounts enable ${account.accountId}`,
    };
  if (account.status === 'healthy' && isAbout(account, stored))
    return { kind: 'healthy', accessTokenExpiresAt: account.accessTokenExpiresAt };
  if (failed !== undefined) return { kind: 'later', remark: failed };
  // A failure noted after the grant was stored is about this grant.
  const { failure, lastRefreshedAt = 0 } = account;
  return failure !== undefined && failure.at >= lastRefreshedAt
    ? { kind: 'trouble', message: failure.message }
    : { kind: 'later', remark: 'A run is at it just now, or the next one will be.' };
}

/**
 * Whether what is noted of the account is about the token set that was just stored, or one that came of it: Secrets
 * Manager may have given the function an older one.
 */
function isAbout(
  { lastRefreshedAt = 0, accessTokenExpiresAt, doesNotExpire }: Account,
  stored: StoredSet,
): boolean {
  if (lastRefreshedAt > stored.obtained_at) return true;
  if (lastRefreshedAt < stored.obtained_at) return false;
  return stored.expires_at === undefined
    ? doesNotExpire === true
    : accessTokenExpiresAt === stored.expires_at;
}
