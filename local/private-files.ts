import { chmodSync, lstatSync, renameSync, rmSync, type Stats, writeFileSync } from 'node:fs';

/** Windows has neither owners nor modes that Node could tell: a person's folders are that person's there. */
const ownId = process.getuid?.();

/** Whether a file or folder belongs to the person who runs this. */
export function isOwn({ uid }: Stats): boolean {
  return ownId === undefined || uid === ownId;
}

/** Whether others may read or change it. */
export function isOpenToOthers({ mode }: Stats): boolean {
  return ownId !== undefined && (mode & 0o077) !== 0;
}

/** Whether others may change it. */
export function isWritableByOthers({ mode }: Stats): boolean {
  return ownId !== undefined && (mode & 0o022) !== 0;
}

/** Takes away what others may do with a file or folder, where it is there; never through a link. */
export function makePrivate(path: string): void {
  const stats = statsOf(path);
  if (stats !== undefined && !stats.isSymbolicLink() && isOpenToOthers(stats))
    chmodSync(path, stats.isDirectory() ? 0o700 : 0o600);
}

/** Writes a file that is its owner's alone from the first moment, as a whole or not at all. */
export function writePrivate(file: string, text: string): void {
  const draft = `${file}.new`;
  rmSync(draft, { force: true });
  writeFileSync(draft, text, { flag: 'wx', mode: 0o600 });
  renameSync(draft, file);
}

/** What a path is, itself and not what it links to; undefined where there is nothing. @throws where nobody can tell */
export function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    // There is a file where a folder would be.
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw error;
  }
}
