import { parentPort, Worker, workerData } from 'node:worker_threads';
import { injectFault } from './deliberate-faults.ts';
import type { Size } from './generate.ts';
import type { HistoryPlan } from './plan.ts';
import type { Tally } from './tally.ts';
import type { Broken } from './world.ts';

/** What is asked of a worker: histories, or one of them as a person reads it. */
export type Task =
  | { readonly kind: 'run'; readonly from: number; readonly to: number; readonly untilBroken?: boolean }
  | { readonly kind: 'explain'; readonly history: number | HistoryPlan; readonly shrunk: boolean };

export interface Ran {
  readonly tally: Tally;
  readonly shapes: Float64Array;
  readonly broken: readonly {
    readonly seed: number;
    readonly invariants: readonly Broken['invariant'][];
  }[];
}

export interface Explained {
  readonly plan: HistoryPlan;
  readonly text: string;
  readonly broken: readonly Broken[];
}

/** A thread with the product's code of its own, which may have a fault on purpose. */
export interface SimulationWorker {
  /** One task at a time. */
  run(task: Extract<Task, { kind: 'run' }>): Promise<Ran>;
  explain(task: Extract<Task, { kind: 'explain' }>): Promise<Explained>;
  end(): Promise<unknown>;
}

interface WorkerOptions {
  readonly fault?: string | undefined;
  readonly size?: Size | undefined;
}

export function startWorker({ fault, size }: WorkerOptions): SimulationWorker {
  const worker = new Worker(new URL(import.meta.url), { workerData: { fault, size } });
  const ask = <Answer>(task: Task) =>
    new Promise<Answer>((resolve, reject) => {
      const ended = () => worker.off('message', answered).off('error', failed);
      const answered = (answer: Answer) => {
        ended();
        resolve(answer);
      };
      const failed = (error: unknown) => {
        ended();
        reject(error as Error);
      };
      worker.on('message', answered).on('error', failed).postMessage(task);
    });
  return { run: (task) => ask(task), explain: (task) => ask(task), end: () => worker.terminate() };
}

if (parentPort !== null && workerData !== null) await work(parentPort, workerData);

async function work(port: NonNullable<typeof parentPort>, { fault, size }: WorkerOptions): Promise<void> {
  if (fault !== undefined) injectFault(fault);
  // Only now, so that the fault is in it.
  const simulator = await import('./simulator.ts');
  port.on('message', async (task: Task) => {
    port.postMessage(
      task.kind === 'run' ? await simulator.runAll(task, size) : await simulator.explain(task, size),
    );
  });
}
