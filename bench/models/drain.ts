import type { Account } from '../../core/account/account.ts';
import { decide } from '../../core/account/decision.ts';

/** A simulation of many accounts over hours, with the function's own decisions and pace. */
interface Drain {
  readonly accounts: number;
  readonly pace: number;
  /** Seconds. */
  readonly refreshWindow: number;
  readonly refreshSpread: number;
  /**
   * When a token expires that is obtained at a given second. In the beginning each account has a token obtained at
   * `start`.
   */
  readonly expiry: (obtainedAt: number) => number;
  readonly start: number;
  readonly end: number;
}

export interface DrainMinute {
  /** Seconds since the start. */
  readonly at: number;
  /** Accounts that are due and not refreshed in this minute. */
  readonly waiting: number;
  readonly refreshed: number;
  /** Refreshed after their token had expired. */
  readonly late: number;
}

/** One run each minute. Each begins the due accounts at the pace, in the table's order. */
export function drain({
  accounts,
  pace,
  refreshWindow,
  refreshSpread,
  expiry,
  start,
  end,
}: Drain): DrainMinute[] {
  const fleet: Account[] = Array.from({ length: accounts }, (_, i) => ({
    accountId: `account-${i}`,
    authenticationType: 'oauth2',
    oauthProfile: 'crm',
    status: 'healthy',
    lastRefreshedAt: start,
    accessTokenExpiresAt: expiry(start),
  }));
  const perMinute = pace * 60;
  const minutes: DrainMinute[] = [];
  let idleUntil = start;
  for (let now = start; now < end; now += 60) {
    if (now < idleUntil) {
      minutes.push({ at: now - start, waiting: 0, refreshed: 0, late: 0 });
      continue;
    }
    let due = 0;
    let refreshed = 0;
    let late = 0;
    for (const [i, account] of fleet.entries()) {
      const input = { now, refreshWindow, refreshSpread, force: false };
      if (decide(account, input).action !== 'refresh') continue;
      due++;
      if (refreshed === perMinute) continue;
      const at = Math.floor(now + refreshed / pace);
      refreshed++;
      if (at > (account.accessTokenExpiresAt ?? 0)) late++;
      fleet[i] = { ...account, lastRefreshedAt: at, accessTokenExpiresAt: expiry(at) };
    }
    minutes.push({ at: now - start, waiting: due - refreshed, refreshed, late });
    const soonest = fleet.reduce(
      (least, one) => Math.min(least, one.accessTokenExpiresAt ?? 0),
      Number.POSITIVE_INFINITY,
    );
    idleUntil = soonest - refreshWindow - refreshSpread;
  }
  return minutes;
}
