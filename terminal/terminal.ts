import type { Readable, Writable } from 'node:stream';
import { INVISIBLE } from './display-text.ts';
import { paint, type Style } from './table.ts';

/** What a command sees of the process that it runs in; a test gives its own. */
export interface Streams {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & Partial<Pick<NodeJS.WriteStream, 'isTTY' | 'columns' | 'rows' | 'hasColors'>>;
  readonly stderr: Writable & Partial<Pick<NodeJS.WriteStream, 'isTTY' | 'columns' | 'hasColors'>>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * How a command speaks. Results go to standard output and everything else to standard error, so that a result can be
 * piped; with `--json` the result is one JSON value.
 */
export interface Terminal extends Streams {
  readonly json: boolean;
  /** A person sits there who can be asked. */
  readonly interactive: boolean;
  /** Characters in a line of standard output. */
  readonly width: number;
  /** Characters in a line of a table, where standard output is a terminal; what reads a pipe gets all of it. */
  readonly tableWidth: number;
  /** Lines that a person sees of standard output at once; undefined where it is no terminal. */
  readonly height: number | undefined;
  /** Whether standard output shows colours. */
  readonly color: boolean;
  /** The result: as text for people, or `value` as JSON. */
  result(text: string, value: unknown): void;
  /** Progress and remarks, for people; nothing where nobody reads them. */
  say(line: string): void;
  /** Draws over the last progress line; on a terminal only. `undefined` clears it. */
  progress(line: string | undefined): void;
  /** Colours for standard output. */
  paint(style: Style, text: string): string;
  /** Colours for standard error. */
  paintRemark(style: Style, text: string): string;
}

const DEFAULT_WIDTH = 80;
const DEFAULT_HEIGHT = 24;

export function createTerminal(streams: Streams, json: boolean): Terminal {
  const { stdin, stdout, stderr, env } = streams;
  // A terminal that does not know its size says 0.
  const width = stdout.columns || DEFAULT_WIDTH;
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
      stderr.write(safeText(line, false).slice(0, (stderr.columns || DEFAULT_WIDTH) - 1));
      drawn = true;
    },
    paint: paintOn(stdout),
    paintRemark: paintOn(stderr),
  };
}

/** NO_COLOR (no-color.org) and FORCE_COLOR are respected by `hasColors`; a pipe gets colour by FORCE_COLOR only. */
function hasColor(stream: Streams['stdout'], env: Streams['env']): boolean {
  if (stream.isTTY === true) return stream.hasColors?.() ?? false;
  return (env.FORCE_COLOR ?? '0') !== '0' && (env.NO_COLOR ?? '') === '';
}

/** What `paint` writes. */
const OWN_COLOURS = new RegExp(`(${String.fromCharCode(27)}\\[(?:[012]|22|3[0-79])m)`);
/** What a terminal obeys rather than shows, but for tabs and the ends of lines. */
const OBEYED = new RegExp(`(?![\\t\\n])(?:${INVISIBLE.source})`, INVISIBLE.flags);

/**
 * Text for a terminal, in which nothing is obeyed but our own colours. The words of others are made `printable` where
 * they come in; this is for those that were missed.
 */
export function safeText(text: string, color: boolean): string {
  return text
    .split(OWN_COLOURS)
    .map((piece, index) => (index % 2 === 0 || !color ? piece.replace(OBEYED, '�') : piece))
    .join('');
}

/** JSON that says the same and that no terminal obeys. */
export function safeJson(value: unknown): string {
  return (JSON.stringify(value) ?? 'null').replace(OBEYED, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}
