import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { startLocalAws } from '../../local/aws/server.ts';
import { awsEnvironment } from '../../local/clients.ts';
import { createWorld } from '../support/world.ts';
import { reportCounts } from './counts.ts';
import { startAccountKinds } from './hostile-accounts.ts';
import { commandKinds } from './hostile-files.ts';
import { textKinds } from './hostile-texts.ts';
import type { Kind } from './kind.ts';

/**
 * Hostile input of every kind by the thousand: `npm run test:fuzz -- --inputs 10000 --seed S`, and words for the kinds
 * whose names have one of them. None may crash or hang anything, harm a neighbour, or bring out a secret.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    inputs: { type: 'string', default: '10000' },
    seed: { type: 'string', default: String(randomInt(1_000_000)) },
  },
});
const count = Number(values.inputs);
const seed = Number(values.seed);
const BATCH = 50;
const SHOWN = 20;
/** Of one that is broken, so many characters; the seed makes it again. */
const TOLD = 10_000;

const aws = await startLocalAws({ secretsManager: { writesPerSecond: 1_000_000 } });
Object.assign(process.env, awsEnvironment(aws.url));
const accounts = await startAccountKinds(aws);
const world = await createWorld(aws.url);
const all: readonly Kind[] = [...accounts.kinds, ...(await commandKinds(world)), ...textKinds];
const kinds = all.filter(
  ({ name }) => positionals.length === 0 || positionals.some((word) => name.includes(word)),
);
const weight = kinds.reduce((sum, kind) => sum + kind.weight, 0);

const broken: string[] = [];
let done = 0;
for (const [index, { name, weight: own, inputs, check, end }] of kinds.entries()) {
  // The last one takes what rounding has left.
  const numRuns = index === kinds.length - 1 ? count - done : Math.round((count * own) / weight);
  const sample = numRuns > 0 ? fc.sample(inputs, { numRuns, seed: seed + index }) : [];
  for (let at = 0; at < sample.length; at += BATCH) {
    const batch = sample.slice(at, at + BATCH);
    broken.push(...(await check(batch)));
    done += batch.length;
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${done} of ${count} inputs: ${name}`);
  }
  broken.push(...((await end?.()) ?? []));
}
if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
world.close();
await accounts.close();
await aws.close();

for (const line of kinds.flatMap(({ remarks }) => remarks?.() ?? [])) console.log(line);
for (const one of broken.slice(0, SHOWN)) console.log(`broken: ${one.slice(0, TOLD)}`);
reportCounts(count - broken.length, broken.length);
console.log(`seed ${seed}`);
console.log(`inputs ${count}, kinds ${kinds.length}, broken ${broken.length}`);
process.exitCode = broken.length === 0 ? 0 : 1;
