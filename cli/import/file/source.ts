import { createReadStream, statSync } from 'node:fs';
import { Readable } from 'node:stream';
import { CliError } from '../../shared/cli-error.ts';
import { type CheckHeader, csvRows } from './csv-rows.ts';
import { type Chunks, decode, isEncoding } from './decode.ts';
import { jsonRows, jsonValues } from './json-rows.ts';
import { MAX_ROW_CHARACTERS, type Row } from './row.ts';

/** A file, or standard input, that can be read more than once: first to validate all of it, then to write. */
export interface Source {
  readonly name: string;
  /** @throws CliError where the file as a whole can't be read; a message never quotes what is in it */
  rows(): AsyncGenerator<Row>;
}

const STANDARD_INPUT = '-';

const MAX_STANDARD_INPUT_BYTES = 256 * 1024 * 1024;

const PIECE_BYTES = 65_536;

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

/** In pieces: given all of it, the parser would hold all rows in memory. */
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
