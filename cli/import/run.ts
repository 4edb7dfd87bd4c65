import PQueue from 'p-queue';
import { awsFailure } from '../../lambda/aws-error.ts';
import { createPace } from '../../lambda/pace.ts';
import { systemClock } from '../../lambda/ports.ts';
import type { Fleet } from '../fleet.ts';
import { startProgress } from '../progress.ts';
import type { Terminal } from '../terminal.ts';
import type { Plan } from './plan.ts';
import { type Candidate, readRow } from './row.ts';
import type { Source } from './source.ts';
import { createAccount, updateAccount } from './write.ts';

/** What an import did. */
export interface ImportResult {
  readonly rows: number;
  readonly created: number;
  readonly updated: number;
  readonly alreadyThere: number;
  /** Of those already there, the ones that differ from the file and were left as they are. */
  readonly different: number;
  readonly invalid: number;
  readonly conflicts: readonly { readonly accountId: string; readonly text: string }[];
  /** Of the created: the file had no refresh token for them, and named no secret that has one. */
  readonly withoutRefreshToken: number;
  /** How many of the planned are not done; 0 unless it was stopped. */
  readonly left: number;
  /** `interrupted`, or the AWS error's name; absent where it came to its end. */
  readonly stopped?: string;
}

export interface RunOptions {
  readonly update: boolean;
  /** Writes a second to Secrets Manager. */
  readonly rate: number;
  /** Encrypts the secrets; undefined: the service's own key does. */
  readonly kmsKey: string | undefined;
  readonly signal: AbortSignal;
  readonly terminal: Terminal;
}

const IN_FLIGHT = 8;

/** Reads the source again and writes what the plan says. What is in hand is finished, also when it is stopped. */
export async function runImport(
  source: Source,
  plan: Plan,
  fleet: Fleet,
  { update, rate, kmsKey, signal, terminal }: RunOptions,
): Promise<ImportResult> {
  const create = new Set(plan.create);
  const change = new Set(update ? plan.differ : []);
  const planned = create.size + change.size;
  const progress = startProgress(terminal, planned);
  const counts = { created: 0, updated: 0, alreadyThere: 0, withoutRefreshToken: 0 };
  const conflicts: { accountId: string; text: string }[] = [];
  let failure: string | undefined;

  const turn = createPace(rate, systemClock);
  const work = new PQueue({ concurrency: IN_FLIGHT });

  const one = async (candidate: Candidate, write: 'create' | 'update') => {
    if (write === 'update') {
      await updateAccount(fleet, candidate);
      counts.updated += 1;
      return;
    }
    const written = await createAccount(fleet, candidate, { turn, kmsKey });
    const { accountId, tokenSecretId } = candidate.item;
    if (written.kind === 'conflict') conflicts.push({ accountId, text: written.text });
    else if (written.kind === 'already_there') counts.alreadyThere += 1;
    else {
      counts.created += 1;
      if (candidate.refreshToken === undefined && tokenSecretId === undefined)
        counts.withoutRefreshToken += 1;
    }
  };

  for await (const row of source.rows()) {
    const read = row.problem === undefined ? readRow(row) : undefined;
    if (read?.kind !== 'candidate') continue;
    const { accountId } = read.candidate.item;
    const write = create.delete(accountId) ? 'create' : change.delete(accountId) ? 'update' : undefined;
    if (write === undefined) continue;
    await work.onSizeLessThan(1);
    if (signal.aborted || failure !== undefined) break;
    void work.add(async () => {
      try {
        await one(read.candidate, write);
        progress.step();
      } catch (error) {
        // Never the message: it can quote what was sent.
        failure ??= awsFailure(error).code;
      }
    });
  }
  await work.onIdle();
  progress.end();
  const left = planned - progress.done;
  return {
    rows: plan.rows,
    ...counts,
    alreadyThere: counts.alreadyThere + plan.same + (update ? 0 : plan.differ.size),
    different: update ? 0 : plan.differ.size,
    invalid: plan.invalidRows,
    conflicts,
    left,
    ...(left > 0 && { stopped: failure ?? (signal.aborted ? 'interrupted' : 'the file changed') }),
  };
}
