import { PassThrough, Readable } from 'node:stream';
import { runCli } from '../../cli/program.ts';

/** What a command printed, and how it ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** Standard input; as a promise where it is known later only. */
  readonly input?: string | Promise<string>;
  /** A person at a terminal: what is typed once the output shows what is waited for, in this order. */
  readonly typing?: readonly (readonly [waitsFor: string, types: string | Promise<string>])[];
  readonly env?: Readonly<Record<string, string>>;
  /** Standard output and error as terminals of this width, with colours. */
  readonly columns?: number;
  readonly rows?: number;
  readonly signal?: AbortSignal;
  /** Told all that is written, as it is written. */
  readonly onOutput?: (text: string) => void;
}

/** Runs one command line in this process, as `main.ts` does. */
export async function cli(
  args: readonly string[],
  {
    input = '',
    typing,
    env = {},
    columns = typing && 80,
    rows,
    signal = new AbortController().signal,
    onOutput,
  }: CliOptions = {},
): Promise<Ended> {
  const written = { stdout: '', stderr: '' };
  const keyboard = typing && createKeyboard(typing);
  const sink = (name: 'stdout' | 'stderr') => {
    const stream = new PassThrough().on('data', (chunk: Buffer) => {
      written[name] += chunk;
      keyboard?.seen(chunk.toString());
      onOutput?.(chunk.toString());
    });
    // A prompt ends the stream that it was given; the process's own can't be ended.
    stream.end = () => stream;
    return columns === undefined
      ? stream
      : Object.assign(stream, { isTTY: true, columns, rows, hasColors: () => env.NO_COLOR === undefined });
  };
  const streams = {
    stdin: keyboard?.stdin ?? Readable.from(linesOf(input)),
    stdout: sink('stdout'),
    stderr: sink('stderr'),
    // Providers of tests are on this machine.
    env: { ALLOW_HTTP_LOOPBACK: 'true', ...env },
  };
  const code = await runCli(args, streams, signal);
  // What was written last is told in the next turn.
  await new Promise((resolve) => setImmediate(resolve));
  return { code, ...written };
}

async function* linesOf(input: string | Promise<string>): AsyncGenerator<string> {
  yield await input;
}

/** Standard input as a terminal's, on which each text is typed when its turn has come. */
function createKeyboard(typing: NonNullable<CliOptions['typing']>) {
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  const left = [...typing];
  let shown = '';
  return {
    stdin,
    seen: (text: string) => {
      shown += text;
      const [next] = left;
      if (next === undefined || !shown.includes(next[0])) return;
      shown = '';
      left.shift();
      // A prompt listens once it has been drawn.
      setImmediate(async () => stdin.write(await next[1]));
    },
  };
}
