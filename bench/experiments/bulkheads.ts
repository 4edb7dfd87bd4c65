import type { RunResult } from '../../lambda/run-result.ts';
import { measureOnce } from '../programs/measure.ts';
import type { Aftermath, Population, Troubled } from '../servers/servers.ts';
import { accountTroubles, profileTroubles } from '../servers/troubles.ts';
import { type Bench, compared, exactly, type Findings } from './experiment.ts';
import { interleaved } from './statistics.ts';

const PROFILES = 20;
const CONDITIONS = { delayMilliseconds: 100, writesPerSecond: 50 };
/** Milliseconds that a run has, as when deployed. */
const TIME = 120_000;

/**
 * Measures how much later the last sound account is stored if every trouble that an account or a profile can have is in
 * the table, too. Every run is the first over its accounts.
 */
export async function bulkheads(bench: Bench): Promise<Findings> {
  const guard = bench.scale === 'guard';
  const [sound, rounds] = guard ? [400, 1] : [1_000, 2];
  const [copies, accountsOfEach] = guard ? [1, 6] : [2, 10];
  let round = 0;
  const runs = await interleaved(rounds, {
    alone: async () => {
      bench.progress(`${sound} sound accounts alone, round ${++round} of ${rounds}`);
      const population = await bench.servers.populate({ accounts: sound, due: sound, profiles: PROFILES });
      return await firstRun(bench, population, []);
    },
    beside: async () => {
      bench.progress(`beside every trouble, round ${round} of ${rounds}`);
      const population = await bench.servers.populate({ accounts: sound, due: sound, profiles: PROFILES });
      const options = { population, profiles: PROFILES, copies, accountsOfEach };
      return await firstRun(bench, population, await bench.servers.trouble(options));
    },
  });
  const worst = (of: (run: Run) => number) => Math.max(...runs.beside.map(of));
  const [one] = runs.beside;
  const unseen = runs.beside.flatMap(({ aftermath }) => Object.entries(aftermath.unseen));
  const kinds = accountTroubles.length + profileTroubles.length;
  const seen = kinds - new Set(unseen.map(([name]) => name)).size;
  return {
    title: 'Bulkheads',
    figures: [
      compared(
        {
          name: 'last sound account stored, beside every trouble',
          unit: 's',
          target: { kind: 'at_most', bound: 1.25, guard: 2 },
        },
        ({ lastStored }) => lastStored,
        runs.beside,
        { name: 'without the troubled', measured: runs.alone },
      ),
      exactly(
        'sound, refreshed in the first run',
        sound - worst((run) => sound - run.refreshed),
        sound,
        'all',
      ),
      exactly(
        'grants of the sound lost',
        worst(({ lost }) => lost),
        0,
        'none',
      ),
      exactly(
        'refresh tokens spent twice',
        worst(({ aftermath }) => aftermath.spentTwice),
        0,
        'none',
      ),
      exactly('troubles that show as themselves', seen, kinds, 'all'),
    ],
    facts: [
      [
        'beside the sound',
        `${one?.troubled ?? 0} accounts in trouble: ${accountTroubles.length} kinds of it among the profiles of the sound, and ${profileTroubles.length} profiles of ${accountsOfEach} accounts that are in trouble as a whole; half of them had failed before`,
      ],
      ...(unseen.length > 0
        ? [['not as expected', unseen.map(([name, shows]) => `${name} shows ${shows}`).join(', ')] as const]
        : []),
    ],
  };
}

interface Run {
  /** Seconds since the run's first call. */
  readonly lastStored: number;
  readonly refreshed: number;
  readonly lost: number;
  readonly troubled: number;
  readonly aftermath: Aftermath;
}

async function firstRun(
  { servers, bundles }: Bench,
  population: Population,
  troubled: Troubled,
): Promise<Run> {
  await servers.begin(CONDITIONS);
  const program = { module: bundles.function, environment: servers.environment(population) };
  const { result } = await measureOnce(program, {}, TIME);
  const { firstCallAt = 0, stores, storesByAccount } = await servers.traffic();
  const sound = new Set(population.accountIds);
  const storesOfSound = stores.filter((_, i) => sound.has(storesByAccount[i] ?? ''));
  const { lost, refreshes } = await servers.judge(population);
  if ((result as RunResult).refreshed < storesOfSound.length)
    throw new Error('The run counts less than it stored.');
  return {
    lastStored: ((storesOfSound.at(-1) ?? Number.NaN) - firstCallAt) / 1_000,
    refreshed: refreshes[1] ?? 0,
    lost,
    troubled: troubled.length,
    aftermath: await servers.aftermath({ population, troubled }),
  };
}
