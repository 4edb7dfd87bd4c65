import { describe, expect, test } from 'vitest';
import { inBulk } from '../../cli/shared/bulk.ts';
import { untilNotThrottled } from '../../cli/shared/throttling.ts';

const ids = Array.from({ length: 500 }, (_, n) => `account-${n}`);

/** One call in ten is throttled, before it has any effect. */
function throttled(random: () => number) {
  const done: string[] = [];
  const call = async (some: readonly string[]) => {
    if (random() < 0.1) throw Object.assign(new Error('slow down'), { name: 'TooManyRequestsException' });
    done.push(...some);
    return some;
  };
  const work = (some: readonly string[]) => untilNotThrottled(() => call(some), pause);
  return { done, work };
}

/** A repeatable sequence of numbers below 1. */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

const pause = async () => {};
const onCutOff = () => expect.unreachable();
const { signal } = new AbortController();

describe('work over many accounts', () => {
  test('is done once for each, though one call in ten is throttled', async () => {
    const { done, work } = throttled(sequence(7));
    const told: number[] = [];
    const onDone = (results: readonly string[]) => told.push(results.length);
    const end = await inBulk(ids, { size: 10, work, onDone, onCutOff, signal });
    expect(done).toEqual(ids);
    expect({ results: end.results, left: end.left }).toEqual({ results: ids, left: [] });
    expect(told).toEqual(Array.from({ length: 50 }, () => 10));
  });

  test.each([1, 2, 3, 4, 5])('goes on where Ctrl-C has stopped it (seed %s)', async (seed) => {
    const random = sequence(seed);
    const { done, work } = throttled(random);
    let left: readonly string[] = ids;
    for (let sessions = 0; left.length > 0 && sessions < 100; sessions++) {
      const stopping = new AbortController();
      const onDone = () => {
        if (random() < 0.2) stopping.abort();
      };
      ({ left } = await inBulk(left, { size: 7, work, onDone, onCutOff, signal: stopping.signal }));
    }
    expect(done).toEqual(ids);
  });

  test('keeps apart what may not be worked on at once', async () => {
    const batches: number[] = [];
    const work = async (some: readonly string[]) => {
      batches.push(some.length);
      return some;
    };
    const isFirst = (id: string) => ids.indexOf(id) < 105;
    const together = (one: string, other: string) => isFirst(one) === isFirst(other);
    const end = await inBulk(ids, { size: 100, together, work, onDone: () => {}, onCutOff, signal });
    expect(batches).toEqual([100, 5, 100, 100, 100, 95]);
    expect(end).toEqual({ results: ids, left: [], stopped: { kind: 'done' } });
  });

  test('ends at an error that a repetition does not help, and says what is left', async () => {
    const work = async (some: readonly string[]) => {
      if (some.includes('account-30')) throw new Error('no such function');
      return some;
    };
    const end = await inBulk(ids, { size: 10, work, onDone: () => {}, onCutOff, signal });
    expect(end).toMatchObject({ left: ids.slice(30), stopped: { kind: 'failed' } });
  });

  test('ends with the error itself where there is but one account', async () => {
    const work = () => Promise.reject(new Error('no such function'));
    const end = inBulk(['only'], { size: 10, work, onDone: () => {}, onCutOff, signal });
    await expect(end).rejects.toThrow('no such function');
  });

  test('a call that is throttled again and again is given up', async () => {
    const pauses: number[] = [];
    const call = async () => {
      throw Object.assign(new Error('slow down'), { name: 'ThrottlingException' });
    };
    const waiting = async (milliseconds: number) => void pauses.push(milliseconds);
    await expect(untilNotThrottled(call, waiting)).rejects.toThrow('slow down');
    expect(pauses).toEqual([50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000]);
  });
});
