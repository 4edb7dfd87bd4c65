import { pipeline, Readable } from 'node:stream';
import { CsvError, type InfoRecord, parse } from 'csv-parse';
import { CliError } from '../../shared/cli-error.ts';
import { shownName } from '../../shared/shown-name.ts';
import { MAX_ROW_CHARACTERS, type Row, TOO_LONG } from './row.ts';

export type CheckHeader = (header: readonly string[]) => string | undefined;

/** A longer row means that a quote was never closed. */
const MAX_QUOTE_BYTES = 16 * 1024 * 1024;

/** Of CSV; each is taken for one also where a file has several of them. */
const LINE_ENDS = ['\r\n', '\n', '\r'];

export async function* csvRows(
  name: string,
  text: AsyncIterable<string>,
  firstLine: string,
  checkHeader: CheckHeader,
): AsyncGenerator<Row> {
  // Excel reads the separator from this line.
  const hint = /^sep=(.)\s*$/i.exec(firstLine)?.[1];
  const parser = parse({
    delimiter: hint ?? delimiterOf(firstLine),
    record_delimiter: LINE_ENDS,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MAX_QUOTE_BYTES,
  });
  // The parser passes errors on to the loop below.
  pipeline(Readable.from(text), parser, () => {});
  let header: readonly string[] | undefined;
  let hinted = hint === undefined;
  try {
    for await (const { info, record } of parser as AsyncIterable<{ info: InfoRecord; record: string[] }>) {
      if (record.every(isBlank)) continue;
      if (!hinted) hinted = true;
      else if (header === undefined) header = headerOf(name, record, info.lines, checkHeader);
      else yield csvRow(header, record, info.lines);
    }
  } catch (error) {
    // The parser's own message quotes what it found.
    if (error instanceof CsvError)
      throw new CliError(
        'NOT_CSV',
        `${name}, line ${error.lines ?? 1}: this is not CSV: ${csvTrouble(error.code)}.`,
      );
    throw error;
  }
}

const isBlank = (cell: string) => cell.trim() === '';

/** The columns' names. Nameless ones at the end don't count. */
function headerOf(
  name: string,
  record: readonly string[],
  line: number,
  checkHeader: CheckHeader,
): readonly string[] {
  const columns = record.map((column) => column.trim());
  const header = columns.slice(0, columns.findLastIndex((column) => column !== '') + 1);
  const trouble = checkHeader(header);
  if (trouble !== undefined) throw new CliError('UNKNOWN_COLUMN', `${name}, line ${line}: ${trouble}.`);
  const seen = new Set<string>();
  const twice = header.findIndex((column) => column !== '' && seen.size === seen.add(column).size);
  if (twice !== -1)
    throw new CliError(
      'COLUMN_TWICE',
      `${name}, line ${line}: the column ${shownName(header[twice] ?? '', `number ${twice + 1}`)} is there twice.`,
    );
  return header;
}

function csvRow(header: readonly string[], record: readonly string[], line: number): Row {
  const unusable = (problem: string): Row => ({ line, cells: 'csv', values: {}, problem, texts: record });
  if (record.reduce((sum, cell) => sum + cell.length + 1, 0) > MAX_ROW_CHARACTERS)
    return {
      ...unusable(`${TOO_LONG}, perhaps as a quotation mark is never closed`),
      // Shorter ones are no tokens, and there may be millions.
      texts: record.filter(({ length }) => length >= 16),
    };
  const filled = record.findLastIndex((cell) => !isBlank(cell)) + 1;
  if (filled > header.length || record.length < header.length)
    return unusable(
      `has ${filled > header.length ? filled : record.length} cells; the header has ${header.length}`,
    );
  const nameless = header.findIndex((column, index) => column === '' && !isBlank(record[index] ?? ''));
  if (nameless !== -1)
    return unusable(`has a value in column ${nameless + 1}, which has no name in the header`);
  // An empty cell is an absent value.
  const cells = header.flatMap((column, index) => (record[index] === '' ? [] : [[column, record[index]]]));
  return { line, cells: 'csv', values: Object.fromEntries(cells) };
}

function csvTrouble(code: string): string {
  if (code === 'CSV_QUOTE_NOT_CLOSED') return 'a quotation mark is never closed';
  if (code === 'CSV_MAX_RECORD_SIZE')
    return 'a row is longer than 16 MB, perhaps as a quotation mark is never closed';
  if (/QUOTE/.test(code)) return 'a quotation mark stands within a cell; double it';
  return code;
}

/** The usual separator that is most frequent in the header. */
function delimiterOf(header: string): string {
  const count = (delimiter: string) => header.split(delimiter).length;
  return [',', ';', '\t', '|'].reduce((best, next) => (count(next) > count(best) ? next : best));
}
