import type { Reason } from '../reason.ts';
import type { Account } from './account.ts';

/** What a run did with an account, as its result shows it. */
export interface Report {
  readonly accountId: string;
  readonly action: 'leave' | 'refresh' | 'reconcile' | 'retry' | 'reauthorize' | 'defer';
  readonly reason: Reason;
  /** Seconds since the epoch; null where no access token is known. */
  readonly accessTokenExpiresAt: number | null;
}

/** How the result shows an account. */
export function reportOn(account: Account, action: Report['action'], reason: Reason): Report {
  const { accountId, accessTokenExpiresAt } = account;
  return { accountId, action, reason, accessTokenExpiresAt: accessTokenExpiresAt ?? null };
}
