import { padTo, wrapTo } from './display-text.ts';
import { printable } from './printable.ts';
import type { Terminal } from './terminal.ts';

/** A name and its value. Facts without a value are left out. */
export type Fact = readonly [name: string, value: string | undefined];

const INDENT = 2;

/** Facts as a list, the values in one column, wrapped between words. */
export function factLines(
  facts: readonly Fact[],
  { width, paint }: Pick<Terminal, 'width' | 'paint'>,
): string[] {
  const known = facts.flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]));
  const column = Math.max(...known.map(({ name }) => name.length)) + 2;
  return known.flatMap(({ name, value }) => {
    const [first = '', ...rest] = wrapTo(printable(value), width - INDENT - column);
    const indent = ' '.repeat(INDENT + column);
    return [
      `${' '.repeat(INDENT)}${paint('dim', padTo(name, column))}${first}`,
      ...rest.map((line) => `${indent}${line}`),
    ];
  });
}

/** Wrapped text with an indent. */
export function paragraph(text: string, { width }: Pick<Terminal, 'width'>): string {
  return wrapTo(printable(text), width - INDENT)
    .map((line) => `${' '.repeat(INDENT)}${line}`)
    .join('\n');
}
