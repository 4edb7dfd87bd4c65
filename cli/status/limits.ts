import { VERSIONS_PER_DAY } from '../../core/account/decision.ts';
import { refreshInterval, STARTS_PER_SECOND } from '../../core/monthly-cost.ts';
import type { FleetItem } from '../../terminal/fleet-table.ts';
import { statusKey } from '../accounts/list.ts';
import type { LastRuns } from './last-runs.ts';

/** How much of a limit is used. */
interface Used {
  readonly used: number;
  readonly limit: number;
}

/** How near a fleet is to what it can't go beyond. */
export interface Limits {
  /** Seconds that the last whole run took, and that one may; undefined where either isn't known. */
  readonly time: Used | undefined;
  /** Refreshes a second that the accounts need on average, and the pace of writes to Secrets Manager. */
  readonly writes: Used;
  /** Versions in a day of the token secret that is replaced most often, and how many there may be. */
  readonly versions: Used & {
    /** Whose secret that is. */
    readonly accountId?: string;
    readonly oauthProfile?: string;
    /** Seconds that its access tokens live. */
    readonly tokenLifetime?: number;
    /** Accounts as near to the limit as from 80 % on, or beyond. */
    readonly alike: number;
  };
}

const DAY = 86_400;
/** A share of a limit from which on it is near. */
export const NEAR = 0.8;
/** What is taken for the refresh window: a profile can have another. */
const WINDOW = 300;

/** @param schedule seconds between two runs */
export function limitsOf(accounts: readonly FleetItem[], lastRuns: LastRuns, schedule: number): Limits {
  let perSecond = 0;
  let shortest = Number.POSITIVE_INFINITY;
  let often: FleetItem | undefined;
  let alike = 0;
  for (const item of accounts) {
    const interval = intervalOf(item, schedule);
    if (interval === undefined) continue;
    perSecond += 1 / interval;
    if (DAY / interval >= NEAR * VERSIONS_PER_DAY) alike += 1;
    if (interval >= shortest) continue;
    shortest = interval;
    often = item;
  }
  return {
    time: timeOf(lastRuns),
    writes: { used: rounded(perSecond), limit: STARTS_PER_SECOND },
    versions: {
      used: Math.round(DAY / shortest),
      limit: VERSIONS_PER_DAY,
      alike,
      ...(often && whoseOf(often)),
    },
  };
}

function whoseOf({ accountId, oauthProfile, accessTokenExpiresAt, lastRefreshedAt }: FleetItem) {
  const tokenLifetime = Number(accessTokenExpiresAt) - Number(lastRefreshedAt);
  return { accountId, oauthProfile: String(oauthProfile), tokenLifetime };
}

/** Seconds between two refreshes of an account; undefined where it isn't refreshed, or nobody knows how long its tokens live. */
function intervalOf(item: FleetItem, schedule: number): number | undefined {
  const { accessTokenExpiresAt, lastRefreshedAt, doesNotExpire } = item;
  if (item.paused !== undefined || doesNotExpire === true) return undefined;
  if (!['healthy', 'failing'].includes(statusKey(item))) return undefined;
  if (typeof accessTokenExpiresAt !== 'number' || typeof lastRefreshedAt !== 'number') return undefined;
  const tokenLifetime = accessTokenExpiresAt - lastRefreshedAt;
  if (!(tokenLifetime > 0)) return undefined;
  const refreshWindow = Math.min(WINDOW, tokenLifetime / 4);
  return refreshInterval({ tokenLifetime, refreshWindow, schedule });
}

function timeOf(lastRuns: LastRuns): Used | undefined {
  if (lastRuns.kind === 'unreadable') return undefined;
  const { lastWhole, timeout } = lastRuns;
  if (lastWhole === undefined || timeout === undefined) return undefined;
  return { used: rounded(lastWhole.durationMs / 1000), limit: timeout };
}

const rounded = (value: number) => Math.round(value * 10) / 10;
