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

/**
 * A replacing takes two writes. While an attempt waits for their turns, that of its store has gone by: taken again, so
 * that never more is written in a second than there are turns.
 */
export async function turnOfReplacing({ turn }: Ports): Promise<void> {
  await turn();
  await turn();
  await turn();
}

/** A version's id that follows from what it is made of, so that two that make it make one. */
export function versionNamed(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex');
}
