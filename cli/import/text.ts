import { writeFileSync } from 'node:fs';
import { stringify } from 'csv-stringify/sync';
import { printable, wrapTo } from '../../local/display-text.ts';
import { number } from '../progress.ts';
import type { Terminal } from '../terminal.ts';
import { protectCell } from './csv-cells.ts';
import type { Plan, RowProblem } from './plan.ts';
import type { ImportResult } from './run.ts';

const SHOWN = 20;

/** The problems as lines for people, the first ones only. */
export function problemLines(problems: readonly RowProblem[], terminal: Terminal): string[] {
  const width = terminal.stderr.columns || terminal.width;
  const shown = problems.slice(0, SHOWN).flatMap(({ line, accountId, field, text }) => {
    const whose = accountId === undefined ? '' : `${accountId}, `;
    return wrapped(`line ${line}: ${whose}${field}: ${text}`, terminal.paintRemark('red', '✗'), width);
  });
  const more = problems.length - SHOWN;
  return more > 0 ? [...shown, `  … and ${number(more)} more; --rejects <file> writes them all`] : shown;
}

/** Text behind a mark, under a hanging indent of four. */
function wrapped(text: string, mark: string, width: number): string[] {
  return wrapTo(printable(text), width - 5).map((line, index) =>
    index === 0 ? `${mark} ${line}` : `    ${line}`,
  );
}

/** All problems as CSV: where and what, and no value of the file but account ids. */
export function writeRejects(path: string, problems: readonly RowProblem[]): void {
  const rows = problems.map(({ line, accountId = '', field, text }) => [
    line,
    protectCell(accountId),
    protectCell(field),
    protectCell(text),
  ]);
  writeFileSync(path, stringify([['line', 'accountId', 'field', 'problem'], ...rows]), { mode: 0o600 });
}

export function planText(name: string, plan: Plan, update: boolean, terminal: Terminal): string {
  const { rows, create, same, differ, invalidRows } = plan;
  const changes = update
    ? 'would be changed (never their tokens)'
    : 'there and different: --update changes them';
  return [
    `${printable(name)}: ${count(rows, 'row')}`,
    ...table([
      [create.size, 'would be created'],
      [same, 'there and the same'],
      [differ.size, changes],
      [invalidRows, terminal.paint('red', 'invalid')],
    ]),
    'Nothing was written.',
  ].join('\n');
}

export function resultText(result: ImportResult, { paint }: Terminal): string {
  const { created, updated, alreadyThere, different, invalid, conflicts, withoutRefreshToken } = result;
  const there =
    different === 0 ? 'already there' : `already there, ${number(different)} of them different (--update)`;
  return [
    ...table([
      [created, paint('green', 'created')],
      [updated, 'changed'],
      [alreadyThere, there],
      [invalid, paint('red', 'invalid, left out')],
      [conflicts.length, paint('red', 'in conflict with a secret that exists, left out')],
    ]),
    ...conflicts.slice(0, SHOWN).flatMap(({ accountId, text }) => wrapped(`${accountId}: ${text}`, '✗', 80)),
    ...(withoutRefreshToken > 0
      ? [
          `${count(withoutRefreshToken, 'account')} came without a refresh token: authorize ${withoutRefreshToken === 1 ? 'it' : 'them'}, unless the secret is there.`,
        ]
      : []),
    ...stoppedText(result),
  ].join('\n');
}

function stoppedText({ stopped, left }: ImportResult): string[] {
  if (stopped === undefined) return [];
  const why = stopped === 'interrupted' ? 'Stopped' : `Stopped by ${stopped}`;
  return [`${why}, ${number(left)} not done. The same command goes on from here.`];
}

/** Counts in a column; what there is none of is left out. */
function table(rows: readonly (readonly [number, string])[]): string[] {
  const told = rows.filter(([amount], index) => amount > 0 || index === 0);
  const width = Math.max(...told.map(([amount]) => number(amount).length));
  return told.map(([amount, what]) => `  ${number(amount).padStart(width)}  ${what}`);
}

const count = (amount: number, what: string) => `${number(amount)} ${what}${amount === 1 ? '' : 's'}`;
