import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFunctionProcess, type FunctionProcess } from '../../local/function-process.ts';
import { idOf, profileOf } from './population-ids.ts';
import type { AskedFleet } from './servers.ts';

const folder = mkdtempSync(join(tmpdir(), 'bench-log-'));
/** The log of the function that questions are asked about. */
export const askedLog = join(folder, 'function.log');

/** As the experiment has them. */
const PROFILES = 40;

let fn: FunctionProcess | undefined;

/** Has the function run on a population, and writes a log as of the last two hours: a refresh of each account in each. */
export async function serveFleet({ module, environment, population }: AskedFleet): Promise<void> {
  fn?.kill();
  fn = createFunctionProcess({ module, environment });
  const now = Date.now();
  const lines: string[] = [];
  for (let minute = 120; minute > 0; minute--) {
    const timestamp = new Date(now - minute * 60_000).toISOString();
    const runId = `run-${minute}`;
    for (let i = minute % 60; i < population.accounts; i += 60)
      lines.push(
        JSON.stringify({
          level: 'INFO',
          message: `OAuth access token refreshed (expiring). Account="Customer number ${i}"`,
          timestamp,
          runId,
          accountId: idOf(i),
          oauthProfile: profileOf(i, PROFILES),
          reason: 'expiring',
          status: i % 33 === 1 ? 'failing' : 'healthy',
          attemptId: `attempt-${minute}-${i}`,
          httpStatus: 200,
          providerRequestId: `request-${i}`,
          exchangeMs: 120,
        }),
      );
    lines.push(
      JSON.stringify({
        level: 'INFO',
        message: 'Run finished.',
        timestamp,
        runId,
        scanned: population.accounts,
        due: 330,
        refreshed: 330,
        reconciled: 0,
        leasedElsewhere: 0,
        failed: 0,
        reauthorizationRequired: 0,
        invalid: 0,
        deferred: 0,
        durationMs: 7_000,
      }),
    );
  }
  writeFileSync(askedLog, `${lines.join('\n')}\n`);
}

export async function invokeAsked(payload: unknown) {
  const invocation = await fn?.invoke(payload);
  if (invocation === undefined) throw new Error('No function is served.');
  if (invocation.kind === 'returned') return { payload: invocation.payload };
  const { errorType, errorMessage } = invocation;
  return { payload: { errorType, errorMessage }, functionError: 'Unhandled' as const };
}

export function endFunction(): void {
  fn?.kill();
  rmSync(folder, { recursive: true });
}
