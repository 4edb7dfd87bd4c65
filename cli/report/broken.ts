import { isReason, REASONS } from '../../core/reason.ts';
import { plural } from '../../terminal/display-text.ts';
import { accountColumn, type FleetItem, squeezeAccount } from '../../terminal/fleet-table.ts';
import type { Extent } from '../../terminal/list.ts';
import { now, readFleet } from '../accounts/items.ts';
import type { Context } from '../shared/command.ts';
import {
  type Answer,
  are,
  dateText,
  numberCell,
  shortenTurn,
  showAnswer,
  tally,
  turnCell,
  turnColumn,
  whenText,
} from './print.ts';
import { profileOf, type Trouble, troubleOf } from './standing.ts';

/** An account in trouble that began since a time. */
export interface Broken extends Trouble {
  readonly accountId: string;
  readonly oauthProfile: string;
  readonly status: string;
  readonly waitsForProfile: boolean;
}

/** What broke since a time and still is; the newest first. What began before, and still goes on, is no news. */
export function brokenSince(accounts: readonly FleetItem[], since: number): readonly Broken[] {
  return accounts
    .flatMap((item) => {
      const trouble = troubleOf(item);
      if (trouble?.since === undefined || trouble.since < since) return [];
      const { accountId } = item;
      const waitsForProfile = item.waitsForProfile === true;
      return [
        {
          accountId,
          oauthProfile: profileOf(item),
          status: String(item.status),
          waitsForProfile,
          ...trouble,
        },
      ];
    })
    .sort((a, b) => (b.since ?? 0) - (a.since ?? 0) || a.accountId.localeCompare(b.accountId));
}

export interface BrokenOptions extends Extent {
  /** Seconds since the epoch. */
  readonly since: number;
}

export async function showBroken({ terminal, fleet }: Context, options: BrokenOptions): Promise<undefined> {
  const { accounts } = await readFleet(await fleet(), terminal);
  const at = now();
  const broken = brokenSince(accounts, options.since);
  const before = accounts.filter((item) => troubleOf(item) !== undefined).length - broken.length;
  const byReason = tally(broken.map(({ reason }) => reason)).map(({ text: reason, count }) => ({
    reason,
    accounts: count,
    meaning: isReason(reason) ? REASONS[reason].meaning : undefined,
    turn: broken.find((one) => one.reason === reason)?.turn,
  }));
  const value = { at, since: options.since, broken, before, byReason };
  return await showAnswer(terminal, value, () => answerOf(value), options);
}

interface Found {
  readonly at: number;
  readonly since: number;
  readonly broken: readonly Broken[];
  /** Accounts in trouble since before. */
  readonly before: number;
  readonly byReason: readonly {
    readonly reason: string;
    readonly accounts: number;
    readonly meaning: string | undefined;
    readonly turn: string | undefined;
  }[];
}

/** `report changes` counts only those that broke by themselves. */
function waitersText(broken: readonly Broken[]): string {
  const waiters = broken.filter(({ waitsForProfile }) => waitsForProfile).length;
  if (waiters === 0) return '';
  const own = (broken.length - waiters).toLocaleString('en-US');
  return `: ${own} by ${broken.length - waiters === 1 ? 'itself' : 'themselves'}, and ${waiters.toLocaleString('en-US')} that only ${waiters === 1 ? 'waits' : 'wait'} for a profile that fails`;
}

function answerOf({ at, since, broken, before, byReason }: Found): Answer {
  return {
    head: [
      broken.length === 0
        ? `Nothing broke since ${dateText(since)} that still is broken.`
        : `${plural(broken.length, 'account')} broke since ${dateText(since)} and still ${are(broken.length)}${waitersText(broken)}.`,
      ...(before > 0
        ? [`${plural(before, 'account')} ${are(before)} in trouble since before, or nobody knows since when.`]
        : []),
    ],
    tables: [
      {
        columns: [
          { title: 'REASON', floor: 17 },
          { title: 'ACCOUNTS', align: 'right' },
          turnColumn,
          { title: 'MEANS', least: 10 },
        ],
        rows: byReason.map(({ reason, accounts, meaning, turn }) => [
          { text: reason, style: 'yellow' as const },
          numberCell(accounts),
          turnCell(turn),
          { text: meaning ?? 'this version does not know it' },
        ]),
        concessions: [{ drop: 'MEANS' }, shortenTurn],
      },
      {
        columns: [
          { title: 'SINCE', cut: 'never' },
          accountColumn,
          { title: 'PROFILE', least: 8, cut: 'id' },
          { title: 'REASON', floor: 17 },
          { title: 'MESSAGE', least: 12 },
        ],
        rows: broken.map((one) => [
          { text: whenText(one.since, at) },
          { text: one.accountId },
          { text: one.oauthProfile },
          { text: one.reason, style: one.status === 'failing' ? ('yellow' as const) : ('red' as const) },
          { text: one.waitsForProfile ? 'it waits for its profile' : (one.message ?? '') },
        ]),
        concessions: [{ drop: 'MESSAGE' }, squeezeAccount, { drop: 'PROFILE' }],
      },
    ],
    foot: ['What broke and works again is in the log alone: report changes.'],
  };
}
