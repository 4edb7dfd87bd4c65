import { planFrom, type Size } from './generate.ts';
import { runHistory } from './history.ts';
import { shrink } from './shrink.ts';
import { count, emptyTally, invariantsOf } from './tally.ts';
import { historyText } from './timeline-text.ts';
import type { Explained, Ran, Task } from './worker.ts';

export async function runAll(
  { from, to, untilBroken = false }: Extract<Task, { kind: 'run' }>,
  size: Size | undefined,
): Promise<Ran> {
  const tally = emptyTally();
  const shapes: number[] = [];
  const broken: Ran['broken'][number][] = [];
  for (let seed = from; seed <= to; seed++) {
    const verdict = await runHistory(planFrom(seed, size));
    count(tally, verdict);
    shapes.push(verdict.shape);
    if (verdict.broken.length === 0) continue;
    broken.push({ seed, invariants: invariantsOf(verdict) });
    if (untilBroken) break;
  }
  return { tally, shapes: Float64Array.from(shapes), broken };
}

/** One history with all that happened; as little of it as still breaks what it broke, where that is asked for. */
export async function explain(
  { history, shrunk }: Extract<Task, { kind: 'explain' }>,
  size: Size | undefined,
): Promise<Explained> {
  const whole = typeof history === 'number' ? planFrom(history, size) : history;
  const [first] = shrunk ? (await runHistory(whole)).broken : [];
  const plan = first === undefined ? whole : await shrink(whole, first.invariant);
  const verdict = await runHistory(plan, { tracing: true });
  return { plan, text: historyText(plan, verdict), broken: verdict.broken };
}
