import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { projectRoot } from './project.ts';

/** What is published, and what is tested and deployed here. */
export const dist = join(projectRoot, 'dist');

/**
 * Makes a folder of dist/ hold these files and no others. What is there already stays untouched: another process may be
 * running it.
 */
export function writeFolder(name: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  const folder = join(dist, name);
  mkdirSync(folder, { recursive: true });
  for (const old of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(old.parentPath, old.name);
    if (old.isFile() && !Object.hasOwn(files, path.slice(folder.length + 1))) rmSync(path);
  }
  for (const [path, content] of Object.entries(files)) writeChanged(join(folder, path), content);
}

export function writeChanged(path: string, content: string | Uint8Array): void {
  const bytes = Buffer.from(content);
  try {
    if (readFileSync(path).equals(bytes)) return;
  } catch {
    mkdirSync(dirname(path), { recursive: true });
  }
  writeFileSync(path, bytes);
}
