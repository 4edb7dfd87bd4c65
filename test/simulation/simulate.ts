import { planFrom } from './generate.ts';
import { runHistory } from './history.ts';

const from = Number(process.argv[2] ?? 1),
  to = Number(process.argv[3] ?? 1000);
const kinds: Record<string, number[]> = {};
const ends: Record<string, number> = {};
const t = performance.now();
for (let seed = from; seed <= to; seed++) {
  const verdict = await runHistory(planFrom(seed));
  for (const { invariant } of verdict.broken) {
    kinds[invariant] ??= [];
    if (kinds[invariant].at(-1) !== seed) kinds[invariant].push(seed);
  }
  for (const { end, why } of verdict.accounts)
    ends[`${end} ${why ?? ''}`] = (ends[`${end} ${why ?? ''}`] ?? 0) + 1;
}
console.log((((to - from + 1) / (performance.now() - t)) * 1000).toFixed(0), 'a second');
console.log(ends);
for (const [kind, seeds] of Object.entries(kinds))
  console.log(kind, seeds.length, seeds.slice(0, 10).join(' '));
