import { type ChildProcess, fork } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FUNCTION_TIMEOUT_SECONDS } from './aws/services/lambda.ts';

/** How an invocation ended, as Lambda reports it. */
export type Invocation =
  | { readonly kind: 'returned'; readonly payload: unknown }
  | { readonly kind: 'failed'; readonly errorType: string; readonly errorMessage: string };

/** The function in its own process, invoked as Lambda does: one event at a time, with a time limit. */
export interface FunctionProcess {
  /** @param timeout milliseconds; then the process is killed, as in Lambda */
  invoke(event: unknown, timeout?: number): Promise<Invocation>;
  /** The lines that the function logged since the last call. */
  takeLog(): string[];
  /** Ends the process at once (SIGKILL); the next invocation starts a new one. */
  kill(): void;
  readonly pid: number | undefined;
}

interface FunctionProcessOptions {
  /** The module that exports `handler`: the source, or a bundle of it. */
  readonly module?: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Modules to load before it, as URLs. */
  readonly preload?: readonly string[];
  /** Where to keep the log; only in memory by default. */
  readonly logFile?: string;
}

/** What the host receives. It answers with an `Invocation`. */
export interface HostRequest {
  readonly event: unknown;
  readonly timeout: number;
}

const LAMBDA_TIMEOUT = FUNCTION_TIMEOUT_SECONDS * 1_000;
const KEPT_LINES = 10_000;

/** The process starts with the first invocation, and again with the first one after a kill. */
export function createFunctionProcess(options: FunctionProcessOptions): FunctionProcess {
  const module = options.module ?? fileURLToPath(new URL('../lambda/handler.ts', import.meta.url));
  const logFile: WriteStream | undefined =
    options.logFile === undefined
      ? undefined
      : createWriteStream(options.logFile, { flags: 'a', mode: 0o600 });
  let child: ChildProcess | undefined;
  let log: string[] = [];
  let busy: Promise<unknown> = Promise.resolve();

  const start = () => {
    const host = fork(fileURLToPath(new URL('function-host.ts', import.meta.url)), [module], {
      env: { PATH: process.env.PATH ?? '', ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execPath: process.execPath,
      execArgv: ['--enable-source-maps', ...(options.preload ?? []).flatMap((url) => ['--import', url])],
      // Ctrl-C should only reach our own process; that one ends the function after its invocation.
      detached: true,
    });
    const keep = (data: Buffer) => {
      logFile?.write(data);
      log.push(...data.toString('utf8').split('\n').filter(Boolean));
      if (log.length > KEPT_LINES) log = log.slice(-KEPT_LINES);
    };
    host.stdout?.on('data', keep);
    host.stderr?.on('data', keep);
    host.once('exit', () => {
      if (child === host) child = undefined;
    });
    return host;
  };

  const invokeNow = (event: unknown, timeout: number) =>
    new Promise<Invocation>((resolve) => {
      child ??= start();
      const host = child;
      const timer = setTimeout(() => {
        host.kill('SIGKILL');
        end({
          kind: 'failed',
          errorType: 'Sandbox.Timedout',
          errorMessage: `Task timed out after ${timeout} ms`,
        });
      }, timeout);
      const end = (invocation: Invocation) => {
        clearTimeout(timer);
        host.off('message', end);
        host.off('exit', died);
        resolve(invocation);
      };
      const died = (code: number | null, signal: NodeJS.Signals | null) =>
        end({
          kind: 'failed',
          errorType: 'Runtime.ExitError',
          errorMessage: `The process exited (${signal ?? `code ${code}`})`,
        });
      host.on('message', end);
      host.on('exit', died);
      host.send({ event, timeout } satisfies HostRequest, (error) => {
        if (error !== null) died(null, null);
      });
    });

  return {
    invoke: (event, timeout = LAMBDA_TIMEOUT) => {
      const turn = busy.then(() => invokeNow(event, timeout));
      busy = turn;
      return turn;
    },
    takeLog: () => {
      const lines = log;
      log = [];
      return lines;
    },
    kill: () => {
      child?.kill('SIGKILL');
      child = undefined;
    },
    get pid() {
      return child?.pid;
    },
  };
}
