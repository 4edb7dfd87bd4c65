/**
 * Tells histories apart that took another way: a hash over their steps, each of them who did what, how that ended and what
 * went wrong with it, without times and ids. Two environments of the function are one who, so that the same course of
 * things is counted once.
 */
export interface Shape {
  step(who: string, what: string): void;
  /** A whole number below 2^53. */
  value(): number;
}

export function createShape(): Shape {
  let low = 0x811c9dc5;
  let high = 0x9dc5811c;
  return {
    step: (who, what) => {
      const hash = hashOf(who, what);
      low = Math.imul(low ^ hash, 0x01000193);
      high = Math.imul(high ^ (hash + 0x7f4a7c15), 0x5bd1e995);
      high ^= high >>> 15;
    },
    value: () => (high >>> 0) * 2 ** 21 + (low >>> 11),
  };
}

/** There are few different steps. */
const known = new Map<string, number>();

function hashOf(who: string, what: string): number {
  const key = `${who} ${what}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  // Of "env 3 anew at 64" the kind is what counts.
  const kind = who.replace(/\d.*$/, '');
  let hash = 0x811c9dc5;
  for (const char of `${kind} ${what}`) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193);
  if (known.size > MOST_KNOWN) known.clear();
  known.set(key, hash);
  return hash;
}

const MOST_KNOWN = 100_000;
