import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { build } from '../../build/build.ts';
import { buildCommandLine } from '../../build/command-line.ts';
import { packagesIn } from '../../build/licences.ts';
import { dist } from '../../build/output.ts';
import { projectRoot } from '../../build/project.ts';
import { OAuthTokenRefresher } from '../../infra/oauth-token-refresher.ts';
import { runProcess } from '../support/run-process.ts';

// It compiles and synthesizes as users do, and the machine may be busy.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

/** A folder of somebody who has installed the tarball, without a network. */
let theirs = '';
let installed = '';
let archive = '';
let files: readonly string[] = [];
let size = 0;

beforeAll(async () => {
  await build();
  theirs = mkdtempSync(join(tmpdir(), 'theirs-'));
  installed = join(theirs, 'node_modules/oauth-token-refresher');
  mkdirSync(installed, { recursive: true });
  const env = { npm_config_cache: join(theirs, 'cache'), npm_config_offline: 'true' };
  const packed = await runProcess('npm', ['pack', dist, '--json', '--pack-destination', theirs], { env });
  const [tarball] = JSON.parse(packed.stdout);
  files = tarball.files.map(({ path }: { path: string }) => path);
  size = tarball.size;
  archive = join(theirs, tarball.filename);
  await runProcess('tar', ['-xzf', archive, '-C', installed, '--strip-components=1']);
});
afterAll(() => rmSync(theirs, { recursive: true }));

describe('the tarball', () => {
  test('holds what users need, and nothing else', () => {
    const needed =
      /^(package\.json|README\.md|LICENSE|cli\/([\w-]+\.js|LICENCES\.txt)|function\/(index\.mjs(\.map)?|LICENCES\.txt)|infra\/(index\.js|package\.json|(settings\/)?[\w-]+\.d\.ts))$/;
    expect(files.filter((file) => !needed.test(file))).toEqual([]);
    expect(files).toEqual(
      expect.arrayContaining(['cli/main.js', 'function/index.mjs', 'infra/index.js', 'infra/index.d.ts']),
    );
    console.log(`tarball: ${files.length} files, ${size} B`);
    expect(size).toBeLessThan(1_100_000);
  });

  test('has a manifest that installs nothing, runs nothing and hides nothing', () => {
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    for (const name of ['dependencies', 'devDependencies', 'optionalDependencies', 'scripts', 'private'])
      expect(manifest).not.toHaveProperty(name);
    expect(manifest.peerDependenciesMeta).toEqual({
      'aws-cdk-lib': { optional: true },
      constructs: { optional: true },
    });
  });
});

describe('what checks packages has no remark', () => {
  const tool = (name: string, ...args: string[]) =>
    runProcess(join(projectRoot, 'node_modules/.bin', name), args, { env: { NO_COLOR: '1' } });

  test('about the manifest (publint)', async () => {
    const { code, stdout } = await tool('publint', 'run', archive, '--strict');
    expect(stdout).toContain('All good!');
    expect(code).toBe(0);
  });

  test('about types, from CommonJS, ES modules and bundlers (attw)', async () => {
    const { code, stdout } = await tool('attw', archive, '--no-definitely-typed', '--no-emoji');
    expect(stdout).toContain('No problems found');
    expect(code).toBe(0);
  });
});

describe('the construct', () => {
  const APP = `
    const { App, Duration, Stack } = require('aws-cdk-lib');
    const { OAuthTokenRefresher } = require('oauth-token-refresher');
    const app = new App({ analyticsReporting: false });
    const stack = new Stack(app, 'Test');
    new OAuthTokenRefresher(stack, 'Tokens', { refreshWindow: Duration.minutes(10) });
    app.synth();`;
  const AS_MODULE = APP.replaceAll(/const (\{.*\}) = require\((.*)\)/g, 'import $1 from $2');

  const run = async (name: string, text: string) => {
    writeFileSync(join(theirs, name), text);
    const env = { CDK_OUTDIR: join(theirs, `${name}.out`) };
    return await runProcess(process.execPath, [join(theirs, name)], { env });
  };

  test('says in one sentence that the CDK is missing', async () => {
    const { code, stderr } = await run('without.cjs', "require('oauth-token-refresher');");
    expect(code).toBe(1);
    expect(stderr).toContain(
      'Error: The construct of oauth-token-refresher needs the CDK: npm i aws-cdk-lib constructs\n',
    );
  });

  describe("with the user's own CDK", () => {
    beforeAll(() => {
      for (const name of ['aws-cdk-lib', 'constructs', '@types'])
        symlinkSync(join(projectRoot, 'node_modules', name), join(theirs, 'node_modules', name));
    });

    test.each([
      ['CommonJS', 'app.cjs', APP],
      ['ES modules', 'app.mjs', AS_MODULE],
    ])('makes the same template from %s as the source here', async (_, name, text) => {
      expect(await run(name, text)).toEqual({ code: 0, stdout: '', stderr: '' });
      const app = new App({ analyticsReporting: false });
      const stack = new Stack(app, 'Test');
      new OAuthTokenRefresher(stack, 'Tokens', { refreshWindow: Duration.minutes(10) });
      const { template } = app.synth().getStackByName('Test');
      const made = JSON.parse(readFileSync(join(theirs, `${name}.out/Test.template.json`), 'utf8'));
      expect(made.Resources).toEqual(template.Resources);
    });

    test('has types that a project of "cdk init" takes as it is', async () => {
      const compilerOptions = {
        target: 'ES2022',
        module: 'commonjs',
        strict: true,
        types: ['node'],
        noEmit: true,
      };
      writeFileSync(join(theirs, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['app.ts'] }));
      writeFileSync(join(theirs, 'app.ts'), AS_MODULE);
      const checked = await runProcess(join(projectRoot, 'node_modules/.bin/tsc'), ['-p', theirs]);
      expect(checked).toEqual({ code: 0, stdout: '', stderr: '' });
    });

    test('says in one sentence that the function is not built', async () => {
      const asset = join(installed, 'function');
      cpSync(asset, `${asset}.away`, { recursive: true });
      rmSync(asset, { recursive: true });
      const { code, stderr } = await run('unbuilt.cjs', APP);
      cpSync(`${asset}.away`, asset, { recursive: true });
      expect(code).toBe(1);
      expect(stderr).toContain('Error: The function is not built. Run "npm run build"');
    });
  });
});

describe('the command line', () => {
  const run = (folder: string, ...args: string[]) =>
    runProcess(process.execPath, [join(folder, 'main.js'), ...args]);

  test('has nothing missing in any of its files', async () => {
    const cli = join(installed, 'cli');
    const parts = readdirSync(cli).filter((file) => file.endsWith('.js') && file !== 'main.js');
    writeFileSync(join(cli, 'all.mjs'), parts.map((file) => `import './${file}';`).join('\n'));
    expect(await runProcess(process.execPath, [join(cli, 'all.mjs')])).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
  });

  test('runs a command', async () => {
    const ended = await run(join(installed, 'cli'), 'status', '--data', join(theirs, 'none'), '--json');
    expect(ended.code).toBe(1);
    expect(JSON.parse(ended.stdout).error.code).toBe('NO_LOCAL_SYSTEM');
  });

  test('needs no SDK and no servers for help, completion and wrong usage', async () => {
    const metafile = buildCommandLine();
    const { outputs } = metafile;
    const program = Object.keys(outputs).find((path) => outputs[path]?.entryPoint === 'cli/program.ts') ?? '';
    const needed = new Set(['dist/cli/main.js', program]);
    for (const path of needed)
      for (const { kind, external, path: other } of outputs[path]?.imports ?? [])
        if (kind === 'import-statement' && external !== true) needed.add(other);
    const inside = Object.fromEntries(
      [...needed].flatMap((path) => {
        const output = outputs[path];
        return output === undefined ? [] : [[path, output]];
      }),
    );
    expect(packagesIn({ ...metafile, outputs: inside })).toEqual(['node_modules/commander']);
    // With only these files there, nothing else can be loaded.
    const alone = join(theirs, 'alone');
    for (const path of needed) cpSync(join(dirname(dist), path), join(alone, basename(path)));
    writeFileSync(join(alone, 'package.json'), '{"type": "module"}');
    expect(await run(alone, '--help')).toMatchObject({ code: 0, stderr: '' });
    expect(await run(alone, 'accounts', 'list', '--help')).toMatchObject({ code: 0, stderr: '' });
    expect(await run(alone, '__complete', '--', 'acc')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^accounts\t/),
    });
    expect(await run(alone, '__complete', '--', 'token', '--wa')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^--wait\t/),
    });
    for (const wrong of [
      ['nothing'],
      ['token'],
      ['token', 'a', '--for', 'ever'],
      ['authorize', 'a', '--device', '--paste'],
      ['import', 'a', 'b'],
      ['invoke', '{'],
    ])
      expect(await run(alone, ...wrong)).toMatchObject({ code: 2, stdout: '' });
  });

  test('says in one sentence that Node.js is too old', async () => {
    const old = "Object.defineProperty(process, 'versions', { value: { node: '18.20.0' } });";
    const args = [
      '--import',
      `data:text/javascript,${encodeURIComponent(old)}`,
      join(installed, 'cli/main.js'),
    ];
    const { code, stderr } = await runProcess(process.execPath, [...args, '--help']);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `oauth-token-refresher needs Node.js 20 or newer. This is ${process.version}.\n`,
    });
  });
});
