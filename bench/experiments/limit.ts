import type { RunResult } from '../../lambda/run-result.ts';
import { measureOnce } from '../programs/measure.ts';
import type { Population, Traffic } from '../servers/servers.ts';
import { type Bench, compared, exactly, type Figure, type Findings, laterClock } from './experiment.ts';

const WRITES_PER_SECOND = 50;
const CONDITIONS = { delayMilliseconds: 100, writesPerSecond: WRITES_PER_SECOND };

/** Runs many more due accounts than fit into a minute, with an enforced limit. */
export async function atTheLimit(bench: Bench): Promise<Findings> {
  const { scale, servers, bundles, progress } = bench;
  const count = scale === 'guard' ? 400 : 1_500;
  progress(`making ${count} accounts`);
  const population = await servers.populate({ accounts: count, due: count });
  progress(`${count} accounts at the limit`);
  await servers.begin(CONDITIONS);
  const run = await measureOnce({
    module: bundles.function,
    environment: servers.environment(population),
    clockOffsetSeconds: laterClock(),
  });
  const { failed } = run.result as RunResult;
  const traffic = await servers.traffic();
  const judged = await servers.judge(population);
  return {
    title: 'At the limit',
    figures: [
      {
        ...ofTheLimit('stores a second, sustained', traffic),
        target: { kind: 'at_least', bound: 0.9, guard: 0.4 },
      },
      exactly('grants lost', judged.lost, 0, 'none'),
      exactly('given up', failed, 0, 'none'),
    ],
    facts: [['throttled', `${traffic.throttled} of ${traffic.stores.length} stores`]],
  };
}

/** Runs one, two and four shares of the table in parallel, and two runs that overlap. */
export async function shares(bench: Bench): Promise<Findings> {
  const count = bench.scale === 'guard' ? 240 : 720;
  const figures: Figure[] = [];
  const facts: (readonly [string, string])[] = [];
  const kinds = bench.scale === 'guard' ? [2] : [1, 2, 4];
  for (const segments of kinds) {
    const events = [...Array(segments)].map((_, segment) =>
      segments === 1 ? {} : { segment, totalSegments: segments },
    );
    const { results, traffic, judged } = await together(bench, count, events, `${segments} in parallel`);
    const rates = results.map(({ refreshed, durationMs }) => refreshed / (durationMs / 1_000));
    const expected = sustained(traffic) / segments;
    figures.push(
      ofTheLimit(`${segments} in parallel, stores a second`, traffic),
      exactly(`${segments} in parallel, refreshed once`, judged.refreshes[1] ?? 0, count, 'all'),
    );
    facts.push([
      `${segments} in parallel`,
      `${rates.map((rate) => rate.toFixed(1)).join(', ')} refreshes a second each (even shares: ${expected.toFixed(1)}); ${traffic.throttled} throttled, ${judged.lost} lost`,
    ]);
  }
  if (bench.scale !== 'guard') {
    const { results, traffic, judged } = await together(bench, count, [{}, {}], 'two runs that overlap');
    figures.push(exactly('two overlapping runs, refreshed once', judged.refreshes[1] ?? 0, count, 'all'));
    facts.push([
      'two overlapping runs',
      `${sustained(traffic).toFixed(1)} stores a second; ${results.map(({ refreshed }) => refreshed).join(' and ')} refreshed, ${results.reduce((sum, one) => sum + one.leasedElsewhere, 0)} leases lost, ${traffic.throttled} throttled, ${traffic.calls.Encrypt ?? 0} escrowed, ${judged.lost} lost`,
    ]);
  }
  return { title: 'Shares', figures, facts };
}

async function together(
  { servers, bundles, progress }: Bench,
  count: number,
  events: readonly unknown[],
  what: string,
) {
  progress(`making ${count} accounts`);
  const population: Population = await servers.populate({ accounts: count, due: count });
  progress(what);
  await servers.begin(CONDITIONS);
  const clockOffsetSeconds = laterClock();
  const environment = servers.environment(population);
  const runs = await Promise.all(
    events.map((event) => measureOnce({ module: bundles.function, environment, clockOffsetSeconds }, event)),
  );
  return {
    results: runs.map(({ result }) => result as RunResult),
    traffic: await servers.traffic(),
    judged: await servers.judge(population),
  };
}

function ofTheLimit(name: string, traffic: Traffic): Figure {
  const limit = { name: 'the limit', measured: [WRITES_PER_SECOND] };
  return compared({ name, unit: '/s' }, (rate) => rate, [sustained(traffic)], limit);
}

/** Stores a second between the first and the last. */
function sustained({ stores }: Traffic): number {
  const [first = 0, last = 0] = [stores[0], stores.at(-1)];
  return (stores.length - 1) / ((last - first) / 1_000);
}
