import { createHash } from 'node:crypto';
import type { PutSecret, Replacement } from '../../adapters/aws/secrets.ts';
import type { Ports } from './ports.ts';

/** Stores in place of the version that was read and of no other; `wasOvertaken` tells whether another had come. */
export function replacing(replacement: Replacement, { secrets }: Ports) {
  let overtaken = false;
  const store = async (timeout: number): Promise<PutSecret> => {
    const put = await secrets.replace(replacement, timeout);
    if (put.kind !== 'overtaken') return put;
    overtaken = true;
    return { kind: 'failed', failure: { kind: 'refused', code: 'OVERTAKEN' } };
  };
  return { store, wasOvertaken: () => overtaken };
}

/** Two writes to replace, and one for the later store, whose own turn has passed. */
const TURNS_TO_REPLACE = 3;

/** Waits for the turns that replacing a version takes, so that no second gets more writes than it has turns. */
export async function waitForReplaceTurns({ turn }: Ports): Promise<void> {
  for (let turns = 0; turns < TURNS_TO_REPLACE; turns++) await turn();
}

/** A version's id that depends only on its parts: two runs that make the same version make only one. */
export function versionNamed(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex');
}
