import { parseArgs } from 'node:util';
import type { RunResult } from '../../lambda/run-result.ts';
import { startLocalAws } from '../../local/aws/server.ts';
import { tokenBucket } from '../../local/shared/token-bucket.ts';
import { synthesizeBundle } from '../support/function-bundle.ts';
import { startStrictProvider } from '../support/strict-provider.ts';
import { createWorld } from '../support/world.ts';
import { reportCounts } from './counts.ts';

/**
 * Thousands of accounts that are all due at once, against Secrets Manager's 50 writes a second: `npm run test:limit`.
 * Then a fifth as many whose token sets are to be claimed, and as many that a denial has put into escrow: both take
 * three writes. Runs follow one another until nothing is due.
 */
const { values } = parseArgs({ options: { accounts: { type: 'string', default: '3000' } } });
const count = Number(values.accounts);
const fifth = Math.ceil(count / 5);
const WRITES_PER_SECOND = 50;
/** Seconds, longer than what an account in escrow waits before it is tried again. */
const LATER = 60;

let offset = 0;
const now = () => Date.now() + offset * 1000;
// The limit is a rule here rather than the server's own, so that the accounts can be made faster than that.
const aws = await startLocalAws({
  now,
  maxClockSkewSeconds: Number.POSITIVE_INFINITY,
  secretsManager: { writesPerSecond: 1_000_000 },
});
const provider = await startStrictProvider({ now, delayMilliseconds: () => 100 });
const world = await createWorld(aws.url);
const bundle = await synthesizeBundle();
await world.profile('crm', provider.profile);
const accountIds: string[] = [];
let throttled = 0;
let failed = 0;

async function add(name: string, howMany: number, claimed = true): Promise<void> {
  for (let i = 1; i <= howMany; i++) {
    const accountId = `${name}-${i}`;
    const tokens = provider.issue(accountId);
    await world.account({ accountId, oauthProfile: 'crm' }, claimed ? tokens : JSON.stringify(tokens));
    accountIds.push(accountId);
  }
}

async function run(): Promise<RunResult> {
  const process = world.process({ module: bundle.path, clockOffsetSeconds: offset });
  const invocation = await process.invoke({});
  process.kill();
  offset += LATER;
  if (invocation.kind === 'failed') throw new Error(invocation.errorMessage);
  return invocation.payload as RunResult;
}

async function refreshAll(what: string): Promise<void> {
  const takeWrite = tokenBucket(WRITES_PER_SECOND, Date.now);
  const throttledBefore = throttled;
  aws.inject(({ operation }) => {
    const writes = operation === 'PutSecretValue' || operation === 'UpdateSecretVersionStage';
    if (!writes || takeWrite()) return undefined;
    throttled++;
    return { kind: 'throttle' };
  });
  console.log(`\n${what}`);
  for (let runs = 1, due = 1; due > 0 && runs <= 20; runs++) {
    const result = await run();
    const { refreshed, deferred, durationMs } = result;
    const seconds = durationMs / 1000;
    console.log(
      `run ${runs}: ${refreshed} refreshed, ${deferred} deferred in ${seconds.toFixed(1)} s: ${(refreshed / seconds).toFixed(1)} a second`,
    );
    failed += result.failed;
    due = result.due;
  }
  aws.inject(undefined);
  console.log(`${throttled - throttledBefore} writes were throttled and tried again`);
}

await add('account', count);
await refreshAll(`${count} accounts that are due`);
await add('unclaimed', fifth, false);
await refreshAll(`${fifth} accounts whose token sets are claimed first`);
await add('escrowed', fifth);
const denial = { kind: 'error', status: 400, type: 'AccessDeniedException', message: 'not allowed' } as const;
aws.inject(({ operation }) => (operation === 'PutSecretValue' ? denial : undefined));
await run();
await refreshAll(`${fifth} accounts whose refresh tokens come home from escrow`);

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

console.log(`\n${throttled} writes throttled, ${failed} visits failed`);
const bad = Math.max(lost, spentTwice, unexplained, failed);
reportCounts(accountIds.length - bad, bad);
console.log(
  `cells ${accountIds.length}, lost ${lost}, spent twice ${spentTwice}, unexplained ${unexplained}`,
);
process.exitCode = bad === 0 ? 0 : 1;
