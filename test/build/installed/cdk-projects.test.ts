import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { App, Duration } from 'aws-cdk-lib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { projectRoot } from '../../../build/project.ts';
import { OAuthTokenRefresherStack } from '../../../infra/stack.ts';
import { TheirFolder, tarball } from './their-folder.ts';

/** An app of at most twelve lines. */
const APP = `
import { App, Duration } from 'aws-cdk-lib';
import { OAuthTokenRefresherStack } from 'oauth-token-refresher';

const app = new App({ analyticsReporting: false });
new OAuthTokenRefresherStack(app, 'Tokens', { refreshWindow: Duration.minutes(10) });
`;

/** As docs/deploy.md has it, in the file that "cdk init" makes for it. */
const STACK = `
import { Duration, Stack, StackProps } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { OAuthTokenRefresher } from 'oauth-token-refresher';

export class TheirStack extends Stack {
  constructor(scope: Construct, id: string, props?: StackProps) {
    super(scope, id, props);
    new OAuthTokenRefresher(this, 'Tokens', { refreshWindow: Duration.minutes(10) });
  }
}
`;

const JEST = `
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { TheirStack } from '../lib/their-stack';

test('refreshes ten minutes before a token ends', () => {
  const template = Template.fromStack(new TheirStack(new App(), 'Theirs'));
  template.hasResourceProperties('AWS::Lambda::Function', {
    Environment: { Variables: { REFRESH_WINDOW_SECONDS: '600' } },
  });
});
`;

/** What "cdk init app --language typescript" wrote in February 2025, with the oldest CDK that we support. */
const OLDEST = {
  'package.json': JSON.stringify({
    name: 'theirs',
    version: '0.1.0',
    scripts: { test: 'jest' },
    devDependencies: {
      '@types/jest': '29.5.14',
      '@types/node': '22.7.9',
      jest: '29.7.0',
      'ts-jest': '29.2.5',
      typescript: '5.6.3',
    },
    dependencies: { 'aws-cdk-lib': '2.178.0', constructs: '10.0.0' },
  }),
  'jest.config.js': `module.exports = {
    testEnvironment: 'node',
    roots: ['<rootDir>/test'],
    testMatch: ['**/*.test.ts'],
    transform: { '^.+\\\\.tsx?$': 'ts-jest' },
  };`,
  'tsconfig.json': JSON.stringify({
    compilerOptions: {
      target: 'ES2020',
      module: 'commonjs',
      lib: ['es2020', 'dom'],
      declaration: true,
      strict: true,
      noImplicitAny: true,
      strictNullChecks: true,
      noImplicitThis: true,
      alwaysStrict: true,
      noImplicitReturns: true,
      inlineSourceMap: true,
      inlineSources: true,
      experimentalDecorators: true,
      strictPropertyInitialization: false,
      typeRoots: ['./node_modules/@types'],
    },
    exclude: ['node_modules', 'cdk.out'],
  }),
};

const { dependencies } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'));
const newest = dependencies['aws-cdk-lib'];

const projects = {
  'the oldest CDK, ts-jest and TypeScript 5': async (theirs: TheirFolder) => {
    for (const [name, content] of Object.entries(OLDEST)) theirs.write(name, content);
    for (const folder of ['lib', 'test']) mkdirSync(join(theirs.path, folder));
  },
  'the newest CDK, as "cdk init" sets it up': async (theirs: TheirFolder) => {
    const cdk = join(projectRoot, 'node_modules/aws-cdk/bin/cdk');
    const options = ['--language', 'typescript', '--generate-only'];
    await theirs.run(process.execPath, [cdk, 'init', 'app', ...options]);
    await theirs.install(`aws-cdk-lib@${newest}`);
  },
};

/** Without what versions of the CDK write differently and CloudFormation reads alike: what is absent, and a default. */
const meaning = (resources: unknown) =>
  JSON.parse(JSON.stringify(resources), (key, value) => {
    if (key === 'ReturnData' && value === true) return undefined;
    if (key !== 'Resource' || !Array.isArray(value)) return value;
    const there = value.filter(({ Ref }) => Ref !== 'AWS::NoValue');
    return there.length === 1 ? there[0] : there;
  });

describe.each(Object.entries(projects))('with %s', (_, setUp) => {
  const theirs = new TheirFolder();
  const node: Record<string, string> = { 24: process.execPath };
  beforeAll(async () => {
    await setUp(theirs);
    await theirs.install(tarball);
    node[20] = await theirs.node('20.20.2');
    theirs.write('app.mjs', APP);
    theirs.write('lib/their-stack.ts', STACK);
    theirs.write('test/theirs.test.ts', JEST);
  });
  afterAll(() => theirs.remove());

  test('there is no second copy of the CDK', () => {
    const copies = readdirSync(join(theirs.path, 'node_modules'), { recursive: true, withFileTypes: true })
      .filter(({ name, parentPath }) => name === 'aws-cdk-lib' && basename(parentPath) === 'node_modules')
      .map(({ parentPath }) => dirname(parentPath));
    expect(copies).toEqual([theirs.path]);
  });

  test.each([
    '20',
    '24',
  ])('an app of a few lines makes the template of this repository on Node.js %s, and finds no other program', async (version) => {
    const program = node[version] ?? '';
    const env = { CDK_OUTDIR: `out-${version}`, PATH: dirname(program) };
    await theirs.run(program, ['app.mjs'], env);
    const app = new App({ analyticsReporting: false });
    new OAuthTokenRefresherStack(app, 'Tokens', { refreshWindow: Duration.minutes(10) });
    const ours = app.synth().getStackByName('Tokens').template;
    const made = JSON.parse(theirs.read(`out-${version}/Tokens.template.json`));
    expect(meaning(made.Resources)).toEqual(meaning(ours.Resources));
  });

  test('their compiler takes it as it is set up', async () => {
    const compiler = join(theirs.path, 'node_modules/typescript/bin/tsc');
    expect(await theirs.run(process.execPath, [compiler, '--noEmit'])).toEqual({ stdout: '', stderr: '' });
  });

  test('their jest loads it', async () => {
    const { stderr } = await theirs.run('npm', ['test']);
    expect(stderr).toContain('PASS test/theirs.test.ts');
  });
});

test('the app has at most twelve lines', () => {
  expect(APP.trim().split('\n').length).toBeLessThanOrEqual(12);
});
