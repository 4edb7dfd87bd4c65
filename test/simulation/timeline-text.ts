import type { HistoryPlan } from './plan.ts';
import type { Verdict } from './verdict.ts';
import { BEGIN, type TimelineEntry } from './world.ts';

/** A history as a person reads it: what was planned, and what happened. */
export function historyText(plan: HistoryPlan, { broken, accounts, timeline }: Verdict): string {
  const ends = accounts.map(({ accountId, end, why }) => `${accountId} ${end}${why ? ` (${why})` : ''}`);
  return [
    ...broken.map(({ invariant, what }) => `broken: ${invariant}: ${what}`),
    ...planLines(plan),
    ...columns(withoutIdleRuns(timeline).map(cellsOf)),
    `ends: ${ends.join(', ')}`,
  ].join('\n');
}

function planLines({ seed, calmFrom, ...parts }: HistoryPlan): readonly string[] {
  const lines = Object.entries(parts).flatMap(([part, all]) =>
    all.map((one: object) => [`${KINDS[part] ?? part}  `, wordsOf(one)]),
  );
  return [`seed ${seed}, calm from ${calmFrom} s`, ...columns(lines)];
}

const KINDS: Readonly<Record<string, string>> = {
  profiles: 'profile',
  accounts: 'account',
  runs: 'run',
  people: 'person',
  outages: 'outage',
  answers: 'answer',
  moods: 'mood',
};

/** Leaves out whatever is as it is without saying. */
function wordsOf(one: object): string {
  return Object.entries(one)
    .flatMap(([name, value]) => {
      if (value === undefined || value === false || value === 0) return [];
      if (typeof value !== 'object') return [`${name} ${value}`];
      const words = wordsOf(value);
      return words === '' ? [] : [`${name} (${words})`];
    })
    .join(', ');
}

/** Calm runs that found nothing to do are one line together. */
function withoutIdleRuns(timeline: readonly TimelineEntry[]): readonly TimelineEntry[] {
  const kept: TimelineEntry[] = [];
  let run: TimelineEntry[] = [];
  let idle: TimelineEntry[] = [];
  const endIdle = () => {
    const [first] = idle;
    if (first !== undefined) {
      const runs =
        idle.length === 1
          ? first.who
          : `${first.who.replace('run', 'runs')} to ${idle.at(-1)?.who.replace(/\D/g, '')}`;
      kept.push({ at: first.at, who: '.', what: `${runs}: nothing to do` });
    }
    idle = [];
  };
  for (const entry of timeline) {
    if (!entry.who.startsWith('calm') && run.length === 0) {
      endIdle();
      kept.push(entry);
    } else run.push(entry);
    if (!entry.who.startsWith('calm') || !/^(returns|fails)/.test(entry.what)) continue;
    if (entry.what === 'returns: nothing to do' && run[0] !== undefined && run.every(changesNothing))
      idle.push(run[0]);
    else {
      endIdle();
      kept.push(...run);
    }
    run = [];
  }
  endIdle();
  return [...kept, ...run];
}

function changesNothing({ who, what }: TimelineEntry): boolean {
  return who.startsWith('calm') && !/^\d+ (Put|Update|Delete|Create|refresh)/.test(what);
}

function cellsOf({ at, who, what }: TimelineEntry): readonly string[] {
  return [((at - BEGIN) / 1_000).toFixed(3).padStart(10), `  ${who}`, `  ${what}`];
}

function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = [0, 1].map((i) => rows.reduce((most, row) => Math.max(most, row[i]?.length ?? 0), 0));
  return rows.map((row) =>
    row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join(''),
  );
}
