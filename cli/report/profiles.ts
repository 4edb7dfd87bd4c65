import { turnOf } from '../../core/who-can-help.ts';
import { plural } from '../../terminal/display-text.ts';
import type { FailingProfile } from '../../terminal/fleet-notes.ts';
import { duration, type FleetItem } from '../../terminal/fleet-table.ts';
import type { Extent } from '../../terminal/list.ts';
import { now, readFleet } from '../accounts/items.ts';
import type { Context } from '../shared/command.ts';
import {
  type Answer,
  are,
  numberCell,
  shortenTurn,
  showAnswer,
  tally,
  turnCell,
  turnColumn,
} from './print.ts';
import { isLookedAt, profileOf, troubleOf } from './standing.ts';

/** How a profile's accounts are. Those that people have disabled don't count. */
export interface ProfileHealth {
  readonly profile: string;
  readonly accounts: number;
  readonly inTrouble: number;
  /** Of all, from 0 to 1. */
  readonly share: number;
  readonly needPerson: number;
  readonly failing: number;
  /** The most frequent reason, and whose turn it is. */
  readonly reason: string | undefined;
  readonly turn: string | undefined;
  /** What its note says, while the profile itself is failing. */
  readonly profileFailure: Omit<FailingProfile, 'profile'> | undefined;
}

/** The profiles in trouble, the worst first: those that are failing themselves, then by how many accounts suffer. */
export function worstProfiles(
  accounts: readonly FleetItem[],
  failingProfiles: readonly FailingProfile[],
): readonly ProfileHealth[] {
  const failures = new Map(failingProfiles.map((one) => [one.profile, one]));
  const counted = accounts.filter((item) => isLookedAt(item) && item.enabled !== false);
  const byProfile = Map.groupBy(counted, profileOf);
  const names = new Set([...byProfile.keys(), ...failures.keys()]);
  return [...names]
    .map((profile): ProfileHealth => {
      const own = byProfile.get(profile) ?? [];
      const troubles = own.map(troubleOf).filter((one) => one !== undefined);
      const needPerson = own.filter(({ status }) => status === 'reauthorization_required').length;
      const failure = failures.get(profile);
      const [worst] = tally(troubles.map(({ reason }) => reason));
      const { profile: _, ...profileFailure } = failure ?? { profile };
      return {
        profile,
        accounts: own.length,
        inTrouble: troubles.length,
        share: own.length === 0 ? 0 : troubles.length / own.length,
        needPerson,
        failing: troubles.length - needPerson,
        reason: failure?.reason ?? worst?.text,
        turn:
          failure === undefined
            ? troubles.find(({ reason }) => reason === worst?.text)?.turn
            : turnOf(failure.reason),
        profileFailure:
          failure === undefined ? undefined : (profileFailure as Omit<FailingProfile, 'profile'>),
      };
    })
    .filter(({ inTrouble, profileFailure }) => inTrouble > 0 || profileFailure !== undefined)
    .sort(
      (a, b) =>
        Number(b.profileFailure !== undefined) - Number(a.profileFailure !== undefined) ||
        b.inTrouble - a.inTrouble ||
        b.share - a.share ||
        a.profile.localeCompare(b.profile),
    );
}

export async function showProfiles({ terminal, fleet }: Context, options: Extent): Promise<undefined> {
  const { accounts, failingProfiles } = await readFleet(await fleet(), terminal);
  const at = now();
  const profiles = worstProfiles(accounts, failingProfiles);
  const all = new Set(accounts.filter(isLookedAt).map(profileOf)).size;
  const value = { at, profiles, allProfiles: all };
  return await showAnswer(terminal, value, () => answerOf(profiles, all, at), options);
}

function answerOf(profiles: readonly ProfileHealth[], all: number, at: number): Answer {
  const failing = profiles.filter(({ profileFailure }) => profileFailure !== undefined).length;
  const head =
    profiles.length === 0
      ? all === 0
        ? 'No account has a profile yet.'
        : `All is well with the accounts of ${plural(all, 'profile')}.`
      : `${plural(profiles.length, 'profile')} of ${all} ${profiles.length === 1 ? 'has' : 'have'} accounts in trouble; ${failing === 0 ? 'none' : failing} ${are(Math.max(1, failing))} failing as a whole.`;
  return {
    head: [head],
    tables: [
      {
        columns: [
          { title: 'PROFILE', least: 10, cut: 'id' },
          { title: 'TROUBLE', align: 'right' },
          { title: 'OF', align: 'right' },
          { title: '%', align: 'right' },
          { title: 'PERSON', align: 'right' },
          { title: 'FAILING', align: 'right' },
          { title: 'PROFILE FAILS', cut: 'never' },
          { title: 'MOST FREQUENT REASON', shortTitle: 'REASON', floor: 17 },
          turnColumn,
        ],
        rows: profiles.map((one) => [
          { text: one.profile },
          { text: one.inTrouble.toLocaleString('en-US'), style: 'yellow' as const },
          { text: one.accounts.toLocaleString('en-US') },
          { text: String(Math.round(one.share * 100)) },
          numberCell(one.needPerson),
          numberCell(one.failing),
          one.profileFailure === undefined
            ? { text: '—' }
            : { text: `for ${duration(at - one.profileFailure.since)}`, style: 'red' as const },
          { text: one.reason ?? '—', style: 'yellow' as const },
          turnCell(one.turn),
        ]),
        concessions: [
          { shorten: 'MOST FREQUENT REASON' },
          shortenTurn,
          { drop: '%' },
          { drop: 'FAILING' },
          { drop: 'PERSON' },
          { drop: 'OF' },
        ],
      },
    ],
  };
}
