import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cutMiddleTo, cutTo, padTo, widthOf, wrapTo } from '../../terminal/display-text.ts';
import { printable } from '../../terminal/printable.ts';

describe('printable', () => {
  test.each([
    ['colours and moves nothing', 'a\u001b[31mred\u001b[2J', 'a�[31mred�[2J'],
    ['stays on its line', 'one\ntwo\r\nthree\tfour\u2028five', 'one two three four five'],
    ['can not reorder what stands beside it', 'abc\u202egnp.exe\u2066', 'abc�gnp.exe�'],
    ['hides nothing', 'a\u200bb\ufeffc\u00add', 'a�b�c�d'],
    ['has no 8-bit control characters', 'a\u009b31mb', 'a�31mb'],
    ['has no half of a character', 'a\ud800b', 'a�b'],
    ['does not pile marks on a letter', `e${'\u0301'.repeat(50)}`, `e${'\u0301'.repeat(4)}`],
    ['keeps letters of every script, and emoji', 'Ünïcode 日本語 👩‍💻 שלום', 'Ünïcode 日本語 👩‍💻 שלום'],
  ])('%s', (_, hostile, shown) => {
    expect(printable(hostile)).toBe(shown);
  });

  test('leaves nothing that a terminal obeys, whatever comes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
      }),
    );
  });
});

describe('widths', () => {
  test.each([
    ['fits', 'abc', 5, 'abc'],
    ['is cut with a mark', 'abcdef', 4, 'abc…'],
    ['counts wide characters as two', '日本語', 5, '日本…'],
    ['never takes half of a wide character', '日本語', 4, '日…'],
    ['has no room at all', 'abc', 0, ''],
  ])('a text that %s', (_, text, width, shown) => {
    expect(cutTo(text, width)).toBe(shown);
    expect(widthOf(padTo(cutTo(text, width), width))).toBe(width);
  });

  test.each([
    ['fits', 'abc', 5, 'abc'],
    ['is cut in its middle', 'abcdefgh', 5, 'ab…gh'],
    ['counts wide characters as two', '日本語日本語', 7, '日…本語'],
    ['has no room at all', 'abc', 0, ''],
  ])('an id that %s', (_, text, width, shown) => {
    expect(cutMiddleTo(text, width)).toBe(shown);
    expect(widthOf(shown)).toBeLessThanOrEqual(width);
  });

  test('a paragraph is broken between words', () => {
    expect(wrapTo('one two three', 8)).toEqual(['one two', 'three']);
    expect(wrapTo('one two three', Number.POSITIVE_INFINITY)).toEqual(['one two three']);
  });

  test('a paragraph keeps its words, in lines that fit, whatever is in it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 12, max: 40 }), (text, width) => {
        const lines = wrapTo(printable(text), width);
        expect(lines.filter((line) => widthOf(line) > width)).toEqual([]);
        expect(lines.join('').replaceAll(' ', '')).toBe(printable(text).replaceAll(' ', ''));
      }),
    );
  });

  test.each([
    ['of hidden signs', '\u001f'],
    ['of joined signs', '\u200d/http://a@'],
    ['of wide signs', '😀'],
    ['of blanks', 'é '],
  ])('a name as long as an item, %s, is broken in proportion to its length', (_, unit) => {
    const costOf = (length: number) => {
      const text = printable(unit.repeat(length / unit.length));
      const before = process.cpuUsage();
      wrapTo(text, 80);
      const { user, system } = process.cpuUsage(before);
      return user + system;
    };
    costOf(50_000);
    // Eight times the text; its square would be 64 times the work.
    expect(costOf(400_000)).toBeLessThan(24 * costOf(50_000) + 100_000);
  });
});
