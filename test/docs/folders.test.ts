import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot } from '../../build/project.ts';

/** The folders at the top, and which others each may import. The lint rules say the same. */
const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  adapters: ['core'],
  lambda: ['core', 'adapters'],
  terminal: ['core', 'lambda'],
  local: ['core', 'adapters', 'lambda', 'terminal'],
  cli: ['core', 'adapters', 'lambda', 'terminal', 'local'],
  infra: ['lambda'],
};

const files = globSync(`{${Object.keys(FOLDERS)}}/**/*.ts`, { cwd: projectRoot });

/** Each import of one of our own files, as folders. */
const edges = files.flatMap((file) => {
  const text = readFileSync(resolve(projectRoot, file), 'utf8');
  return [...text.matchAll(/(?:from |import\()'(\.[^']+)'/g)].map(([, path = '']) => ({
    file,
    from: dirname(file),
    to: relative(projectRoot, dirname(resolve(projectRoot, dirname(file), path))),
  }));
});
const topOf = (folder: string) => folder.split('/')[0] ?? '';

test('each folder imports only what it may know', () => {
  const upward = edges.filter(
    ({ from, to }) => topOf(from) !== topOf(to) && !FOLDERS[topOf(from)]?.includes(topOf(to)),
  );
  expect(upward.map(({ file, to }) => `${file} imports ${to}`)).toEqual([]);
});

test('no folders import each other in a circle', () => {
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

const read = (path: string) => readFileSync(resolve(projectRoot, path), 'utf8');

const codesOf = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);

describe('docs/how-it-works.md', () => {
  const table = read('docs/how-it-works.md').split('## Where things are')[1] ?? '';
  const rows = [...table.matchAll(/^\| (`.*?) \| (.*) \|$/gm)].map(([, cell = '', what = '']) => ({
    folders: codesOf(cell),
    within: codesOf(what).filter((code) => code.endsWith('/')),
  }));
  const named = rows.flatMap(({ folders }) => folders);

  test('names folders that are there, in at most 12 rows', () => {
    const within = rows.flatMap(({ folders: [top = ''], within }) => within.map((one) => `${top}/${one}`));
    const missing = [...named, ...within].filter((folder) => !existsSync(resolve(projectRoot, folder)));
    expect(missing).toEqual([]);
    expect(rows.length).toBeLessThanOrEqual(12);
  });

  test('leaves out no file: each is in a folder of its table', () => {
    const all = globSync(`{${Object.keys(FOLDERS)},bench,test}/**/*.ts`, { cwd: projectRoot });
    // Files beside a folder's own folders are shared by them.
    const isShared = (file: string) => named.some((folder) => dirname(folder) === dirname(file));
    const missing = all.filter(
      (file) => !isShared(file) && !named.some((folder) => file.startsWith(`${folder}/`)),
    );
    expect(missing).toEqual([]);
  });
});

test.each([...Object.keys(FOLDERS), 'bench', 'test'])('%s/README.md has at most six lines', (folder) => {
  expect(read(`${folder}/README.md`).trimEnd().split('\n').length).toBeLessThanOrEqual(6);
});

test('docs/glossary.md has at most 30 lines, and each word once', () => {
  const page = read('docs/glossary.md');
  expect(page.trimEnd().split('\n').length).toBeLessThanOrEqual(30);
  const words = [...page.matchAll(/^- (.+?): /gm)].flatMap(([, cell = '']) =>
    cell.replaceAll('*', '').split(', '),
  );
  expect(words.length).toBeGreaterThan(20);
  expect(words.filter((word, index) => words.indexOf(word) !== index)).toEqual([]);
});
