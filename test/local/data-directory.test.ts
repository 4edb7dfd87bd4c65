import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { prepareDataDirectory, resetDataDirectory } from '../../local/data-directory.ts';
import { openStore } from '../../local/shared/store.ts';

const MARKER = '.oauth-token-refresher';
const LOCK = `${MARKER}.lock`;

let parent: string;
let directory: string;
let said: string[];
const say = (line: string) => said.push(line);

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'data-directory-'));
  directory = join(parent, 'data');
  said = [];
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

/** Files in the directory, as a process with the usual umask makes them; a path that ends with `/` is a folder. */
function make(...paths: string[]): void {
  mkdirSync(directory, { recursive: true });
  for (const path of paths) {
    const at = join(directory, path);
    mkdirSync(path.endsWith('/') ? at : join(at, '..'), { recursive: true });
    if (!path.endsWith('/')) writeFileSync(at, 'kept', { mode: 0o644 });
  }
}

/** What versions without a marker left behind. */
const older = ['aws/aws.sqlite', 'aws/dynamodb/CURRENT', 'aws/dynamodb/000003.log', 'logs/function.log'];
const contents = () => readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
const modeOf = (path: string) => statSync(join(directory, path)).mode & 0o777;

describe('a directory for local data', () => {
  test.each([
    { name: 'that does not exist is created', arrange: () => undefined },
    { name: 'that is empty is used', arrange: () => make() },
    { name: 'of an older version is used', arrange: () => make(...older) },
    {
      name: 'that has the marker is used, with what people have put beside it',
      arrange: () => make(MARKER, 'notes.txt'),
    },
  ])('$name, and has the marker', ({ arrange }) => {
    arrange();
    prepareDataDirectory(directory, say);
    expect(contents()).toContain(MARKER);
    expect(modeOf('.')).toBe(0o700);
    expect(modeOf(MARKER)).toBe(0o600);
  });

  test.each([
    { holds: "somebody's file", paths: ['notes.txt'] },
    { holds: "the data of an older version and somebody's file", paths: [...older, 'aws/notes.txt'] },
    { holds: 'folders with names of ours', paths: ['aws/', 'logs/'] },
    { holds: 'a Python environment', paths: ['env/bin/activate'] },
    { holds: 'a file with a name of ours', paths: ['env'] },
  ])('that holds $holds is refused, and nothing is changed', ({ paths }) => {
    make(...paths);
    chmodSync(directory, 0o755);
    const before = contents();
    for (const use of [prepareDataDirectory, resetDataDirectory])
      expect(() => use(directory, say)).toThrow(
        expect.objectContaining({
          code: 'DATA_DIRECTORY_NOT_OURS',
          message: expect.stringContaining('touch '),
        }),
      );
    expect(contents()).toEqual(before);
    expect(modeOf('.')).toBe(0o755);
  });

  test('that others may read is made private with all that is in it, and the person is told', () => {
    make(MARKER, ...older, 'authorization-server.sqlite', 'notes.txt');
    for (const path of ['.', 'aws', 'aws/dynamodb', 'logs']) chmodSync(join(directory, path), 0o755);
    prepareDataDirectory(directory, say);
    expect(['.', 'aws', 'aws/dynamodb', 'logs'].map(modeOf)).toEqual([0o700, 0o700, 0o700, 0o700]);
    expect([...older, 'authorization-server.sqlite'].map(modeOf)).toEqual([
      0o600, 0o600, 0o600, 0o600, 0o600,
    ]);
    expect(modeOf('notes.txt')).toBe(0o644);
    expect(said).toEqual([expect.stringContaining('could be read by others')]);
  });

  test('that is private with files that are not is made private too', () => {
    make(MARKER, ...older);
    chmodSync(directory, 0o700);
    prepareDataDirectory(directory, say);
    expect(older.map(modeOf)).toEqual(older.map(() => 0o600));
  });

  test.each([
    'aws',
    'logs',
    'env',
    'logs/function.log',
    'aws/aws.sqlite',
    'authorization-server.sqlite-wal',
    LOCK,
  ])('whose %s is a link is refused, and the link is not followed', (path) => {
    make(MARKER, 'aws/', 'logs/');
    const elsewhere = join(parent, 'elsewhere');
    mkdirSync(elsewhere, { mode: 0o755 });
    rmSync(join(directory, path), { recursive: true, force: true });
    symlinkSync(elsewhere, join(directory, path));
    expect(() => prepareDataDirectory(directory, say)).toThrow(
      expect.objectContaining({ code: 'DATA_DIRECTORY_HAS_LINK', message: expect.stringContaining(path) }),
    );
    expect(statSync(elsewhere).mode & 0o777).toBe(0o755);
  });

  test('whose marker is a link is not ours', () => {
    make('notes.txt');
    symlinkSync(join(directory, 'notes.txt'), join(directory, MARKER));
    expect(() => prepareDataDirectory(directory, say)).toThrow(/was not made by "npm start"/);
  });

  test('that another process uses is refused until that one has ended', () => {
    const release = prepareDataDirectory(directory, say);
    for (const use of [prepareDataDirectory, resetDataDirectory]) {
      writeFileSync(join(directory, 'env'), '');
      expect(() => use(directory, say)).toThrow(expect.objectContaining({ code: 'DATA_DIRECTORY_IN_USE' }));
    }
    release();
    prepareDataDirectory(directory, say)();
    expect([MARKER, LOCK].map(modeOf)).toEqual([0o600, 0o600]);
  });

  test.each([
    { where: 'below a file', arrange: () => writeFileSync(directory, ''), path: 'data/below' },
    { where: 'in a folder where nobody can create one', arrange: () => undefined, path: '/proc/nowhere' },
  ])('$where is refused, and the message says why', ({ arrange, path }) => {
    arrange();
    const at = path.startsWith('/') ? path : join(parent, path);
    expect(() => prepareDataDirectory(at, say)).toThrow(
      expect.objectContaining({
        code: 'DATA_DIRECTORY_UNWRITABLE',
        message: expect.stringMatching(/E[A-Z]+.*Choose another with --data/),
      }),
    );
  });

  test.each([
    { what: 'a file', arrange: () => writeFileSync(directory, '') },
    { what: 'a link that leads nowhere', arrange: () => symlinkSync(join(parent, 'gone'), directory) },
  ])('that is $what is refused', ({ arrange }) => {
    arrange();
    for (const use of [prepareDataDirectory, resetDataDirectory])
      expect(() => use(directory, say)).toThrow(
        expect.objectContaining({ code: 'DATA_DIRECTORY_NOT_YOURS' }),
      );
  });
});

describe('--reset', () => {
  test('deletes what npm start has written, of an older version too', () => {
    for (const paths of [[MARKER, ...older, 'env', 'running.json'], older]) {
      make(...paths);
      resetDataDirectory(directory, say);
      expect(contents().filter((path) => path !== MARKER && path !== LOCK)).toEqual([]);
    }
    expect(said).toEqual([]);
  });

  test('keeps everything else, and says so', () => {
    make(MARKER, ...older, 'notes.txt', 'logs/mine.log', 'photos/a.jpg');
    resetDataDirectory(directory, say);
    expect(contents()).toEqual(
      [MARKER, LOCK, 'logs', 'logs/mine.log', 'notes.txt', 'photos', 'photos/a.jpg'].sort(),
    );
    expect(said.join()).toMatch(/^Kept .*notes\.txt/);
    prepareDataDirectory(directory, say);
  });

  test('neither follows nor deletes a link', () => {
    make(MARKER, 'aws/aws.sqlite');
    const elsewhere = join(parent, 'elsewhere');
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, 'function.log'), 'precious');
    symlinkSync(elsewhere, join(directory, 'logs'));
    symlinkSync(join(elsewhere, 'function.log'), join(directory, 'env'));
    resetDataDirectory(directory, say);
    expect(readFileSync(join(elsewhere, 'function.log'), 'utf8')).toBe('precious');
    expect(contents().filter((path) => !path.includes('function'))).toEqual([MARKER, LOCK, 'env', 'logs']);
  });

  test.each([
    'env',
    'env.new',
    'running.json',
    'running.json.new',
    'authorization-server.sqlite',
    'authorization-server.sqlite-wal',
    'authorization-server.sqlite-shm',
    'authorization-server.sqlite-journal',
    'aws',
    'aws/aws.sqlite',
    'aws/aws.sqlite-wal',
    'aws/aws.sqlite-shm',
    'aws/aws.sqlite-journal',
    'aws/dynamodb',
    'aws/dynamodb/CURRENT',
    'aws/dynamodb/LOCK',
    'aws/dynamodb/MANIFEST-000002',
    'aws/dynamodb/000003.log',
    'logs',
    'logs/function.log',
  ])('neither follows, changes nor deletes a link that is called %s', (path) => {
    make(MARKER, 'logs/', 'aws/dynamodb/');
    openStore(join(directory, 'aws')).close();
    const precious = ['file', 'folder/CURRENT', 'folder/aws.sqlite', 'folder/function.log'].map((name) =>
      join(parent, name),
    );
    mkdirSync(join(parent, 'folder'));
    for (const file of precious) writeFileSync(file, 'precious');
    const link = join(directory, path);
    rmSync(link, { recursive: true, force: true });
    symlinkSync(join(parent, /^(aws|aws\/dynamodb|logs)$/.test(path) ? 'folder' : 'file'), link);
    resetDataDirectory(directory, say);
    expect(precious.map((file) => readFileSync(file, 'utf8'))).toEqual(precious.map(() => 'precious'));
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(said.join()).toContain(link);
  });

  test('of a directory whose lock is a link does nothing', () => {
    make(MARKER, 'env');
    symlinkSync(join(parent, 'elsewhere'), join(directory, LOCK));
    expect(() => resetDataDirectory(directory, say)).toThrow(
      expect.objectContaining({ code: 'DATA_DIRECTORY_HAS_LINK' }),
    );
    expect(existsSync(join(parent, 'elsewhere'))).toBe(false);
    expect(contents()).toContain('env');
  });

  test('leaves a file alone that has another name elsewhere', () => {
    make(MARKER, 'env');
    linkSync(join(directory, 'env'), join(parent, 'precious'));
    resetDataDirectory(directory, say);
    expect(readFileSync(join(parent, 'precious'), 'utf8')).toBe('kept');
  });

  test('of a directory that is not there, or empty, does nothing', () => {
    resetDataDirectory(directory, say);
    expect(existsSync(directory)).toBe(false);
    make();
    resetDataDirectory(directory, say);
    expect(contents()).toEqual([]);
  });

  test('is refused while a process uses the data', () => {
    make(MARKER);
    const store = openStore(join(directory, 'aws'));
    expect(() => resetDataDirectory(directory, say)).toThrow(
      expect.objectContaining({ code: 'DATA_DIRECTORY_IN_USE' }),
    );
    store.close();
    resetDataDirectory(directory, say);
    expect(contents()).toEqual([MARKER, LOCK]);
  });
});
