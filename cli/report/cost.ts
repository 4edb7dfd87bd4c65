import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { LONGEST_LIFETIME, VERSIONS_PER_DAY } from '../../core/account/decision.ts';
import {
  costOf,
  type Load,
  ownCost,
  type Running,
  refreshesOf,
  refreshInterval,
  USUAL_RUNNING,
} from '../../core/monthly-cost.ts';
import { METRIC } from '../../lambda/metric-names.ts';
import { plural } from '../../terminal/display-text.ts';
import type { FleetItem } from '../../terminal/fleet-table.ts';
import type { Extent } from '../../terminal/list.ts';
import { now, readFleet } from '../accounts/items.ts';
import { readFunctionSettings } from '../logs/function-settings.ts';
import type { Context } from '../shared/command.ts';
import { scheduleOf } from '../shared/scheduled-runs.ts';
import { type Answer, showAnswer } from './print.ts';
import { isLookedAt, profileOf, switchedOff, timeIn, tokenEnd } from './standing.ts';

/** What a profile's accounts cost in a month of 30 days, US dollars. */
export interface ProfileCost {
  readonly profile: string;
  readonly accounts: number;
  readonly secrets: number;
  /** In a month, as far as the items tell how long tokens live. */
  readonly refreshes: number;
  readonly dollars: number;
}

export interface FleetCost {
  /** The dearest first. Their dollars and `shared` make `total`. */
  readonly profiles: readonly ProfileCost[];
  /** Runs, scans, the profiles' notes, metrics, keys and alarms. */
  readonly shared: number;
  readonly total: number;
  /** Accounts of which nobody knows how long their tokens live: their profile's others tell, or an hour is taken. */
  readonly assumed: number;
}

/** What is looked at beside the accounts. */
export interface CostLook {
  readonly running: Omit<Running, 'profiles'>;
  /** Seconds. */
  readonly refreshWindow: number;
}

const USUAL_LIFETIME = 3_600;
/** Seconds. Secrets Manager keeps 100 versions a day, so nothing is refreshed more often for long. */
const LEAST_INTERVAL = 86_400 / VERSIONS_PER_DAY;

/** What the fleet costs by profile, as it is now: who isn't refreshed costs a secret all the same. */
export function fleetCost(accounts: readonly FleetItem[], look: CostLook): FleetCost {
  const byProfile = Map.groupBy(accounts.filter(isLookedAt), profileOf);
  let assumed = 0;
  const loads = [...byProfile].map(([profile, own]) => {
    const lifetimes = own.flatMap((item) => lifetimeOf(item) ?? []).sort((a, b) => a - b);
    const usual = lifetimes[Math.floor(lifetimes.length / 2)] ?? USUAL_LIFETIME;
    let refreshes = 0;
    for (const item of own) {
      if (!isRefreshed(item)) continue;
      const lifetime = lifetimeOf(item);
      if (lifetime === undefined) assumed++;
      refreshes += refreshesOf(intervalOf(lifetime ?? usual, look));
    }
    // One secret more is the profile's own.
    const secrets = own.filter(({ tokenStore }) => tokenStore !== 'table').length + 1;
    const load: Load = { secrets, refreshes, tableBytes: bytesOf(own) };
    return { profile, accounts: own.length, load };
  });
  const running: Running = { ...look.running, profiles: loads.length };
  const all: Load = {
    secrets: loads.reduce((sum, { load }) => sum + load.secrets, 0),
    refreshes: loads.reduce((sum, { load }) => sum + load.refreshes, 0),
    // What the function doesn't look at is scanned too.
    tableBytes: bytesOf(accounts),
  };
  const { total } = costOf(all, running);
  const profiles = loads
    .map(({ profile, accounts, load }) => ({
      profile,
      accounts,
      secrets: load.secrets,
      refreshes: Math.round(load.refreshes),
      dollars: ownCost(load, running),
    }))
    .sort((a, b) => b.dollars - a.dollars || a.profile.localeCompare(b.profile));
  return {
    profiles,
    shared: total - profiles.reduce((sum, { dollars }) => sum + dollars, 0),
    total,
    assumed,
  };
}

function isRefreshed(item: FleetItem): boolean {
  return (
    switchedOff(item) === undefined &&
    item.doesNotExpire !== true &&
    item.status !== 'reauthorization_required'
  );
}

/** How long an account's access tokens live, seconds, where its item tells and that can be believed. */
export function lifetimeOf(item: FleetItem): number | undefined {
  const [end, refreshedAt] = [tokenEnd(item), timeIn(item.lastRefreshedAt)];
  if (end === undefined || refreshedAt === undefined) return undefined;
  const lifetime = end - refreshedAt;
  return lifetime > 0 && lifetime <= LONGEST_LIFETIME ? lifetime : undefined;
}

/** Seconds between two refreshes of an account whose tokens live so long. */
export function intervalOf(
  tokenLifetime: number,
  {
    refreshWindow,
    running: { schedule },
  }: Pick<CostLook, 'refreshWindow'> & { readonly running: Pick<Running, 'schedule'> },
): number {
  return Math.max(LEAST_INTERVAL, refreshInterval({ tokenLifetime, refreshWindow, schedule }));
}

/** About what DynamoDB counts: names and values. */
function bytesOf(items: readonly FleetItem[]): number {
  let bytes = 0;
  for (const item of items) bytes += JSON.stringify(item).length;
  return bytes;
}

export async function showCost({ terminal, fleet }: Context, options: Extent): Promise<undefined> {
  const target = await fleet();
  const [{ accounts }, schedule, settings] = await Promise.all([
    readFleet(target, terminal),
    scheduleOf(target, new EventBridgeClient(target.config)),
    readFunctionSettings(target).catch(() => undefined),
  ]);
  const { memoryGigabytes = USUAL_RUNNING.memoryGigabytes, refreshWindow = 300 } = settings ?? {};
  const running = { ...USUAL_RUNNING, metrics: Object.keys(METRIC).length, schedule, memoryGigabytes };
  const cost = fleetCost(accounts, { running, refreshWindow });
  const value = { at: now(), accounts: accounts.length, ...cost };
  return await showAnswer(terminal, value, () => answerOf(cost, accounts.length), options);
}

function dollars(value: number): string {
  const digits = value < 100 ? 2 : 0;
  return `$${value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

function answerOf({ profiles, shared, total, assumed }: FleetCost, accounts: number): Answer {
  const row = (name: string, one: Omit<ProfileCost, 'profile'>) => [
    { text: name },
    { text: one.accounts.toLocaleString('en-US') },
    { text: one.secrets.toLocaleString('en-US') },
    { text: one.refreshes.toLocaleString('en-US') },
    { text: dollars(one.dollars) },
    { text: total > 0 ? `${Math.round((one.dollars / total) * 100)} %` : '' },
  ];
  return {
    head: [
      `A month of ${plural(accounts, 'account')} costs about ${dollars(total)}; ${dollars(shared)} of it is shared by all: runs, scans, metrics, keys, alarms.`,
    ],
    tables: [
      {
        columns: [
          { title: 'PROFILE', least: 10, cut: 'id' },
          { title: 'ACCOUNTS', align: 'right' },
          { title: 'SECRETS', align: 'right' },
          { title: 'REFRESHES', align: 'right' },
          { title: 'A MONTH', align: 'right' },
          { title: 'SHARE', align: 'right' },
        ],
        rows: profiles.map(({ profile, ...rest }) => row(profile, rest)),
        concessions: [{ drop: 'SECRETS' }, { drop: 'SHARE' }, { drop: 'REFRESHES' }],
      },
    ],
    foot: [
      'On paper: list prices of us-east-1, 30 days, no free tier. Secrets without an account cost too: report secrets.',
      ...(assumed > 0
        ? [
            `Of ${plural(assumed, 'account')} nobody knows how long their tokens live; their profile’s others tell, or an hour is taken.`,
          ]
        : []),
    ],
  };
}
