import { MAX_IN_FLIGHT } from '../../lambda/run.ts';
import type { RunResult } from '../../lambda/run-result.ts';
import { measureOnce } from '../programs/measure.ts';
import { type Bench, compared, exactly, type Findings, laterClock } from './experiment.ts';
import { interleaved, sampleOf } from './statistics.ts';

const WRITES_PER_SECOND = 50;
const PROVIDER_MILLISECONDS = 600;

/** Refreshes accounts at a slow provider, compared with what the limits allow and with the two loops that people write. */
export async function throughput({ scale, servers, bundles, progress }: Bench): Promise<Findings> {
  const count = scale === 'guard' ? 250 : 1_000;
  const rounds = scale === 'guard' ? 1 : 3;
  const sequential = scale === 'guard' ? 5 : 12;
  const conditions = { delayMilliseconds: PROVIDER_MILLISECONDS, writesPerSecond: WRITES_PER_SECOND };
  progress(`making ${count} accounts`);
  const ours = await servers.populate({ accounts: count, due: count });
  const theirs = await servers.populate({ accounts: sequential, due: sequential });
  const naive = await servers.populate({ accounts: count, due: count });
  let round = 0;
  const rates = await interleaved(rounds, {
    function: async () => {
      progress(`${count} accounts, round ${++round} of ${rounds}`);
      await servers.begin(conditions);
      const run = await measureOnce({
        module: bundles.function,
        environment: servers.environment(ours),
        clockOffsetSeconds: laterClock(),
      });
      return (run.result as RunResult).refreshed / (run.milliseconds / 1_000);
    },
    oneAfterAnother: async () => {
      await servers.begin(conditions);
      const run = await measureOnce(
        { module: bundles.bare, environment: servers.environment(theirs), clockOffsetSeconds: laterClock() },
        { kind: 'one_after_another', limit: sequential },
      );
      return sequential / (run.milliseconds / 1_000);
    },
  });
  const judged = await servers.judge(ours);
  progress('everything at once');
  await servers.begin(conditions);
  const atOnce = await measureOnce(
    { module: bundles.bare, environment: servers.environment(naive), clockOffsetSeconds: laterClock() },
    { kind: 'all_at_once' },
  );
  const { stores } = await servers.traffic();
  const lostAtOnce = (await servers.judge(naive)).lost;
  const ideal = Math.min(MAX_IN_FLIGHT / (PROVIDER_MILLISECONDS / 1_000), WRITES_PER_SECOND);
  const value = sampleOf(rates.function);
  const kept = stores.length / (atOnce.milliseconds / 1_000);
  return {
    title: 'Throughput',
    figures: [
      {
        name: 'refreshes a second, of the ideal',
        unit: '/s',
        value,
        baseline: { name: 'ideal', value: sampleOf([ideal]) },
        ratio: sampleOf(rates.function.map((rate) => rate / ideal)),
        target: { kind: 'at_least', bound: 0.9, guard: 0.3 },
      },
      compared(
        { name: 'one after another', unit: '/s', target: { kind: 'at_least', bound: 20, guard: 5 } },
        (rate) => rate,
        rates.function,
        { name: 'the old job', measured: rates.oneAfterAnother },
      ),
      exactly('grants lost by the function', judged.lost, 0, 'none'),
    ],
    facts: [
      [
        'Promise.all over a full scan',
        `${lostAtOnce} of ${count} grants lost: their new refresh tokens were never stored; ${kept.toFixed(0)} stores a second`,
      ],
    ],
  };
}
