import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { accountDrills } from './accounts.ts';
import { changeDrills } from './changes.ts';
import { uncovered } from './drills.ts';
import { fleetDrills } from './fleet.ts';
import { fits } from './log-pattern.ts';
import { commandsIn, sectionsOf } from './page.ts';

const page = readFileSync('docs/runbook.md', 'utf8');
const drills = { ...accountDrills, ...fleetDrills, ...changeDrills };
const { sections } = sectionsOf(page);

test('every section of the runbook is tried, and has a line to try', () => {
  expect(uncovered(sections, drills)).toEqual([]);
  expect(sections.length).toBeGreaterThanOrEqual(30);
});

test('a section that nothing tries is found, one without a line, and a trial of none', () => {
  const drill = { make: () => Promise.reject(new Error('not run')) };
  const found = [
    { anchor: 'tried', commands: ['cli status'] },
    { anchor: 'new', commands: ['cli status'] },
    { anchor: 'empty', commands: [] },
  ];
  expect(uncovered(found, { tried: drill, empty: drill, gone: drill })).toEqual([
    'Nothing tries #new.',
    '#empty has no line.',
    'There is no section #gone.',
  ]);
});

test('every block of the runbook is one that is run', () => {
  const fences = [...page.matchAll(/^ *```(\w*)$/gm)].map(([, language]) => language);
  expect(fences.filter((_, index) => index % 2 === 0).every((language) => language === 'sh')).toBe(true);
  expect(fences.length % 2).toBe(0);
});

test('blocks are commands, also in lists, and spans that begin like one', () => {
  const text = [
    '**Look.** `cli doctor`, `DISABLED`, `why x`, or `aws kms describe-key --key-id',
    'KEY`',
    '- A rule:',
    '  ```sh',
    '  for rule in a b; do',
    '    echo "$rule"',
    '  done',
    '  ```',
    '```json',
    '{"cli": "no"}',
    '```',
    '`AWS_REGION=eu npm exec -- cdk deploy` and `escrow`, `escrowed`',
  ].join('\n');
  expect(commandsIn(text)).toEqual([
    'cli doctor',
    'why x',
    'aws kms describe-key --key-id KEY',
    'for rule in a b; do\n  echo "$rule"\ndone',
    'AWS_REGION=eu npm exec -- cdk deploy',
    'escrow',
  ]);
});

const line = JSON.stringify({
  level: 'WARN',
  message: 'The run failed.',
  record: { status: 'timeout' },
  n: 2,
  on: true,
});
test.each([
  ['{ $.level = "WARN" }', true],
  ['{ $.level = "ERROR" }', false],
  ['{ ($.level = "WARN") && ($.message = "The run*") }', true],
  ['{ $.level = "WARN" && $.message = "The bus*" }', false],
  ['{ $.level = "ERROR" || $.record.status = "*out" }', true],
  ['{ $.n > 1 }', true],
  ['{ $.n > 2 }', false],
  ['{ $.on IS TRUE }', true],
  ['{ $.off IS TRUE }', false],
  ['"run failed"', true],
  ['"run ended"', false],
])('the pattern %s fits: %s', (pattern, expected) => {
  expect(fits(pattern, line)).toBe(expected);
});

test('an unknown pattern is refused, and a line that is no JSON fits none', () => {
  expect(() => fits('run failed', line)).toThrow('not known');
  expect(() => fits('{ $.a != 1 }', line)).toThrow('not known');
  expect(fits('{ $.level = "WARN" }', 'no JSON')).toBe(false);
});
