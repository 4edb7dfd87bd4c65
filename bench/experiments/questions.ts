import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ASKED_FUNCTION } from '../servers/servers.ts';
import { type Bench, compared, type Findings } from './experiment.ts';
import { interleaved, sampleOf } from './statistics.ts';

const execute = promisify(execFile);
const preload = new URL('../programs/peak.ts', import.meta.url).href;

/** A program, from its start to its end. */
interface Ended {
  readonly milliseconds: number;
  readonly megabytes: number;
}

const ACCOUNTS = 20_000;
const PROFILES = 40;

/** The questions that the table answers. Each is one command. */
const OF_THE_TABLE = {
  status: ['status'],
  upcoming: ['report', 'upcoming'],
  grants: ['report', 'grants'],
  broken: ['report', 'broken'],
  profiles: ['report', 'profiles'],
  due: ['report', 'due'],
  signIns: ['report', 'sign-ins'],
  uses: ['report', 'uses', 'crm-1'],
  cost: ['report', 'cost'],
} as const;

/** Those that ask somebody else, with a line of progress. */
const OF_OTHERS = {
  show: ['accounts', 'show', 'account-0000007'],
  plan: ['invoke', '--dry-run'],
  history: ['accounts', 'history', 'account-0000007'],
  changes: ['report', 'changes'],
  requests: ['report', 'requests'],
  secrets: ['report', 'secrets'],
} as const;

/** Measures what an operator's questions take with 20,000 accounts of 40 profiles, as whole processes. */
export async function questions({ scale, servers, bundles, progress }: Bench): Promise<Findings> {
  progress('making 20,000 accounts');
  const guard = scale === 'guard';
  const population = await servers.populate({
    accounts: ACCOUNTS,
    due: 0,
    profiles: PROFILES,
    states: 'mixed',
    secrets: guard ? 'due' : 'all',
  });
  const environment = servers.environment(population);
  await servers.serve({ module: bundles.function, environment, population });
  const folder = mkdtempSync(join(tmpdir(), 'questions-'));
  const peakFile = join(folder, 'peak');
  const run = async (...words: readonly string[]): Promise<Ended> => {
    const begun = performance.now();
    await execute(process.execPath, ['--import', preload, ...words], {
      env: { PATH: process.env.PATH ?? '', PEAK_FILE: peakFile, ...environment },
      maxBuffer: 2 ** 28,
    }).catch(({ code, stderr }) => {
      if (code !== 3) throw new Error(`${words.slice(1).join(' ')} ended with ${code}: ${stderr}`);
    });
    const milliseconds = performance.now() - begun;
    return { milliseconds, megabytes: Number(readFileSync(peakFile, 'utf8')) / 1024 };
  };
  const { table, prefix } = population;
  const fleet = ['--table', table, '--prefix', prefix, '--function', ASKED_FUNCTION];
  const timed = (words: readonly string[]) => {
    return () => {
      progress(words.join(' '));
      return run(bundles.commandLine, ...fleet, ...words);
    };
  };
  try {
    const measured = await interleaved(guard ? 2 : 5, {
      scan: () => run(bundles.bareScan),
      status: timed(OF_THE_TABLE.status),
      upcoming: timed(OF_THE_TABLE.upcoming),
      grants: timed(OF_THE_TABLE.grants),
      broken: timed(OF_THE_TABLE.broken),
      profiles: timed(OF_THE_TABLE.profiles),
      due: timed(OF_THE_TABLE.due),
      signIns: timed(OF_THE_TABLE.signIns),
      uses: timed(OF_THE_TABLE.uses),
      cost: timed(OF_THE_TABLE.cost),
    });
    const others = await interleaved(guard ? 1 : 3, {
      show: timed(OF_OTHERS.show),
      plan: timed(OF_OTHERS.plan),
      history: timed(OF_OTHERS.history),
      changes: timed(OF_OTHERS.changes),
      requests: timed(OF_OTHERS.requests),
      secrets: timed(OF_OTHERS.secrets),
    });
    const baseline = { name: 'bare scan', measured: measured.scan };
    const questions = Object.entries(OF_THE_TABLE).map(([name, words]) => ({
      words: words.join(' '),
      own: measured[name as keyof typeof OF_THE_TABLE],
    }));
    const megabytesOf = ({ megabytes }: Ended) => megabytes;
    const most = (own: readonly Ended[]) => sampleOf(own.map(megabytesOf)).median;
    const [hungriest] = questions.toSorted((a, b) => most(b.own) - most(a.own));
    const figure = (name: string, unit: string, guard: number) =>
      ({ name, unit, target: { kind: 'at_most', bound: 2, guard } }) as const;
    const figures = [
      ...questions.map(({ words, own }) =>
        compared(figure(words, 'ms', 5), ({ milliseconds }) => milliseconds, own, baseline),
      ),
      compared(
        figure(`memory of ${hungriest?.words}, the most`, 'MB', 4),
        megabytesOf,
        hungriest?.own ?? [],
        baseline,
      ),
    ];
    const facts = Object.entries(OF_OTHERS).map(([name, words]) => {
      const own = others[name as keyof typeof OF_OTHERS];
      const median = (read: (one: Ended) => number) => sampleOf(own.map(read)).median.toFixed(0);
      return [
        words.join(' '),
        `${median(({ milliseconds }) => milliseconds)} ms, ${median(({ megabytes }) => megabytes)} MB`,
      ] as const;
    });
    return { title: 'Questions, 20,000 accounts of 40 profiles', figures, facts };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
