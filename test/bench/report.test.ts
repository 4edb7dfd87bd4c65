import { describe, expect, test } from 'vitest';
import { exactly, type Figure, isMet } from '../../bench/experiments/experiment.ts';
import { exact, ratiosOf, sampleOf } from '../../bench/experiments/statistics.ts';
import { between, markdown, renewed, table } from '../../bench/report.ts';

function aFigure(ratio: number, target: Figure['target']): Figure {
  return {
    name: 'a figure',
    unit: 'ms',
    value: exact(ratio),
    baseline: { name: 'floor', value: exact(1) },
    ratio: exact(ratio),
    ...(target && { target }),
  };
}

describe('a target', () => {
  const atLeast = { kind: 'at_least', bound: 0.9, guard: 0.5 } as const;
  const atMost = { kind: 'at_most', bound: 1.2, guard: 3 } as const;
  test.each([
    { name: 'at least 0.9 is met by 0.9', figure: aFigure(0.9, atLeast), which: 'bound', met: true },
    { name: 'at least 0.9 is missed by 0.89', figure: aFigure(0.89, atLeast), which: 'bound', met: false },
    { name: 'the guard lets 0.5 pass', figure: aFigure(0.5, atLeast), which: 'guard', met: true },
    { name: 'the guard does not let 0.49 pass', figure: aFigure(0.49, atLeast), which: 'guard', met: false },
    { name: 'at most 1.2 is missed by 1.21', figure: aFigure(1.21, atMost), which: 'bound', met: false },
    {
      name: 'a ratio that is not a number meets nothing',
      figure: aFigure(Number.NaN, atMost),
      which: 'guard',
      met: false,
    },
    { name: 'a count of 5 is 5', figure: exactly('calls', 5, 5, 'five'), which: 'guard', met: true },
    { name: 'a count of 4 is not 5', figure: exactly('calls', 4, 5, 'five'), which: 'guard', met: false },
    { name: 'a count of 1 is not none', figure: exactly('lost', 1, 0, 'none'), which: 'guard', met: false },
  ] as const)('$name', ({ figure, which, met }) => {
    expect(isMet(figure, which)).toBe(met);
  });
});

describe('a sample', () => {
  test.each([
    { values: [3], expected: { median: 3, low: 3, high: 3, count: 1 } },
    { values: [5, 1, 3], expected: { median: 3, low: 1, high: 5, count: 3 } },
    { values: [4, 1, 3, 2], expected: { median: 2.5, low: 1, high: 4, count: 4 } },
  ])('of $values', ({ values, expected }) => {
    expect(sampleOf(values)).toEqual(expected);
  });

  test('of ratios goes pair by pair', () => {
    expect(ratiosOf([2, 9], [1, 3])).toEqual({ median: 2.5, low: 2, high: 3, count: 2 });
  });
});

test('the table is at most 80 columns wide', () => {
  const figure = aFigure(1_234.5, { kind: 'at_most', bound: 1.2, guard: 3 });
  const text = table({ title: 'T', figures: [figure], facts: [['a fact', 'word '.repeat(40)]] }, 'bound');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are what it is to remove
  for (const line of text.replaceAll(/\x1b\[\d+m/g, '').split('\n'))
    expect(line.length).toBeLessThanOrEqual(80);
});

test('the page shows what has a target, and names counts that are wrong', () => {
  const figures = [
    aFigure(1.1, { kind: 'at_most', bound: 1.2, guard: 3 }),
    aFigure(7, undefined),
    exactly('calls', 5, 5, 'five'),
    exactly('lost', 1, 0, 'none'),
  ];
  const page = markdown([
    { title: 'T', figures, date: '2026-01-31' },
    { title: 'Monthly cost', figures: [], tables: [{ head: ['a', 'b'], rows: [['1', '2']] }] },
  ]);
  expect(page).toContain('T: a figure | 1.1 ms | 1.1 × floor | ≤ 1.2 ✓');
  expect(page).toContain('Measured on 2026-01-31: T.');
  expect(page).not.toContain('7 ms');
  expect(page).toMatch(/Of 2 counts .* 1 are; wrong: T, lost\./);
  expect(page).toMatch(/### Monthly cost\na \| b\n.*\n1 \| 2$/);
});

test('the page keeps what is outside the markers', () => {
  const page = 'before\n<!-- x: written by npm run bench -->\nold\n<!-- /x -->\nafter';
  expect(between(page, 'x', 'new')).toBe(
    'before\n<!-- x: written by npm run bench -->\nnew\n<!-- /x -->\nafter',
  );
  expect(() => between(page, 'y', 'new')).toThrow('no markers for "y"');
});

test('new findings replace old ones, and the others keep their commit', () => {
  const machine = { node: 'v24', platform: 'linux', cpus: 2, memoryGigabytes: 4, commit: 'old' };
  const before = { machine, findings: ['A', 'B'].map((title) => ({ title, figures: [] })) };
  const measured = ['C', 'B'].map((title) => ({ title, figures: [], commit: 'new' }));
  const all = renewed(before, measured).map(({ title, commit }) => `${title} ${commit}`);
  expect(all).toEqual(['A old', 'B new', 'C new']);
});
