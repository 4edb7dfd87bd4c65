import { type Measurement, measureOnce } from '../programs/measure.ts';
import { type Bench, compared, type Findings, laterClock } from './experiment.ts';
import { interleaved, type Sample, sampleOf } from './statistics.ts';

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
  const named = (what: string, unit: string, bound: number, guard: number) => ({
    name: `${size} accounts, ${what}`,
    unit,
    target: { kind: 'at_most', bound, guard } as const,
  });
  return {
    title: 'Growth',
    figures: [
      // Each of these is a new process, which also reads a first sample of secrets: about 60 ms.
      compared(named('none due: time', 'ms', 2, 6), ({ milliseconds }) => milliseconds, fresh.function, {
        name: 'bare scan',
        measured: fresh.scan,
      }),
      compared(named('none due: CPU', 'ms', 3, 8), ({ cpuMilliseconds }) => cpuMilliseconds, fresh.function, {
        name: 'bare scan',
        measured: fresh.scan,
      }),
      compared(named('none due: memory', 'MB', 1.15, 1.6), peakOf, fresh.function, {
        name: 'at 1,000',
        measured: smallest.fresh.function,
      }),
      compared(named('some due: memory', 'MB', 1.15, 1.6), peakOf, largest.due, {
        name: 'at 1,000',
        measured: smallest.due,
      }),
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
const peakOf = ({ peakMegabytes }: Measurement) => peakMegabytes;
const memoryOf = (all: readonly Measurement[]): Sample => sampleOf(all.map(peakOf));
