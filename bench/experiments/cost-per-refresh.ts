import { MAX_IN_FLIGHT, STARTS_PER_SECOND } from '../../lambda/run.ts';
import { type Measurement, measureOnce } from '../programs/measure.ts';
import type { Population } from '../servers/servers.ts';
import { type Bench, compared, exactly, type Figure, type Findings, laterClock } from './experiment.ts';
import { interleaved } from './statistics.ts';

/**
 * With one profile: its secret, its note and pause, writing its last grant to the note, what is paused at all, a data key for
 * escrow, and what is paused of the sample.
 */
const CALLS_OF_A_RUN = 6;
/** Secrets that a process reads after its first run, to see that they are there; slices are not quite equal. */
const SAMPLED = 40;

/** Compares the function's CPU with a program that only makes the same five calls with the same SDK. */
export async function costPerRefresh(bench: Bench): Promise<Findings> {
  const { scale, servers, progress } = bench;
  const fast = scale === 'guard' ? 300 : 1_000;
  const paced = scale === 'guard' ? 150 : 250;
  progress(`making ${fast} accounts`);
  const population = await servers.populate({ accounts: fast, due: fast });
  const some = await servers.populate({ accounts: paced, due: paced });
  const asDeployed = await compare(bench, some, 'paced', scale === 'guard' ? 1 : 3);
  const unpaced = await compare(bench, population, 'unpaced', scale === 'guard' ? 2 : 5);
  const bareConnections = unpaced.bareConnections.at(-1) ?? 0;
  const { calls, connections } = await servers.traffic();
  const perAccount = ['UpdateItem', 'GetSecretValue', 'TokenRequest', 'PutSecretValue'];
  const sampled = (calls.GetSecretValue ?? 0) - fast;
  const total = perAccount.reduce((sum, name) => sum + (calls[name] ?? 0), 0) - sampled;
  // On a busy machine a store may take longer than half a second, and then escrow is written, too.
  const {
    Scan: scans = 0,
    'UpdateItem for escrow': escrowed = 0,
    ...others
  } = Object.fromEntries(Object.entries(calls).filter(([name]) => !perAccount.includes(name)));
  const ofTheRun = Object.values(others).reduce((sum, n) => sum + n, 0);
  return {
    title: 'Cost of a refresh',
    figures: [
      cpu('CPU, as deployed', asDeployed, paced),
      cpu('CPU, without the pace', unpaced, fast),
      exactly('calls', total / fast, 5, 'five'),
      exactly('calls of a run, beside its scans', ofTheRun, CALLS_OF_A_RUN, 'six'),
      exactly('secrets sampled beyond forty', Math.max(0, sampled - SAMPLED), 0, 'none'),
      compared(
        { name: 'refreshes a second without the pace', unit: '/s' },
        ({ milliseconds }) => (fast / milliseconds) * 1_000,
        unpaced.function,
        { name: 'bare calls', measured: unpaced.bare },
      ),
    ],
    facts: [
      [
        'calls of a run',
        `${perAccount.map((name) => `${calls[name]} ${name}`).join(', ')} for ${fast} accounts; of the run itself ${scans} Scan, ${Object.entries(
          others,
        )
          .map(([name, n]) => `${n} ${name}`)
          .join(', ')}`,
      ],
      ['stores slow enough for escrow', `${escrowed} of ${fast}, one more call each`],
      [
        'connections to the token endpoint',
        `${connections} for ${fast} refreshes; the bare calls share ${bareConnections} that are kept alive`,
      ],
      ['log', `${Math.round((unpaced.function[0]?.logBytes ?? 0) / fast)} bytes an account`],
    ],
  };
}

type Compared = Record<'function' | 'bare', Measurement[]> & { readonly bareConnections: readonly number[] };

async function compare(
  { servers, bundles, progress }: Bench,
  population: Population,
  pace: 'paced' | 'unpaced',
  rounds: number,
): Promise<Compared> {
  const environment = servers.environment(population);
  const { accountIds } = population;
  const bareConnections: number[] = [];
  let round = 0;
  const runs = await interleaved(rounds, {
    bare: async () => {
      progress(`${accountIds.length} accounts ${pace}, round ${++round} of ${rounds}`);
      await servers.begin({ delayMilliseconds: 20 });
      const startsPerSecond = pace === 'paced' ? STARTS_PER_SECOND : undefined;
      const bare = await measureOnce(
        { module: bundles.bare, environment, clockOffsetSeconds: laterClock() },
        { kind: 'five_calls', accountIds, inFlight: MAX_IN_FLIGHT, startsPerSecond },
      );
      bareConnections.push((await servers.traffic()).connections);
      return bare;
    },
    function: async () => {
      await servers.begin({ delayMilliseconds: 20 });
      const module = pace === 'paced' ? bundles.function : bundles.unpaced;
      return await measureOnce({ module, environment, clockOffsetSeconds: laterClock() });
    },
  });
  return { ...runs, bareConnections };
}

function cpu(name: string, { function: ours, bare }: Compared, accounts: number): Figure {
  const what = { name, unit: 'ms', target: { kind: 'at_most', bound: 1.3, guard: 2.5 } } as const;
  const baseline = { name: 'bare calls', measured: bare };
  return compared(what, ({ cpuMilliseconds }) => cpuMilliseconds / accounts, ours, baseline);
}
