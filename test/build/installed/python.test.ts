import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { App, Duration } from 'aws-cdk-lib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildJsii, generate } from '../../../build/jsii.ts';
import { dist } from '../../../build/output.ts';
import { projectRoot } from '../../../build/project.ts';
import { OAuthTokenRefresherStack } from '../../../infra/stack.ts';
import { TheirFolder } from './their-folder.ts';

const out = join(dist, 'jsii/out');
const theirs = new TheirFolder();
/** The newest on PyPI. */
const CDK = 'aws-cdk-lib==2.275.0';
const python = join(theirs.path, 'venv/bin/python');

beforeAll(async () => {
  await buildJsii();
  generate('python');
  await theirs.run('python3', ['-m', 'venv', 'venv']);
  await theirs.run(python, ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', CDK, wheel()]);
});
afterAll(() => theirs.remove());

const wheel = () => {
  const name = readdirSync(join(out, 'python')).find((file) => file.endsWith('.whl')) ?? '';
  return join(out, 'python', name);
};

test('the wheel has its licence, and the page that PyPI shows', () => {
  const files = execFileSync('python3', ['-m', 'zipfile', '-l', wheel()], { encoding: 'utf8' });
  expect(files).toMatch(/dist-info\/(licenses\/)?LICENSE /);
  const metadata = execFileSync(python, [
    '-c',
    'from importlib.metadata import distribution as d; print(d("oauth-token-refresher").read_text("METADATA"))',
  ]).toString();
  expect(metadata).toContain('License: Apache-2.0\n');
  expect(metadata).toContain('Description-Content-Type: text/markdown\n');
  expect(metadata).toContain('from oauth_token_refresher import');
});

test('the app of its page makes the template of this repository', async () => {
  const page = readFileSync(join(projectRoot, 'build/python.md'), 'utf8');
  const [, text = ''] = /```python\n(.*?)```/s.exec(page) ?? [];
  expect(text.trim().split('\n').length).toBeLessThanOrEqual(10);
  theirs.write('app.py', text);
  const { stderr } = await theirs.run(python, ['app.py'], { CDK_OUTDIR: 'out' });
  expect(stderr).toBe('');
  const app = new App();
  const name = 'OAuthTokenRefresher-prod';
  new OAuthTokenRefresherStack(app, name, { refreshWindow: Duration.minutes(10) });
  const made = JSON.parse(theirs.read(`out/${name}.template.json`));
  const { CDKMetadata: _, ...resources } = made.Resources;
  expect(resources).toEqual(app.synth().getStackByName(name).template.Resources);
  expect(made.Outputs).toEqual(app.synth().getStackByName(name).template.Outputs);
});

test('a wrong prop is one sentence in Python too', async () => {
  theirs.write('wrong.py', theirs.read('app.py').replace('minutes(10)', 'minutes(1)'));
  await expect(theirs.run(python, ['wrong.py'], { CDK_OUTDIR: 'wrong' })).rejects.toThrow(
    /OAuthTokenRefresher can't work like this:\n {2}- refreshWindow is 60 s, less than/,
  );
});

test.each([
  ['java', 'src/main/java/oauthtokenrefresher/OAuthTokenRefresher.java'],
  ['dotnet', 'OAuthTokenRefresher/OAuthTokens/OAuthTokenRefresher.cs'],
  ['go', 'oauthtokenrefresher/OAuthTokenRefresher.go'],
] as const)('code for %s can be generated', (language, file) => {
  generate(language, '--code-only');
  expect(existsSync(join(out, language, file))).toBe(true);
});
