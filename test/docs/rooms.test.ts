import { globSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../../infra/bundling.ts';

/** The rooms, and which other rooms each may import; the lint rules hold the same file by file. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  adapters: ['core'],
  lambda: ['core', 'adapters'],
  terminal: ['core', 'lambda'],
  local: ['core', 'adapters', 'lambda', 'terminal'],
  cli: ['core', 'adapters', 'lambda', 'terminal', 'local'],
  infra: ['lambda'],
};

const files = globSync('{core,adapters,lambda,terminal,local,cli,infra}/**/*.ts', { cwd: projectRoot });

/** Each import of one of our own files, as folders. */
const edges = files.flatMap((file) => {
  const text = readFileSync(resolve(projectRoot, file), 'utf8');
  return [...text.matchAll(/from '(\.[^']+)'/g)].map(([, path = '']) => ({
    file,
    from: dirname(file),
    to: relative(projectRoot, dirname(resolve(projectRoot, dirname(file), path))),
  }));
});
const roomOf = (folder: string) => folder.split('/')[0] ?? '';

test('no import leads up: each room knows only those below it', () => {
  const upward = edges.filter(
    ({ from, to }) => roomOf(from) !== roomOf(to) && !ROOMS[roomOf(from)]?.includes(roomOf(to)),
  );
  expect(upward.map(({ file, to }) => `${file} imports ${to}`)).toEqual([]);
});

test('no folder imports itself by way of others', () => {
  const next = new Map<string, Set<string>>();
  for (const { from, to } of edges) if (from !== to) next.set(from, (next.get(from) ?? new Set()).add(to));
  const cycles: string[] = [];
  const walk = (folder: string, path: readonly string[]) => {
    if (path.includes(folder)) return void cycles.push([...path, folder].join(' → '));
    for (const other of next.get(folder) ?? []) walk(other, [...path, folder]);
  };
  for (const folder of next.keys()) walk(folder, []);
  expect(cycles).toEqual([]);
});

test('no folder has more than 20 files', () => {
  const counts = Map.groupBy(files, (file) => dirname(file));
  const full = [...counts]
    .filter(([, own]) => own.length > 20)
    .map(([folder, own]) => `${folder}: ${own.length}`);
  expect(full).toEqual([]);
});
