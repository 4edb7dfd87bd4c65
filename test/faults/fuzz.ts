import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { PutCommand } from '@aws-sdk/lib-dynamodb';
import fc from 'fast-check';
import { PROFILE_FIELDS } from '../../lambda/profile.ts';
import { REASONS } from '../../lambda/reason.ts';
import type { RunResult } from '../../lambda/run-result.ts';
import { startLocalAws } from '../../local/aws/server.ts';
import type { Invocation } from '../../local/function-process.ts';
import { synthesizeBundle } from '../support/function-bundle.ts';
import { startStrictProvider } from '../support/strict-provider.ts';
import { createWorld } from '../support/world.ts';
import { reportCounts } from './counts.ts';
import { type HostileInput, hostileEvent, hostileInput } from './hostile-input.ts';

/**
 * Hostile items, secrets, profiles, provider answers and events, by the thousand, each batch between sound accounts:
 * `npm run test:fuzz -- --inputs 10000 --seed S`. None may crash or hang a run, harm a neighbour or go without a reason.
 */
const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '10000' },
    seed: { type: 'string', default: String(randomInt(1_000_000)) },
  },
});
const count = Number(values.inputs);
const seed = Number(values.seed);
const BATCH = 50;
const TIMEOUT = 60_000;

const aws = await startLocalAws({ secretsManager: { writesPerSecond: 1_000_000 } });
const provider = await startStrictProvider();
const world = await createWorld(aws.url);
const bundle = synthesizeBundle();
const fn = world.process({ module: bundle.path });
await world.profile('sound', provider.profile);

const inputs = fc.sample(hostileInput(provider.issue('example'), { ...provider.profile }, PROFILE_FIELDS), {
  numRuns: count,
  seed,
});
const events = fc.sample(hostileEvent, { numRuns: Math.ceil(count / BATCH), seed });
const answers = new Map<string, HostileInput['answer']>();
provider.inject(({ accountId = '' }) => answers.get(accountId));
const reasons = new Map<string, number>();
const broken: string[] = [];

for (let at = 0; at < inputs.length; at += BATCH) {
  const batch = inputs.slice(at, at + BATCH).map((input, i) => ({ accountId: `h-${at + i}`, input }));
  const neighbours = [`n-${at}-first`, `n-${at}-last`];
  for (const accountId of neighbours)
    await world.account({ accountId, oauthProfile: 'sound' }, provider.issue(accountId));
  for (const one of batch) await put(one.accountId, one.input);
  const [first = '', last = ''] = neighbours;
  const accountIds = [first, ...batch.map(({ accountId }) => accountId), last];
  await judge(batch, neighbours, await fn.invoke({ accountIds }, TIMEOUT));
  const event = await fn.invoke(events[at / BATCH], TIMEOUT);
  if (event.kind === 'failed' && event.errorType !== 'InvalidEvent')
    broken.push(`event ${JSON.stringify(events[at / BATCH])}: ${event.errorType}: ${event.errorMessage}`);
  if (process.stderr.isTTY) process.stderr.write(`\r${at + batch.length} of ${count} inputs `);
}
if (process.stderr.isTTY) process.stderr.write('\r');
world.close();
await provider.close();
await aws.close();
bundle.remove();

for (const [reason, times] of [...reasons].sort(([, a], [, b]) => b - a))
  console.log(`${String(times).padStart(6)}  ${reason}`);
for (const one of broken.slice(0, 20)) console.log(`broken: ${one}`);
reportCounts(count - broken.length, broken.length);
console.log(`seed ${seed}`);
console.log(`inputs ${count}, events ${events.length}, broken ${broken.length}`);
process.exitCode = broken.length === 0 ? 0 : 1;

async function put(accountId: string, { item, secret, profile, answer, note }: HostileInput): Promise<void> {
  answers.set(accountId, answer);
  if (note !== undefined) {
    const Item = { ...note, accountId: `#profile:${accountId}` };
    await world.clients.table.send(new PutCommand({ TableName: world.clients.tableName, Item }));
  }
  // A profile each, as three failures in a row would spare the rest of the batch.
  await world.profile(accountId, profile ?? provider.profile);
  await world.account({ accountId, oauthProfile: accountId, ...item }, secret ?? provider.issue(accountId));
}

async function judge(
  batch: readonly { readonly accountId: string; readonly input: HostileInput }[],
  neighbours: readonly string[],
  invocation: Invocation,
): Promise<void> {
  if (invocation.kind === 'failed') {
    broken.push(`a run failed with ${invocation.errorType}: ${JSON.stringify(batch)}`);
    return;
  }
  for (const accountId of neighbours) {
    const { status } = await world.item(accountId);
    if (status !== 'healthy' || !provider.accepts(accountId, (await world.tokens(accountId)).refresh_token))
      broken.push(`${accountId} was harmed`);
  }
  const { accounts = [] } = invocation.payload as RunResult;
  for (const { accountId, input } of batch) {
    const { reason = 'none' } = accounts.find((report) => report.accountId === accountId) ?? {};
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    if (!Object.hasOwn(REASONS, reason)) broken.push(`no reason for ${JSON.stringify(input)}`);
    const { formatVersion, lease, status } = await world.item(accountId);
    // A visit that ended as it should has given its lease back.
    if (lease !== undefined && input.item.lease === undefined)
      broken.push(`a lease was left for ${JSON.stringify(input)}`);
    if (typeof formatVersion === 'number' && formatVersion > 1 && status !== input.item.status)
      broken.push(`what a newer version made was written to: ${JSON.stringify(input)}`);
  }
}
