import { readFileSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { proves } from './aws/proof.ts';
import type { AwsKeys } from './aws/protocol/signature.ts';
import { awsEnvironment } from './clients.ts';
import { localKeys } from './local-key.ts';
import { isOwn, isWritableByOthers, statsOf, writePrivate } from './private-files.ts';
import { HOST } from './shared/listen.ts';

/** How other commands find the running system. */
interface RunningSystem {
  readonly pid: number;
  readonly endpoint: string;
  readonly issuer: string;
  /** Seconds between two runs. */
  readonly every?: number | undefined;
}

/** What we know about the local system that uses a data directory. */
export type Found =
  | { readonly kind: 'none' }
  | { readonly kind: 'running'; readonly system: RunningSystem; readonly keys: AwsKeys }
  /** A file says that one runs, but we can't believe it. */
  | { readonly kind: 'unproven'; readonly file: string; readonly why: string };

const MAX_FILE_BYTES = 4_096;

/** Only the address that `npm start` listens on: at another one, somebody else may use the same port. */
const localOrigin = v.pipe(v.string(), v.check(isLocalOrigin));
const fileSchema = v.object({
  pid: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  endpoint: localOrigin,
  issuer: localOrigin,
  every: v.optional(v.pipe(v.number(), v.finite(), v.gtValue(0))),
});

function isLocalOrigin(text: string): boolean {
  const url = URL.parse(text);
  return url?.protocol === 'http:' && url.hostname === HOST && url.port !== '' && text === url.origin;
}

const runningFile = (dataDirectory: string) => join(dataDirectory, 'running.json');
const environmentFile = (dataDirectory: string) => join(dataDirectory, 'env');

/** Writes down how other commands find the system, and how shells reach its AWS. */
export function announce(dataDirectory: string, system: RunningSystem, keys: AwsKeys): void {
  const lines = Object.entries(awsEnvironment(system.endpoint, keys)).map(
    ([name, value]) => `export ${name}=${value}\n`,
  );
  writePrivate(environmentFile(dataDirectory), lines.join(''));
  writePrivate(runningFile(dataDirectory), JSON.stringify(system));
}

export function withdraw(dataDirectory: string): void {
  rmSync(runningFile(dataDirectory), { force: true });
  rmSync(environmentFile(dataDirectory), { force: true });
}

/**
 * Finds the local system that uses a data directory now. Anybody may have made the directory. So we send the system
 * nothing before it has proved that it has the keys that follow from the person's own.
 *
 * @throws LocalKeyError
 */
export async function findRunningSystem(dataDirectory: string): Promise<Found> {
  const file = runningFile(dataDirectory);
  const unproven = (why: string): Found => ({ kind: 'unproven', file, why });
  const text = textOf(file);
  if (text === undefined) return { kind: 'none' };
  if (![realpathSync.native(dataDirectory), file].every(isOnlyOurs))
    return unproven("isn't yours, or others may write to it or its folder");
  const system = parse(text);
  if (system === undefined) return unproven('is not a file that "npm start" writes');
  if (!isAlive(system.pid))
    return unproven(`names process ${system.pid}, which is not running, or not yours`);
  const endpoint = new URL(system.endpoint);
  const keys = localKeys(dataDirectory, 'only-read');
  if (keys === undefined || !(await proves(endpoint, keys)))
    return unproven(`names ${endpoint.origin}, which did not prove that it is yours`);
  return { kind: 'running', system, keys };
}

/** Whether its owner and mode say that nobody else can have written it. */
function isOnlyOurs(path: string): boolean {
  const stats = statsOf(path);
  return stats !== undefined && isOwn(stats) && !isWritableByOthers(stats);
}

/** A file's text; empty if it can't be one of ours, undefined if there is none. */
function textOf(file: string): string | undefined {
  try {
    const stats = statsOf(file);
    if (stats === undefined) return undefined;
    return stats.isFile() && stats.size <= MAX_FILE_BYTES ? readFileSync(file, 'utf8') : '';
  } catch {
    // Perhaps somebody else's.
    return '';
  }
}

function parse(text: string): RunningSystem | undefined {
  try {
    const { success, output } = v.safeParse(fileSchema, JSON.parse(text));
    return success ? output : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
