import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import type { FleetItem } from '../../terminal/fleet-table.ts';
import { pageThrough } from '../../terminal/pager.ts';
import { now, readFleet } from '../accounts/items.ts';
import { needsAttention, statusKey } from '../accounts/list.ts';
import { STATUSES, type StatusKey } from '../accounts/statuses.ts';
import { EXIT, type ExitCode } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';
import { lateAfter, scheduleOf } from '../shared/scheduled-runs.ts';
import { type LastRun, type LastRuns, LONG_LOOK, readLastRuns } from './last-runs.ts';
import { limitsOf } from './limits.ts';
import { type Status, statusText } from './text.ts';

const SHOWN_RUNS = 3;
const SHOWN_EXPIRIES = 3;

export interface StatusOptions {
  readonly check?: boolean;
  readonly all?: boolean;
}

export async function showStatus(
  { terminal, fleet }: Context,
  { check = false, all = false }: StatusOptions,
): Promise<ExitCode> {
  const target = await fleet();
  const at = now();
  const schedule = await scheduleOf(target, new EventBridgeClient(target.config));
  const late = lateAfter(schedule);
  const span = Math.max(LONG_LOOK, late);
  const [{ accounts: items, failingProfiles, paused }, lastRuns] = await Promise.all([
    readFleet(target, terminal),
    readLastRuns(target, at, span, SHOWN_RUNS),
  ]);
  const status = {
    ...statusOfFleet(items, lastRuns, { target: target.label, at, late }),
    failingProfiles,
    paused,
    limits: limitsOf(items, lastRuns, schedule),
  };
  const text = statusText(status, span, terminal, all);
  if (terminal.json || !all || !(await pageThrough(text, terminal)))
    terminal.result(text, {
      ...status,
      lastRuns: publicRuns(lastRuns),
      lastWholeRun: publicWhole(lastRuns),
    });
  const attention = status.late || items.some(needsAttention);
  return check && attention ? EXIT.attention : EXIT.done;
}

/** @param late seconds without a run after which it is late */
function statusOfFleet(
  items: readonly FleetItem[],
  lastRuns: LastRuns,
  { target, at, late }: { target: string; at: number; late: number },
): Omit<Status, 'failingProfiles' | 'paused' | 'limits'> {
  const expiring = items
    .filter((item) => statusKey(item) === 'healthy')
    .flatMap(({ accountId, oauthProfile, accessTokenExpiresAt, doesNotExpire }) =>
      typeof accessTokenExpiresAt === 'number' && doesNotExpire !== true
        ? [{ accountId, oauthProfile, accessTokenExpiresAt }]
        : [],
    )
    .sort((a, b) => a.accessTokenExpiresAt - b.accessTokenExpiresAt);
  const profiles = Map.groupBy(items, profileOf);
  const newest = lastRuns.kind === 'read' ? (lastRuns.runs[0]?.at ?? 0) : at;
  return {
    target,
    at,
    accounts: items.length,
    byStatus: countByStatus(items),
    byProfile: [...profiles]
      .map(([profile, own]) => ({ profile, accounts: own.length, ...countByStatus(own) }))
      .sort(
        (a, b) =>
          attentionOf(b) - attentionOf(a) || b.accounts - a.accounts || a.profile.localeCompare(b.profile),
      ),
    nextExpiries: expiring.slice(0, SHOWN_EXPIRIES),
    lastRuns,
    late: at - newest > late,
  };
}

function profileOf({ oauthProfile }: FleetItem): string {
  return typeof oauthProfile === 'string' ? oauthProfile : '—';
}

function countByStatus(items: readonly FleetItem[]): Record<StatusKey, number> {
  const counts = Object.fromEntries(STATUSES.map((status) => [status, 0])) as Record<StatusKey, number>;
  for (const item of items) counts[statusKey(item)]++;
  return counts;
}

function attentionOf({ reauthorization_required: person, failing }: Record<StatusKey, number>): number {
  return person + failing;
}

/** Without the reports on single accounts, which a run by hand logs, and the log line's own fields. */
function publicRuns(lastRuns: LastRuns): unknown {
  if (lastRuns.kind === 'unreadable') return lastRuns;
  return lastRuns.runs.map(publicRun);
}

/** The newest run that has seen every account; null where none is known. */
function publicWhole(lastRuns: LastRuns): unknown {
  return lastRuns.kind === 'unreadable' || lastRuns.lastWhole === undefined
    ? null
    : publicRun(lastRuns.lastWhole);
}

function publicRun(run: LastRun): Record<string, unknown> {
  return Object.fromEntries(PUBLIC_OF_A_RUN.map((field) => [field, run[field]]));
}

const PUBLIC_OF_A_RUN = [
  'at',
  'runId',
  'scanned',
  'due',
  'refreshed',
  'reconciled',
  'leasedElsewhere',
  'failed',
  'reauthorizationRequired',
  'invalid',
  'deferred',
  'durationMs',
  'incomplete',
] as const;
