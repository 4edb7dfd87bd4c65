import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import type { AwsKeys } from './aws/protocol/signature.ts';
import { isOpenToOthers, isOwn, statsOf } from './private-files.ts';

const BYTES = 32;

/** The person's key can't be used. The message says what to do. */
export class LocalKeyError extends Error {
  override readonly name = 'LocalKeyError';
  readonly code = 'LOCAL_KEY_UNUSABLE';
}

/**
 * Where the person's key is: never below the current folder, since somebody else may have written the files there.
 *
 * @see https://specifications.freedesktop.org/basedir-spec/latest/
 */
export function localKeyFile(): string {
  const { XDG_STATE_HOME = '' } = process.env;
  const home = isAbsolute(homedir()) ? homedir() : userInfo().homedir;
  const state = isAbsolute(XDG_STATE_HOME) ? XDG_STATE_HOME : join(home, '.local', 'state');
  return join(state, 'oauth-token-refresher', 'local-key');
}

/**
 * The keys of the local system that uses a data directory. They follow from the person's own key and the directory's
 * real path, so that we need not trust anything in the directory.
 *
 * @param make creates the person's key if there is none yet
 * @returns undefined if there is none
 * @throws LocalKeyError
 */
export function localKeys(dataDirectory: string, make: 'make'): AwsKeys;
export function localKeys(dataDirectory: string, make: 'only-read'): AwsKeys | undefined;
export function localKeys(dataDirectory: string, make: 'make' | 'only-read'): AwsKeys | undefined {
  const key = legibleKey(make);
  if (key === undefined) return undefined;
  const secretAccessKey = createHmac('sha256', key)
    .update(`data\n${realpathSync.native(dataDirectory)}`)
    .digest('hex');
  return { accessKeyId: 'local', secretAccessKey };
}

function legibleKey(make: 'make' | 'only-read'): Buffer | undefined {
  try {
    return readKey() ?? (make === 'make' ? makeKey() : undefined);
  } catch (error) {
    if (error instanceof LocalKeyError) throw error;
    throw new LocalKeyError(
      `Your key for local systems can't be read or created: ${(error as Error).message}. Set XDG_STATE_HOME to a folder where you may write.`,
    );
  }
}

function readKey(): Buffer | undefined {
  const file = localKeyFile();
  const stats = statsOf(file);
  if (stats === undefined) return undefined;
  const folder = statsOf(dirname(file));
  if (!stats.isFile() || folder?.isDirectory() !== true)
    throw new LocalKeyError(
      `${file} must be a file, not a link or folder. Delete it; "npm start" creates a new one.`,
    );
  if (!isOwn(stats) || !isOwn(folder))
    throw new LocalKeyError(
      `${file} belongs to somebody else. Set XDG_STATE_HOME to a folder that belongs to you.`,
    );
  if (isOpenToOthers(stats) || isOpenToOthers(folder))
    throw new LocalKeyError(
      `Others may have read or changed ${file}. Stop "npm start" and delete the file; the next "npm start" creates a new one.`,
    );
  const key = readFileSync(file);
  if (key.length === BYTES) return key;
  throw new LocalKeyError(`${file} is damaged. Delete it; "npm start" creates a new one.`);
}

/** If several processes start at once, the first one's key is used by all. */
function makeKey(): Buffer {
  const file = localKeyFile();
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomUUID()}`;
  writeFileSync(draft, randomBytes(BYTES), { flag: 'wx', mode: 0o600 });
  try {
    // Unlike a rename, a link never replaces a file. So a key is always complete and never changes.
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
  const key = readKey();
  if (key !== undefined) return key;
  throw new LocalKeyError(`${file} was removed meanwhile. Try again.`);
}
