import { chmodSync, lstatSync, renameSync, rmSync, type Stats, writeFileSync } from 'node:fs';

/** On Windows Node knows neither owners nor modes; there, a person's folders are private anyway. */
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

/** Makes a file or folder private, if it exists. It never follows a link. */
export function makePrivate(path: string): void {
  const stats = statsOf(path);
  if (stats !== undefined && !stats.isSymbolicLink() && isOpenToOthers(stats))
    chmodSync(path, stats.isDirectory() ? 0o700 : 0o600);
}

/** Writes a file that is private from the first moment, completely or not at all. */
export function writePrivate(file: string, text: string): void {
  const draft = `${file}.new`;
  rmSync(draft, { force: true });
  writeFileSync(draft, text, { flag: 'wx', mode: 0o600 });
  renameSync(draft, file);
}

/** What is at a path, without following a link; undefined if there is nothing. @throws if that can't be found out */
export function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    // A part of the path is a file, not a folder.
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw error;
  }
}
