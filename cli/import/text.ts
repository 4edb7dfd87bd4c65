import { writeFileSync } from 'node:fs';
import { stringify } from 'csv-stringify/sync';
import { wrapTo } from '../../terminal/display-text.ts';
import { printable } from '../../terminal/printable.ts';
import { number } from '../../terminal/progress.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import type { Plan, RowProblem } from './plan.ts';
import { protectCell } from './row/csv-cells.ts';
import type { ImportResult } from './run.ts';

const SHOWN = 20;
const PASSED_OVER = 'passed over: their authentication is not oauth2';

/** The problems as lines for people: common ones once, and the first of the others. */
export function problemLines(problems: readonly RowProblem[], terminal: Terminal): string[] {
  const width = terminal.stderr.columns || terminal.width;
  const mark = terminal.paintRemark('red', '✗');
  const together = new Map<string, number>();
  for (const { together: words } of problems)
    if (words !== undefined) together.set(words, (together.get(words) ?? 0) + 1);
  const flags = [...together].filter(([words]) => words.startsWith('--map '));
  const others = problems.filter((problem) => problem.together === undefined);
  const shown = others.slice(0, SHOWN).flatMap(({ line, accountId, field, text }) => {
    const whose = accountId === undefined ? '' : `${accountId}, `;
    return wrapped(`line ${line}: ${whose}${field}: ${text}`, mark, width);
  });
  const more = others.length - SHOWN;
  return [
    ...[...together]
      .filter(([words]) => !words.startsWith('--map '))
      .flatMap(([words, rows]) => wrapped(`${count(rows, 'row')}: ${words}`, mark, width)),
    ...(flags.length === 0
      ? []
      : wrapped(
          'These profiles of the instance are not here by that name. Say which they are, PROFILE being one of "profiles list":',
          mark,
          width,
        )),
    // Never broken, so that people can paste them.
    ...flags.map(([flag, rows]) => `    ${count(rows, 'row').padEnd(9)} ${printable(flag)}`),
    ...shown,
    ...(more > 0 ? [`  … and ${number(more)} more; --rejects <file> writes them all`] : []),
  ];
}

/** Text behind a mark, under a hanging indent of four. */
function wrapped(text: string, mark: string, width: number): string[] {
  return wrapTo(printable(text), width - 5).map((line, index) =>
    index === 0 ? `${mark} ${line}` : `    ${line}`,
  );
}

/**
 * All problems as CSV, in the order of the file: where and what, and no value of the file but account ids, and the names of
 * profiles that need --map.
 */
export function writeRejects(path: string, problems: readonly RowProblem[]): void {
  const rows = [...problems]
    .sort((a, b) => a.line - b.line)
    .map(({ line, accountId = '', field, text }) => [
      line,
      protectCell(accountId),
      protectCell(field),
      protectCell(text),
    ]);
  writeFileSync(path, stringify([['line', 'accountId', 'field', 'problem'], ...rows]), { mode: 0o600 });
}

export function planText(name: string, plan: Plan, update: boolean, terminal: Terminal): string {
  const { rows, create, same, differ, passedOver, invalidRows } = plan;
  const changes = update
    ? 'would be changed (never their tokens)'
    : 'there and different: --update changes them';
  return [
    `${printable(name)}: ${count(rows, 'row')}`,
    ...table([
      [create.size, 'would be created'],
      [same, 'there and the same'],
      [differ.size, changes],
      [passedOver, PASSED_OVER],
      [invalidRows, terminal.paint('red', 'invalid')],
    ]),
    'Nothing was written.',
  ].join('\n');
}

export function resultText(result: ImportResult, { paint }: Terminal): string {
  const {
    created,
    updated,
    alreadyThere,
    different,
    passedOver,
    invalid,
    conflicts,
    busy,
    withoutRefreshToken,
  } = result;
  const there =
    different === 0 ? 'already there' : `already there, ${number(different)} of them different (--update)`;
  return [
    ...table([
      [created, paint('green', 'created')],
      [updated, 'changed'],
      [alreadyThere, there],
      [passedOver, PASSED_OVER],
      [invalid, paint('red', 'invalid, left out')],
      [conflicts.length, paint('red', 'in conflict with what is there, left out')],
      [busy.length, paint('red', 'busy, left out')],
    ]),
    ...[...conflicts, ...busy]
      .slice(0, SHOWN)
      .flatMap(({ accountId, text }) => wrapped(`${accountId}: ${text}`, '✗', 80)),
    ...(withoutRefreshToken > 0
      ? [
          `${count(withoutRefreshToken, 'account')} came without a refresh token: authorize ${withoutRefreshToken === 1 ? 'it' : 'them'}, unless the secret is there.`,
        ]
      : []),
  ].join('\n');
}

/** Counts in a column, without those that are 0. */
function table(rows: readonly (readonly [number, string])[]): string[] {
  const told = rows.filter(([amount], index) => amount > 0 || index === 0);
  const width = Math.max(...told.map(([amount]) => number(amount).length));
  return told.map(([amount, what]) => `  ${number(amount).padStart(width)}  ${what}`);
}

const count = (amount: number, what: string) => `${number(amount)} ${what}${amount === 1 ? '' : 's'}`;
