import { CliError } from '../../shared/cli-error.ts';

export type Chunks = () => AsyncIterable<Uint8Array>;

export async function* decode(name: string, chunks: Chunks, encoding: string): AsyncGenerator<string> {
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

/** Enough bytes to recognize a kind of file. */
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

/** Files that people confuse with tables, by their first bytes in hexadecimal. */
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

export function isEncoding(encoding: string): boolean {
  try {
    new TextDecoder(encoding);
    return true;
  } catch {
    return false;
  }
}
