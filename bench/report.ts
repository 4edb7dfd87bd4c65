import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { projectRoot } from '../infra/bundling.ts';
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
  const sections = findings.map((one) => markdown(one)).join('\n\n');
  const { node, platform, cpus, memoryGigabytes } = machine();
  const where = `Measured with Node.js ${node} on ${platform}, ${cpus} CPUs, ${memoryGigabytes} GB, each at the commit named beside it.`;
  writeFileSync(page, between(text, 'figures', `${where}\n\n${sections}`));
}

function markdown({ title, commit, figures, facts = [], tables = [] }: Findings): string {
  const cell = (figure: Figure) => {
    const { name, unit, value, baseline, ratio, target } = figure;
    const verdict = target === undefined ? '' : isMet(figure, 'bound') ? ' ✓' : ' ✗';
    const ratioText = target?.kind === 'exactly' ? '' : number(ratio.median);
    return `| ${name} | ${withUnit(value.median, unit)} | ${baseline.name}: ${withUnit(baseline.value.median, unit)} | ${ratioText} | ${spreadOf(ratio)} | ${targetOf(figure)}${verdict} |`;
  };
  const sheets = tables.flatMap(({ head, rows }) => [
    '',
    `| ${head.join(' | ')} |`,
    `|---|${'---:|'.repeat(head.length - 1)}`,
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ]);
  return [
    `### ${title}`,
    ...(commit === undefined ? [] : [`At commit \`${commit}\`.`, '']),
    ...(figures.length > 0
      ? [
          '| what | measured | against | ratio | spread of the ratio | target |',
          '|---|---:|---|---:|---:|---|',
          ...figures.map(cell),
        ]
      : []),
    ...(facts.length > 0 ? ['', ...facts.map(([name, value]) => `- ${name}: ${value}.`)] : []),
    ...sheets,
  ].join('\n');
}

/** @throws Error where the page has no such markers */
export function between(text: string, marker: string, content: string): string {
  const [begin, end] = [`<!-- ${marker}: written by npm run bench -->`, `<!-- /${marker} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/performance.md has no markers for "${marker}".`);
  return `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`;
}
