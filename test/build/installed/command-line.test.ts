import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { projectRoot } from '../../../build/project.ts';
import { TheirFolder, tarball } from './their-folder.ts';

/** With `npm i --omit=dev` of the tarball, and nothing else. */
const theirs = new TheirFolder();
const installed = join(theirs.path, 'node_modules/oauth-token-refresher');
const data = join(theirs.path, 'data');
const local = spawn(
  process.execPath,
  [join(projectRoot, 'local/start.ts'), '--data', data, '--port', '4690'],
  {
    stdio: ['ignore', 'ignore', 'inherit'],
  },
);

beforeAll(async () => {
  theirs.write('package.json', '{ "private": true }');
  await theirs.install('--omit=dev', tarball);
});
afterAll(async () => {
  if (local.kill()) await once(local, 'exit');
  theirs.remove();
});

test('the package brings no other', () => {
  const names = readdirSync(join(theirs.path, 'node_modules')).filter((name) => !name.startsWith('.'));
  expect(names).toEqual(['oauth-token-refresher']);
});

test('npx runs it from the tarball in an empty folder', async () => {
  const empty = new TheirFolder();
  cpSync(tarball, join(empty.path, basename(tarball)));
  const { stdout } = await empty.run('npx', ['--yes', `./${basename(tarball)}`, '--help']);
  empty.remove();
  expect(stdout).toMatch(/^Usage: oauth-token-refresher /);
});

describe.each(['20.20.2', '22.23.3', '24.21.0', '26.12.1'])('on Node.js %s', (version) => {
  let node = '';
  beforeAll(async () => {
    node = await theirs.node(version);
  });
  const cli = (...args: string[]) => theirs.run(node, [join(installed, 'cli/main.js'), ...args]);

  test('every file of it loads what it needs', async () => {
    const parts = readdirSync(join(installed, 'cli')).filter((file) => /^(?!main).*\.js$/.test(file));
    theirs.write(
      'all.mjs',
      parts.map((file) => `import './node_modules/oauth-token-refresher/cli/${file}';`).join('\n'),
    );
    expect(await theirs.run(node, [join(theirs.path, 'all.mjs')])).toEqual({ stdout: '', stderr: '' });
  });

  test('it works with accounts in a running system', async () => {
    await running();
    const answer = async (...args: string[]) => {
      const { stdout, stderr } = await cli(...args, '--data', data, '--json');
      expect(stderr).toMatch(/^Reading the local system \(.*\)\.\n$/);
      return JSON.parse(stdout);
    };
    expect(await answer('accounts', 'list')).toContainEqual(
      expect.objectContaining({ accountId: 'crm-acme' }),
    );
    expect(await answer('token', 'crm-acme')).toHaveProperty('access_token', expect.any(String));
    expect(await answer('status')).toHaveProperty('accounts', 21);
  });
});

/** Waits until the local system has printed where it is. */
async function running(): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (existsSync(join(data, 'running.json'))) return;
    await setTimeout(200);
  }
  throw new Error('The local system did not start.');
}
