import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSource } from '../../cli/import/file/source.ts';
import { awsEnvironment } from '../../local/clients.ts';
import { linesWithCanary } from '../support/canary.ts';
import { cli } from '../support/cli.ts';
import { createImportWorld, type ImportWorld, token } from '../support/import-world.ts';

let world: ImportWorld;
const directory = mkdtempSync(join(tmpdir(), 'files-'));

beforeAll(async () => {
  world = await createImportWorld();
  Object.assign(process.env, awsEnvironment(world.aws.url));
});
afterAll(async () => {
  await world.close();
  rmSync(directory, { recursive: true });
});

/** Imports a file with these contents, and says which accounts it made. */
async function importFile(contents: string | Uint8Array, ...options: string[]) {
  for (const { accountId } of await world.clients.items()) await world.removeItem(accountId);
  const path = join(directory, 'file');
  writeFileSync(path, contents);
  const ended = await cli([...world.options, 'import', path, ...options]);
  const made = (await world.clients.items()).map(({ accountId }) => accountId).sort();
  return { ...ended, made };
}

const HEADER = 'accountId,oauthProfile,tokenSecretId';
const [ONE, TWO] = ['a1,crm,elsewhere/a1', 'a2,crm,elsewhere/a2'];
const utf16 = (text: string) => Buffer.from(text, 'utf16le');
const big = (text: string) => utf16(text).swap16();
const json = (accountId: string) => ({
  accountId,
  oauthProfile: 'crm',
  tokenSecretId: `elsewhere/${accountId}`,
});
const table = `${HEADER}\n${ONE}\n${TWO}\n`;

describe('a table of two accounts is read', () => {
  test.each<[string, string | Uint8Array]>([
    ['with empty columns at the end of its rows', `${HEADER}\n${ONE},,,\n${TWO},\n`],
    ['with empty columns at the end of all lines', `${HEADER},,\n${ONE},,\n${TWO},,\n`],
    ['with spaces in the empty columns at the end', `${HEADER}\n${ONE}, ,\n${TWO}\n`],
    [
      'with an empty column in its middle',
      'accountId,,oauthProfile,tokenSecretId\na1,,crm,x/a1\na2,,crm,x/a2',
    ],
    ['with a row of separators only', `${HEADER}\n${ONE}\n,,\n,,,,,\n${TWO}\n,,`],
    ['with a row of quoted nothings', `${HEADER}\n"","",""\n${ONE}\n${TWO}`],
    ['with separators before the header', `,,\n${table}`],
    ['with blank lines and lines of spaces', `\n\n${HEADER}\n\n${ONE}\n   \n${TWO}\n\n\n`],
    ['with lines that end as on Windows', table.replaceAll('\n', '\r\n')],
    ['with lines that end as on old Macs', table.replaceAll('\n', '\r')],
    ['with lines that end in several ways', `${HEADER}\r\n${ONE}\n${TWO}\r`],
    ['with a byte order mark', `\ufeff${table}`],
    ['with two byte order marks', `\ufeff\ufeff${table}`],
    [
      'with a byte order mark before a quoted header',
      `\ufeff"accountId","oauthProfile"\n"a1","crm"\n"a2","crm"`,
    ],
    ['in UTF-16, little end first', Buffer.concat([Buffer.from('fffe', 'hex'), utf16(table)])],
    ['in UTF-16, big end first', Buffer.concat([Buffer.from('feff', 'hex'), big(table)])],
    ['in UTF-16 without a byte order mark', utf16(table)],
    ['in UTF-16, big end first, without a byte order mark', big(table)],
    ['with semicolons', table.replaceAll(',', ';')],
    ['with tabs', table.replaceAll(',', '\t')],
    ['with bars', table.replaceAll(',', '|')],
    ['with the separator in a first line for Excel', `sep=;\n${table.replaceAll(',', ';')}`],
    ['with a line break within a quoted name', 'accountId,name,oauthProfile\na1,"A\nB",crm\na2,"C\r\nD",crm'],
    ['as JSON lines', `${JSON.stringify(json('a1'))}\n${JSON.stringify(json('a2'))}\n`],
    ['as JSON lines that end as on old Macs', `${JSON.stringify(json('a1'))}\r${JSON.stringify(json('a2'))}`],
    [
      'as JSON lines with a byte order mark',
      `\ufeff${JSON.stringify(json('a1'))}\r\n${JSON.stringify(json('a2'))}`,
    ],
    ['as a JSON array on one line', JSON.stringify([json('a1'), json('a2')])],
    ['as a JSON array over several lines', `\n${JSON.stringify([json('a1'), json('a2')], undefined, 2)}\n`],
    ['as a JSON array with odd texts', JSON.stringify([{ ...json('a1'), name: '"]}\\' }, json('a2')])],
    [
      'as a JSON array in UTF-16',
      Buffer.concat([Buffer.from('fffe', 'hex'), utf16(JSON.stringify([json('a1'), json('a2')]))]),
    ],
    [
      'as JSON objects over several lines',
      `${JSON.stringify(json('a1'), undefined, 2)}\n${JSON.stringify(json('a2'), undefined, 2)}`,
    ],
  ])('%s', async (_, contents) => {
    const { made, code, stderr } = await importFile(contents);
    expect(stderr).not.toContain('✗');
    expect(made).toEqual(['a1', 'a2']);
    expect([0, 3]).toContain(code);
  });

  test('though chunks of the file end anywhere', async () => {
    const row = (index: number) => ({ ...json(`a-${index}`), name: '}],\\"é'.repeat(400) });
    const rows = [...Array(40)].map((_, index) => row(index));
    const lines = rows.map((one) => JSON.stringify(one)).join('\r\n');
    for (const text of [lines, JSON.stringify(rows), JSON.stringify(rows, undefined, 1)])
      expect((await importFile(text)).made).toHaveLength(40);
  });

  test('from a named pipe, though it is read twice', async () => {
    for (const { accountId } of await world.clients.items()) await world.removeItem(accountId);
    const pipe = join(directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const [{ stdout }] = await Promise.all([cli([...world.options, 'import', pipe]), writeFile(pipe, table)]);
    expect(stdout).toContain('2  created');
  });
});

test('standard input is read row by row, as a file is, and not all of it before the first row', async () => {
  const rows = `${HEADER}\n${`${ONE}\n`.repeat(100_000)}`;
  const { rows: read } = await openSource('-', Readable.from([Buffer.from(rows), Buffer.from([0xff])]));
  const told = async () => {
    let count = 0;
    for await (const _ of read()) if (++count === 50_000) return count;
    return count;
  };
  expect(await told()).toBe(50_000);
});

describe('what is no table of accounts is refused with the reason', () => {
  const page = '<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in</body></html>';
  const zip = Buffer.concat([Buffer.from('504b0304140000000800', 'hex'), deflateRawSync('xl/workbook.xml')]);
  test.each<[string, string | Uint8Array, RegExp]>([
    ['a page of HTML on one line', page, /is a page of HTML or XML, not a table/],
    ['a page of HTML', `\n  ${page.replaceAll('>', '>\n')}`, /is a page of HTML or XML/],
    ['XML', '<?xml version="1.0"?><xml/>', /is a page of HTML or XML/],
    ['a workbook', zip, /is a ZIP file, perhaps an Excel workbook: save the sheet as CSV/],
    ['an old workbook', Buffer.from('d0cf11e0a1b11ae100000000', 'hex'), /is an Excel workbook/],
    ['a compressed table', gzipSync(table), /is compressed: unpack it first/],
    ['a PDF', '%PDF-1.7\n', /is a PDF document/],
    ['an RTF document', '{\\rtf1\\ansi accountId}', /is an RTF document/],
    ['a picture', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), /is not text/],
    ['UTF-32', Buffer.from('fffe000061000000', 'hex'), /is UTF-32 text/],
    ['a sentence', 'Access denied\n', /line 1: there is no column accountId/],
    ['a table of other things', 'number,state\nINC1,new', /line 1: there is no column accountId/],
    [
      'rows without a header',
      `a1,crm,${token('first')}\na2,crm,${token('second')}`,
      /there is no column accountId/,
    ],
    ['an empty file', '', /is empty/],
    ['blank lines', '\ufeff\r\n \r\n', /is empty/],
    [
      'a JSON array that was cut off',
      JSON.stringify([json('a1'), json('a2')]).slice(0, -9),
      /line 1: the JSON that begins here never ends/,
    ],
    ['a JSON array cut off between two objects', `[${JSON.stringify(json('a1'))},\n`, /never ends/],
    ['a JSON array of texts', '["a1", "a2"]', /line 1: row: must be a JSON object/],
    [
      'a JSON array with odd things in it',
      `[${JSON.stringify(json('a1'))} oops, 5 }`,
      /line 1: this is no JSON/,
    ],
    ['bare words in an array', `[\n${'a '.repeat(200_000)}]`, /line 2: this is no JSON/],
    ['closing brackets alone', `[${'}'.repeat(200_000)}`, /line 1: this is no JSON/],
    ['a word after an object', `{\n"accountId": "a1"}\n\noops`, /line 4: this is no JSON/],
    ['colons and quotes in an array', `[${'"a":'.repeat(100_000)}]`, /line 1: this is no JSON/],
    ['a JSON array of numbers', '[1, -2.5e3, true, null]', /row: must be a JSON object/],
  ])('%s', async (_, contents, expected) => {
    const { made, code, stderr, stdout } = await importFile(contents);
    expect(code).toBe(1);
    expect(stderr.replaceAll(/\n {4}/g, ' ')).toMatch(expected);
    expect(made).toEqual([]);
    expect(linesWithCanary(stderr + stdout)).toEqual([]);
  });

  test('a folder', async () => {
    const { code, stderr } = await cli([...world.options, 'import', directory]);
    expect({ code, told: stderr.includes('is a folder') }).toEqual({ code: 1, told: true });
  });

  test('a page in the place of an export of ServiceNow', async () => {
    const { code, stderr } = await importFile(page, '--servicenow');
    expect({ code, told: stderr.includes('is a page of HTML') }).toEqual({ code: 1, told: true });
    expect((await importFile('Session timed out', '--servicenow')).code).toBe(1);
  });
});

test('a header alone is an empty fleet: nothing to do', async () => {
  for (const empty of [HEADER, `${HEADER}\n`, '[]']) {
    const { code, stderr, stdout } = await importFile(empty);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '  0  created\n' });
    expect(stderr).toContain('holds no rows');
  }
});

test.each<[string, string, RegExp]>([
  ['too few cells', `${HEADER}\na1,crm`, /line 2: row: has 2 cells; the header has 3/],
  ['a value beyond the header', `${HEADER}\n${ONE},,x`, /line 2: row: has 5 cells; the header has 3/],
  [
    'a value in a column without a name',
    'accountId,,oauthProfile\na1,x,crm',
    /has a value in column 2, which has no name/,
  ],
])('%s: refused by row', async (_, contents, expected) => {
  const { code, stderr } = await importFile(contents);
  expect(code).toBe(1);
  expect(stderr).toMatch(expected);
});

describe('what is very large takes no more time than its size', () => {
  test.each<[string, () => string, RegExp]>([
    ['a first line of 3 MB', () => 'x'.repeat(3_000_000), /there is no column accountId|longer than 1 MB/],
    [
      'a JSON line of 20 MB',
      () => `${JSON.stringify(json('a1'))}\n{"a":"${'x'.repeat(20_000_000)}"}`,
      /line 2: row: is longer than 1 MB/,
    ],
    [
      'a row nested 100,000 deep',
      () =>
        `{"accountId":"a1","oauthProfile":"crm","tokens":{"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`,
      /nested too deep|must be one JSON object/,
    ],
    [
      'an unknown field nested 100,000 deep',
      () => `{"accountId":"a1","oauthProfile":"crm","x":${'{"x":'.repeat(100_000)}1${'}'.repeat(100_000)}}`,
      /x: is not known|must be one JSON object/,
    ],
    [
      'a name nested 50,000 deep',
      () => `{"accountId":"a1","oauthProfile":"crm","name":${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
      /nested too deep|must be one JSON object/,
    ],
    [
      'an array of one element that never ends',
      () => `[{"accountId":"${'x'.repeat(5_000_000)}`,
      /longer than 1 MB|never ends/,
    ],
  ])('%s', async (_, make, expected) => {
    const before = performance.now();
    const { code, stderr } = await importFile(make());
    expect(code).toBe(1);
    expect(stderr).toMatch(expected);
    expect(performance.now() - before).toBeLessThan(5_000);
  });
});
