import { describe, expect, test } from 'vitest';
import { protectCell, unprotectCell } from '../../cli/import/row/csv-cells.ts';

/** A cell as a cautious spreadsheet might read it: what can't be seen is passed over, and all forms of a sign are one. */
const isFormula = (cell: string) =>
  /^[=+\-@]/.test(
    cell
      .replace(/^[\s\p{Z}\p{C}\p{Default_Ignorable_Code_Point}\u2800]+/u, '')
      .normalize('NFKC')
      .replace('\u2212', '-'),
  );

const unseen = Array.from({ length: 0x110000 }, (_, point) => point)
  .filter((point) => point < 0xd800 || point > 0xdfff)
  .map((point) => String.fromCodePoint(point))
  .filter((character) => /^[\s\p{Z}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]$/u.test(character));
const signs = Array.from({ length: 0xffff }, (_, point) => String.fromCharCode(point)).filter((character) =>
  /^[=+\-@\u2212]$/.test(character.normalize('NFKC')),
);

describe('a cell that a spreadsheet might run', () => {
  test('is known for every Unicode blank, control character and byte order mark before it, and for every form of a sign', () => {
    expect(unseen.length).toBeGreaterThan(150);
    expect(signs).toEqual(
      expect.arrayContaining(['=', '+', '-', '@', '＝', '＋', '－', '＠', '﹦', '⁼', '−']),
    );
    const missed = signs
      .flatMap((sign) => ['', ...unseen].map((before) => `${before}${sign}1`))
      .filter((cell) => protectCell(cell) !== `'${cell}`);
    expect(missed).toEqual([]);
  });

  test.each([
    '\u00a0=1',
    '\ufeff=1',
    ' \u3000\u200b\ufeff=1',
    '\u0000=1',
    '\u00ad@x',
    '\u3164+1',
    ' =1',
    '\ufeff＝1',
  ])('%j begins with an apostrophe, and comes back as it was', (cell) => {
    expect(isFormula(cell)).toBe(true);
    expect(isFormula(protectCell(cell))).toBe(false);
    expect(unprotectCell(protectCell(cell))).toBe(cell);
  });
});

test.each([
  '',
  ' ',
  '\u00a0acme',
  'a=1',
  '1-2',
  'Zoë',
  '\ufeff',
  '日本',
  '1+1',
  '(=1)',
])('%j is no formula, and stays as it is', (cell) => {
  expect(protectCell(cell)).toBe(cell);
  expect(unprotectCell(cell)).toBe(cell);
});

test('a text of a million blanks is judged in no time', () => {
  const before = performance.now();
  protectCell(' '.repeat(1_000_000));
  expect(performance.now() - before).toBeLessThan(1_000);
});
