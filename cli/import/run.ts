import PQueue from 'p-queue';
import { awsFailure } from '../../adapters/aws/aws-error.ts';
import { createPace } from '../../core/pace.ts';
import { startProgress } from '../../terminal/progress.ts';
import type { Terminal } from '../../terminal/terminal.ts';
import type { Fleet } from '../shared/fleet.ts';
import { atSecondStop } from '../shared/stop-again.ts';
import type { Source } from './file/source.ts';
import type { Plan } from './plan.ts';
import { digestOf } from './row/compare.ts';
import { type Candidate, readRow } from './row/row.ts';
import { createAccount, updateAccount } from './write.ts';

/** The outcome of an import. Each row counts once: created, updated, alreadyThere, passedOver, rejected or left. */
export interface ImportResult {
  readonly rows: number;
  readonly created: number;
  readonly updated: number;
  readonly alreadyThere: number;
  /** Accounts already there that differ from the file. They stay as they are. */
  readonly different: number;
  readonly passedOver: number;
  readonly rejected: number;
  readonly invalid: number;
  readonly conflicts: readonly Refusal[];
  readonly busy: readonly Refusal[];
  /** Created accounts for which the file had no refresh token, and no secret with one. */
  readonly withoutRefreshToken: number;
  /** Planned but not done: 0, unless the import was stopped. */
  readonly left: number;
  /** The ids of these accounts. */
  readonly notDone: readonly string[];
  /** `interrupted`, or the AWS error's name. Absent if the import ended. */
  readonly stopped?: string;
}

export interface Refusal {
  readonly line: number;
  readonly accountId: string;
  readonly text: string;
}

export interface RunOptions {
  readonly update: boolean;
  /** Writes a second to Secrets Manager. */
  readonly rate: number;
  /** Encrypts the secrets. The service's own key by default. */
  readonly kmsKey: string | undefined;
  readonly signal: AbortSignal;
  readonly terminal: Terminal;
  /** Told at a second Ctrl-C how many are left, and of how many of them nobody knows what became. It may not wait. */
  readonly onCutOff: (left: number, unknown: number) => void;
}

const IN_FLIGHT = 8;

/** Reads the source again and writes what the plan says. What is in hand is finished, also when it is stopped. */
export async function runImport(
  source: Source,
  plan: Plan,
  fleet: Fleet,
  { update, rate, kmsKey, signal, terminal, onCutOff }: RunOptions,
): Promise<ImportResult> {
  const create = new Map(plan.create);
  const change = new Map(update ? plan.differ : []);
  const left = new Set([...create.keys(), ...change.keys()]);
  const progress = startProgress(terminal, left.size);
  const counts = { created: 0, updated: 0, alreadyThere: 0, withoutRefreshToken: 0 };
  const conflicts: Refusal[] = [];
  const busy: Refusal[] = [];
  let failure: string | undefined;

  const keeper = create.size > 0 ? await plan.keeper() : undefined;
  const how = { turn: createPace(rate, fleet.clock), kmsKey, keeper, signal };
  const work = new PQueue({ concurrency: IN_FLIGHT });

  const end = atSecondStop(signal, () => onCutOff(left.size, work.pending));

  const one = async (
    line: number,
    candidate: Candidate,
    write: 'create' | 'update',
    from: string | undefined,
  ) => {
    const written =
      write === 'update'
        ? await updateAccount(fleet, candidate, from, how)
        : await createAccount(fleet, candidate, from, how);
    const { accountId, tokenSecretId } = candidate.item;
    if (written.kind === 'conflict') conflicts.push({ line, accountId, text: written.text });
    else if (written.kind === 'busy') busy.push({ line, accountId, text: written.text });
    else if (written.kind === 'already_there') counts.alreadyThere += 1;
    else if (written.kind === 'updated') counts.updated += 1;
    else {
      counts.created += 1;
      if (candidate.refreshToken === undefined && tokenSecretId === undefined)
        counts.withoutRefreshToken += 1;
    }
  };

  for await (const row of source.rows()) {
    if (row.problem !== undefined || row.passedOver === true) continue;
    const read = readRow(row);
    const { candidate } = read;
    if (candidate === undefined) continue;
    const { accountId } = candidate.item;
    const write = create.has(accountId) ? 'create' : 'update';
    const plans = write === 'create' ? create : change;
    const found = plans.get(accountId);
    // Not in the plan: the row was refused, or the file has changed since.
    if (found?.digest !== digestOf(read)) continue;
    plans.delete(accountId);
    await work.onSizeLessThan(1);
    if (signal.aborted || failure !== undefined) break;
    void work.add(async () => {
      try {
        await one(row.line, candidate, write, found.takesSecretFrom);
        left.delete(accountId);
        progress.step();
      } catch (error) {
        // Never the message: it can quote what was sent.
        failure ??= awsFailure(error).code;
      }
    });
  }
  await work.onIdle();
  end();
  progress.end();
  return {
    rows: plan.rows,
    ...counts,
    alreadyThere: counts.alreadyThere + plan.same + (update ? 0 : plan.differ.size),
    different: update ? 0 : plan.differ.size,
    passedOver: plan.passedOver,
    rejected: plan.invalidRows + conflicts.length + busy.length,
    invalid: plan.invalidRows,
    conflicts: conflicts.sort(byLine),
    busy: busy.sort(byLine),
    left: left.size,
    notDone: [...left],
    ...(left.size > 0 && { stopped: failure ?? (signal.aborted ? 'interrupted' : 'the file changed') }),
  };
}

const byLine = (a: Refusal, b: Refusal) => a.line - b.line;
