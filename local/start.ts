import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { styleText } from 'node:util';
import type { RunResult } from '../lambda/run-result.ts';
import { accountsOf } from '../terminal/fleet-notes.ts';
import { type FleetItem, renderFleet, renderResult } from '../terminal/fleet-table.ts';
import { DataDirectoryInUseError } from './aws/server.ts';
import { DataDirectoryError, resetDataDirectory } from './data-directory.ts';
import { LocalKeyError } from './local-key.ts';
import { AlreadyRunning, type LocalSystem, NotBuilt, startLocalSystem } from './local-system.ts';
import { readStartOptions, START_HELP, type StartOptions, UsageError } from './options.ts';

/** Errors whose message tells the person what to do. */
const expected = [NotBuilt, AlreadyRunning, DataDirectoryInUseError, DataDirectoryError, LocalKeyError];

// Libraries make files too, and tokens are in all of them.
process.umask(0o077);
process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const options = readStartOptions(process.argv.slice(2), process.env);
    if (options !== 'help') return await start(options);
    console.log(START_HELP);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${error.message}\n\n${START_HELP}`);
      return 2;
    }
    if (!expected.some((kind) => error instanceof kind)) throw error;
    console.error((error as Error).message);
    return 1;
  }
}

async function start(options: StartOptions): Promise<number> {
  // Progress goes to standard error, so that standard output has only the table or the JSON.
  const say = (line: string) => console.error(dim(line));
  if (options.reset) resetDataDirectory(options.dataDirectory, say);
  say('Starting DynamoDB, Secrets Manager, KMS, EventBridge and an authorization server …');
  const { dataDirectory, port, every } = options;
  const system = await startLocalSystem({ dataDirectory, port, every: every / 1000, say });
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(130);
      say('Stopping after the current run (press Ctrl-C again to stop at once) …');
      stop.abort();
    });
  try {
    say(`AWS endpoint ${system.aws.url}, authorization server ${system.authorizationServer.issuer}`);
    if (!options.once)
      say(`For the AWS CLI and SDKs, in another shell: . ${quoted(resolve(dataDirectory, 'env'))}`);
    return await fire(options, system, stop.signal);
  } finally {
    await system.close();
  }
}

/** Fires the function once, or until told to stop. */
async function fire(options: StartOptions, system: LocalSystem, stop: AbortSignal): Promise<number> {
  let before: readonly FleetItem[] = [];
  while (!stop.aborted) {
    const begun = Date.now();
    const invocation = await system.function.invoke({});
    if (invocation.kind === 'failed') {
      console.error(`The run failed: ${invocation.errorType}: ${invocation.errorMessage}`);
      console.error(dim(`Its log is in ${join(options.dataDirectory, 'logs', 'function.log')}.`));
      if (options.once) return 1;
    } else {
      const result = invocation.payload as RunResult;
      const items = await system.clients.items();
      if (options.json) console.log(JSON.stringify(result));
      else show(items, before, result, options);
      before = items;
    }
    if (options.once) return 0;
    await wait(Math.max(0, begun + options.every - Date.now()), undefined, { signal: stop }).catch(
      () => undefined,
    );
  }
  return 0;
}

function show(
  items: readonly FleetItem[],
  before: readonly FleetItem[],
  result: RunResult,
  { once, every }: StartOptions,
) {
  const color = colored(process.stdout);
  const now = Math.floor(Date.now() / 1000);
  const { isTTY, columns, rows } = process.stdout;
  // A pipe gets all of it.
  const [width, height] = isTTY
    ? [columns || 80, rows || 24]
    : [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  const time = `${new Date(now * 1000).toISOString().slice(11, 19)}Z  `;
  const summary = renderResult(result, width - time.length, color);
  const below = [
    ...summary.map((line, index) => (index === 0 ? time : ' '.repeat(time.length)) + line),
    ...(once ? [] : [`Next run in ${every / 1000} s; Ctrl-C stops.`]),
  ];
  // An empty line above and below the table, and the cursor's line.
  const table = renderFleet(accountsOf(items, now), {
    now,
    width,
    height: height - below.length - 3,
    color,
    before: accountsOf(before, now),
  });
  console.log(`\n${table}\n\n${below.join('\n')}`);
}

/** Ready to paste into a shell. */
function quoted(path: string): string {
  return /^[\w/.:@+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

/** Colours on a terminal, unless NO_COLOR (no-color.org) is set; elsewhere only with FORCE_COLOR. */
function colored(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY ? stream.hasColors() : (process.env.FORCE_COLOR ?? '0') !== '0';
}

function dim(line: string): string {
  return colored(process.stderr) ? styleText('dim', line, { validateStream: false }) : line;
}
