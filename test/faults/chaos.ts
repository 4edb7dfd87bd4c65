import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { synthesizeBundle } from '../support/function-bundle.ts';
import type { Rotation } from '../support/strict-provider.ts';
import { reportCounts } from './counts.ts';
import { rage, type Storm } from './storm.ts';

const HELP = `Overlapping processes of the function are killed at random moments while their stores fail at random; then calm
runs follow, and what the provider holds is compared with what is stored.

  npm run test:chaos -- --accounts 200 --kills 300 --overlap 4 --seed 7 --rotation strict

  --rotation  strict (a spent refresh token revokes the grant) or grace (it may be presented again for an hour)
The seed decides the moments and the faults; how the processes are scheduled among them it can't.`;

const CAUSES = {
  kept_back: 'the provider acted, and its answer was lost on the way',
  nobody_there: 'the process was killed before the provider answered it',
  sent: 'the process was killed between the answer and its storage',
} as const;

const { values } = parseArgs({
  options: {
    accounts: { type: 'string', default: '200' },
    kills: { type: 'string', default: '300' },
    overlap: { type: 'string', default: '4' },
    seed: { type: 'string', default: String(randomInt(1_000_000)) },
    rotation: { type: 'string', default: 'strict' },
    help: { type: 'boolean', short: 'h' },
  },
});

if (values.help) console.log(HELP);
else await main();

async function main(): Promise<void> {
  const rotation: Rotation = values.rotation === 'grace' ? 'grace' : 'strict';
  const [accounts = 0, kills = 0, overlap = 0, seed = 0] = [
    values.accounts,
    values.kills,
    values.overlap,
    values.seed,
  ].map(Number);
  const progress = (done: number) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${kills} kills `);
  };
  const bundle = await synthesizeBundle();
  const storm = await rage({ accounts, kills, overlap, seed, rotation, module: bundle.path, progress });
  if (process.stderr.isTTY) process.stderr.write('\r');
  const verdicts = await Promise.all(
    storm.accountIds.map(async (accountId) => ({ accountId, ...(await judge(accountId, storm)) })),
  );
  const leaks = [...storm.diary.leaks, ...JSON.stringify(storm.aws.putEventsLog()).matchAll(/CANARY/g)]
    .length;
  await storm.close();
  bundle.remove();

  const { counts, toDurable } = storm;
  const of = (end: Verdict['end']) => verdicts.filter((verdict) => verdict.end === end);
  const spentTwice = verdicts.filter((verdict) => verdict.spentTwice);
  console.log(
    `${rotation} rotation, ${accounts} accounts, ${counts.kills} kills in ${counts.rounds} rounds, ${overlap} processes at once`,
  );
  console.log(`${counts.grants} grants, ${counts.stores} stored, ${counts.escrows} put into escrow`);
  console.log(`from the grant to durable storage: ${spread(toDurable.storm)}`);
  console.log(`the same in the calm after it:     ${spread(toDurable.calm)}`);
  for (const cause of Object.values(CAUSES)) {
    const count = of('lost').filter(({ why }) => why === cause).length;
    if (count > 0) console.log(`lost ${count}: ${cause}`);
  }
  for (const { accountId, why } of of('unexplained')) console.log(`  unexplained: ${accountId}: ${why}`);
  for (const { accountId } of spentTwice) console.log(`  spent twice: ${accountId}`);
  const bad = new Set([...of('unexplained'), ...spentTwice].map(({ accountId }) => accountId)).size + leaks;
  reportCounts(verdicts.length - bad, bad);
  console.log(`tokens in logs and events: ${leaks}`);
  console.log(`seed ${seed}`);
  console.log(
    `cells ${verdicts.length}, lost ${of('lost').length}, spent twice ${spentTwice.length}, unexplained ${of('unexplained').length}`,
  );
  process.exitCode = bad === 0 ? 0 : 1;
}

function spread(milliseconds: readonly number[]): string {
  const sorted = milliseconds.toSorted((a, b) => a - b);
  const at = (share: number) => `${(sorted[Math.ceil(sorted.length * share) - 1] ?? 0).toFixed(1)} ms`;
  return `median ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}`;
}

interface Verdict {
  readonly end: 'kept' | 'lost' | 'unexplained';
  readonly spentTwice: boolean;
  readonly why: string;
}

/** Compares what the provider holds of an account with what is stored, and asks the diary for the cause of a loss. */
async function judge(accountId: string, storm: Storm): Promise<Verdict> {
  const { world, provider, aws, diary, lastEffect } = storm;
  const truth = provider.truth(accountId);
  const item = await world.item(accountId);
  const { refresh_token } = await world.tokens(accountId);
  const { reason } = (item.failure ?? {}) as { reason?: string };
  const told = aws
    .putEventsLog()
    .some(
      ({ detailType, detail }) =>
        detailType === 'OAuth Reauthorization Required' && JSON.stringify(detail).includes(`"${accountId}"`),
    );
  const seen = JSON.stringify({ status: item.status, reason, lease: item.lease, told, truth });
  if (provider.accepts(accountId, refresh_token)) {
    const calm = item.status === 'healthy' && reason === undefined && !item.lease && !item.escrow;
    return { end: calm ? 'kept' : 'unexplained', spentTwice: truth.reuses > 0, why: seen };
  }
  const died = diary.spenderDied(accountId, lastEffect.get(accountId) ?? 0);
  const cause = truth.lastAnswer === 'kept_back' || died ? CAUSES[truth.lastAnswer] : undefined;
  const said = item.status === 'reauthorization_required' && reason === 'grant_possibly_lost' && told;
  return cause !== undefined && said
    ? { end: 'lost', spentTwice: false, why: cause }
    : { end: 'unexplained', spentTwice: truth.reuses > 0, why: seen };
}
