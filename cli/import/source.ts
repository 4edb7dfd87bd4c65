import { createReadStream } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { CsvError, type InfoRecord, parse } from 'csv-parse';
import { parseJsonObject } from '../../lambda/json-object.ts';
import { CliError } from '../cli-error.ts';

/** One row of a file, before anything in it is believed. */
export interface Row {
  /** Where it ends, from 1. */
  readonly line: number;
  readonly values: Readonly<Record<string, unknown>>;
  readonly cells: 'csv' | 'json';
  /** A row that could not be read; `values` is empty then. */
  readonly problem?: string;
}

/** A file, or standard input, that can be read more than once: first to validate all of it, then to write. */
export interface Source {
  /** For messages. */
  readonly name: string;
  /** @throws CliError where the file as a whole can't be read; a message never quotes what is in it */
  rows(): AsyncGenerator<Row>;
}

type CheckHeader = (header: readonly string[]) => string | undefined;
type Chunks = () => AsyncIterable<Uint8Array>;

const STANDARD_INPUT = '-';
const MAX_STANDARD_INPUT_BYTES = 256 * 1024 * 1024;
/** A row that is longer is an unclosed quote, or not an account. */
const MAX_ROW_CHARACTERS = 1024 * 1024;

/**
 * Opens a CSV or JSON lines file, told apart by the first character.
 *
 * @param path `-` is standard input, which is kept in memory so that it can be read twice
 * @param encoding a name that TextDecoder knows, such as `utf-8` or `windows-1252`
 * @param checkHeader says what is wrong with a CSV file's columns
 */
export async function openSource(
  path: string,
  stdin: Readable,
  encoding = 'utf-8',
  checkHeader: CheckHeader = () => undefined,
): Promise<Source> {
  if (!isEncoding(encoding))
    throw new CliError(
      'UNKNOWN_ENCODING',
      `"${encoding}" is not a known encoding; use utf-8 or windows-1252.`,
      2,
    );
  const name = path === STANDARD_INPUT ? 'standard input' : path;
  const kept = path === STANDARD_INPUT ? await collect(stdin) : undefined;
  const chunks: Chunks = () => (kept === undefined ? createReadStream(path) : Readable.from([kept]));
  return { name, rows: () => rowsOf(name, () => decode(name, chunks, encoding), checkHeader) };
}

async function collect(stdin: Readable): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > MAX_STANDARD_INPUT_BYTES)
      throw new CliError('INPUT_TOO_LARGE', 'Standard input holds more than 256 MB; name a file instead.');
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

/** The file as text, without its byte order mark. */
async function* decode(name: string, chunks: Chunks, encoding: string): AsyncGenerator<string> {
  const decoder = new TextDecoder(encoding, { fatal: true });
  try {
    for await (const chunk of chunks()) yield decoder.decode(chunk, { stream: true });
    yield decoder.decode();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA')
      throw new CliError(
        'WRONG_ENCODING',
        `${name} is not ${encoding.toUpperCase()} text. Save it as UTF-8, or name its encoding, such as --encoding windows-1252.`,
      );
    if (code === 'ENOENT') throw new CliError('NO_FILE', `There is no file ${name}.`);
    throw new CliError('FILE_UNREADABLE', `${name} could not be read: ${code ?? message}.`);
  }
}

async function* rowsOf(
  name: string,
  text: () => AsyncGenerator<string>,
  checkHeader: CheckHeader,
): AsyncGenerator<Row> {
  const chunks = text();
  // Enough to see the whole of the first line.
  let start = '';
  while (start.length < MAX_ROW_CHARACTERS && !/\S[^\n]*\n/.test(start)) {
    const next = await chunks.next();
    if (next.done) break;
    start += next.value;
  }
  const whole = async function* () {
    yield start;
    yield* chunks;
  };
  const first = start.trimStart()[0];
  if (first === undefined) throw new CliError('EMPTY_FILE', `${name} is empty.`);
  if (first === '[')
    throw new CliError(
      'NOT_JSON_LINES',
      `${name} is a JSON array. Write one object a line, for example with: jq -c '.[]'`,
    );
  yield* first === '{' ? jsonRows(whole()) : csvRows(name, whole(), delimiterOf(start), checkHeader);
}

async function* jsonRows(text: AsyncIterable<string>): AsyncGenerator<Row> {
  let line = 0;
  for await (const content of linesOf(text)) {
    line += 1;
    if (content.trim() === '') continue;
    const values = content.length > MAX_ROW_CHARACTERS ? undefined : parseJsonObject(content);
    yield values === undefined
      ? { line, cells: 'json', values: {}, problem: 'must be one JSON object on one line' }
      : { line, cells: 'json', values };
  }
}

async function* linesOf(text: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of text) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}

async function* csvRows(
  name: string,
  text: AsyncIterable<string>,
  delimiter: string,
  checkHeader: CheckHeader,
): AsyncGenerator<Row> {
  const parser = parse({
    delimiter,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MAX_ROW_CHARACTERS,
  });
  // Errors reach the loop below by way of the parser.
  pipeline(Readable.from(text), parser, () => {});
  let header: readonly string[] | undefined;
  try {
    for await (const { info, record } of parser as AsyncIterable<{ info: InfoRecord; record: string[] }>) {
      if (header === undefined) header = headerOf(name, record, checkHeader);
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

function headerOf(name: string, record: readonly string[], checkHeader: CheckHeader): readonly string[] {
  const header = record.map((column) => column.trim());
  const twice = header.find((column, index) => header.indexOf(column) !== index);
  if (twice !== undefined)
    throw new CliError('COLUMN_TWICE', `${name}, line 1: the column "${twice}" is there twice.`);
  const trouble = checkHeader(header);
  if (trouble !== undefined) throw new CliError('UNKNOWN_COLUMN', `${name}, line 1: ${trouble}.`);
  return header;
}

function csvRow(header: readonly string[], record: readonly string[], line: number): Row {
  if (record.length !== header.length)
    return {
      line,
      cells: 'csv',
      values: {},
      problem: `has ${record.length} cells; the header has ${header.length}`,
    };
  // An empty cell is an absent value.
  const cells = header.flatMap((column, index) => (record[index] === '' ? [] : [[column, record[index]]]));
  return { line, cells: 'csv', values: Object.fromEntries(cells) };
}

function csvTrouble(code: string): string {
  if (code === 'CSV_QUOTE_NOT_CLOSED') return 'a quotation mark is never closed';
  if (code === 'CSV_MAX_RECORD_SIZE')
    return 'a row is longer than 1 MB, perhaps as a quotation mark is never closed';
  if (/QUOTE/.test(code)) return 'a quotation mark stands within a cell; double it';
  return code;
}

/** Which of the usual ones stands most often in the header. */
function delimiterOf(start: string): string {
  const [header = ''] = start.trimStart().split('\n', 1);
  const count = (delimiter: string) => header.split(delimiter).length;
  return [',', ';', '\t'].reduce((best, next) => (count(next) > count(best) ? next : best));
}

function isEncoding(encoding: string): boolean {
  try {
    new TextDecoder(encoding);
    return true;
  } catch {
    return false;
  }
}
