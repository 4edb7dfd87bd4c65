import { writeFileSync } from 'node:fs';
import { callersPath } from '../../local/callers-path.ts';
import { wrapTo } from '../../terminal/display-text.ts';
import { isAccount } from '../../terminal/fleet-table.ts';
import { copyableName, printable } from '../../terminal/printable.ts';
import { number, startProgress } from '../../terminal/progress.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import { type BulkEnd, inBulk, tellLeft, tellStopping } from '../shared/bulk.ts';
import { EXIT, type ExitCode } from '../shared/cli-error.ts';
import type { Context } from '../shared/command.ts';
import type { Fleet } from '../shared/fleet.ts';
import { shellWord } from '../shared/shell-word.ts';

export interface Change {
  readonly accountId: string;
  readonly result: 'enabled' | 'disabled' | 'removed' | 'not_found' | 'leased' | 'in_escrow' | 'failed';
  /** For people: what happened, and what to do next. */
  readonly message: string;
  readonly [detail: string]: unknown;
}

/** Of more accounts a terminal shows no line each. */
const MOST_LINES = 20;

const GOOD: readonly Change['result'][] = ['enabled', 'disabled', 'removed'];

interface Changing {
  readonly fleet: Fleet;
  /** What goes on with those that are left. */
  readonly command: readonly string[];
  readonly profile: string | undefined;
  readonly change: (accountId: string) => Promise<Change>;
}

/** One after the other, each told as it is done; on a terminal many are counted, and those that did not work are told. */
export async function changeEach(
  context: Context,
  accountIds: readonly string[],
  { fleet, command, profile, change }: Changing,
): Promise<ExitCode> {
  const { terminal, signal } = context;
  const ids = [...new Set(accountIds)];
  const counts = terminal.height !== undefined && ids.length > MOST_LINES && !terminal.json;
  const progress = counts ? startProgress(terminal, ids.length) : undefined;
  const summary = new Map<Change['result'], number>();
  let shown = 0;
  tellStopping(context);
  const undo = (changes: readonly Change[]) =>
    tellUndo(changes, fleet, terminal, counts ? 'in a file' : 'here');
  const tellGoOn = ({ left, stopped }: BulkEnd<Change>) => {
    const which = profile === undefined ? left : ['--profile', profile];
    return tellLeft({ left: left.length, stopped }, ['accounts', ...command, ...which], context);
  };
  const end = await inBulk(ids, {
    size: 1,
    work: async ([accountId = '']) => [
      isAccount({ accountId }) ? await change(accountId) : notFound(accountId, fleet),
    ],
    onDone: ([one]) => {
      if (terminal.json || one === undefined) return;
      summary.set(one.result, (summary.get(one.result) ?? 0) + 1);
      const isTold = !counts || (!GOOD.includes(one.result) && ++shown <= MOST_LINES);
      if (isTold) terminal.result(changeText(one, terminal), one);
      progress?.step(1, summaryOf(summary));
      if (isTold) progress?.again();
    },
    onCutOff: (cut) => {
      undo(cut.results);
      tellGoOn(cut);
    },
    signal,
  });
  progress?.end();
  const { results: changes, left } = end;
  if (terminal.json)
    terminal.result('', [...changes, ...left.map((accountId) => ({ accountId, result: 'not_done' }))]);
  undo(changes);
  if (counts) tellSummary(summary, shown, fleet, terminal);
  if (ids.length === 0 && !terminal.json) terminal.result('No account is left to change.', []);
  return tellGoOn(end) ?? (changes.every(({ result }) => GOOD.includes(result)) ? EXIT.done : EXIT.failed);
}

function summaryOf(summary: ReadonlyMap<Change['result'], number>): string {
  return [...summary].map(([result, amount]) => `${number(amount)} ${result.replace('_', ' ')}`).join(', ');
}

/** @param shown how many of those that did not work have been, or would have been, told one by one */
function tellSummary(
  summary: ReadonlyMap<Change['result'], number>,
  shown: number,
  { label }: Fleet,
  terminal: Terminal,
): void {
  const more = shown > MOST_LINES ? [`… and ${number(shown - MOST_LINES)} more (--json tells of each)`] : [];
  const said = printable(`In ${label}: ${summaryOf(summary) || 'nothing changed'}`);
  terminal.result([...more, ...wrapTo(said, terminal.width)].join('\n'), undefined);
}

function changeText({ accountId, result, message }: Change, { paint, width, height }: Terminal): string {
  const mark = GOOD.includes(result) ? paint('green', '✓') : paint('red', '✗');
  // A script that looks for a line finds all of it.
  const room = height === undefined ? Number.POSITIVE_INFINITY : width - 2;
  return `${mark} ${wrapTo(printable(`${copyableName(accountId)}: ${message}`), room).join('\n  ')}`;
}

/** The commands that bring back what was removed. So many that nobody could scroll back to them go into a file. */
function tellUndo(
  changes: readonly Change[],
  { kind }: Fleet,
  terminal: Terminal,
  where: 'here' | 'in a file',
): void {
  const commands = changes.flatMap(({ undo }) => (Array.isArray(undo) ? (undo as string[]) : []));
  if (commands.length === 0) return;
  // Where people run the local system, they may have nothing of AWS at all.
  const needed = kind === 'local' ? ' (these commands need the AWS CLI, and any credentials)' : '';
  const file = where === 'here' ? undefined : writeUndo(commands, terminal);
  const lines = file === undefined ? commands : [`sh ${shellWord(file)}`];
  terminal.say(`\nTo undo it${needed}:\n${lines.map((line) => `  ${line}`).join('\n')}`);
}

/** @returns the new file, which only this user can read; undefined where it can't be written */
function writeUndo(commands: readonly string[], { env }: Terminal): string | undefined {
  const file = callersPath(`./undo-remove-${new Date().toISOString().replace(/[:.]/g, '-')}.sh`, env);
  try {
    writeFileSync(file, `${commands.join('\n')}\n`, { flag: 'wx', mode: 0o600 });
    return file;
  } catch {
    return undefined;
  }
}

export function notFound(accountId: string, { label }: Fleet): Change {
  return { accountId, result: 'not_found', message: `there is no such account in ${label}` };
}
