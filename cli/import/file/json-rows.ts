import { parseJsonObject } from '../../../core/json-object.ts';
import { CliError } from '../../shared/cli-error.ts';
import { MAX_ROW_CHARACTERS, type Row, TOO_LONG } from './row.ts';

export async function* jsonRows(text: AsyncIterable<string>): AsyncGenerator<Row> {
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

/** The texts in broken JSON. */
function stringsIn(text: string): string[] {
  return (text.match(/"(?:[^"\\]|\\.)*"?/g) ?? []).map((literal) => {
    try {
      return String(JSON.parse(literal));
    } catch {
      return literal.replaceAll('"', '');
    }
  });
}

/** The lines. Undefined for one that is too long for an account. */
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
export async function* jsonValues(name: string, text: AsyncIterable<string>): AsyncGenerator<Row> {
  let line = 1;
  let inArray = false;
  /** The object being read: its first line, how deep we are in it, and whether in a string. */
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
    // Told once: a file can be full of such text.
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
        // A number or a word has ended. The next character is handled as above.
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

/** A number, true, false or null. */
function isScalar(word: string): boolean {
  return /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/.test(word);
}
