import { parseArgs } from 'node:util';
import { reportCounts } from '../test/faults/counts.ts';
import { bulkheads } from './experiments/bulkheads.ts';
import { commandLine } from './experiments/command-line.ts';
import { costPerRefresh } from './experiments/cost-per-refresh.ts';
import { type Bench, type Experiment, type Findings, isMet, type Scale } from './experiments/experiment.ts';
import { growth } from './experiments/growth.ts';
import { atTheLimit, shares } from './experiments/limit.ts';
import { questions } from './experiments/questions.ts';
import { start } from './experiments/start.ts';
import { throughput } from './experiments/throughput.ts';
import { backlog } from './models/backlog.ts';
import { cost } from './models/cost.ts';
import { buildBundles } from './programs/bundles.ts';
import { machine, readResults, renewed, table, writePage, writeResults } from './report.ts';
import { startServers } from './servers/servers.ts';

const experiments: Readonly<Record<string, Experiment>> = {
  start,
  commandLine,
  refresh: costPerRefresh,
  throughput,
  bulkheads,
  limit: atTheLimit,
  shares,
  backlog,
  growth,
  questions,
  cost,
};
/** Left out by the guard, since these are calculated, not measured. */
const models = ['backlog', 'cost'];

const HELP = `npm run bench -- [options]

  (nothing)               everything, in a few minutes; writes bench/results.json
                          and docs/performance.md
  --only NAME,NAME        only these, without writing files. There are
                          ${Object.keys(experiments).slice(0, 5).join(', ')},
                          ${Object.keys(experiments).slice(5).join(', ')}
  --write                 with --only: writes these figures into the files
  --nightly               also a table of a million accounts
  --guard                 the short variant for CI: ratios within wide bounds
  --json                  prints the results as JSON instead of tables
  --help                  this text
`;

const values = readOptions();
if (values.help) {
  console.log(HELP);
  process.exit();
}
if (values.write && values.guard) {
  console.error('The guard measures too little to be worth writing down. Leave out --write or --guard.');
  process.exit(2);
}
const scale: Scale = values.guard ? 'guard' : values.nightly ? 'nightly' : 'default';
const which = scale === 'guard' ? 'guard' : 'bound';
const chosen =
  values.only?.split(',') ??
  Object.keys(experiments).filter((name) => scale !== 'guard' || !models.includes(name));
const unknown = chosen.filter((name) => !Object.hasOwn(experiments, name));
if (unknown.length > 0) {
  console.error(
    `There is no experiment "${unknown.join('", "')}". There are ${Object.keys(experiments).join(', ')}.`,
  );
  process.exit(2);
}

const begun = performance.now();
let step = 0;
const show = (text: string) => {
  const seconds = ((performance.now() - begun) / 1_000).toFixed(0).padStart(3);
  const line = `${seconds} s  [${step}/${chosen.length}] ${text}`;
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line.slice(0, 79)}`);
  else process.stderr.write(`${line}\n`);
};
show('bundling');
const bundles = await buildBundles();
const findings: Findings[] = [];
try {
  for (const name of chosen) {
    step++;
    // Each experiment has its own servers, so that it can't slow down the next one.
    const servers = await startServers();
    const bench: Bench = { scale, servers, bundles, progress: (what) => show(`${name}: ${what}`) };
    try {
      const found = await experiments[name]?.(bench);
      if (found !== undefined) findings.push(found);
    } finally {
      servers.close();
    }
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    const latest = findings.at(-1);
    if (!values.json && latest !== undefined) console.log(table(latest, which));
  }
} finally {
  bundles.remove();
}

const complete = values.only === undefined && scale !== 'guard';
if (complete || values.write) {
  const { commit } = machine();
  const date = new Date().toISOString().slice(0, 10);
  const measured = findings.map((one) => ({ ...one, commit, date }));
  const all = complete ? measured : renewed(readResults(), measured);
  writeResults(all);
  writePage(all);
}
if (values.json) console.log(JSON.stringify(findings, undefined, 2));
const judged = findings.flatMap(({ figures }) => figures).filter(({ target }) => target !== undefined);
const missed = judged.filter((figure) => !isMet(figure, which));
reportCounts(judged.length - missed.length, missed.length);
if (!values.json) {
  const minutes = ((performance.now() - begun) / 60_000).toFixed(1);
  console.log(`${judged.length - missed.length} of ${judged.length} targets met in ${minutes} minutes`);
  for (const { name } of missed) console.log(`missed: ${name}`);
}
process.exitCode = missed.length === 0 ? 0 : 1;

function readOptions() {
  try {
    return parseArgs({
      options: {
        only: { type: 'string' },
        nightly: { type: 'boolean', default: false },
        guard: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    process.exit(2);
  }
}
