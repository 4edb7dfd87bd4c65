import type { FunctionProcess } from '../../local/function-process.ts';

/** One process's words about one account: that it set out to spend its refresh token, and perhaps how that ended. */
interface Visit {
  readonly process: FunctionProcess;
  readonly begunAt: number;
  ended: boolean;
}

/** What all processes logged, by account: it tells who held an account at a given moment, and whether it lived on. */
export interface Diary {
  /** Takes over what a process has logged until now. */
  read(process: FunctionProcess): void;
  /**
   * Whether the process that spent an account's refresh token at that moment died without saying what came of it.
   *
   * @param at milliseconds since the epoch, by the processes' clock
   */
  spenderDied(accountId: string, at: number): boolean;
  /** Lines in which a token or secret stands: those of the strict provider all hold this word. */
  readonly leaks: readonly string[];
}

const CANARY = 'CANARY';

export function createDiary(): Diary {
  const visits = new Map<string, Visit[]>();
  const leaks: string[] = [];
  return {
    leaks,
    read: (process) => {
      for (const line of process.takeLog()) {
        if (line.includes(CANARY)) leaks.push(line);
        const entry = parsed(line);
        if (typeof entry?.accountId !== 'string') continue;
        const { accountId, message, status, timestamp } = entry;
        const ofAccount = visits.get(accountId) ?? [];
        visits.set(accountId, ofAccount);
        if (String(message).startsWith('Refreshing OAuth access token'))
          ofAccount.push({ process, begunAt: Date.parse(String(timestamp)), ended: false });
        const latest = ofAccount.findLast((visit) => visit.process === process);
        if (status !== undefined && latest !== undefined) latest.ended = true;
      }
    },
    spenderDied: (accountId, at) => {
      const before = (visits.get(accountId) ?? []).filter(({ begunAt }) => begunAt <= at);
      const spender = before.sort((a, b) => a.begunAt - b.begunAt).at(-1);
      return spender !== undefined && !spender.ended;
    },
  };
}

/** A killed process may have been in the middle of a line. */
function parsed(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
