import { plural } from '../../terminal/display-text.ts';
import type { FailingProfile } from '../../terminal/fleet-notes.ts';
import { accountColumn, duration, type FleetItem, squeezeAccount } from '../../terminal/fleet-table.ts';
import type { Extent } from '../../terminal/list.ts';
import { now, readFleet } from '../accounts/items.ts';
import type { Context } from '../shared/command.ts';
import { type Answer, dateText, showAnswer, whenText } from './print.ts';
import { isLookedAt, profileOf, switchedOff, timeIn, troubleOf } from './standing.ts';

/** When an account's grant ends, where its refresh token has an end. */
export interface GrantEnd {
  readonly accountId: string;
  readonly oauthProfile: string;
  /** Seconds since the epoch. */
  readonly endsAt: number;
  /** Each refresh moves the end, as far as its profile's accounts tell, and the account is being refreshed. */
  readonly renewed: boolean;
  readonly authorizedBy: string | undefined;
}

/** Seconds by which the lifetimes of refresh tokens that are renewed at each refresh may differ. */
const ALIKE = 120;

/**
 * The ends of grants, the next first, of accounts whose grant is alive. Nobody says whether a provider renews a refresh
 * token's time at each refresh. But then the accounts of a profile, refreshed at different times, all have the same time from
 * their last refresh; with a fixed end they differ. An account that isn't refreshed (disabled, paused, failing) isn't renewed.
 */
export function grantEnds(
  accounts: readonly FleetItem[],
  failingProfiles: readonly FailingProfile[],
): readonly GrantEnd[] {
  const failing = new Set(failingProfiles.map(({ profile }) => profile));
  const renewing = profilesThatRenew(accounts);
  return accounts
    .filter(isLookedAt)
    .filter(({ status }) => status !== 'reauthorization_required')
    .flatMap((item) => {
      const endsAt = timeIn(item.refreshTokenExpiresAt);
      if (endsAt === undefined) return [];
      const profile = profileOf(item);
      const refreshed =
        switchedOff(item) === undefined && troubleOf(item) === undefined && !failing.has(profile);
      const { accountId, authorizedBy } = item;
      return [
        {
          accountId,
          oauthProfile: profile,
          endsAt,
          renewed: refreshed && renewing.has(profile),
          authorizedBy: typeof authorizedBy === 'string' ? authorizedBy : undefined,
        },
      ];
    })
    .sort((a, b) => a.endsAt - b.endsAt || a.accountId.localeCompare(b.accountId));
}

/** Profiles of which two accounts or more, refreshed at different times since they were authorized, tell that ends move. */
function profilesThatRenew(accounts: readonly FleetItem[]): ReadonlySet<string> {
  const seen = new Map<string, { readonly lifetimes: number[]; readonly refreshes: number[] }>();
  for (const item of accounts) {
    const [endsAt, refreshedAt, authorizedAt] = [
      item.refreshTokenExpiresAt,
      item.lastRefreshedAt,
      item.authorizedAt,
    ].map(timeIn);
    if (endsAt === undefined || refreshedAt === undefined) continue;
    // What was never refreshed since its person signed in looks the same either way.
    if (authorizedAt !== undefined && refreshedAt <= authorizedAt + ALIKE) continue;
    const profile = profileOf(item);
    const { lifetimes, refreshes } = seen.get(profile) ?? { lifetimes: [], refreshes: [] };
    lifetimes.push(endsAt - refreshedAt);
    refreshes.push(refreshedAt);
    seen.set(profile, { lifetimes, refreshes });
  }
  const spread = (values: readonly number[]) =>
    values.reduce((most, one) => Math.max(most, one), Number.NEGATIVE_INFINITY) -
    values.reduce((least, one) => Math.min(least, one), Number.POSITIVE_INFINITY);
  return new Set(
    [...seen].flatMap(([profile, { lifetimes, refreshes }]) =>
      lifetimes.length >= 2 && spread(lifetimes) <= ALIKE && spread(refreshes) > ALIKE ? [profile] : [],
    ),
  );
}

export interface GrantsOptions extends Extent {
  /** Seconds. */
  readonly within: number;
}

export async function showGrants({ terminal, fleet }: Context, options: GrantsOptions): Promise<undefined> {
  const { accounts, failingProfiles } = await readFleet(await fleet(), terminal);
  const at = now();
  const ends = grantEnds(accounts, failingProfiles).filter(({ endsAt }) => endsAt <= at + options.within);
  const ending = ends.filter(({ endsAt, renewed }) => !renewed && endsAt > at);
  const renewing = ends.filter(({ renewed }) => renewed);
  const over = ends.filter(({ endsAt, renewed }) => !renewed && endsAt <= at).length;
  const unknown = accounts.filter(
    (item) =>
      isLookedAt(item) &&
      item.status !== 'reauthorization_required' &&
      timeIn(item.refreshTokenExpiresAt) === undefined,
  ).length;
  const value = {
    at,
    until: at + options.within,
    ending,
    renewing,
    renewed: renewing.length,
    over,
    unknown,
  };
  return await showAnswer(terminal, value, () => answerOf(value, options.within), options);
}

interface Ending {
  readonly at: number;
  readonly ending: readonly GrantEnd[];
  /** What would end, if the guess that refreshing renews it is wrong. */
  readonly renewing: readonly GrantEnd[];
  readonly over: number;
  /** Accounts of which no end is known. */
  readonly unknown: number;
}

function headOf(ending: number, renewing: number, within: number): string {
  const [soon, would] = [`within ${duration(within)}`, renewing === 1 ? 'it' : 'them'];
  if (ending === 0 && renewing === 0) return `No known end of a grant is ${soon}.`;
  const guess = `unless each refresh renews ${would}, as it has so far`;
  const verb = (count: number) => (count === 1 ? 'ends' : 'end');
  if (ending === 0) return `${plural(renewing, 'grant')} ${verb(renewing)} ${soon}, ${guess}.`;
  const certain = `${plural(ending, 'grant')} ${verb(ending)} ${soon}: by then each account’s holder has to sign in.`;
  return renewing === 0
    ? certain
    : `${certain} ${plural(renewing, 'grant')} more ${verb(renewing)}, ${guess}.`;
}

function answerOf({ at, ending, renewing, over, unknown }: Ending, within: number): Answer {
  return {
    head: [
      headOf(ending.length, renewing.length, within),
      ...(over > 0
        ? [`${plural(over, 'grant')} more should have ended already; the next refresh will show it.`]
        : []),
    ],
    tables: [
      {
        columns: [
          { title: 'ENDS', cut: 'never' },
          { title: 'DATE', cut: 'never' },
          accountColumn,
          { title: 'PROFILE', least: 8, cut: 'id' },
          { title: 'RENEWED', cut: 'never' },
          { title: 'AUTHORIZED BY', least: 10 },
        ],
        // What somebody has to do something about comes first.
        rows: [...ending, ...renewing].map((one) => [
          { text: whenText(one.endsAt, at) },
          { text: dateText(one.endsAt) },
          { text: one.accountId },
          { text: one.oauthProfile },
          one.renewed ? { text: 'so far', style: 'dim' as const } : { text: 'no', style: 'yellow' as const },
          { text: one.authorizedBy ?? '—' },
        ]),
        concessions: [{ drop: 'DATE' }, { drop: 'AUTHORIZED BY' }, squeezeAccount, { drop: 'PROFILE' }],
      },
    ],
    foot: [
      ...(renewing.length > 0
        ? [
            'Renewed "so far" is a guess: all of the profile’s accounts have as long from their last refresh on.',
          ]
        : []),
      ...(unknown > 0
        ? [
            `Of ${plural(unknown, 'account')} no end is known: the provider doesn’t say it, or no run has read the secret yet (accounts show).`,
          ]
        : []),
    ],
  };
}
