import { parseArgs } from 'node:util';
import type { RunResult } from '../../lambda/run-result.ts';
import { startLocalAws } from '../../local/aws/server.ts';
import { tokenBucket } from '../../local/aws/token-bucket.ts';
import { synthesizeBundle } from '../support/function-bundle.ts';
import { startStrictProvider } from '../support/strict-provider.ts';
import { createWorld } from '../support/world.ts';
import { reportCounts } from './counts.ts';

/**
 * Thousands of accounts that are all due at once, against Secrets Manager's 50 writes a second: `npm run test:limit`.
 * Runs follow one another until nothing is due.
 */
const { values } = parseArgs({ options: { accounts: { type: 'string', default: '3000' } } });
const count = Number(values.accounts);
const WRITES_PER_SECOND = 50;

let offset = 0;
const now = () => Date.now() + offset * 1000;
// The limit is a rule here rather than the server's own, so that the accounts can be made faster than that.
const aws = await startLocalAws({ now, secretsManager: { writesPerSecond: 1_000_000 } });
const provider = await startStrictProvider({ now, delayMilliseconds: () => 100 });
const world = await createWorld(aws.url);
const bundle = synthesizeBundle();
await world.profile('crm', provider.profile);
const accountIds = Array.from({ length: count }, (_, i) => `account-${i + 1}`);
for (const accountId of accountIds)
  await world.account({ accountId, oauthProfile: 'crm' }, provider.issue(accountId));

const takeWrite = tokenBucket(WRITES_PER_SECOND, Date.now);
let throttled = 0;
aws.inject(({ operation }) => {
  if (operation !== 'PutSecretValue' || takeWrite()) return undefined;
  throttled++;
  return { kind: 'throttle' };
});
const runs: RunResult[] = [];
do {
  const process = world.process({ module: bundle.path, clockOffsetSeconds: offset });
  const invocation = await process.invoke({});
  process.kill();
  if (invocation.kind === 'failed') throw new Error(invocation.errorMessage);
  runs.push(invocation.payload as RunResult);
  offset += 60;
  const { refreshed, deferred, durationMs } = runs.at(-1) as RunResult;
  console.log(
    `run ${runs.length}: ${refreshed} refreshed, ${deferred} deferred in ${(durationMs / 1000).toFixed(1)} s: ${(refreshed / (durationMs / 1000)).toFixed(1)} a second`,
  );
} while ((runs.at(-1)?.due ?? 0) > 0 && runs.length < 20);

let lost = 0;
let spentTwice = 0;
let unexplained = 0;
for (const accountId of accountIds) {
  const { reuses } = provider.truth(accountId);
  const { refresh_token } = await world.tokens(accountId);
  const { status, escrow, lease } = await world.item(accountId);
  if (reuses > 0) spentTwice++;
  if (!provider.accepts(accountId, refresh_token)) lost++;
  else if (status !== 'healthy' || escrow !== undefined || lease !== undefined) unexplained++;
}
world.close();
await provider.close();
await aws.close();
bundle.remove();

const failed = runs.reduce((sum, run) => sum + run.failed, 0);
console.log(`${throttled} stores were throttled and tried again, ${failed} given up`);
const bad = Math.max(lost, spentTwice, unexplained, failed);
reportCounts(count - bad, bad);
console.log(`cells ${count}, lost ${lost}, spent twice ${spentTwice}, unexplained ${unexplained}`);
process.exitCode = bad === 0 ? 0 : 1;
