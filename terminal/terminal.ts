import type { Readable, Writable } from 'node:stream';
import { paint, type Style } from './paint.ts';
import { INVISIBLE } from './printable.ts';

/** The parts of its process that a command uses. A test passes its own. */
export interface Streams {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & Partial<Pick<NodeJS.WriteStream, 'isTTY' | 'columns' | 'rows' | 'hasColors'>>;
  readonly stderr: Writable & Partial<Pick<NodeJS.WriteStream, 'isTTY' | 'columns' | 'hasColors'>>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * How a command prints. Results go to standard output and everything else to standard error, so that a result can be
 * piped. With `--json` the result is one JSON value.
 */
export interface Terminal extends Streams {
  readonly json: boolean;
  /** There is a person who can be asked. */
  readonly interactive: boolean;
  readonly width: number;
  /** Characters in a line of a table. No limit if standard output is a pipe. */
  readonly tableWidth: number;
  /** Lines on the screen; undefined if standard output is no terminal. */
  readonly height: number | undefined;
  readonly color: boolean;
  /** Cells of the progress line. */
  readonly progressWidth: number;
  /** Prints the result: `text` for people, or `value` as JSON. */
  result(text: string, value: unknown): void;
  /** Prints a remark for people; nothing with `--json`. */
  say(line: string): void;
  /** Replaces the progress line, on a terminal only. `undefined` clears it. */
  progress(line: string | undefined): void;
  paint(style: Style, text: string): string;
  paintRemark(style: Style, text: string): string;
}

const DEFAULT_WIDTH = 80;
const DEFAULT_HEIGHT = 24;

export function createTerminal(streams: Streams, json: boolean): Terminal {
  const { stdin, stdout, stderr, env } = streams;
  // A terminal that does not know its size says 0.
  const width = stdout.columns || DEFAULT_WIDTH;
  // In the last cell some terminals would begin a new line.
  const progressWidth = (stderr.columns || DEFAULT_WIDTH) - 1;
  let drawn = false;
  const clear = () => {
    if (drawn) stderr.write('\r\u001b[2K');
    drawn = false;
  };
  const paintOn = (stream: Streams['stdout']) => (style: Style, text: string) =>
    paint(text, style, hasColor(stream, env));
  return {
    ...streams,
    json,
    interactive: stdin.isTTY === true && stderr.isTTY === true && !json,
    width,
    tableWidth: stdout.isTTY === true ? width : Number.POSITIVE_INFINITY,
    height: stdout.isTTY === true ? stdout.rows || DEFAULT_HEIGHT : undefined,
    color: hasColor(stdout, env),
    progressWidth,
    result: (text, value) => {
      clear();
      stdout.write(`${json ? safeJson(value) : safeText(text, hasColor(stdout, env))}\n`);
    },
    say: (line) => {
      if (json) return;
      clear();
      stderr.write(`${safeText(line, hasColor(stderr, env))}\n`);
    },
    progress: (line) => {
      clear();
      if (json || line === undefined || stderr.isTTY !== true) return;
      stderr.write(safeText(line, false).slice(0, progressWidth));
      drawn = true;
    },
    paint: paintOn(stdout),
    paintRemark: paintOn(stderr),
  };
}

/** `hasColors` respects NO_COLOR (no-color.org) and FORCE_COLOR. A pipe gets colours only with FORCE_COLOR. */
function hasColor(stream: Streams['stdout'], env: Streams['env']): boolean {
  if (stream.isTTY === true) return stream.hasColors?.() ?? false;
  return (env.FORCE_COLOR ?? '0') !== '0' && (env.NO_COLOR ?? '') === '';
}

/** The codes that `paint` writes. */
const OWN_COLOURS = new RegExp(`(${String.fromCharCode(27)}\\[(?:[012]|22|3[0-79])m)`);
/** What a terminal obeys instead of showing it, except tabs and line ends. */
const OBEYED = new RegExp(`(?![\\t\\n])(?:${INVISIBLE.source})`, INVISIBLE.flags);

/**
 * Text in which a terminal obeys only our own colours. Text from elsewhere is made `printable` where it comes in; this
 * catches what was missed.
 */
export function safeText(text: string, color: boolean): string {
  return text
    .split(OWN_COLOURS)
    .map((piece, index) => (index % 2 === 0 || !color ? piece.replace(OBEYED, '�') : piece))
    .join('');
}

/** JSON with the same meaning, in which a terminal obeys nothing. */
export function safeJson(value: unknown): string {
  return (JSON.stringify(value) ?? 'null').replace(OBEYED, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}
