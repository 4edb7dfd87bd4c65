import { isJsonObject } from '../../core/json-object.ts';
import type { FleetItem } from '../../terminal/fleet-table.ts';
import {
  accountColumn,
  nameOf,
  rank,
  reasonOf,
  squeezeAccount,
  stateCells,
  stateColumns,
} from '../../terminal/fleet-table.ts';
import { type Extent, showList } from '../../terminal/list.ts';
import { type Concession, renderTable } from '../../terminal/table.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { EXIT, type ExitCode } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';
import { escrowKind } from './escrow.ts';
import { now, readItems, requireProfile } from './items.ts';
import { STATUSES, type StatusKey } from './statuses.ts';

export interface ListOptions extends Extent {
  readonly status?: readonly string[];
  readonly profile?: string;
  /** Seconds. */
  readonly expiring?: number;
  readonly check?: boolean;
}

export async function listAccounts(
  { terminal, fleet }: Context,
  options: ListOptions,
): Promise<ExitCode | undefined> {
  const at = now();
  const target = await fleet();
  const items = await readItems(target, terminal);
  await requireProfile(target, items, options.profile);
  const found = items.filter((item) => isWanted(item, options, at)).sort(byAttention);
  const nothing = whyEmpty(found.length, items.length);
  if (nothing !== undefined) terminal.result(nothing, []);
  else
    await showList(
      terminal,
      {
        rows: found,
        render: (shown) => tableOf(shown, at, terminal),
        value: (shown) => shown.map((item) => summaryOf(item, at)),
      },
      options,
    );
  return options.check && found.some((item) => needsAttention(item)) ? EXIT.attention : EXIT.done;
}

/** `STATUSES` in the order of `rank`. */
export function statusKey(item: FleetItem): StatusKey {
  return STATUSES[rank(item)] ?? 'other';
}

export function needsAttention(item: FleetItem): boolean {
  return ['reauthorization_required', 'failing'].includes(statusKey(item));
}

function isWanted(item: FleetItem, { status, profile, expiring }: ListOptions, at: number): boolean {
  const { accessTokenExpiresAt, doesNotExpire } = item;
  return (
    (status === undefined || status.includes(statusKey(item))) &&
    (profile === undefined || item.oauthProfile === profile) &&
    (expiring === undefined ||
      (typeof accessTokenExpiresAt === 'number' &&
        doesNotExpire !== true &&
        accessTokenExpiresAt <= at + expiring))
  );
}

/**
 * What needs a person, then what fails, each with the newest trouble first, since that is what nobody has seen yet;
 * then what is new, and what is healthy with the token that expires soonest first.
 */
function byAttention(a: FleetItem, b: FleetItem): number {
  return (
    rank(a) - rank(b) ||
    troubleSince(b) - troubleSince(a) ||
    numberOr(a.accessTokenExpiresAt, 0) - numberOr(b.accessTokenExpiresAt, 0) ||
    a.accountId.localeCompare(b.accountId)
  );
}

function troubleSince(item: FleetItem): number {
  const { since } = (item.failure ?? {}) as { since?: unknown };
  return needsAttention(item) ? numberOr(since, 0) : 0;
}

function numberOr(value: unknown, other: number): number {
  return typeof value === 'number' ? value : other;
}

const concessions: readonly Concession[] = [
  { drop: 'NAME' },
  { drop: 'REFRESHED' },
  { shorten: 'ACCESS TOKEN' },
  squeezeAccount,
  { drop: 'PROFILE' },
];

function whyEmpty(found: number, all: number): string | undefined {
  if (all === 0) return 'There are no accounts yet. Add one with "authorize", or many with "import".';
  return found === 0 ? `None of ${count(all)} matches.` : undefined;
}

function tableOf(shown: readonly FleetItem[], at: number, { tableWidth, color }: Terminal): string[] {
  const rows = shown.map((item) => [
    { text: item.accountId },
    { text: nameOf(item) === item.accountId ? '' : nameOf(item) },
    ...stateCells(item, at),
  ]);
  const columns = [accountColumn, { title: 'NAME', least: 12 }, ...stateColumns];
  return renderTable({ columns, rows, concessions }, tableWidth, color);
}

export function count(accounts: number): string {
  return `${accounts} account${accounts === 1 ? '' : 's'}`;
}

/** An account for scripts. No ciphertext of an escrow, and no attribute that we don't know. */
export function summaryOf(item: FleetItem, at: number): Record<string, unknown> {
  const { accountId, accessTokenExpiresAt, refreshTokenExpiresAt } = item;
  const { lastRefreshedAt, nextAttemptAt, lease } = item;
  const leasedUntil = (lease as { expiresAt?: unknown } | undefined)?.expiresAt;
  return {
    accountId,
    name: textIn(item.name),
    oauthProfile: textIn(item.oauthProfile),
    status: statusKey(item),
    reason: reasonOf(item, at) || undefined,
    failure: failureIn(item.failure),
    ...(item.paused !== undefined && { paused: item.paused }),
    ...(item.waitsForProfile === true && { waitsForProfile: true }),
    accessTokenExpiresAt,
    refreshTokenExpiresAt,
    lastRefreshedAt,
    nextAttemptAt,
    leasedUntil,
    inEscrow: item.escrow !== undefined,
    ...(item.escrow !== undefined && { escrowKind: escrowKind(item.escrow) }),
    ...(item.doesNotExpire === true && { doesNotExpire: true }),
  };
}

/** What is to be text and is none may hold anything. */
export function textIn(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

const OF_A_FAILURE = ['reason', 'message', 'count', 'since', 'at', 'ambiguousSince', 'untold'];

/** The known fields of a failure. */
export function failureIn(failure: unknown): Readonly<Record<string, unknown>> | undefined {
  if (!isJsonObject(failure)) return undefined;
  const known = OF_A_FAILURE.flatMap((name) => {
    const value = failure[name];
    return value === undefined || typeof value === 'object' ? [] : [[name, value] as const];
  });
  return Object.fromEntries(known);
}
