import type { Loss, Verdict } from './verdict.ts';
import type { Broken } from './world.ts';

type Invariant = Broken['invariant'];

/** What came of many histories. */
export interface Tally {
  histories: number;
  /** Histories in which something is broken. */
  broken: number;
  accounts: number;
  /** Cases of each broken invariant. */
  readonly cases: Partial<Record<Invariant, number>>;
  /** Accounts that were lost and told, by the reason. */
  readonly losses: Partial<Record<Loss, number>>;
}

export function emptyTally(): Tally {
  return { histories: 0, broken: 0, accounts: 0, cases: {}, losses: {} };
}

export function count(tally: Tally, { broken, accounts }: Verdict): void {
  tally.histories++;
  if (broken.length > 0) tally.broken++;
  tally.accounts += accounts.length;
  for (const { invariant } of broken) increase(tally.cases, invariant, 1);
  for (const { accountId, end, why } of accounts) {
    if (end !== 'lost' || why === undefined) continue;
    const untold = broken.some(
      ({ invariant, what }) => invariant === 'lost untold' && what.startsWith(`${accountId}:`),
    );
    if (!untold) increase(tally.losses, why, 1);
  }
}

export function add(tally: Tally, other: Tally): void {
  tally.histories += other.histories;
  tally.broken += other.broken;
  tally.accounts += other.accounts;
  for (const [name, n] of Object.entries(other.cases)) increase(tally.cases, name as Invariant, n);
  for (const [name, n] of Object.entries(other.losses)) increase(tally.losses, name as Loss, n);
}

function increase<Name extends string>(counts: Partial<Record<Name, number>>, name: Name, by: number): void {
  counts[name] = (counts[name] ?? 0) + by;
}

/** The invariants that a history breaks, each once. */
export function invariantsOf({ broken }: Pick<Verdict, 'broken'>): readonly Invariant[] {
  return [...new Set(broken.map(({ invariant }) => invariant))];
}

/** The line that a run ends with. */
export function lastLine({ histories, cases, losses }: Tally): string {
  const told = Object.values(losses).reduce((sum, n) => sum + n, 0);
  const of = (name: Invariant) => `${name} ${cases[name] ?? 0}`;
  return `histories ${histories}, ${of('spent twice')}, ${of('lost untold')}, lost and told ${told}, ${of('marked dead wrongly')}, ${of('stuck')}`;
}

/** What the last line leaves out. */
export function tallyLines({ histories, broken, accounts, cases, losses }: Tally): readonly string[] {
  const other = ['overwritten', 'delayed', 'told wrongly'] as const;
  return table([
    ['accounts', accounts],
    ...Object.entries(losses).map(([why, n]) => [`lost and told: ${why}`, n] as const),
    ...other.map((name) => [name, cases[name] ?? 0] as const),
    ['histories in which nothing is broken', histories - broken],
  ]);
}

export function table(rows: readonly (readonly [name: string, value: number | string])[]): readonly string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  const values = rows.map(([, value]) => String(value));
  const digits = Math.max(...values.map((value) => value.length));
  return rows.map(([name], i) => `${name.padEnd(width)}  ${(values[i] ?? '').padStart(digits)}`);
}
