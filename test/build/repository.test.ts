import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../../build/project.ts';
import { runProcess } from '../support/run-process.ts';

const read = (name: string) => JSON.parse(readFileSync(join(projectRoot, name), 'utf8'));
const { packages } = read('package-lock.json') as {
  packages: Record<string, { integrity?: string; os?: string; cpu?: string; inBundle?: true }>;
};

test.each([
  ['linux', 'x64'],
  ['linux', 'arm64'],
  ['darwin', 'x64'],
  ['darwin', 'arm64'],
  ['win32', 'x64'],
  ['win32', 'arm64'],
])('on %s %s "npm ci" brings one Node.js for the scripts, whose hash is known', (os, cpu) => {
  const names = Object.keys(read('package.json').optionalDependencies);
  const own = names
    .map((name) => packages[`node_modules/${name}`])
    .filter((entry) => [entry?.os].flat().includes(os) && [entry?.cpu].flat().includes(cpu));
  expect(own).toEqual([
    expect.objectContaining({ integrity: expect.stringMatching(/^sha512-/), optional: true }),
  ]);
  expect(own[0]).not.toHaveProperty('hasInstallScript');
});

test('whatever "npm ci" brings has a hash in the lock file', () => {
  const { '': _, ...installed } = packages;
  // What is bundled comes inside a package that has one.
  const without = Object.entries(installed).filter(([, { integrity, inBundle }]) => !integrity && !inBundle);
  expect(without).toEqual([]);
});

test('where no Node.js came with it, an old one says so before it reads TypeScript', async () => {
  const old = "Object.defineProperty(process, 'versions', { value: { node: '20.20.2' } });";
  const loaded = ['--import', `data:text/javascript,${encodeURIComponent(old)}`];
  const script = join(projectRoot, 'build/node-version.mjs');
  const { code, stderr } = await runProcess(process.execPath, [...loaded, script]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^This needs Node\.js 24\.2 or newer, and runs on 20\.20\.2\. Run "npm ci" .*\n$/);
  expect(await runProcess(process.execPath, [script])).toEqual({ code: 0, stdout: '', stderr: '' });
});
