import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { localKeyFile, localKeys } from '../../local/local-key.ts';
import { runProcess } from '../support/run-process.ts';

let state: string;
let data: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'local-key-'));
  data = join(state, 'data');
  mkdirSync(data);
  vi.stubEnv('XDG_STATE_HOME', join(state, 'state'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(state, { recursive: true, force: true });
});

test('there are no keys if the person has no key yet and none may be created', () => {
  expect(localKeys(data, 'only-read')).toBeUndefined();
});

test("the person's key is made once, for that person alone", () => {
  const keys = localKeys(data, 'make');
  expect(statSync(localKeyFile()).mode & 0o777).toBe(0o600);
  expect(statSync(dirname(localKeyFile())).mode & 0o777).toBe(0o700);
  expect(readFileSync(localKeyFile())).toHaveLength(32);
  expect(localKeys(data, 'make')).toEqual(keys);
  expect(localKeys(data, 'only-read')).toEqual(keys);
});

test('a directory has the same keys however it is reached, and no other directory has them', () => {
  const keys = localKeys(data, 'make');
  symlinkSync(data, join(state, 'link'));
  expect(localKeys(join(state, 'link'), 'make')).toEqual(keys);
  expect(localKeys(state, 'make')).not.toEqual(keys);
});

test('processes that start at once have the same key', async () => {
  const module = new URL('../../local/local-key.ts', import.meta.url).href;
  const program = `import(${JSON.stringify(module)}).then(({ localKeys }) =>
    console.log(localKeys(${JSON.stringify(data)}, 'make').secretAccessKey))`;
  const ends = await Promise.all(
    Array.from({ length: 6 }, () => runProcess(process.execPath, ['-e', program])),
  );
  expect(ends.map(({ stderr }) => stderr).join('')).toBe('');
  expect(new Set(ends.map(({ stdout }) => stdout))).toEqual(
    new Set([`${localKeys(data, 'only-read')?.secretAccessKey}\n`]),
  );
});

describe('a key is refused, with what to do:', () => {
  const write = (size = 32) => {
    mkdirSync(dirname(localKeyFile()), { recursive: true, mode: 0o700 });
    writeFileSync(localKeyFile(), Buffer.alloc(size, 1), { mode: 0o600 });
  };
  test.each([
    { name: 'one that others may read', arrange: () => [write(), chmodSync(localKeyFile(), 0o640)] },
    {
      name: 'one in a folder that others may write to',
      arrange: () => [write(), chmodSync(dirname(localKeyFile()), 0o770)],
    },
    { name: 'an empty one', arrange: () => write(0) },
    { name: 'one that is too long', arrange: () => write(33) },
    { name: 'a folder', arrange: () => mkdirSync(localKeyFile(), { recursive: true }) },
    {
      name: 'a link',
      arrange: () => {
        write();
        rmSync(localKeyFile());
        writeFileSync(join(data, 'key'), Buffer.alloc(32), { mode: 0o600 });
        symlinkSync(join(data, 'key'), localKeyFile());
      },
    },
    { name: "one that can't be created", arrange: () => writeFileSync(join(state, 'state'), '') },
  ])('$name', ({ arrange }) => {
    arrange();
    expect(() => localKeys(data, 'make')).toThrow(
      expect.objectContaining({
        code: 'LOCAL_KEY_UNUSABLE',
        message: expect.stringMatching(/elete (it|the file)|XDG_STATE_HOME/),
      }),
    );
  });

  test.skipIf(process.getuid?.() !== 0)('one of somebody else', () => {
    write();
    chownSync(localKeyFile(), 12_345, 12_345);
    expect(() => localKeys(data, 'make')).toThrow(/belongs to somebody else/);
  });
});

describe('the key is never below the current folder:', () => {
  test.each([
    { name: 'a relative XDG_STATE_HOME', environment: { XDG_STATE_HOME: 'state' } },
    { name: 'an empty one, and a relative HOME', environment: { XDG_STATE_HOME: '', HOME: '.' } },
    { name: 'an empty HOME', environment: { XDG_STATE_HOME: '', HOME: '' } },
  ])('$name is ignored', ({ environment }) => {
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
    expect(localKeyFile()).toMatch(/^\/.*\/\.local\/state\/oauth-token-refresher\/local-key$/);
  });
});
