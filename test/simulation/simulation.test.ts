import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { deliberateFaults, sourceOf, withFault } from './deliberate-faults.ts';
import found from './found-histories.json' with { type: 'json' };
import { planFrom } from './generate.ts';
import { runHistory } from './history.ts';
import type { HistoryPlan } from './plan.ts';
import { historyText } from './timeline-text.ts';
import { startWorker } from './worker.ts';

const SIMULATE = fileURLToPath(new URL('simulate.ts', import.meta.url));

/** What it prints of what is broken. */
function simulateBroken(...args: readonly string[]): string {
  const { status, stdout } = spawnSync(process.execPath, [SIMULATE, ...args], { encoding: 'utf8' });
  expect(status).toBe(1);
  return stdout;
}

test('a seed has one history', async () => {
  for (const seed of [3, 4, 5]) {
    const plan = planFrom(seed);
    const [one, two] = [await runHistory(plan, { tracing: true }), await runHistory(plan, { tracing: true })];
    expect(historyText(plan, one)).toBe(historyText(plan, two));
    expect(one.shape).toBe(two.shape);
    expect((await runHistory(planFrom(seed + 1))).shape).not.toBe(one.shape);
  }
});

test('many histories break nothing', { timeout: 60_000 }, async () => {
  const broken: string[] = [];
  for (let seed = 1; seed <= 150; seed++) {
    const verdict = await runHistory(planFrom(seed));
    for (const { invariant, what } of verdict.broken) broken.push(`seed ${seed}: ${invariant}: ${what}`);
  }
  expect(broken).toEqual([]);
});

describe('a history that was broken once, and is so again with the fault that it had shown', () => {
  test.each(found)('$name', async ({ fault, plan }) => {
    const history = plan as unknown as HistoryPlan;
    expect((await runHistory(history)).broken).toEqual([]);
    const faulty = startWorker({ fault });
    const { broken } = await faulty.explain({ kind: 'explain', history, shrunk: false });
    await faulty.end();
    expect(broken).not.toEqual([]);
  });
});

test('the size of a history can be fixed', () => {
  const { accounts, runs } = planFrom(1, { accounts: 9, runs: 3 });
  expect([new Set(accounts.map(({ accountId }) => accountId)).size, runs.length]).toEqual([9, 3]);
});

test('each text that a deliberate fault replaces is there once', () => {
  for (const fault of deliberateFaults) expect(withFault(fault, sourceOf(fault))).not.toBe(sourceOf(fault));
  expect(new Set(deliberateFaults.map(({ name }) => name)).size).toBe(deliberateFaults.length);
});

test('a deliberate fault is found, and its history shrunk to what it takes', { timeout: 60_000 }, () => {
  const fault = 'the refresh token that was sent is stored';
  const text = simulateBroken('--seeds', '1..1', '--workers', '1', '--fault', fault);
  expect(text).toContain(`broken: lost untold: npm run simulate -- --seed 1 --fault '${fault}'`);
  expect(text).toMatch(/^histories 1, spent twice 0, lost untold [1-9]\d*, lost and told 0, .*\n$/m);
  expect(text).not.toMatch(/^ {2}(person|outage|answer|mood) /m);
  expect(text.split('\n').length).toBeLessThan(120);
});
