import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { projectRoot } from '../build/project.ts';
import { wrapTo } from '../terminal/display-text.ts';
import { type Figure, type Findings, isMet } from './experiments/experiment.ts';
import type { Sample } from './experiments/statistics.ts';

/** The machine that measured, without a word about whose it is. */
interface Machine {
  readonly node: string;
  readonly platform: string;
  readonly cpus: number;
  readonly memoryGigabytes: number;
  readonly commit: string;
}

export function machine(): Machine {
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpus: availableParallelism(),
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    commit: commit(),
  };
}

function commit(): string {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', args, { cwd: projectRoot, encoding: 'utf8' }).trim();
    return git('describe', '--always', '--dirty', '--exclude', '*');
  } catch {
    return 'unknown';
  }
}

export function number(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString('en', { maximumFractionDigits: Number.isInteger(value) ? 0 : digits });
}

function withUnit(value: number, unit: string): string {
  return `${number(value)}${unit === '' || unit.startsWith('/') ? unit : ` ${unit}`}`;
}

function spreadOf({ low, high, count }: Sample): string {
  return count === 1 ? '' : `${number(low)}–${number(high)}`;
}

export function targetOf({ target }: Figure, which: 'bound' | 'guard' = 'bound'): string {
  if (target === undefined) return '';
  if (target.kind === 'exactly') return 'exact';
  return `${target.kind === 'at_least' ? '≥' : '≤'} ${target[which]}`;
}

/** The figures of one experiment for a terminal of 80 columns. */
export function table(
  { title, figures, facts = [], tables = [] }: Findings,
  which: 'bound' | 'guard',
): string {
  const rows = figures.map((figure) => {
    const { name, unit, value, baseline, ratio, target } = figure;
    const met = isMet(figure, which);
    const mark = target === undefined ? ' ' : met ? styleText('green', '✓') : styleText('red', '✗');
    const measured = withUnit(value.median, unit).padStart(11);
    const against = `${withUnit(baseline.value.median, unit)} ${baseline.name}`;
    const ratioText = target?.kind === 'exactly' ? '' : number(ratio.median);
    return [
      `${mark} ${styleText('bold', name)}`,
      `  ${measured}  against ${against.padEnd(26)} ${ratioText.padStart(6)}  ${spreadOf(ratio).padEnd(11)} ${targetOf(figure, which)}`.trimEnd(),
    ].join('\n');
  });
  const notes = facts.map(([name, value]) => styleText('dim', indented(`${name}: ${value}`, '  ')));
  return [styleText('underline', title), ...rows, ...notes, ...tables.map(sheet), ''].join('\n');
}

/** These tables are wider than a terminal, so each value stands beside its heading. */
function sheet({ head, rows }: NonNullable<Findings['tables']>[number]): string {
  return rows
    .map(([first = '', ...cells]) => {
      const values = cells.map((cell, i) => `${head[i + 1]} ${styleText('bold', cell)}`);
      return `  ${styleText('bold', `${head[0]}: ${first}`)}\n${indented(values.join(', '), '    ')}`;
    })
    .join('\n');
}

const indented = (text: string, indent: string) =>
  wrapTo(text, 76)
    .map((line) => indent + line)
    .join('\n');

interface Results {
  readonly machine: Machine;
  readonly findings: readonly Findings[];
}

const resultsFile = join(projectRoot, 'bench', 'results.json');

/** The last results, with the new ones in their place. Each says which commit it measured. */
export function renewed(
  { machine: before, findings }: Results,
  measured: readonly Findings[],
): readonly Findings[] {
  const old = findings.map((one) => ({ commit: before.commit, ...one }));
  const replaced = old.map((one) => measured.find(({ title }) => title === one.title) ?? one);
  return [...replaced, ...measured.filter((one) => !replaced.includes(one))];
}

export function readResults(): Results {
  return JSON.parse(readFileSync(resultsFile, 'utf8'));
}

export function writeResults(findings: readonly Findings[]): void {
  const results: Results = { machine: machine(), findings };
  writeFileSync(resultsFile, `${JSON.stringify(results, undefined, 2)}\n`);
}

/** Writes the figures between the markers of the performance page. */
export function writePage(findings: readonly Findings[]): void {
  const page = join(projectRoot, 'docs', 'performance.md');
  const text = readFileSync(page, 'utf8');
  const { node, platform, cpus, memoryGigabytes } = machine();
  const where = `Node.js ${node} on ${platform}, ${cpus} CPUs, ${memoryGigabytes} GB.`;
  writeFileSync(page, between(text, 'figures', `${where}\n\n${markdown(findings)}`));
}

/** The experiment whose first table is on the page. */
const BILL = 'Monthly cost';

/** What has a target, in one table with the days, and the bill. `bench/results.json` has the rest, and each commit. */
export function markdown(findings: readonly Findings[]): string {
  const judged = findings.flatMap(({ title, figures }) => figures.map((figure) => ({ title, ...figure })));
  const counts = judged.filter(({ target }) => target?.kind === 'exactly');
  const ratios = judged.filter(({ target }) => target !== undefined && target.kind !== 'exactly');
  const wrong = counts
    .filter((figure) => !isMet(figure, 'bound'))
    .map(({ title, name }) => `${title}, ${name}`);
  return [
    ...sheetMarkdown({
      head: ['what', 'measured', 'ratio', 'target'],
      rows: ratios.map((figure) => {
        const { title, name, unit, value, baseline, ratio } = figure;
        const measured = withUnit(value.median, unit);
        const against = `${number(ratio.median)} × ${baseline.name}`;
        return [
          `${title}: ${name}`,
          measured,
          against,
          `${targetOf(figure)}${isMet(figure, 'bound') ? ' ✓' : ' ✗'}`,
        ];
      }),
    }),
    '',
    ...measuredOn(findings),
    `Of ${counts.length} counts that must be exact (none lost, none spent twice, all refreshed once) ${counts.length - wrong.length} are${wrong.length > 0 ? `; wrong: ${wrong.join('; ')}` : ''}.`,
    ...findings
      .filter(({ title }) => title === BILL)
      .flatMap(({ title, tables = [] }) => [
        '',
        `### ${title}`,
        ...tables.slice(0, 1).flatMap(sheetMarkdown),
      ]),
  ].join('\n');
}

/** Which day's figures these are, where it was written down. */
function measuredOn(findings: readonly Findings[]): string[] {
  const dates = [...new Set(findings.flatMap(({ date }) => date ?? []))].sort();
  return dates.flatMap((day) => {
    const titles = findings.filter(({ date }) => date === day).map(({ title }) => title);
    return [`Measured on ${day}: ${titles.join(', ')}.`, ''];
  });
}

function sheetMarkdown({ head, rows }: NonNullable<Findings['tables']>[number]): string[] {
  return [
    head.join(' | '),
    ['---', ...head.slice(1).map(() => '---:')].join('|'),
    ...rows.map((row) => row.join(' | ')),
  ];
}

/** @throws Error where the page has no such markers */
export function between(text: string, marker: string, content: string): string {
  const [begin, end] = [`<!-- ${marker}: written by npm run bench -->`, `<!-- /${marker} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/performance.md has no markers for "${marker}".`);
  return `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`;
}
