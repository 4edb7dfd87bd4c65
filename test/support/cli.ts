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
  readonly env?: Readonly<Record<string, string>>;
  /** Standard output and error as terminals of this width, with colours. */
  readonly columns?: number;
  readonly signal?: AbortSignal;
  /** Told all that is written, as it is written. */
  readonly onOutput?: (text: string) => void;
}

/** Runs one command line in this process, as `main.ts` does. */
export async function cli(
  args: readonly string[],
  { input = '', env = {}, columns, signal = new AbortController().signal, onOutput }: CliOptions = {},
): Promise<Ended> {
  const written = { stdout: '', stderr: '' };
  const sink = (name: 'stdout' | 'stderr') => {
    const stream = new PassThrough().on('data', (chunk: Buffer) => {
      written[name] += chunk;
      onOutput?.(chunk.toString());
    });
    return columns === undefined
      ? stream
      : Object.assign(stream, { isTTY: true, columns, hasColors: () => env.NO_COLOR === undefined });
  };
  const streams = {
    stdin: Readable.from(linesOf(input)),
    stdout: sink('stdout'),
    stderr: sink('stderr'),
    env,
  };
  const code = await runCli(args, streams, signal);
  // What was written last is told in the next turn.
  await new Promise((resolve) => setImmediate(resolve));
  return { code, ...written };
}

async function* linesOf(input: string | Promise<string>): AsyncGenerator<string> {
  yield await input;
}
