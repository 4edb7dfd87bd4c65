import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { widthOf } from '../../terminal/display-text.ts';
import { renderTable } from '../../terminal/table.ts';

const columns = [
  { title: 'ONE', cut: 'id' as const },
  { title: 'TWO', least: 5, floor: 10 },
  { title: 'THREE', align: 'right' as const },
];
const concessions = [{ squeeze: 'ONE', to: 9 }, { drop: 'TWO' }] as const;

const id = fc
  .tuple(
    fc.constantFrom('', 'tenant-', 'a-very-long-beginning-of-an-id-'),
    fc.string({ maxLength: 8 }),
    fc.constantFrom('', '-eu', '-a-very-long-end'),
  )
  .map((parts) => parts.join('').replaceAll(' ', '_'));
const width = fc.integer({ min: 24, max: 120 });

describe('a table', () => {
  test('is never wider than it may be, whatever is in it', () => {
    const cell = fc.record({ text: fc.string({ unit: 'grapheme', maxLength: 60 }) });
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell, cell)), width, (rows, width) => {
        const lines = renderTable({ columns, rows, concessions }, width, false);
        for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(width);
      }),
      { numRuns: 50 },
    );
  });

  test('cuts nothing that is counted, and never shows two ids as the same text', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(id, { minLength: 1, maxLength: 20 }),
        fc.nat({ max: 9_999_999 }),
        width,
        (ids, count, width) => {
          const rows = ids.map((text) => [{ text }, { text: 'some words' }, { text: `${count}` }]);
          const text = renderTable({ columns, rows, concessions }, width, false).join('\n');
          const isTable = /THREE$/m.test(text.split('\n')[0] ?? '');
          // A row ends with its count, either in its column or after its title.
          const shown = text.split(new RegExp(`(?<!\\d)${count}$`, 'm')).map((part) => part.trim());
          expect(shown).toHaveLength(ids.length + 1);
          expect(new Set(shown.slice(0, -1)).size).toBe(ids.length);
          expect(isTable || text.includes(`THREE ${count}`)).toBe(true);
        },
      ),
    );
  });

  test('that is too narrow for its columns has several lines for a row', () => {
    const rows = [
      [
        { text: '●' },
        { text: 'tenant-0000001-production' },
        { text: '20,021' },
        { text: '·' },
        { text: 'failing' },
      ],
      [{ text: ' ' }, { text: 'acme' }, { text: '3' }, { text: '1' }, { text: '' }],
    ];
    const notes = [undefined, { text: 'its client_secret ends with a line break' }];
    const five = ['', 'PROFILE', 'ACCOUNTS', 'FAILING', 'STATE'].map((title) => ({
      title,
      cut: 'never' as const,
    }));
    expect(renderTable({ columns: five, rows, notes }, 24, false)).toEqual([
      '● tenant-0000001-product',
      'ion',
      '  ACCOUNTS 20,021',
      '  STATE failing',
      'acme',
      '  ACCOUNTS 3  FAILING 1',
      '  its client_secret ends',
      '  with a line break',
    ]);
  });

  test('for a pipe is as wide as its ids, but not for a monstrous one, and none looks like another', () => {
    const long = 'x'.repeat(1_900);
    const ids = [
      'short',
      `${'y'.repeat(99)}-whole`,
      `${long}1${long}`,
      `${long}2${long}`,
      'odd\nname',
      'odd name',
    ];
    const rows = ids.map((text) => [{ text }, { text: '' }, { text: '1' }]);
    const lines = renderTable({ columns, rows }, Number.POSITIVE_INFINITY, false).slice(1);
    const shown = lines.map((line) => line.replace(/\s+1$/, ''));
    expect(shown.slice(0, 2)).toEqual(ids.slice(0, 2));
    expect(shown.slice(4)).toEqual(["$'odd\\nname'", 'odd name']);
    expect(new Set(shown).size).toBe(ids.length);
    for (const line of lines) expect(widthOf(line)).toBeLessThan(140);
  });

  test('drops columns in which nothing is, where that helps', () => {
    const rows = [[{ text: 'crm' }, { text: '·' }, { text: '7' }]];
    const counts = ['PROFILE', 'FAILING', 'ALL'].map((title) => ({ title, cut: 'never' as const }));
    const table = { columns: counts, rows, concessions: [{ dropEmpty: true }] as const };
    expect(renderTable(table, 40, false)).toEqual(['PROFILE  FAILING  ALL', 'crm      ·        7']);
    expect(renderTable(table, 15, false)).toEqual(['PROFILE  ALL', 'crm      7']);
  });
});
