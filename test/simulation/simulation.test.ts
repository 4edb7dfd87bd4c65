import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { deliberateFaults, sourceOf, withFault } from './deliberate-faults.ts';
import { planFrom } from './generate.ts';
import { runHistory } from './history.ts';
import { historyText } from './timeline-text.ts';

const SIMULATE = fileURLToPath(new URL('simulate.ts', import.meta.url));

function simulate(...args: readonly string[]): string {
  return execFileSync(process.execPath, [SIMULATE, ...args], { encoding: 'utf8' });
}

/** Also where it ends with an error, as it does where something is broken. */
function simulateBroken(...args: readonly string[]): string {
  try {
    simulate(...args);
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
  throw new Error('nothing was broken');
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

test('a few hundred histories break nothing', { timeout: 60_000 }, async () => {
  const broken: string[] = [];
  for (let seed = 1; seed <= 200; seed++) {
    const verdict = await runHistory(planFrom(seed));
    for (const { invariant, what } of verdict.broken)
      if (invariant !== 'told wrongly') broken.push(`seed ${seed}: ${invariant}: ${what}`);
  }
  expect(broken).toEqual([]);
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
  const fault = ['--fault', 'the refresh token that was sent is stored'];
  const found = simulateBroken('--seeds', '1..2', '--workers', '1', ...fault, '--json');
  expect(JSON.parse(found)).toMatchObject({ histories: 2, cases: { 'lost untold': expect.any(Number) } });
  const text = simulateBroken('--seed', '1', '--shrink', ...fault);
  expect(text).toMatch(/^broken: lost untold: /);
  const plan = JSON.parse(simulateBroken('--seed', '1', '--shrink', '--json', ...fault));
  expect(plan).toMatchObject({ people: [], outages: [], answers: [], moods: [] });
  expect(text.split('\n').length).toBeLessThan(80);
});
