import { ListSecretVersionIdsCommand } from '@aws-sdk/client-secrets-manager';
import { tokenSecretOf } from '../../adapters/authorization/secret-of-account.ts';
import { wrapTo } from '../../terminal/display-text.ts';
import { duration, type FleetItem } from '../../terminal/fleet-table.ts';
import { printable } from '../../terminal/printable.ts';
import { type Cell, renderTable } from '../../terminal/table.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { askLog, costText, instantIn, type LogCost, numberIn, quoted } from '../logs/query.ts';
import { asCliError } from '../shared/authorization-error.ts';
import type { Context } from '../shared/command.ts';
import type { Fleet } from '../shared/fleet.ts';
import { now, readItem } from './items.ts';

/**
 * One attempt at an account, or one version of its token secret. Its last ones are kept where they cost nothing more: not in
 * the item, whose size is scanned each minute. A version's id is the attempt that stored it, and its date is when; the log has
 * the run and what the provider said.
 */
export interface Attempt {
  /** Seconds since the epoch. */
  readonly at: number;
  /**
   * How it ended; `stored` where only the secret tells of it: by an attempt that the log no longer has, or by a person. `claimed`
   * is what an attempt stored beside its new tokens, mostly its `kept_by`, before it spent any.
   */
  readonly outcome: 'refreshed' | 'healthy' | 'failed' | 'needs_person' | 'claimed' | 'stored';
  readonly attemptId: string | undefined;
  readonly runId: string | undefined;
  readonly reason: string | undefined;
  readonly message: string | undefined;
  readonly httpStatus: number | undefined;
  /** The provider's own id of the request, for its support. */
  readonly providerRequestId: string | undefined;
  readonly exchangeMs: number | undefined;
}

export interface StoredVersion {
  readonly id: string;
  readonly createdAt: number;
}

type Rows = readonly Readonly<Record<string, string>>[];

/** The last attempts, the newest first, of what the log and the versions of the secret tell. */
export function lastAttempts(
  rows: Rows,
  versions: readonly StoredVersion[],
  limit: number,
): readonly Attempt[] {
  const stored = new Set(versions.map(({ id }) => id));
  const logged = rows.flatMap((row): Attempt[] => {
    const at = instantIn(row['@timestamp']);
    return at === undefined ? [] : [{ at, outcome: outcomeOf(row, stored), ...partsOf(row) }];
  });
  const known = new Set(logged.map(({ attemptId }) => attemptId));
  const unknown = versions.filter(({ id }) => !known.has(id));
  const claims = new Map(logged.flatMap((one) => claimOf(one, unknown)));
  const others = unknown.map(({ id, createdAt }): Attempt => {
    const by = claims.get(id);
    const found = { at: createdAt, ...partsOf({}), attemptId: id };
    return by === undefined
      ? { ...found, outcome: 'stored' }
      : { ...found, outcome: 'claimed', runId: by.runId };
  });
  // The log tells whole seconds. In the same one, what an attempt has stored came before its end.
  return [...logged, ...others.toSorted((a, b) => b.at - a.at)]
    .sort((a, b) => Math.floor(b.at) - Math.floor(a.at))
    .slice(0, limit);
}

/** How long before its end an attempt may claim the secret, seconds, besides its request. */
const CLAIM_AHEAD = 10;

/**
 * The version that an attempt stored before its request. Its name has no link to the attempt's, so the time tells: it is the
 * newest one shortly before the attempt's end. What a person stores in these seconds and no claim follows looks the same.
 */
function claimOf(
  attempt: Attempt,
  unknown: readonly StoredVersion[],
): readonly (readonly [string, Attempt])[] {
  const { at, exchangeMs } = attempt;
  if (exchangeMs === undefined) return [];
  const newest = unknown
    .filter(
      ({ createdAt }) => Math.floor(createdAt) <= at && createdAt >= at - exchangeMs / 1_000 - CLAIM_AHEAD,
    )
    .reduce<StoredVersion | undefined>(
      (last, one) => (last === undefined || one.createdAt > last.createdAt ? one : last),
      undefined,
    );
  return newest === undefined ? [] : [[newest.id, attempt]];
}

function outcomeOf(
  { status, attemptId = '', exchangeMs }: Rows[number],
  stored: ReadonlySet<string>,
): Attempt['outcome'] {
  if (status === 'reauthorization_required') return 'needs_person';
  if (status !== 'healthy') return 'failed';
  // A healthy account may just have been looked at, without a request.
  return stored.has(attemptId) || exchangeMs !== undefined ? 'refreshed' : 'healthy';
}

function partsOf(row: Rows[number]): Omit<Attempt, 'at' | 'outcome'> {
  return {
    attemptId: row.attemptId,
    runId: row.runId,
    reason: row.reason,
    message: row.message,
    httpStatus: numberIn(row.httpStatus),
    providerRequestId: row.providerRequestId,
    exchangeMs: numberIn(row.exchangeMs),
  };
}

export interface HistoryOptions {
  /** Seconds since the epoch. */
  readonly since: number;
  readonly limit: number;
  readonly tokenSecret?: string;
}

/** What the log is asked for. */
export function historyQuery(accountId: string, limit: number): string {
  return [
    `filter accountId = ${quoted(accountId)} and ispresent(status)`,
    'fields @timestamp, runId, attemptId, reason, status, message, httpStatus, providerRequestId, exchangeMs',
    'sort @timestamp desc',
    `limit ${limit}`,
  ].join(' | ');
}

export async function showHistory(
  context: Context,
  accountId: string,
  options: HistoryOptions,
): Promise<undefined> {
  const { terminal, fleet, signal } = context;
  const target = await fleet();
  const item = await readItem(target, accountId);
  const { since, limit } = options;
  const at = now();
  const versions = await versionsOf(target, item, options.tokenSecret);
  let rows: Rows = [];
  let log: LogCost | { readonly problem: string };
  try {
    const answer = await askLog(target, { query: historyQuery(accountId, limit), since, until: at }, context);
    rows = answer.rows;
    log = answer.cost;
  } catch (error) {
    signal.throwIfAborted();
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    log = { problem: `${name}: ${message}` };
  }
  const attempts = lastAttempts(rows, versions.kind === 'read' ? versions.versions : [], limit);
  const value = {
    accountId,
    at,
    since,
    attempts,
    secret: versions.kind === 'read' ? { id: versions.id, versions: versions.versions.length } : versions,
    log,
  };
  terminal.result(terminal.json ? '' : textOf({ ...value, versions }, terminal), value);
  return undefined;
}

type Versions =
  | { readonly kind: 'read'; readonly id: string; readonly versions: readonly StoredVersion[] }
  | { readonly kind: 'unreadable'; readonly problem: string };

/** All versions that Secrets Manager still has: about the last hundred. */
async function versionsOf(fleet: Fleet, item: FleetItem, named: string | undefined): Promise<Versions> {
  try {
    const { id } = await tokenSecretOf(fleet, item, named);
    const versions: StoredVersion[] = [];
    let NextToken: string | undefined;
    do {
      const page = await fleet.secrets.send(
        new ListSecretVersionIdsCommand({
          SecretId: id,
          IncludeDeprecated: true,
          MaxResults: 100,
          NextToken,
        }),
      );
      for (const { VersionId = '', CreatedDate } of page.Versions ?? [])
        if (CreatedDate !== undefined)
          versions.push({ id: VersionId, createdAt: CreatedDate.getTime() / 1000 });
      NextToken = page.NextToken || undefined;
    } while (NextToken !== undefined);
    return { kind: 'read', id, versions };
  } catch (thrown) {
    const error = asCliError(thrown);
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return { kind: 'unreadable', problem: name === 'CliError' ? message : name };
  }
}

interface Shown {
  readonly accountId: string;
  readonly at: number;
  readonly since: number;
  readonly attempts: readonly Attempt[];
  readonly versions: Versions;
  readonly log: LogCost | { readonly problem: string };
}

const STYLES = {
  refreshed: 'green',
  healthy: 'green',
  failed: 'yellow',
  needs_person: 'red',
  claimed: 'dim',
  stored: 'cyan',
} as const;

function textOf({ accountId, at, since, attempts, versions, log }: Shown, terminal: Terminal): string {
  const { tableWidth, color, width, paint } = terminal;
  const rows = attempts.map((one): Cell[] => [
    { text: `${duration(at - one.at)} ago` },
    { text: new Date(one.at * 1000).toISOString().slice(0, 19).replace('T', ' ') },
    { text: one.outcome.replace('_', ' '), style: STYLES[one.outcome] },
    { text: one.reason ?? '—' },
    { text: one.httpStatus === undefined ? '—' : String(one.httpStatus) },
    { text: one.exchangeMs === undefined ? '—' : `${one.exchangeMs} ms` },
    { text: one.runId ?? '—' },
    { text: one.providerRequestId ?? '—' },
  ]);
  const columns = [
    { title: 'WHEN', cut: 'never' as const },
    { title: 'UTC' },
    { title: 'OUTCOME' },
    { title: 'REASON', floor: 12 },
    { title: 'HTTP' },
    { title: 'TOOK' },
    { title: 'RUN', least: 9, cut: 'id' as const },
    { title: 'PROVIDER’S REQUEST ID', least: 12, cut: 'id' as const },
  ];
  const concessions = [
    { drop: 'UTC' },
    { drop: 'TOOK' },
    { drop: 'PROVIDER’S REQUEST ID' },
    { drop: 'RUN' },
    { drop: 'HTTP' },
  ];
  const notes = [
    'problem' in log
      ? `The log can’t be asked, so runs and answers are missing: ${log.problem}`
      : costText(log),
    versions.kind === 'read'
      ? `Versions of ${versions.id}: ${versions.versions.length}.`
      : `The token secret’s versions can’t be read: ${versions.problem}`,
    ...(attempts.some(({ outcome }) => outcome === 'claimed')
      ? ['"claimed": just before its request, the attempt after it marked the secret as its own (kept_by).']
      : []),
    ...(attempts.some(({ outcome }) => outcome === 'stored')
      ? [
          `"stored": by an attempt before ${new Date(since * 1000).toISOString().slice(0, 16)}Z (an earlier --since finds it), or by a person.`,
        ]
      : []),
  ];
  return [
    ...(attempts.length === 0
      ? wrapTo(
          printable(
            `Nothing is known of an attempt at ${accountId} since ${new Date(since * 1000).toISOString().slice(0, 16)}Z.`,
          ),
          width,
        )
      : renderTable({ columns, rows, concessions }, tableWidth, color)),
    '',
    ...notes.flatMap((note) => wrapTo(printable(note), width)).map((line) => paint('dim', line)),
  ].join('\n');
}
