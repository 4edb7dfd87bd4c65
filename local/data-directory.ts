import { mkdirSync, readdirSync, realpathSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DataDirectoryInUseError, openStore } from './aws/store.ts';
import { isOpenToOthers, isOwn, makePrivate, statsOf } from './private-files.ts';

/** A directory can't be used for local data. The message says what to do. */
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

/** Its presence says that `npm start` made the directory, or found it empty. */
const MARKER = '.oauth-token-refresher';
const MARKER_TEXT = `"npm start" of oauth-token-refresher keeps its data here.
"npm start -- --reset" deletes that, and nothing else.
`;

/** Locked by who uses the directory, and never deleted: others may be about to lock it. */
const LOCK = `${MARKER}.lock`;

/** All that is ever written into the directory; the names below dynamodb/ are LevelDB's. */
const OWN_FOLDERS = ['aws', 'aws/dynamodb', 'logs'];
const OWN_FILES = [
  /^(env|running\.json)(\.new)?$/,
  /^(aws\/aws|authorization-server)\.sqlite(-wal|-shm|-journal)?$/,
  /^logs\/function\.log$/,
  /^\.oauth-token-refresher\.lock(-wal|-shm|-journal)?$/,
  /^aws\/dynamodb\/(CURRENT|LOCK|LOG|LOG\.old|MANIFEST-\d+|\d+\.(ldb|log|sst|dbtmp))$/,
];

interface Entry {
  /** Below the directory, with `/`. */
  readonly path: string;
  readonly kind: 'folder' | 'file' | 'other';
  /** Whether something of this name and kind is what `npm start` makes. */
  readonly own: boolean;
  /** Whether `npm start` would use it, though it is something else. */
  readonly inTheWay: boolean;
}

/**
 * Readies a directory for local data: makes it, or looks whether it is one that `npm start` made, is the caller's own, and
 * leads nowhere else; and makes what is in it private before anything is written.
 *
 * @param say is told what was changed
 * @returns what ends the caller's use of it
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
  // Looked for last: another "npm start" may be making all this at this moment, and makes it first.
  const marked = isMarked(root);
  if (!marked && before.length > 0 && !isOlderData(before)) throw notOurs(directory, before);
  const wasOpen = isOpenToOthers(root.stats);
  makePrivate(root.path);
  // Nobody else can change anything below from here on.
  const entries = entriesOf(root);
  const link = entries.find(({ inTheWay }) => inTheWay);
  if (link !== undefined) throw leadsAway(directory, link);
  if (!marked) makeFile(join(root.path, MARKER), MARKER_TEXT);
  const release = lock(root, directory);
  for (const name of [MARKER, LOCK]) makePrivate(join(root.path, name));
  for (const { path, own } of entries) if (own) makePrivate(join(root.path, path));
  if (wasOpen && entries.length > 0)
    say(`${directory} could be read by others. It is private now; what it holds may have been seen.`);
  return release;
}

/**
 * Deletes what `npm start` has written into a directory, and nothing else. Links are neither followed nor deleted.
 *
 * @param say is told what is kept
 * @throws DataDirectoryError where `npm start` did not make the directory, DataDirectoryInUseError
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
  if (kept.length > 0) say(`Kept what is not of this program: ${namesOf(directory, kept)}.`);
}

function deleteOwn(root: Root): void {
  const own = entriesOf(root).filter((entry) => entry.own);
  for (const { path, kind } of own) if (kind === 'file') rmSync(join(root.path, path), { force: true });
  // Deeper ones come later in the list.
  for (const { path, kind } of own.toReversed())
    if (kind === 'folder') removeEmptyFolder(join(root.path, path));
}

interface Root {
  /** Without links. */
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

/** Node's own `recursive` never ends below /proc, where nobody can make a folder. */
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
  throw notYours(`${directory} is no directory of your own`);
}

function unwritable(directory: string, { message }: Error): DataDirectoryError {
  return new DataDirectoryError(
    'DATA_DIRECTORY_UNWRITABLE',
    `${directory || 'A directory without a name'} can't be made, read or written to: ${message}. Choose another with --data.`,
  );
}

function notYours(what: string): DataDirectoryError {
  return new DataDirectoryError('DATA_DIRECTORY_NOT_YOURS', `${what}. Choose another with --data.`);
}

function isMarked({ path }: Root): boolean {
  return statsOf(join(path, MARKER))?.isFile() === true;
}

/** Everything in the directory but the marker and the lock, a folder before what is in it. Links and folders of others are not entered. */
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

/** Versions before the marker made a directory with their own entries only, and this one always among them. */
function isOlderData(entries: readonly Entry[]): boolean {
  return entries.every(({ own }) => own) && entries.some(({ path }) => path === 'aws/aws.sqlite');
}

/** The operating system takes the lock away from a process that has ended, however it ended. */
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

/** Versions before the lock hold their store alone. */
function refuseInUse(root: Root, directory: string): void {
  const store = entriesOf(root).filter(({ path }) => path.startsWith('aws/aws.sqlite'));
  // One with a link beside it is not opened: what it leads to would be written to.
  const isThere = store.some(({ path, own }) => path === 'aws/aws.sqlite' && own);
  if (!isThere || store.some(({ inTheWay }) => inTheWay)) return;
  try {
    openStore(join(directory, 'aws')).close();
  } catch (error) {
    // One that is damaged is one that a person may want to be rid of.
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
    `${directory} was not made by "npm start": it holds ${namesOf(directory, foreign.length > 0 ? foreign : entries)}. Nothing was changed. Choose another with --data. If it is the data of an older version all the same, say so: touch '${join(directory, MARKER)}'`,
  );
}

function leadsAway(directory: string, { path }: Entry): DataDirectoryError {
  return new DataDirectoryError(
    'DATA_DIRECTORY_HAS_LINK',
    `${nameOf(directory, path)} is a link, or somebody else's, or not what "npm start" makes. Nothing was written. Move it away, or choose another directory with --data.`,
  );
}

function namesOf(directory: string, entries: readonly Entry[]): string {
  const names = entries.slice(0, 3).map(({ path }) => nameOf(directory, path));
  const more = entries.length - names.length;
  return names.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

const nameOf = (directory: string, path: string) => join(directory, path.replaceAll('/', sep));
