import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { widthOf } from '../../terminal/display-text.ts';
import { leastWidthOf, shortenedIds } from '../../terminal/shortened-ids.ts';

/** Ids that are hard to tell apart: long, with the same beginning and the same end. */
const alike = fc
  .tuple(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.string({ unit: 'grapheme', maxLength: 30 }))
  .chain(([start, end]) =>
    fc
      .array(fc.string({ unit: 'grapheme', maxLength: 12 }), { minLength: 1, maxLength: 12 })
      .map((middles) => middles.map((middle) => start + middle + end)),
  );

describe('shortened ids', () => {
  test('that differ never look the same, and fit, whatever they are', () => {
    fc.assert(
      fc.property(fc.array(alike, { maxLength: 4 }), fc.integer({ min: 1, max: 60 }), (groups, width) => {
        const ids = [...new Set(groups.flat())];
        const shown = shortenedIds(ids, width);
        if (shown === undefined) return;
        expect(new Set(shown.values()).size).toBe(ids.length);
        for (const id of ids) {
          expect(widthOf(shown.get(id) ?? '')).toBeLessThanOrEqual(width);
          if (widthOf(id) <= width) expect(shown.get(id)).toBe(id);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('have a least width that does, and is no wider than the longest', () => {
    fc.assert(
      fc.property(fc.array(alike, { maxLength: 4 }), (groups) => {
        const ids = [...new Set(groups.flat())];
        const least = leastWidthOf(ids);
        expect(shortenedIds(ids, least)?.size).toBe(ids.length);
        expect(least).toBeLessThanOrEqual(Math.max(0, ...ids.map(widthOf)));
      }),
      { numRuns: 50 },
    );
  });

  test.each([
    {
      name: 'a number in the middle',
      ids: ['tenant-0000017-production-eu', 'tenant-0000018-production-eu'],
      width: 15,
      shown: ['tenant…7…ion-eu', 'tenant…8…ion-eu'],
    },
    {
      name: 'their ends',
      ids: ['a-long-name-of-north', 'a-long-name-of-south'],
      width: 12,
      shown: ['a-long…north', 'a-long…south'],
    },
    {
      name: 'nothing that has room',
      ids: ['abcdefgh1', 'abcdefgh2', 'abcdefgh12'],
      width: 2,
      shown: undefined,
    },
  ])('show what tells them apart: $name', ({ ids, width, shown }) => {
    const all = shortenedIds(ids, width);
    expect(all && ids.map((id) => all.get(id))).toEqual(shown);
  });

  test('of 20,000 accounts take a moment', () => {
    const ids = [...Array(20_000)].map(
      (_, n) => `tenant-${String(n).padStart(7, '0')}-of-a-customer-in-production-eu-central-1`,
    );
    const begun = process.cpuUsage();
    const least = leastWidthOf(ids);
    const { user } = process.cpuUsage(begun);
    expect(new Set(shortenedIds(ids, least)?.values()).size).toBe(20_000);
    expect(least).toBeLessThan(16);
    expect(user / 1_000_000).toBeLessThan(2);
  });
});
