import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import type { AwsKeys } from './aws/signature.ts';
import { isOpenToOthers, isOwn, statsOf } from './private-files.ts';

const BYTES = 32;

/** A person's key can't be used. `code` is `LOCAL_KEY_UNUSABLE`; the message says what to do. */
export class LocalKeyError extends Error {
  override readonly name = 'LocalKeyError';
  readonly code = 'LOCAL_KEY_UNUSABLE';
}

/**
 * Where a person's key is: never below the current folder, whose files somebody else may have written.
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
 * The keys of the local system that uses a data directory. They follow from the person's own key and from where the
 * directory is, so that nothing in the directory has to be believed.
 *
 * @param make makes the person's key where there is none yet
 * @returns undefined where there is none
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
      `Your key for local systems can be neither read nor made: ${(error as Error).message}. Set XDG_STATE_HOME to a folder in which you may write.`,
    );
  }
}

function readKey(): Buffer | undefined {
  const file = localKeyFile();
  const stats = statsOf(file);
  if (stats === undefined) return undefined;
  const folder = statsOf(dirname(file));
  if (!stats.isFile() || folder?.isDirectory() !== true)
    throw new LocalKeyError(`${file} must be a file, and no link. Delete it: "npm start" makes another.`);
  if (!isOwn(stats) || !isOwn(folder))
    throw new LocalKeyError(
      `${file} belongs to somebody else. Set XDG_STATE_HOME to a folder of your own, and use "npm start" there.`,
    );
  if (isOpenToOthers(stats) || isOpenToOthers(folder))
    throw new LocalKeyError(
      `${file} may have been read or changed by others. Stop "npm start" and delete it: the next "npm start" makes another.`,
    );
  const key = readFileSync(file);
  if (key.length === BYTES) return key;
  throw new LocalKeyError(`${file} is damaged. Delete it: "npm start" makes another.`);
}

/** Of several processes at once one is first, and all of them get its key. */
function makeKey(): Buffer {
  const file = localKeyFile();
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomUUID()}`;
  writeFileSync(draft, randomBytes(BYTES), { flag: 'wx', mode: 0o600 });
  try {
    // Unlike a rename, a link never replaces a file: whoever reads one sees it whole, and it stays.
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
