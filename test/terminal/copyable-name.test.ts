import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { shellWord } from '../../cli/shared/shell-word.ts';
import { copyableName, printable } from '../../terminal/printable.ts';

const asRead = (words: readonly string[]) =>
  execFileSync('bash', ['-c', `printf '%s\\0' ${words.join(' ')}`])
    .toString()
    .split('\0')
    .slice(0, -1);

test.each([
  { title: 'a plain one as it is', name: 'crm-acme', shown: 'crm-acme' },
  { title: 'blanks, too', name: "it's two", shown: "it's two" },
  { title: 'an empty one', name: '', shown: "''" },
  { title: 'a line end', name: 'odd\nname', shown: "$'odd\\nname'" },
  { title: 'quotes and backslashes', name: "a'\\\t", shown: "$'a\\'\\\\\\t'" },
  { title: 'what looks quoted', name: "$'a'", shown: "$'$\\'a\\''" },
  { title: 'a mark that reorders', name: 'a\u202eb', shown: "$'a\\342\\200\\256b'" },
])('a name is shown: $title', ({ name, shown }) => {
  expect(copyableName(name)).toBe(shown);
});

test('a shell reads back any name, and what is printed is safe', () => {
  const names = fc.sample(fc.string({ unit: 'binary' }), { seed: 7, numRuns: 2_000 });
  const hard = [
    '',
    '\n',
    'a\n',
    '\u0001\u0002',
    "'",
    '\\',
    '\u202e1',
    '\ufeff',
    'e\u0301\u0301\u0301\u0301\u0301\u0301',
  ];
  const all = [...hard, ...names.filter((name) => !name.includes('\0'))];
  const words = all.map(shellWord);
  expect(asRead(words)).toEqual(all);
  for (const word of words) expect(printable(word)).toBe(word);
});
