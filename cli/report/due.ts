import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { parseAccount } from '../../core/account/account.ts';
import { isUrgent } from '../../core/account/decision.ts';
import { isJsonObject } from '../../core/json-object.ts';
import { turnOf } from '../../core/who-can-help.ts';
import { plural } from '../../terminal/display-text.ts';
import { USUAL_WINDOW } from '../../terminal/fleet-notes.ts';
import { accountColumn, type FleetItem, squeezeAccount } from '../../terminal/fleet-table.ts';
import type { Extent } from '../../terminal/list.ts';
import { now, readFleet } from '../accounts/items.ts';
import { readFunctionSettings } from '../logs/function-settings.ts';
import type { Context } from '../shared/command.ts';
import { lateAfter, scheduleOf } from '../shared/scheduled-runs.ts';
import {
  type Answer,
  are,
  numberCell,
  shortenTurn,
  showAnswer,
  tally,
  turnCell,
  turnColumn,
  whenText,
} from './print.ts';
import { isLookedAt, profileOf, switchedOff, timeIn, tokenEnd, troubleOf } from './standing.ts';

/** An account that is due and was not refreshed, and why not. */
export interface Due {
  readonly accountId: string;
  readonly oauthProfile: string;
  /** When its access token ends or ended, seconds since the epoch; null where none is known. */
  readonly accessTokenExpiresAt: number | null;
  /** A reason, or `disabled`, `paused`, `next_run` (its turn comes) or `no_run` (no run has come for too long). */
  readonly why: string;
  readonly turn: string | undefined;
  /** When it is tried next, or its lease ends, where that is known. */
  readonly until: number | undefined;
}

/** What is looked at, seconds. */
export interface DueLook {
  readonly at: number;
  /** The function's refresh window. A profile can have another, which is in its secret and not asked. */
  readonly refreshWindow: number;
  /** After how long without a run it is late. */
  readonly late: number;
}

/** The accounts that are due, the longest overdue first. Of a short-lived token the window is a quarter of its time. */
export function dueAccounts(accounts: readonly FleetItem[], look: DueLook): readonly Due[] {
  return accounts
    .filter(isLookedAt)
    .filter((item) => isDue(item, look))
    .map((item) => ({
      accountId: item.accountId,
      oauthProfile: profileOf(item),
      accessTokenExpiresAt: tokenEnd(item) ?? null,
      ...whyNot(item, look),
    }))
    .sort(
      (a, b) =>
        (a.accessTokenExpiresAt ?? 0) - (b.accessTokenExpiresAt ?? 0) ||
        a.accountId.localeCompare(b.accountId),
    );
}

function windowFor(item: FleetItem, refreshWindow: number): number {
  const [end, refreshedAt] = [tokenEnd(item), timeIn(item.lastRefreshedAt)];
  const lifetime =
    end === undefined || refreshedAt === undefined ? Number.POSITIVE_INFINITY : end - refreshedAt;
  return Math.min(refreshWindow, Math.max(0, lifetime / 4));
}

function isDue(item: FleetItem, { at, refreshWindow }: DueLook): boolean {
  const { account, kind } = parseAccount(item);
  if (kind === 'account' && isUrgent(account.escrow)) return true;
  if (item.doesNotExpire === true) return false;
  const end = tokenEnd(item);
  return end === undefined || end <= at + windowFor(item, refreshWindow);
}

function whyNot(item: FleetItem, { at, refreshWindow, late }: DueLook): Pick<Due, 'why' | 'turn' | 'until'> {
  const plain = (why: string, until?: number) => ({ why, turn: turnOf(why), until });
  const off = switchedOff(item);
  if (off !== undefined) return { why: off, turn: undefined, until: undefined };
  const leaseEnd = isJsonObject(item.lease) ? timeIn(item.lease.expiresAt) : undefined;
  if (leaseEnd !== undefined && leaseEnd > at) return plain('leased_elsewhere', leaseEnd);
  const trouble = troubleOf(item);
  const next = timeIn(item.nextAttemptAt);
  if (trouble !== undefined)
    return {
      why: trouble.reason,
      turn: trouble.turn,
      until: next !== undefined && next > at ? next : undefined,
    };
  if (parseAccount(item).kind === 'invalid') return plain('account_invalid');
  const end = tokenEnd(item);
  // Where no token was ever known, nobody knows since when it is due.
  const dueSince = end === undefined ? at : end - windowFor(item, refreshWindow);
  return at - dueSince > late
    ? { ...plain('no_run'), turn: turnOf('permission_missing') }
    : plain('next_run');
}

export async function showDue({ terminal, fleet }: Context, options: Extent): Promise<undefined> {
  const target = await fleet();
  const [schedule, settings] = await Promise.all([
    scheduleOf(target, new EventBridgeClient(target.config)),
    // Who may not read the configuration is told of the usual window.
    readFunctionSettings(target).catch(() => undefined),
  ]);
  const refreshWindow = settings?.refreshWindow ?? USUAL_WINDOW;
  const { accounts } = await readFleet(target, terminal, refreshWindow);
  const at = now();
  const due = dueAccounts(accounts, { at, refreshWindow, late: lateAfter(schedule) });
  const byReason = tally(due.map(({ why }) => why)).map(({ text: why, count }) => ({
    why,
    accounts: count,
    turn: due.find((one) => one.why === why)?.turn,
  }));
  const value = { at, refreshWindow, due, byReason };
  return await showAnswer(terminal, value, () => answerOf(value), options);
}

/** What to do, in the 30 cells that a line of 80 has for it: a command, or a short form of the reason's remedy. */
export const TO_DO: Readonly<Record<string, string>> = {
  disabled: 'accounts enable ACCOUNT',
  paused: 'people have paused it: resume',
  next_run: 'nothing; the next run takes it',
  no_run: 'no run has come: doctor',
  unknown: 'accounts show ACCOUNT',
  leased_elsewhere: 'nothing; a run is at it',
  out_of_time: 'wait, or add segments',
  no_refresh_token: 'authorize ACCOUNT',
  refresh_token_expired: 'authorize ACCOUNT',
  grant_revoked: 'authorize ACCOUNT',
  grant_possibly_lost: 'authorize ACCOUNT',
  client_rejected: 'profiles check PROFILE',
  rate_limited: 'wait; report requests',
  provider_unavailable: 'wait; it is tried again',
  malformed_response: 'profiles check PROFILE',
  store_unavailable: 'wait; if it goes on, doctor',
  permission_missing: 'doctor',
  request_rejected: 'profiles check PROFILE',
  provider_wide_refusal: 'wait, or ask the provider',
  token_set_too_large: 'ask for fewer scopes',
  lifetime_too_short: 'ask for longer-lived tokens',
  profile_missing: 'profiles add PROFILE',
  profile_invalid: 'profiles check PROFILE',
  secret_missing: 'restore it, or authorize',
  secret_invalid: 'correct it, or authorize',
  account_invalid: 'correct it: accounts show',
};

interface Found {
  readonly at: number;
  readonly refreshWindow: number;
  readonly due: readonly Due[];
  readonly byReason: readonly {
    readonly why: string;
    readonly accounts: number;
    readonly turn: string | undefined;
  }[];
}

function answerOf({ at, refreshWindow, due, byReason }: Found): Answer {
  const ended = due.filter(
    ({ accessTokenExpiresAt }) => accessTokenExpiresAt !== null && accessTokenExpiresAt <= at,
  );
  return {
    head: [
      due.length === 0
        ? 'Nothing is due and left.'
        : `${plural(due.length, 'account')} ${are(due.length)} due and not refreshed; the token of ${ended.length.toLocaleString('en-US')} has ended.`,
    ],
    tables: [
      {
        columns: [
          { title: 'WHY NOT', floor: 17 },
          { title: 'ACCOUNTS', align: 'right' },
          turnColumn,
          { title: 'WHAT TO DO', floor: 20 },
        ],
        rows: byReason.map(({ why, accounts, turn }) => [
          { text: why, style: 'yellow' as const },
          numberCell(accounts),
          turnCell(turn),
          { text: TO_DO[why] ?? 'accounts show ACCOUNT' },
        ]),
        concessions: [shortenTurn],
      },
      {
        columns: [
          { title: 'TOKEN ENDS', cut: 'never' },
          accountColumn,
          { title: 'PROFILE', least: 8, cut: 'id' },
          { title: 'WHY NOT', floor: 17 },
          { title: 'TRIED AGAIN', cut: 'never' },
        ],
        rows: due.map((one) => [
          { text: whenText(one.accessTokenExpiresAt ?? undefined, at) },
          { text: one.accountId },
          { text: one.oauthProfile },
          { text: one.why, style: 'yellow' as const },
          { text: one.until === undefined ? '—' : whenText(one.until, at) },
        ]),
        concessions: [{ drop: 'TRIED AGAIN' }, squeezeAccount, { drop: 'PROFILE' }],
      },
    ],
    foot: [
      `Due is what ends within ${refreshWindow} s. A profile’s own refresh window is in its secret and not looked at.`,
    ],
  };
}
