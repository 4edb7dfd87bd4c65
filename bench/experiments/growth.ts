import { type Measurement, measureOnce } from '../programs/measure.ts';
import type { Bench, Findings } from './experiment.ts';
import { laterClock } from './experiment.ts';
import { interleaved, ratiosOf, type Sample, sampleOf } from './statistics.ts';

interface TableFigures {
  readonly accounts: number;
  readonly pages: number;
  readonly due: Measurement[];
  readonly fresh: Record<'function' | 'scan', Measurement[]>;
}

/** Measures how time and memory grow with the table, and with the accounts that are due. */
export async function growth(bench: Bench): Promise<Findings> {
  const { scale } = bench;
  const sizes = {
    guard: [1_000, 20_000],
    default: [1_000, 10_000, 100_000],
    nightly: [1_000, 10_000, 100_000, 1_000_000],
  }[scale];
  const tables: TableFigures[] = [];
  for (const accounts of sizes) tables.push(await table(bench, accounts));
  const work = scale === 'guard' ? [] : await growthWithWork(bench, [100, 1_000, 10_000]);
  const [smallest] = tables;
  const largest = tables.find(({ accounts }) => accounts === (scale === 'guard' ? 20_000 : 100_000));
  if (smallest === undefined || largest === undefined) throw new Error('No table was measured.');
  const size = largest.accounts.toLocaleString('en');
  const { fresh } = largest;
  return {
    title: 'Growth',
    figures: [
      {
        name: `${size} accounts, none due: time`,
        unit: 'ms',
        value: timeOf(fresh.function),
        baseline: { name: 'bare scan', value: timeOf(fresh.scan) },
        ratio: ratiosOf(
          fresh.function.map(({ milliseconds }) => milliseconds),
          fresh.scan.map(({ milliseconds }) => milliseconds),
        ),
        target: { kind: 'at_most', bound: 1.2, guard: 6 },
      },
      {
        name: `${size} accounts, none due: CPU`,
        unit: 'ms',
        value: sampleOf(fresh.function.map(({ cpuMilliseconds }) => cpuMilliseconds)),
        baseline: { name: 'bare scan', value: sampleOf(fresh.scan.map((one) => one.cpuMilliseconds)) },
        ratio: ratiosOf(
          fresh.function.map(({ cpuMilliseconds }) => cpuMilliseconds),
          fresh.scan.map(({ cpuMilliseconds }) => cpuMilliseconds),
        ),
        target: { kind: 'at_most', bound: 1.5, guard: 4 },
      },
      {
        name: `${size} accounts, none due: memory`,
        unit: 'MB',
        value: memoryOf(fresh.function),
        baseline: { name: 'at 1,000', value: memoryOf(smallest.fresh.function) },
        ratio: ratiosOf(
          fresh.function.map(({ peakMegabytes }) => peakMegabytes),
          smallest.fresh.function.map(({ peakMegabytes }) => peakMegabytes),
        ),
        target: { kind: 'at_most', bound: 1.15, guard: 1.6 },
      },
      {
        name: `${size} accounts, some due: memory`,
        unit: 'MB',
        value: memoryOf(largest.due),
        baseline: { name: 'at 1,000', value: memoryOf(smallest.due) },
        ratio: ratiosOf(
          largest.due.map(({ peakMegabytes }) => peakMegabytes),
          smallest.due.map(({ peakMegabytes }) => peakMegabytes),
        ),
        target: { kind: 'at_most', bound: 1.15, guard: 1.6 },
      },
    ],
    facts: [
      ...tables.map(
        ({ accounts, pages, due, fresh }) =>
          [
            `${accounts.toLocaleString('en')} accounts`,
            `${pages} pages; none due ${timeOf(fresh.function).median.toFixed(0)} ms (bare scan ${timeOf(fresh.scan).median.toFixed(0)} ms), ${memoryOf(fresh.function).median.toFixed(0)} MB; ${scale === 'guard' ? 30 : 100} due ${timeOf(due).median.toFixed(0)} ms, ${memoryOf(due).median.toFixed(0)} MB`,
          ] as const,
      ),
      ...work.map(
        ({ due, runs }) =>
          [
            `${due.toLocaleString('en')} due, without the pace`,
            `${(timeOf(runs).median / due).toFixed(1)} ms an account, ${memoryOf(runs).median.toFixed(0)} MB`,
          ] as const,
      ),
    ],
  };
}

async function table({ scale, servers, bundles, progress }: Bench, accounts: number): Promise<TableFigures> {
  progress(`making ${accounts.toLocaleString('en')} accounts`);
  const due = scale === 'guard' ? 30 : 100;
  const population = await servers.populate({ accounts, due });
  const environment = servers.environment(population);
  const conditions = { delayMilliseconds: 20, writesPerSecond: 50 };
  const whenDue: Measurement[] = [];
  let pages = 0;
  let clockOffsetSeconds = 0;
  for (let round = 0; round < (scale === 'guard' ? 1 : 3); round++) {
    progress(`${accounts.toLocaleString('en')} accounts, ${due} due`);
    clockOffsetSeconds = laterClock();
    await servers.begin(conditions);
    whenDue.push(await measureOnce({ module: bundles.function, environment, clockOffsetSeconds }));
    pages = (await servers.traffic()).calls.Scan ?? 0;
  }
  progress(`${accounts.toLocaleString('en')} accounts, none due`);
  const fresh = await interleaved(scale === 'guard' ? 3 : 5, {
    function: () => measureOnce({ module: bundles.function, environment, clockOffsetSeconds }),
    scan: () => measureOnce({ module: bundles.bare, environment, clockOffsetSeconds }, { kind: 'scan' }),
  });
  return { accounts, pages, due: whenDue, fresh };
}

async function growthWithWork({ servers, bundles, progress }: Bench, sizes: readonly number[]) {
  const work: { due: number; runs: Measurement[] }[] = [];
  for (const due of sizes) {
    progress(`${due.toLocaleString('en')} due accounts`);
    const population = await servers.populate({ accounts: due, due });
    const runs: Measurement[] = [];
    for (let round = 0; round < (due > 1_000 ? 1 : 3); round++) {
      await servers.begin({ delayMilliseconds: 20 });
      const environment = servers.environment(population);
      runs.push(
        await measureOnce({ module: bundles.unpaced, environment, clockOffsetSeconds: laterClock() }),
      );
    }
    work.push({ due, runs });
  }
  return work;
}

const timeOf = (all: readonly Measurement[]): Sample => sampleOf(all.map(({ milliseconds }) => milliseconds));
const memoryOf = (all: readonly Measurement[]): Sample =>
  sampleOf(all.map(({ peakMegabytes }) => peakMegabytes));
