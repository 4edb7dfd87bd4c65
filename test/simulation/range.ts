import { appendFileSync, existsSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import type { Size } from './generate.ts';
import { add, emptyTally, type Tally } from './tally.ts';
import { type Ran, type SimulationWorker, startWorker } from './worker.ts';

export interface Range {
  readonly from: number;
  readonly to: number;
}

export interface RangeOptions {
  readonly range: Range;
  readonly size: Size;
  readonly fault: string | undefined;
  readonly workers: number;
  /** Where the progress is kept. */
  readonly resume: string | undefined;
  /** Nothing more is begun. */
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, aSecond: number) => void;
  /** Of what is broken; the worker that found it can say more. */
  readonly onBroken: (broken: Ran['broken'][number], worker: SimulationWorker) => Promise<void>;
}

export interface RangeResult {
  readonly tally: Tally;
  /** Histories that took another way than all others. */
  readonly distinct: number;
  readonly seconds: number;
  /** What is left; undefined where all is done. */
  readonly rest: Range | undefined;
}

/** Seeds that a worker gets at once. */
const CHUNK = 100;

/** All that is known of a range that is partly done. Its shapes are in a file beside it, to which they are added. */
interface Progress {
  readonly about: string;
  /** All seeds before this one are done, and these chunks after it. */
  next: number;
  beyond: number[];
  seconds: number;
  readonly tally: Tally;
  shapes: number;
}

export async function runRange(options: RangeOptions): Promise<RangeResult> {
  const { range, size, fault, signal, resume } = options;
  const about = JSON.stringify({ ...range, ...size, fault, chunk: CHUNK });
  const { progress, seen } = readProgress(resume, about, range);
  const before = { seconds: progress.seconds, histories: progress.tally.histories };
  const begun = performance.now();
  const secondsNow = () => (performance.now() - begun) / 1_000;
  let chunk = progress.next;
  const nextChunk = () => {
    while (progress.beyond.includes(chunk)) chunk += CHUNK;
    if (chunk > range.to || signal.aborted) return undefined;
    chunk += CHUNK;
    return chunk - CHUNK;
  };
  const work = async () => {
    const worker = startWorker({ fault, size });
    try {
      for (let from = nextChunk(); from !== undefined; from = nextChunk()) {
        const ran = await worker.run({ kind: 'run', from, to: Math.min(range.to, from + CHUNK - 1) });
        add(progress.tally, ran.tally);
        for (const shape of ran.shapes) seen.add(shape);
        progress.beyond.push(from);
        while (progress.beyond.includes(progress.next)) {
          progress.beyond = progress.beyond.filter((one) => one !== progress.next);
          progress.next += CHUNK;
        }
        progress.seconds = before.seconds + secondsNow();
        if (resume !== undefined) writeProgress(resume, progress, ran.shapes);
        const done = progress.tally.histories;
        options.onProgress(done, (done - before.histories) / secondsNow());
        for (const one of ran.broken) await options.onBroken(one, worker);
      }
    } finally {
      await worker.end();
    }
  };
  const chunks = Math.ceil((range.to - progress.next + 1) / CHUNK);
  await Promise.all(Array.from({ length: Math.min(options.workers, chunks) }, work));
  const { tally, next, seconds } = progress;
  const rest = next > range.to ? undefined : { from: next, to: range.to };
  return { tally, distinct: seen.size, seconds, rest };
}

const BYTES = Float64Array.BYTES_PER_ELEMENT;
const shapesOf = (file: string) => `${file}.shapes`;

function readProgress(
  file: string | undefined,
  about: string,
  { from }: Range,
): { readonly progress: Progress; readonly seen: Set<number> } {
  if (file === undefined || !existsSync(file)) {
    if (file !== undefined) writeFileSync(shapesOf(file), '');
    const progress = { about, next: from, beyond: [], seconds: 0, tally: emptyTally(), shapes: 0 };
    return { progress, seen: new Set() };
  }
  const progress = JSON.parse(readFileSync(file, 'utf8')) as Progress;
  if (progress.about !== about)
    throw new Error(`${file} is of another run: ${progress.about}. Name another file, or remove it.`);
  // What was added after the last time that the progress was written will be found again.
  truncateSync(shapesOf(file), progress.shapes * BYTES);
  const bytes = readFileSync(shapesOf(file));
  return { progress, seen: new Set(new Float64Array(Uint8Array.from(bytes).buffer)) };
}

/** The file is always a whole one. */
function writeProgress(file: string, progress: Progress, shapes: Float64Array): void {
  appendFileSync(shapesOf(file), new Uint8Array(shapes.buffer));
  progress.shapes += shapes.length;
  writeFileSync(`${file}.new`, JSON.stringify(progress));
  renameSync(`${file}.new`, file);
}
