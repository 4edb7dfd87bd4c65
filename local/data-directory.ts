import { mkdirSync, readdirSync, realpathSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isOpenToOthers, isOwn, makePrivate, statsOf } from './private-files.ts';
import { DataDirectoryInUseError, openStore } from './shared/store.ts';

/** A directory can't hold local data. The message says what to do. */
export class DataDirectoryError extends Error {
  override readonly name = 'DataDirectoryError';
  readonly code:
    | 'DATA_DIRECTORY_NOT_OURS'
    | 'DATA_DIRECTORY_NOT_YOURS'
    | 'DATA_DIRECTORY_HAS_LINK'
    | 'DATA_DIRECTORY_UNWRITABLE';

  constructor(code: DataDirectoryError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** This file says that `npm start` made the directory, or found it empty. */
const MARKER = '.oauth-token-refresher';
const MARKER_TEXT = `"npm start" of oauth-token-refresher keeps its data here.
"npm start -- --reset" deletes that, and nothing else.
`;

/** The process that uses the directory locks this file. It is never deleted: another process may be about to lock it. */
const LOCK = `${MARKER}.lock`;

/** Everything that is ever written into the directory. The names below dynamodb/ are LevelDB's. */
const OWN_FOLDERS = ['aws', 'aws/dynamodb', 'logs'];
const OWN_FILES = [
  /^(env|running\.json)(\.new)?$/,
  /^(aws\/aws|authorization-server)\.sqlite(-wal|-shm|-journal)?$/,
  /^logs\/function\.log$/,
  /^\.oauth-token-refresher\.lock(-wal|-shm|-journal)?$/,
  /^aws\/dynamodb\/(CURRENT|LOCK|LOG|LOG\.old|MANIFEST-\d+|\d+\.(ldb|log|sst|dbtmp))$/,
];

interface Entry {
  /** Its path inside the directory, with `/`. */
  readonly path: string;
  readonly kind: 'folder' | 'file' | 'other';
  /** `npm start` makes something with this name and kind. */
  readonly own: boolean;
  /** It has a name that `npm start` uses, but is something else. */
  readonly inTheWay: boolean;
}

/**
 * Prepares a directory for local data. It creates it, or checks that `npm start` made it, that it belongs to the caller
 * and that it has no link elsewhere. Then it makes the contents private, before anything is written.
 *
 * @param say gets a line for each change
 * @returns a function that ends the caller's use of the directory
 * @throws DataDirectoryError, DataDirectoryInUseError
 */
export function prepareDataDirectory(directory: string, say: (line: string) => void): () => void {
  try {
    return prepare(directory, say);
  } catch (error) {
    if (error instanceof DataDirectoryError || typeof (error as NodeJS.ErrnoException).syscall !== 'string')
      throw error;
    throw unwritable(directory, error as Error);
  }
}

function prepare(directory: string, say: (line: string) => void): () => void {
  if (statsOf(directory) === undefined) makeFolder(directory);
  const root = ownRoot(directory);
  const before = entriesOf(root);
  // Checked last: another "npm start" may be creating all this right now, and it makes the marker first.
  const marked = isMarked(root);
  if (!marked && before.length > 0 && !isOlderData(before)) throw notOurs(directory, before);
  const wasOpen = isOpenToOthers(root.stats);
  makePrivate(root.path);
  // From here on nobody else can change anything in it.
  const entries = entriesOf(root);
  const link = entries.find(({ inTheWay }) => inTheWay);
  if (link !== undefined) throw leadsAway(directory, link);
  if (!marked) makeFile(join(root.path, MARKER), MARKER_TEXT);
  const release = lock(root, directory);
  for (const name of [MARKER, LOCK]) makePrivate(join(root.path, name));
  for (const { path, own } of entries) if (own) makePrivate(join(root.path, path));
  if (wasOpen && entries.length > 0)
    say(`${directory} could be read by others. It is private now, but others may have seen what is in it.`);
  return release;
}

/**
 * Deletes what `npm start` has written into a directory, and nothing else. It neither follows nor deletes links.
 *
 * @param say gets a line about what is kept
 * @throws DataDirectoryError if `npm start` did not make the directory, DataDirectoryInUseError
 */
export function resetDataDirectory(directory: string, say: (line: string) => void): void {
  if (statsOf(directory) === undefined) return;
  const root = ownRoot(directory);
  const entries = entriesOf(root);
  if (entries.length === 0) return;
  if (!isMarked(root) && !isOlderData(entries)) throw notOurs(directory, entries);
  const link = entries.find(({ path, inTheWay }) => inTheWay && path.startsWith(LOCK));
  if (link !== undefined) throw leadsAway(directory, link);
  const release = lock(root, directory);
  try {
    refuseInUse(root, directory);
    deleteOwn(root);
  } finally {
    release();
  }
  const kept = entriesOf(root).filter((entry) => !entry.own);
  if (kept.length > 0) say(`Kept what "npm start" did not make: ${namesOf(directory, kept)}.`);
}

function deleteOwn(root: Root): void {
  const own = entriesOf(root).filter((entry) => entry.own);
  for (const { path, kind } of own) if (kind === 'file') rmSync(join(root.path, path), { force: true });
  // A folder comes before its contents in the list.
  for (const { path, kind } of own.toReversed())
    if (kind === 'folder') removeEmptyFolder(join(root.path, path));
}

interface Root {
  /** With all links resolved. */
  readonly path: string;
  readonly stats: NonNullable<ReturnType<typeof statsOf>>;
}

function makeFolder(directory: string): void {
  try {
    makeFolders(directory);
  } catch (error) {
    throw unwritable(directory, error as Error);
  }
}

/** Node's own `recursive` never ends below /proc, where folders can't be created. */
function makeFolders(path: string): void {
  const parent = dirname(path);
  if (parent !== path && statsOf(parent) === undefined) makeFolders(parent);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function ownRoot(directory: string): Root {
  let path: string;
  try {
    path = realpathSync.native(directory);
  } catch {
    throw notYours(`${directory} is a link that leads nowhere`);
  }
  const stats = statsOf(path);
  if (stats?.isDirectory() === true && isOwn(stats)) return { path, stats };
  throw notYours(`${directory} is not a directory that belongs to you`);
}

function unwritable(directory: string, { message }: Error): DataDirectoryError {
  return new DataDirectoryError(
    'DATA_DIRECTORY_UNWRITABLE',
    `${directory || 'A directory without a name'} can't be created, read or written: ${message}. Choose another with --data.`,
  );
}

function notYours(what: string): DataDirectoryError {
  return new DataDirectoryError('DATA_DIRECTORY_NOT_YOURS', `${what}. Choose another with --data.`);
}

function isMarked({ path }: Root): boolean {
  return statsOf(join(path, MARKER))?.isFile() === true;
}

/** Everything in the directory except the marker and the lock, each folder before its contents. It doesn't enter links or folders that are not ours. */
function entriesOf(root: Root, below = ''): Entry[] {
  return readdirSync(join(root.path, below), { withFileTypes: true }).flatMap((found) => {
    const path = below === '' ? found.name : `${below}/${found.name}`;
    if ((path === MARKER || path === LOCK) && found.isFile()) return [];
    const kind = found.isDirectory() ? 'folder' : found.isFile() ? 'file' : 'other';
    const isFolderName = OWN_FOLDERS.includes(path);
    const isFileName = OWN_FILES.some((pattern) => pattern.test(path));
    const hasKind = (kind === 'folder' && isFolderName) || (kind === 'file' && isFileName);
    const stats = hasKind ? statsOf(join(root.path, path)) : undefined;
    const own = stats !== undefined && isOwn(stats);
    const inTheWay = (isFolderName || isFileName || path === MARKER) && !own;
    const entry: Entry = { path, kind, own, inTheWay };
    return own && kind === 'folder' ? [entry, ...entriesOf(root, path)] : [entry];
  });
}

/** Older versions made no marker. Their directories hold only their own entries, and always this one. */
function isOlderData(entries: readonly Entry[]): boolean {
  return entries.every(({ own }) => own) && entries.some(({ path }) => path === 'aws/aws.sqlite');
}

/** The operating system releases the lock when the process ends, however it ends. */
function lock(root: Root, directory: string): () => void {
  makeFile(join(root.path, LOCK), '');
  const db = new DatabaseSync(join(root.path, LOCK));
  try {
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if (!/locked|busy/.test((error as Error).message)) throw unwritable(directory, error as Error);
    throw new DataDirectoryInUseError(
      `The data directory ${directory} is in use by another process. Stop that one, or choose another directory.`,
    );
  }
  return () => db.close();
}

function makeFile(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Older versions lock only their store. */
function refuseInUse(root: Root, directory: string): void {
  const store = entriesOf(root).filter(({ path }) => path.startsWith('aws/aws.sqlite'));
  // Not opened if there is a link beside it: SQLite would write to where it leads.
  const isThere = store.some(({ path, own }) => path === 'aws/aws.sqlite' && own);
  if (!isThere || store.some(({ inTheWay }) => inTheWay)) return;
  try {
    openStore(join(directory, 'aws')).close();
  } catch (error) {
    // A damaged one can be deleted, too.
    if ((error as { code?: unknown }).code === 'DATA_DIRECTORY_IN_USE') throw error;
  }
}

function removeEmptyFolder(path: string): void {
  if (readdirSync(path).length === 0) rmdirSync(path);
}

function notOurs(directory: string, entries: readonly Entry[]): DataDirectoryError {
  const foreign = entries.filter(({ own }) => !own);
  return new DataDirectoryError(
    'DATA_DIRECTORY_NOT_OURS',
    `${directory} was not made by "npm start": it holds ${namesOf(directory, foreign.length > 0 ? foreign : entries)}. Nothing was changed. Choose another with --data. If it is the data of an older version after all, run: touch '${join(directory, MARKER)}'`,
  );
}

function leadsAway(directory: string, { path }: Entry): DataDirectoryError {
  return new DataDirectoryError(
    'DATA_DIRECTORY_HAS_LINK',
    `${nameOf(directory, path)} is a link, belongs to somebody else, or is not what "npm start" makes. Nothing was written. Move it away, or choose another directory with --data.`,
  );
}

function namesOf(directory: string, entries: readonly Entry[]): string {
  const names = entries.slice(0, 3).map(({ path }) => nameOf(directory, path));
  const more = entries.length - names.length;
  return names.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

const nameOf = (directory: string, path: string) => join(directory, path.replaceAll('/', sep));
