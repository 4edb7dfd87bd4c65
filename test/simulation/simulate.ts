import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { reportCounts } from '../faults/counts.ts';
import { type Hunt, huntFaults } from './fault-hunt.ts';
import type { Size } from './generate.ts';
import { type Range, runRange } from './range.ts';
import { lastLine, table, tallyLines } from './tally.ts';
import { type Ran, type SimulationWorker, startWorker } from './worker.ts';

const HELP = `The function's own code over simulated time, services and providers, where much goes wrong at once. A seed makes a
history; of each it is judged whether a grant was lost without a word, spent twice, and so on.

  npm run simulate -- --seeds 1..1000000     many histories; the last line counts
  npm run simulate -- --seed 7               one history, with all that happened
  npm run simulate -- --faults [words]       how soon mistakes made on purpose are found

  --workers N      threads; as many as there are processors by default
  --resume FILE    keeps the progress of a range, and goes on with it; Ctrl-C ends cleanly
  --accounts N     in each history; drawn by default (1, 2 or 7)
  --runs N         of the function in each history; drawn by default (2 to 5)
  --shrink         with --seed: leaves out whatever it is broken without
  --fault NAME     with one of the mistakes
  --ignore NAME    with --faults: an invariant by which none counts as found; repeatable
  --json           the result, or the plan of one history, as a line of JSON

The last line counts histories, and cases of each broken invariant: one account may have several. "lost and told" counts
accounts that had to be lost, by the named exceptions, and whose people were told. Distinct histories differ in who did
what, how it ended and what went wrong with it; times and ids do not count. It exits with 1 where something is broken.`;

/** So many broken histories of a run are shrunk and shown; the others are only named. */
const MOST_SHOWN = 5;
const USUAL_SEEDS = '1..10000';
/** A mistake that is not found by then is not found. */
const SEEDS_PER_FAULT = '1..20000';
/** Milliseconds between two lines of progress where nobody watches. */
const PROGRESS_EVERY = 60_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    workers: { type: 'string', default: String(availableParallelism()) },
    resume: { type: 'string' },
    accounts: { type: 'string' },
    runs: { type: 'string' },
    fault: { type: 'string' },
    faults: { type: 'boolean', default: false },
    ignore: { type: 'string', multiple: true, default: [] },
    shrink: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  },
});
const { fault, resume, json } = values;
const size: Size = { accounts: wholeOf(values.accounts), runs: wholeOf(values.runs) };
const workers = wholeOf(values.workers) ?? 1;
/** What one history has to be called with again. */
const same = [
  ...(['accounts', 'runs'] as const).flatMap((name) => (values[name] ? [`--${name} ${values[name]}`] : [])),
  ...(fault === undefined ? [] : [`--fault '${fault}'`]),
].join(' ');

let toldAt = performance.now();

if (values.help) console.log(HELP);
else if (values.seed !== undefined) await showOne(wholeOf(values.seed) ?? 0);
else if (values.faults) await hunt();
else await simulate();

async function simulate(): Promise<void> {
  const range = rangeOf(values.seeds ?? USUAL_SEEDS);
  const total = range.to - range.from + 1;
  let shown = 0;
  const result = await runRange({
    range,
    size,
    fault,
    workers,
    resume,
    signal: interruption(),
    onProgress: (done, aSecond) =>
      progress(
        `${done} of ${total}, ${aSecond.toFixed(0)} a second, ${duration((total - done) / aSecond)} left`,
      ),
    onBroken: async (broken, worker) => await show(broken, worker, ++shown <= MOST_SHOWN),
  });
  clearProgress();
  const { tally, distinct, seconds, rest } = result;
  const aSecond = Math.round(tally.histories / seconds);
  reportCounts(tally.histories - tally.broken, tally.broken);
  if (json) console.log(JSON.stringify({ ...tally, distinct, seconds, aSecond, rest }));
  else {
    const speed = [
      ['distinct histories', distinct],
      ['histories a second', aSecond],
    ] as const;
    for (const line of [...tallyLines(tally), ...table(speed)]) console.log(line);
    if (rest !== undefined) console.log(`it goes on with: npm run simulate -- ${goingOn(range, rest)}`);
    console.log(lastLine(tally));
  }
  process.exitCode = tally.broken > 0 ? 1 : rest === undefined ? 0 : 130;
}

function goingOn(range: Range, rest: Range): string {
  const { from, to } = resume === undefined ? rest : range;
  return [`--seeds ${from}..${to}`, resume === undefined ? '' : `--resume ${resume}`, same]
    .filter((word) => word !== '')
    .join(' ');
}

async function show(
  { seed, invariants }: Ran['broken'][number],
  worker: SimulationWorker,
  shrunk: boolean,
): Promise<void> {
  const replay = `npm run simulate -- --seed ${seed}${same === '' ? '' : ` ${same}`}`;
  const text = shrunk ? (await worker.explain({ kind: 'explain', history: seed, shrunk })).text : undefined;
  clearProgress();
  const say = json ? console.error : console.log;
  say(`broken: ${invariants.join(', ')}: ${replay}`);
  if (text !== undefined) say(`${text.replaceAll(/^/gm, '  ')}\n`);
}

async function showOne(seed: number): Promise<void> {
  const worker = startWorker({ fault, size });
  const { plan, text, broken } = await worker.explain({
    kind: 'explain',
    history: seed,
    shrunk: values.shrink,
  });
  await worker.end();
  console.log(json ? JSON.stringify(plan) : text);
  process.exitCode = broken.length > 0 ? 1 : 0;
}

async function hunt(): Promise<void> {
  const range = rangeOf(values.seeds ?? SEEDS_PER_FAULT);
  if (!json) console.log(hunted('fault', 'histories', 'invariant'));
  const hunts = await huntFaults({
    range,
    workers,
    words: positionals,
    ignored: values.ignore,
    signal: interruption(),
    onProgress: (name, histories) => progress(`${histories} histories with: ${name}`),
    onEnd: (one) => {
      clearProgress();
      if (!json) console.log(huntLine(one));
    },
  });
  const found = hunts.filter(({ histories }) => histories !== undefined).length;
  if (json) console.log(JSON.stringify(hunts));
  console.log(`faults ${hunts.length}, found ${found}`);
  process.exitCode = found === hunts.length ? 0 : 1;
}

function huntLine({ fault, histories, invariants }: Hunt): string {
  const what = invariants.join(', ');
  return hunted(fault, String(histories ?? 'not found'), what);
}

function hunted(fault: string, histories: string, what: string): string {
  return `${fault.padEnd(76)}  ${histories.padStart(9)}  ${what}`;
}

/** The first Ctrl-C lets all end that has begun; the second one ends at once. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  return controller.signal;
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text} `);
  else if (performance.now() - toldAt > PROGRESS_EVERY) {
    toldAt = performance.now();
    console.error(text);
  }
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
}

function duration(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return `${Math.round(seconds)} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function rangeOf(text: string): Range {
  const [, from, to] = /^(\d+)\.\.(\d+)$/.exec(text) ?? [];
  if (from === undefined || to === undefined || Number(from) > Number(to))
    throw new Error(`--seeds must be such as 1..1000, and not ${text}`);
  return { from: Number(from), to: Number(to) };
}

function wholeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error(`${text} must be a whole number`);
}
