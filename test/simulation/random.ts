import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** Draws that follow from a seed alone. */
export interface Random {
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number;
  chance(probability: number): boolean;
  pick<T>(choices: readonly T[]): T;
}

/** @param parts what the draws follow from: the same parts give the same draws */
export function createRandom(...parts: readonly (string | number)[]): Random {
  const generator = xoroshiro128plus(hashOf(parts.join('|')));
  const below = (limit: number) => (generator.next() >>> 0) % limit;
  return {
    below,
    chance: (probability) => below(1_000_000) < probability * 1_000_000,
    pick: (choices) => choices[below(choices.length)] as (typeof choices)[number],
  };
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
