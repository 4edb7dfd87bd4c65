import { PROFILE_NOTE } from '../../core/account/account.ts';
import { isJsonObject } from '../../core/json-object.ts';
import { turnOf } from '../../core/who-can-help.ts';
import { plural } from '../../terminal/display-text.ts';
import type { FailingProfile } from '../../terminal/fleet-notes.ts';
import { accountColumn, duration, type FleetItem, squeezeAccount } from '../../terminal/fleet-table.ts';
import type { Extent } from '../../terminal/list.ts';
import { now, readFleet } from '../accounts/items.ts';
import type { Context } from '../shared/command.ts';
import { grantEnds } from './grants.ts';
import { type Answer, are, shortenTurn, showAnswer, turnCell, turnColumn, whenText } from './print.ts';
import { isLookedAt, profileOf, switchedOff, tokenEnd, troubleOf } from './standing.ts';

/** An account whose access token ends, and which nobody will refresh by then as things stand. */
export interface Upcoming {
  readonly accountId: string;
  readonly oauthProfile: string;
  /** When it breaks, seconds since the epoch. */
  readonly at: number;
  /** What ends: the grant, or only the access token. */
  readonly ends: 'grant' | 'access_token';
  /** A reason, `disabled`, `paused`, or `grant_ends`. */
  readonly why: string;
  /** Whose turn it is, in words; undefined where it is people's own wish, or not known. */
  readonly turn: string | undefined;
}

/** A profile whose current version the provider refuses, while the one before works. */
interface AtRisk {
  readonly profile: string;
  readonly since: number | undefined;
  readonly accounts: number;
}

interface Forecast {
  readonly upcoming: readonly Upcoming[];
  readonly profilesAtRisk: readonly AtRisk[];
  /** Accounts that are broken already: they need a person or fail, and their access token has ended. */
  readonly brokenAlready: number;
  /** Grants that end by then unless each refresh renews them, as it has so far: a guess, see `grantEnds`. */
  readonly renewing: number;
}

/** What the table is looked at for. Times are seconds since the epoch. */
interface Look {
  readonly failingProfiles: readonly FailingProfile[];
  readonly at: number;
  readonly until: number;
}

/** What will break until a time, as things stand; what breaks first comes first. */
export function forecast(
  accounts: readonly FleetItem[],
  { failingProfiles, at, until }: Look,
): Omit<Forecast, 'profilesAtRisk'> {
  const looked = accounts.filter(isLookedAt);
  const soon = grantEnds(looked, failingProfiles).filter(({ endsAt }) => endsAt > at && endsAt <= until);
  const ends = new Map(
    soon.filter(({ renewed }) => !renewed).map(({ accountId, endsAt }) => [accountId, endsAt]),
  );
  // An account that isn't due yet will be, and its profile is failing.
  const failing = new Map(failingProfiles.map(({ profile, reason }) => [profile, reason]));
  const upcoming: Upcoming[] = [];
  let brokenAlready = 0;
  for (const item of looked) {
    const trouble = troubleOf(item);
    const off = switchedOff(item);
    const end = tokenEnd(item);
    if (trouble !== undefined && (end === undefined || end <= at)) brokenAlready++;
    const reason = trouble?.reason ?? failing.get(profileOf(item));
    const why = off ?? reason;
    const grantEnd = ends.get(item.accountId);
    const dies = why !== undefined && end !== undefined && end > at && end <= until;
    const found = { accountId: item.accountId, oauthProfile: profileOf(item) };
    if (dies && (grantEnd === undefined || end <= grantEnd))
      upcoming.push({
        ...found,
        at: end,
        ends: 'access_token',
        why,
        turn: off === undefined ? (trouble?.turn ?? turnOf(reason)) : undefined,
      });
    else if (grantEnd !== undefined)
      upcoming.push({
        ...found,
        at: grantEnd,
        ends: 'grant',
        why: 'grant_ends',
        turn: turnOf('refresh_token_expired'),
      });
  }
  return {
    upcoming: upcoming.sort((a, b) => a.at - b.at || a.accountId.localeCompare(b.accountId)),
    brokenAlready,
    renewing: soon.filter(({ renewed }) => renewed).length,
  };
}

/** The profiles that live on the version before the current one. */
export function profilesAtRisk(notes: readonly FleetItem[], accounts: readonly FleetItem[]): AtRisk[] {
  return notes.flatMap(({ accountId, atRisk }) => {
    if (!accountId.startsWith(PROFILE_NOTE) || !isJsonObject(atRisk)) return [];
    const profile = accountId.slice(PROFILE_NOTE.length);
    const { since } = atRisk;
    return [
      {
        profile,
        since: typeof since === 'number' ? since : undefined,
        accounts: accounts.filter(({ oauthProfile }) => oauthProfile === profile).length,
      },
    ];
  });
}

export interface UpcomingOptions extends Extent {
  /** Seconds. */
  readonly within: number;
}

export async function showUpcoming(
  { terminal, fleet }: Context,
  options: UpcomingOptions,
): Promise<undefined> {
  const target = await fleet();
  const { accounts, notes, failingProfiles } = await readFleet(target, terminal);
  const at = now();
  const found: Forecast = {
    ...forecast(accounts, { failingProfiles, at, until: at + options.within }),
    profilesAtRisk: profilesAtRisk(notes, accounts),
  };
  return await showAnswer(
    terminal,
    {
      at,
      until: at + options.within,
      ...found,
    },
    () => answerOf(found, at, options.within),
    options,
  );
}

function answerOf(
  { upcoming, profilesAtRisk: risky, brokenAlready, renewing }: Forecast,
  at: number,
  within: number,
): Answer {
  const head =
    upcoming.length === 0
      ? `As things stand, nothing breaks within ${duration(within)}.`
      : `As things stand, ${plural(upcoming.length, 'account')} ${upcoming.length === 1 ? 'breaks' : 'break'} within ${duration(within)}.`;
  return {
    head: [
      head,
      ...(brokenAlready > 0
        ? [`${plural(brokenAlready, 'account')} ${are(brokenAlready)} broken already: accounts list --check.`]
        : []),
      ...(renewing > 0
        ? [
            `${plural(renewing, 'grant')} ${renewing === 1 ? 'ends' : 'end'} by then unless refreshing goes on renewing ${renewing === 1 ? 'it' : 'them'}: report grants.`,
          ]
        : []),
      ...risky.map(
        ({ profile, accounts }) =>
          `The current version of the profile ${profile} is refused, and the one before works: ${plural(accounts, 'account')} would break at its next change. Run: profiles check ${profile}`,
      ),
    ],
    tables: [
      {
        columns: [
          { title: 'WHEN', cut: 'never' },
          accountColumn,
          { title: 'PROFILE', least: 8, cut: 'id' },
          { title: 'ENDS', cut: 'never' },
          { title: 'WHY', floor: 12 },
          turnColumn,
        ],
        rows: upcoming.map((one) => [
          { text: whenText(one.at, at) },
          { text: one.accountId },
          { text: one.oauthProfile },
          { text: one.ends === 'grant' ? 'grant' : 'token' },
          { text: one.why, style: 'yellow' as const },
          turnCell(one.turn),
        ]),
        concessions: [
          squeezeAccount,
          shortenTurn,
          { drop: 'ENDS' },
          { drop: 'PROFILE' },
          { squeeze: 'ACCOUNT', to: 24 },
        ],
      },
    ],
    foot: ['Nobody knows what a provider will refuse: this is what the table tells.'],
  };
}
