import { createReadStream, statSync } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { CsvError, type InfoRecord, parse } from 'csv-parse';
import { parseJsonObject } from '../../core/json-object.ts';
import { CliError } from '../shared/cli-error.ts';
import { shownName } from '../shared/shown-name.ts';

/** What is wrong with one field, and what is allowed; never a value of a token. */
export interface Problem {
  readonly field: string;
  readonly text: string;
  /** Where many rows have the same trouble, it is told once, in these words. */
  readonly together?: string;
}

/** One row of a file, before anything in it is believed. */
export interface Row {
  /** Where it is, from 1; where a row of CSV has several lines, its last one. */
  readonly line: number;
  readonly values: Readonly<Record<string, unknown>>;
  readonly cells: 'csv' | 'json';
  /** What makes it unusable as a whole. */
  readonly problem?: string;
  /** Of a row that could not be read, the texts in it: one of them may be a refresh token. */
  readonly texts?: readonly string[];
  /** It is of no account that the function looks at. */
  readonly passedOver?: true;
  /** The profile's name in ServiceNow, and whether `--map` says what it is here. */
  readonly profileThere?: { readonly name: string; readonly mapped: boolean };
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
const PIECE_BYTES = 65_536;
/** A row that is longer is an unclosed quote, or not an account. */
const MAX_ROW_CHARACTERS = 1024 * 1024;
const TOO_LONG = 'is longer than 1 MB';
/** So much of CSV is read as one row before all that follows is taken for the inside of a quote. */
const MAX_QUOTE_BYTES = 16 * 1024 * 1024;
/** Of CSV; each is taken for one also where a file has several of them. */
const LINE_ENDS = ['\r\n', '\n', '\r'];

/**
 * Opens a file of CSV, JSON lines or one JSON array, told apart by the first character.
 *
 * @param path `-` is standard input; like a pipe it is kept in memory so that it can be read twice
 * @param encoding a name that TextDecoder knows, such as `utf-8` or `windows-1252`; a byte order mark wins
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
  const once = path === STANDARD_INPUT ? stdin : isPipe(path) ? createReadStream(path) : undefined;
  const kept = once === undefined ? undefined : await collect(once);
  const chunks: Chunks = () => (kept === undefined ? createReadStream(path) : Readable.from(piecesOf(kept)));
  return { name, rows: () => rowsOf(name, () => decode(name, chunks, encoding), checkHeader) };
}

/** As a file is read: given all of it at once, the parser would hold each of its rows at once too. */
function* piecesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

function isPipe(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && !stats.isFile() && !stats.isDirectory();
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
  let actual = encoding;
  try {
    let decoder: InstanceType<typeof TextDecoder> | undefined;
    let head: Buffer = Buffer.alloc(0);
    const start = () => {
      actual = encodingOf(name, head) ?? encoding;
      refuseOtherFormats(name, head, actual);
      decoder = new TextDecoder(actual, { fatal: true });
      return decoder;
    };
    for await (const chunk of chunks()) {
      if (decoder !== undefined) yield decoder.decode(chunk, { stream: true });
      else {
        head = Buffer.concat([head, chunk]);
        if (head.length >= HEAD_BYTES) yield start().decode(head, { stream: true });
      }
    }
    if (decoder === undefined) yield start().decode(head);
    else yield decoder.decode();
  } catch (error) {
    if (error instanceof CliError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA')
      throw new CliError(
        'WRONG_ENCODING',
        `${name} is not ${actual.toUpperCase()} text. Save it as UTF-8, or name its encoding, such as --encoding windows-1252.`,
      );
    if (code === 'ENOENT') throw new CliError('NO_FILE', `There is no file ${name}.`);
    if (code === 'EISDIR') throw new CliError('FILE_UNREADABLE', `${name} is a folder; name a file in it.`);
    throw new CliError('FILE_UNREADABLE', `${name} could not be read: ${code ?? message}.`);
  }
}

/** Enough to tell what a file is. */
const HEAD_BYTES = 512;

/** The encoding that the file's own beginning names; undefined where it names none. */
function encodingOf(name: string, head: Buffer): string | undefined {
  const hex = head.subarray(0, 4).toString('hex');
  if (hex === 'fffe0000' || hex === '0000feff')
    throw new CliError('WRONG_ENCODING', `${name} is UTF-32 text. Save it as UTF-8.`);
  if (hex.startsWith('efbbbf')) return 'utf-8';
  if (hex.startsWith('fffe')) return 'utf-16le';
  if (hex.startsWith('feff')) return 'utf-16be';
  // The first characters of a table are ASCII, of which UTF-16 makes every second byte zero.
  if (/^(?:(?!00)..00){2}/.test(hex)) return 'utf-16le';
  if (/^(?:00(?!00)..){2}/.test(hex)) return 'utf-16be';
  return undefined;
}

/** What people take for a table; by how it begins, in hexadecimal. */
const OTHER_FORMATS: readonly (readonly [begins: RegExp, what: string])[] = [
  [/^504b(0304|0506|0708)/, 'a ZIP file, perhaps an Excel workbook: save the sheet as CSV, or unpack it'],
  [/^d0cf11e0/, 'an Excel workbook: save the sheet as CSV'],
  [/^(1f8b|425a68|fd377a585a|28b52ffd|377abcaf)/, 'compressed: unpack it first'],
  [/^25504446/, 'a PDF document: export the table as CSV'],
  [/^7b5c727466/, 'an RTF document: save it as plain text, in CSV'],
];

function refuseOtherFormats(name: string, head: Buffer, encoding: string): void {
  const hex = head.toString('hex');
  const what = OTHER_FORMATS.find(([begins]) => begins.test(hex))?.[1];
  if (what !== undefined) throw new CliError('NOT_A_TABLE', `${name} is ${what}.`);
  if (head.includes(0) && !encoding.startsWith('utf-16'))
    throw new CliError('NOT_A_TABLE', `${name} is not text. It must be CSV, or JSON (docs/importing.md).`);
}

async function* rowsOf(
  name: string,
  text: () => AsyncGenerator<string>,
  checkHeader: CheckHeader,
): AsyncGenerator<Row> {
  const chunks = text();
  let start = '';
  let firstLine = firstLineOf(start);
  while (start.length < MAX_ROW_CHARACTERS && firstLine?.whole !== true) {
    const next = await chunks.next();
    if (next.done) break;
    // Files that were put together of several may have several byte order marks.
    start = (start + next.value).replace(/^\ufeff+/, '');
    firstLine = firstLineOf(start);
  }
  if (firstLine === undefined) throw new CliError('EMPTY_FILE', `${name} is empty.`);
  const whole = async function* () {
    yield start;
    yield* chunks;
  };
  if (firstLine.text.startsWith('<'))
    throw new CliError(
      'NOT_A_TABLE',
      `${name} is a page of HTML or XML, not a table of accounts. Perhaps a sign-in page was saved in its place: export it again.`,
    );
  if (firstLine.text.startsWith('[') || firstLine.text.trim() === '{') yield* jsonValues(name, whole());
  else if (firstLine.text.startsWith('{')) yield* jsonRows(whole());
  else yield* csvRows(name, whole(), firstLine.text, checkHeader);
}

/** The first line that is not blank, and whether its end is there. */
function firstLineOf(text: string): { readonly text: string; readonly whole: boolean } | undefined {
  const at = text.search(/\S/);
  if (at === -1) return undefined;
  const rest = text.slice(at, at + MAX_ROW_CHARACTERS);
  const end = rest.search(/[\r\n]/);
  return { text: end === -1 ? rest : rest.slice(0, end), whole: end !== -1 };
}

async function* jsonRows(text: AsyncIterable<string>): AsyncGenerator<Row> {
  let line = 0;
  for await (const content of linesOf(text)) {
    line += 1;
    if (content?.trim() !== '') yield jsonRow(line, content, 'must be one JSON object on one line');
  }
}

function jsonRow(line: number, text: string | undefined, otherwise: string): Row {
  if (text === undefined) return { line, cells: 'json', values: {}, problem: TOO_LONG };
  const values = parseJsonObject(text);
  return values === undefined
    ? { line, cells: 'json', values: {}, problem: otherwise, texts: stringsIn(text) }
    : { line, cells: 'json', values };
}

/** The texts in something that is no JSON but looks like it. */
function stringsIn(text: string): string[] {
  return (text.match(/"(?:[^"\\]|\\.)*"?/g) ?? []).map((literal) => {
    try {
      return String(JSON.parse(literal));
    } catch {
      return literal.replaceAll('"', '');
    }
  });
}

/** The lines, whatever they end with; undefined for one that is too long to be an account's. */
async function* linesOf(text: AsyncIterable<string>): AsyncGenerator<string | undefined> {
  let line = '';
  let tooLong = false;
  let afterReturn = false;
  const add = (piece: string) => {
    tooLong ||= line.length + piece.length > MAX_ROW_CHARACTERS;
    line = tooLong ? '' : line + piece;
  };
  for await (const chunk of text) {
    let from = 0;
    if (afterReturn && chunk.startsWith('\n')) from = 1;
    if (chunk !== '') afterReturn = chunk.endsWith('\r');
    for (const { index, 0: end } of chunk.matchAll(/\r\n|\n|\r/g)) {
      if (index < from) continue;
      add(chunk.slice(from, index));
      yield tooLong ? undefined : line;
      line = '';
      tooLong = false;
      from = index + end.length;
    }
    add(chunk.slice(from));
  }
  if (line !== '' || tooLong) yield tooLong ? undefined : line;
}

/** The objects of a JSON array, or of a file in which each is spread over several lines. */
async function* jsonValues(name: string, text: AsyncIterable<string>): AsyncGenerator<Row> {
  let line = 1;
  let inArray = false;
  /** What is in hand: since which line, how deep in it, and whether in a string of it. */
  let value = '';
  let tooLong = false;
  let since = 0;
  let depth = 0;
  let inString = false;
  let escaped = false;
  const add = (piece: string) => {
    tooLong ||= value.length + piece.length > MAX_ROW_CHARACTERS;
    value = tooLong ? '' : value + piece;
  };
  const row = () => {
    // What stands between the values, or is none itself, is told once: a file can be full of it.
    if (!/^[{["]/.test(value) && !tooLong && !isScalar(value)) throw noJson(name, since);
    const made = jsonRow(since, tooLong ? undefined : value, 'must be a JSON object');
    value = '';
    tooLong = false;
    since = 0;
    return made;
  };
  for await (const chunk of text) {
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const character = chunk[at] ?? '';
      if (character === '\n') line += 1;
      const outside = depth === 0 && !inString;
      if (since === 0) {
        if (/[\s,]/.test(character)) continue;
        if (character === '[' && !inArray) {
          inArray = true;
          continue;
        }
        if (character === ']' && inArray) {
          inArray = false;
          continue;
        }
        if (!/[{["\w-]/.test(character)) throw noJson(name, line);
        since = line;
        from = at;
      } else if (outside && /[\s,[\]{}"]/.test(character)) {
        // A number or a word has ended, and what comes is looked at as above.
        add(chunk.slice(from, at));
        yield row();
        at -= 1;
        if (character === '\n') line -= 1;
        continue;
      }
      if (inString) {
        if (escaped) escaped = false;
        else if (character === '\\') escaped = true;
        else if (character === '"') inString = false;
      } else if (character === '"') inString = true;
      else if (character === '{' || character === '[') depth += 1;
      else if ((character === '}' || character === ']') && depth > 0) depth -= 1;
      if (depth === 0 && !inString && /[}\]"]/.test(character)) {
        add(chunk.slice(from, at + 1));
        yield row();
      }
    }
    if (since !== 0) add(chunk.slice(from));
  }
  if (since !== 0 && depth === 0 && !inString) yield row();
  else if (since !== 0 || inArray)
    throw new CliError(
      'NOT_JSON',
      `${name}, line ${since === 0 ? line : since}: the JSON that begins here never ends. The file may have been cut off: export it again.`,
    );
}

function noJson(name: string, line: number): CliError {
  return new CliError(
    'NOT_JSON',
    `${name}, line ${line}: this is no JSON: something other than an object stands there. Nothing of the file was taken. Export it again, or correct it.`,
  );
}

/** A JSON value that is no text, array or object. */
function isScalar(word: string): boolean {
  return /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/.test(word);
}

async function* csvRows(
  name: string,
  text: AsyncIterable<string>,
  firstLine: string,
  checkHeader: CheckHeader,
): AsyncGenerator<Row> {
  // What Excel wants before a table to know its separator.
  const hint = /^sep=(.)\s*$/i.exec(firstLine)?.[1];
  const parser = parse({
    delimiter: hint ?? delimiterOf(firstLine),
    record_delimiter: LINE_ENDS,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MAX_QUOTE_BYTES,
  });
  // Errors reach the loop below by way of the parser.
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

/** The columns' names; those at the end that have none are no columns. */
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

/** Which of the usual ones stands most often in the header. */
function delimiterOf(header: string): string {
  const count = (delimiter: string) => header.split(delimiter).length;
  return [',', ';', '\t', '|'].reduce((best, next) => (count(next) > count(best) ? next : best));
}

function isEncoding(encoding: string): boolean {
  try {
    new TextDecoder(encoding);
    return true;
  } catch {
    return false;
  }
}
