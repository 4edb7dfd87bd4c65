import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { projectRoot } from '../../build/project.ts';
import { runProcess } from '../support/run-process.ts';

const read = (path: string) => readFileSync(join(projectRoot, path), 'utf8');

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pipeline-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a job that may take a role, or publish', () => {
  interface Job {
    readonly permissions?: Readonly<Record<string, string>>;
    readonly steps?: readonly { readonly run?: string; readonly uses?: string }[];
  }
  const jobs = globSync('.github/workflows/*.yml', { cwd: projectRoot }).flatMap((file) =>
    Object.entries<Job>(parse(read(file)).jobs).map(([name, job]) => ({ name: `${file}: ${name}`, job })),
  );
  const trusted = jobs.filter(({ job }) => Object.values(job.permissions ?? {}).includes('write'));
  /** The words that a shell line begins with, as far as they say what is run. */
  const ALLOWED = [
    'npm ci --ignore-scripts',
    'npm publish --ignore-scripts',
    'node no-commands.mjs',
    'node node_modules/aws-cdk/bin/cdk',
    'gh release create',
    'name=$(jq',
    'failed=$(aws lambda invoke',
    '--payload',
    'jq',
    '{ echo',
    '[ "$failed" = None ]',
  ];

  test('is there for each place that something goes to', () => {
    expect(trusted.map(({ name }) => name.replace(/.*: /, '')).sort()).toEqual([
      'deploy',
      'diff',
      'github',
      'npm',
      'pypi',
    ]);
  });

  test.each(trusted)('runs nothing of the dependencies: $name', ({ job }) => {
    const lines = (job.steps ?? []).flatMap(({ run }) => run?.trim().split('\n') ?? []);
    const others = lines.filter((line) => !ALLOWED.some((start) => line.trim().startsWith(start)));
    expect(others).toEqual([]);
  });

  test('installs the command line of the CDK alone, the one of the repository', () => {
    const { packages } = JSON.parse(read('.github/cdk/package-lock.json'));
    const { '': _, ...installed } = packages;
    expect(Object.keys(installed)).toEqual(['node_modules/aws-cdk']);
    const ours = JSON.parse(read('package-lock.json')).packages['node_modules/aws-cdk'];
    expect(installed['node_modules/aws-cdk'].integrity).toBe(ours.integrity);
  });
});

describe('an assembly', () => {
  const file = { source: { path: 'asset.1', packaging: 'zip' } };
  const stack = { type: 'aws:cloudformation:stack' };
  const check = (artifacts: object, assets: object) => {
    const all = { Assets: { type: 'cdk:asset-manifest', properties: { file: 'a.json' } }, ...artifacts };
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ artifacts: all }));
    writeFileSync(join(folder, 'a.json'), JSON.stringify(assets));
    return runProcess(process.execPath, ['.github/cdk/no-commands.mjs', folder], { env: {} });
  };

  test('of files and stacks is deployed', async () => {
    expect(await check({ Stack: stack }, { files: { one: file } })).toMatchObject({ code: 0, stderr: '' });
  });

  test.each([
    { name: 'a file that a command makes', assets: { files: { bad: { source: { executable: ['sh'] } } } } },
    {
      name: 'a file that a command makes, beside a path',
      assets: { files: { bad: { source: { ...file.source, executable: ['sh'] } } } },
    },
    { name: 'a file from elsewhere', assets: { files: { bad: { source: { path: '../../x' } } } } },
    { name: 'a Docker image', assets: { dockerImages: { bad: { source: { directory: '.' } } } } },
    { name: 'a nested assembly', assets: {}, artifacts: { bad: { type: 'cdk:cloud-assembly' } } },
  ])('with $name is refused', async ({ assets, artifacts = {} }) => {
    const { code, stderr } = await check({ Stack: stack, ...artifacts }, assets);
    expect(code).toBe(1);
    expect(stderr).toMatch(/: bad is .*\. Only files and stacks are deployed here\.\n$/);
  });
});

describe('a release', () => {
  const pack = (tag: string, changelog: string) => {
    for (const path of ['.github/pack.sh', 'package.json', 'package-lock.json'])
      cpSync(join(projectRoot, path), join(folder, path));
    writeFileSync(join(folder, 'CHANGELOG.md'), changelog);
    mkdirSync(join(folder, 'dist/jsii/out/python'), { recursive: true });
    writeFileSync(join(folder, 'dist/jsii/out/python/one.whl'), '');
    writeFileSync(
      join(folder, 'dist/package.json'),
      JSON.stringify({ name: 'oauth-token-refresher', version }),
    );
    const { PATH = '', HOME = '' } = process.env;
    return runProcess('bash', [join(folder, '.github/pack.sh'), tag, 'release'], { env: { PATH, HOME } });
  };
  const { version } = JSON.parse(read('package.json'));
  const changelog = `# Changelog\n\n## [Unreleased]\n\n## [${version}] - 2026-01-31\n### Added\n- This.\n\n## [0.0.1]\n- That.\n\n[0.0.1]: https://example.com\n`;
  const released = (path: string) => readFileSync(join(folder, 'release', path), 'utf8');

  test('has a tarball, the section of the changelog, and all that production depends on', async () => {
    expect(await pack(`v${version}`, changelog)).toMatchObject({ code: 0 });
    expect(released('notes.md').trim()).toBe('### Added\n- This.');
    const { components } = JSON.parse(released('sbom.cdx.json'));
    const names = components.map(({ name }: { name: string }) => name);
    expect(names).toContain('oauth4webapi');
    expect(names).not.toContain('vitest');
    expect(globSync('{npm,python}/*', { cwd: join(folder, 'release') }).sort()).toEqual([
      `npm/oauth-token-refresher-${version}.tgz`,
      'python/one.whl',
    ]);
  });

  test.each([
    { name: 'a tag of another version', tag: 'v9.9.9', text: changelog, says: 'is not the version' },
    {
      name: 'no section in the changelog',
      tag: `v${version}`,
      text: '## [Unreleased]\n- This.\n',
      says: 'CHANGELOG.md has no section',
    },
  ])('is refused for $name', async ({ tag, text, says }) => {
    const { code, stderr } = await pack(tag, text);
    expect(code).toBe(1);
    expect(stderr).toContain(says);
  });
});
