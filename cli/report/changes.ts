import { messageOf } from '../../core/account/profile-note.ts';
import { plural } from '../../terminal/display-text.ts';
import type { FailingProfile } from '../../terminal/fleet-notes.ts';
import type { FleetItem } from '../../terminal/fleet-table.ts';
import { duration } from '../../terminal/fleet-table.ts';
import type { Extent } from '../../terminal/list.ts';
import { now, readFleet } from '../accounts/items.ts';
import {
  askLog,
  costText,
  instantIn,
  type LogAnswer,
  type LogCost,
  MAX_ROWS,
  quoted,
} from '../logs/query.ts';
import type { Context } from '../shared/command.ts';
import { brokenSince } from './broken.ts';
import { type Answer, dateText, showAnswer, whenText } from './print.ts';
import { type ListedSecret, listSecrets } from './secrets.ts';
import { pausesSince, timeIn } from './standing.ts';

/** Something that changed, and when, seconds since the epoch. */
export interface Change {
  readonly at: number;
  readonly what:
    | 'broke'
    | 'authorized'
    | 'recovered'
    | 'profile_failing'
    | 'profile_recovered'
    | 'profile_created'
    | 'profile_changed'
    | 'paused';
  /** An account or a profile; empty for everything. */
  readonly of: string;
  /** A reason, or who it was. */
  readonly detail: string | undefined;
}

/** What the table tells of changes since a time. */
interface InTable {
  readonly accounts: readonly FleetItem[];
  readonly failingProfiles: readonly FailingProfile[];
  /** When people paused profiles, or everything. */
  readonly pauses: ReadonlyMap<string, number>;
  /** The profiles' secrets, their names below the prefix. */
  readonly profiles: readonly ListedSecret[];
}

/** Changes since a time that the table and the list of secrets tell. */
export function changesOfTable(
  { accounts, failingProfiles, pauses, profiles }: InTable,
  since: number,
): readonly Change[] {
  return [
    // One that waits for its profile has not broken by itself.
    ...brokenSince(accounts, since)
      .filter(({ waitsForProfile }) => !waitsForProfile)
      .map(
        (one): Change => ({ at: one.since ?? since, what: 'broke', of: one.accountId, detail: one.reason }),
      ),
    ...accounts.flatMap(({ accountId, authorizedAt, authorizedBy }): Change[] => {
      const at = timeIn(authorizedAt);
      const detail = typeof authorizedBy === 'string' ? authorizedBy : undefined;
      return at === undefined || at < since ? [] : [{ at, what: 'authorized', of: accountId, detail }];
    }),
    ...failingProfiles
      .filter((one) => one.since >= since)
      .map(
        (one): Change => ({ at: one.since, what: 'profile_failing', of: one.profile, detail: one.reason }),
      ),
    ...[...pauses]
      .filter(([, at]) => at >= since)
      .map(([profile, at]): Change => ({ at, what: 'paused', of: profile, detail: undefined })),
    ...profiles.flatMap(({ name, createdAt, changedAt }): Change[] => {
      if (createdAt !== undefined && createdAt >= since)
        return [{ at: createdAt, what: 'profile_created', of: name, detail: undefined }];
      return changedAt === undefined || changedAt < since
        ? []
        : [{ at: changedAt, what: 'profile_changed', of: name, detail: undefined }];
    }),
  ];
}

/** Each account that failed, and the last reason's time. */
export const TROUBLE_QUERY =
  'filter ispresent(accountId) and ispresent(status) and status != "healthy" | stats max(@timestamp) as last by accountId, reason';
export const PROFILE_QUERY = `filter message = ${quoted(messageOf('OAuth Profile Recovered', ''))} | stats max(@timestamp) as last by oauthProfile, reason`;

/** Who failed by the log and is healthy by the table has recovered; when is known only to be after the last failure. */
export function recoveries(rows: LogAnswer['rows'], accounts: readonly FleetItem[]): readonly Change[] {
  const healthy = new Set(
    accounts.filter(({ status }) => status === 'healthy').map(({ accountId }) => accountId),
  );
  const last = new Map<string, Change>();
  for (const { accountId = '', reason, last: text } of rows) {
    const at = instantIn(text);
    const known = last.get(accountId);
    if (at === undefined || !healthy.has(accountId) || (known !== undefined && known.at >= at)) continue;
    last.set(accountId, { at, what: 'recovered', of: accountId, detail: reason });
  }
  return [...last.values()];
}

type FromLog =
  | {
      readonly kind: 'read';
      readonly changes: readonly Change[];
      readonly cost: LogCost;
      /** Whether the log had more rows than it gives. */
      readonly cutOff: boolean;
    }
  | { readonly kind: 'unreadable'; readonly problem: string };

export interface ChangesOptions extends Extent {
  /** Seconds since the epoch. */
  readonly since: number;
}

export async function showChanges(context: Context, options: ChangesOptions): Promise<undefined> {
  const { terminal, fleet, signal } = context;
  const target = await fleet();
  const at = now();
  const { since } = options;
  const prefix = `${target.secretNamePrefix}profiles/`;
  const { accounts, failingProfiles, notes } = await readFleet(target, terminal);
  const { listed } = await listSecrets(target, prefix, context);
  const profiles = listed.map((secret) => ({ ...secret, name: secret.name.slice(prefix.length) }));
  const ask = (query: string) => askLog(target, { query, since, until: at }, context);
  const fromLog = await readLog(ask, accounts).catch((error: unknown): FromLog => {
    signal.throwIfAborted();
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return {
      kind: 'unreadable',
      problem: `The log can’t be asked, so recoveries are missing: ${name}: ${message}`,
    };
  });
  const table = changesOfTable({ accounts, failingProfiles, pauses: pausesSince(notes), profiles }, since);
  const changes = [...table, ...(fromLog.kind === 'read' ? fromLog.changes : [])].sort(
    (a, b) => b.at - a.at || a.of.localeCompare(b.of),
  );
  const refreshed = accounts.filter(({ lastRefreshedAt }) => (timeIn(lastRefreshedAt) ?? 0) >= since).length;
  const waiting = brokenSince(accounts, since).filter(({ waitsForProfile }) => waitsForProfile).length;
  const log =
    fromLog.kind === 'read' ? { ...fromLog.cost, cutOff: fromLog.cutOff } : { problem: fromLog.problem };
  return await showAnswer(
    terminal,
    { at, since, changes, refreshed, waiting, log },
    () => answerOf({ at, since, changes, refreshed, waiting }, fromLog),
    options,
  );
}

async function readLog(
  ask: (query: string) => Promise<LogAnswer>,
  accounts: readonly FleetItem[],
): Promise<FromLog> {
  const trouble = await ask(TROUBLE_QUERY);
  const profiles = await ask(PROFILE_QUERY);
  return {
    kind: 'read',
    cutOff: trouble.rows.length >= MAX_ROWS,
    changes: [
      ...recoveries(trouble.rows, accounts),
      ...profiles.rows.flatMap(({ oauthProfile = '', reason, last }): Change[] => {
        const at = instantIn(last);
        return at === undefined ? [] : [{ at, what: 'profile_recovered', of: oauthProfile, detail: reason }];
      }),
    ],
    cost: {
      scannedBytes: trouble.cost.scannedBytes + profiles.cost.scannedBytes,
      dollars: trouble.cost.dollars + profiles.cost.dollars,
    },
  };
}

const WORDS: Readonly<Record<Change['what'], string>> = {
  broke: 'account broke',
  authorized: 'authorized',
  recovered: 'recovered after',
  profile_failing: 'profile fails',
  profile_recovered: 'profile recovered',
  profile_created: 'profile created',
  profile_changed: 'profile changed',
  paused: 'paused',
};

interface Found {
  readonly at: number;
  readonly since: number;
  readonly changes: readonly Change[];
  readonly refreshed: number;
  /** Accounts that broke only because their profile did, which is the change. */
  readonly waiting: number;
}

function answerOf({ at, since, changes, refreshed, waiting }: Found, fromLog: FromLog): Answer {
  const waits =
    waiting === 0
      ? ''
      : `, ${waiting.toLocaleString('en-US')} more ${waiting === 1 ? 'waits' : 'wait'} for a profile that fails`;
  const count = (what: Change['what']) => changes.filter((one) => one.what === what).length;
  return {
    head: [
      `In the ${duration(at - since)} since ${dateText(since)}: ${count('broke')} broke${waits}, ${count('recovered')} recovered, ${count('authorized')} authorized, ${plural(refreshed, 'account')} refreshed; ${plural(count('profile_changed') + count('profile_created'), 'profile')} changed.`,
      ...(fromLog.kind === 'unreadable' ? [fromLog.problem] : []),
    ],
    tables: [
      {
        columns: [
          { title: 'WHEN', cut: 'never' },
          { title: 'DATE', cut: 'never' },
          { title: 'WHAT', cut: 'never' },
          { title: 'OF', least: 12, cut: 'id' },
          { title: 'DETAIL', least: 17 },
        ],
        rows: changes.map((one) => [
          { text: whenText(one.at, at) },
          { text: dateText(one.at) },
          { text: WORDS[one.what] },
          { text: one.of === '' ? 'everything' : one.of },
          { text: one.detail ?? '' },
        ]),
        concessions: [{ drop: 'DATE' }, { drop: 'DETAIL' }],
      },
    ],
    foot: [
      ...(fromLog.kind === 'read' ? [costText(fromLog.cost)] : []),
      ...(fromLog.kind === 'read' && fromLog.cutOff
        ? [
            `More than ${MAX_ROWS.toLocaleString('en-US')} accounts had trouble, so some recoveries are missing: take a later --since.`,
          ]
        : []),
      'Nobody keeps who made, edited, switched or removed an item: CloudTrail does, if you log its data events.',
    ],
  };
}
