import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSource } from '../../cli/import/file/source.ts';
import { checkColumns } from '../../cli/import/row/columns.ts';
import { readRow } from '../../cli/import/row/row.ts';
import { awsEnvironment } from '../../local/clients.ts';
import { CANARY, linesWithCanary } from '../support/canary.ts';
import { cli } from '../support/cli.ts';
import { createImportWorld, type ImportWorld } from '../support/import-world.ts';

let world: ImportWorld;
beforeAll(async () => {
  world = await createImportWorld();
  Object.assign(process.env, awsEnvironment(world.aws.url));
});
afterAll(() => world.close());

const importText = (input: string, ...args: string[]) =>
  cli([...world.options, 'import', '-', ...args], { input });

/** Deep enough to end a program that goes down into it by calling itself. */
const deep = (levels = 100_000) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
const deepArray = (levels = 100_000) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
const long = (megabytes = 3) => `${CANARY}${'x'.repeat(megabytes * 1_000_000)}`;
const object = (accountId: string) => JSON.stringify({ accountId, oauthProfile: 'crm' });
const inCsv = (cell: string) => `"${cell.replaceAll('"', '""')}"`;

/** One bad row between two sound ones, by what is bad about it. */
const files: readonly (readonly [string, (a: string, b: string) => string, RegExp])[] = [
  [
    'a JSON line of megabytes',
    (a, b) => lines(object(a), `{"x":"${long()}"}`, object(b)),
    /line 2: row: is longer/,
  ],
  [
    'a first JSON line of megabytes',
    (a, b) => lines(`{"x":"${long()}"}`, object(a), object(b)),
    /line 1: row: is longer/,
  ],
  [
    'an element of megabytes',
    (a, b) => `[${lines(`${object(a)},`, `{"x":"${long()}"},`, object(b))}]`,
    /line 2: row: is longer/,
  ],
  [
    'a first element of megabytes',
    (a, b) => `[{"x":"${long()}"},\n${object(a)},\n${object(b)}]`,
    /line 1: row: is longer/,
  ],
  [
    'an object of megabytes over several lines',
    (a, b) => lines('{', object(a).slice(1), '{', `"x":"${long()}"}`, object(b)),
    /line 3: row: is longer/,
  ],
  ['a cell of megabytes', (a, b) => csv('name', a, long(), b), /line 3: row: is longer/],
  [
    'a quoted cell of megabytes, with lines in it',
    (a, b) => csv('name', a, inCsv(`${CANARY}\n`.repeat(200_000)), b),
    /row: is longer/,
  ],
  ['a row of a million cells', (a, b) => csv('name', a, ','.repeat(2_000_000), b), /line 3: row: is longer/],
  [
    'a JSON line nested deep',
    (a, b) => lines(object(a), `{"accountId":"c","oauthProfile":"crm","tokens":${deep()}}`, object(b)),
    /line 2: c, tokens: is nested too deep|line 2: row: must be/,
  ],
  [
    'a JSON line that is nothing but deep',
    (a, b) => lines(object(a), deepArray(), object(b)),
    /line 2: row: must be one JSON object/,
  ],
  [
    'parameters nested deep',
    (a, b) => lines(object(a), `{"accountId":"c","oauthProfile":"crm","parameters":${deep()}}`, object(b)),
    /line 2: (c, parameters: is nested too deep|row: must be)/,
  ],
  [
    'an id nested deep',
    (a, b) => lines(object(a), `{"accountId":${deepArray()},"oauthProfile":"crm"}`, object(b)),
    /line 2: (accountId: is nested too deep|row: must be)/,
  ],
  [
    'an element nested deep',
    (a, b) => `[${lines(`${object(a)},`, `${deepArray()},`, object(b))}]`,
    /line 2: row: must be a JSON object/,
  ],
  ['a deep cell of tokens', (a, b) => csv('tokens', a, inCsv(deep()), b), /line 3: bad, tokens: /],
  [
    'a deep cell of parameters',
    (a, b) => csv('parameters', a, inCsv(deep()), b),
    /line 3: bad, parameters: /,
  ],
  [
    'brackets that are never closed, on a line',
    (a, b) => lines(object(a), `{"x":${'['.repeat(100_000)}`, object(b)),
    /line 2: row: must be one JSON object/,
  ],
];
const lines = (...all: string[]) => all.join('\n');
const csv = (column: string, a: string, cell: string, b: string) =>
  lines(`accountId,oauthProfile,${column}`, `${a},crm,`, `bad,crm,${cell}`, `${b},crm,`);

describe('one row is rejected with its own reason, and the others are imported', () => {
  test.each(files)('%s', async (what, make, reason) => {
    const [a, b] = ['first', 'last'].map((one) => `${one}-${files.findIndex(([name]) => name === what)}`);
    const { code, stdout, stderr } = await importText(make(a ?? '', b ?? ''), '--skip-invalid', '--json');
    expect({ code, result: JSON.parse(stdout) }).toMatchObject({
      code: 3,
      result: { rows: 3, created: 2, invalid: 1 },
    });
    const told = await importText(make(a ?? '', b ?? ''), '--dry-run');
    expect(told.stderr.replaceAll(/\n {4}/g, ' ')).toMatch(reason);
    expect(told.stderr.length).toBeLessThan(1_000);
    expect(linesWithCanary(stdout + stderr + told.stdout + told.stderr)).toEqual([]);
  });
});

/** The least time of three, milliseconds: the machine does other things, too. */
async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const times = [];
  for (let run = 0; run < 3; run++) {
    const before = performance.now();
    await work();
    times.push(performance.now() - before);
  }
  return Math.min(...times);
}

async function read(text: string): Promise<void> {
  const chunks = Buffer.from(text);
  const source = await openSource('-', Readable.from([chunks]), 'utf-8', checkColumns);
  for await (const row of source.rows()) readRow(row);
}

/** Sixteen times as much takes sixteen times as long, and not 256 times. */
const FACTOR = 16;
const LIMIT = 80;

describe('time grows with size, and no faster', () => {
  test.each<[string, (size: number) => string]>([
    ['a first line of words', (size) => 'word '.repeat(size / 5)],
    ['a first line of commas', (size) => `accountId${','.repeat(size)}`],
    [
      'a first line of columns',
      (size) => `accountId,${many(size / 20, (index) => `parameters.p${index}`)}\na`,
    ],
    [
      'a first line of unknown columns',
      (size) => `accountId,${many(size / 10, (index) => `column${index}`)}`,
    ],
    ['a first line of quotation marks', (size) => '"'.repeat(size)],
    ['a first line of blanks', (size) => `${' '.repeat(size)}x`],
    ['a first line of brackets', (size) => '['.repeat(size)],
    ['a first line of braces', (size) => '{'.repeat(size)],
    ['a first line of capitals and small letters', (size) => `accountId,${'aB'.repeat(size / 2)}`],
    ['a JSON line that is none, full of texts', (size) => `{${'"a\\"'.repeat(size / 4)}`],
    ['a row of cells', (size) => `accountId,oauthProfile\n${','.repeat(size)}x`],
    ['a row of parameters', (size) => `{"parameters":{${many(size / 10, (index) => `"p${index}":"v"`)}}}`],
  ])('%s', async (_, make) => {
    const [small, large] = [make(50_000), make(50_000 * FACTOR)];
    const settle = (text: string) => read(text).catch(() => undefined);
    await settle(small);
    // A clock does not tell less than a few milliseconds from nothing.
    const base = Math.max(await timeOf(() => settle(small)), 5);
    expect((await timeOf(() => settle(large))) / base).toBeLessThan(LIMIT);
  });

  test('a first line of values, with all that is told of it', async () => {
    const make = (size: number) => `accountId,${many(size / 10, (index) => `column${index}`)}\na`;
    const small = await timeOf(() => importText(make(50_000)));
    const large = await timeOf(() => importText(make(50_000 * FACTOR)));
    expect(large / Math.max(small, 5)).toBeLessThan(LIMIT);
    const { code, stderr } = await importText(make(64_000));
    expect(code).toBe(1);
    expect(stderr.length).toBeLessThan(2_000);
    expect(stderr).toMatch(/unknown columns: number 2, .* and 6380 more\. Rename/);
  });
});

const many = (amount: number, make: (index: number) => string) =>
  Array.from({ length: amount }, (_, index) => make(index)).join(',');
