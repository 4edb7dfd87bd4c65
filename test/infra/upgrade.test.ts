import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { projectRoot } from '../../build/project.ts';
import { OAuthTokenRefresherStack } from '../../infra/stack.ts';
import { runProcess } from '../support/run-process.ts';

const NAME = 'OAuthTokenRefresher-prod';
const directory = mkdtempSync(join(tmpdir(), 'upgrade-'));
const assembly = join(directory, 'cdk.out');
afterAll(() => rmSync(directory, { recursive: true }));

/** The templates of the releases, by version. */
const released = new Map(
  globSync('test/fixtures/*/template.json', { cwd: projectRoot }).map((path) => [
    basename(dirname(path)),
    readFileSync(join(projectRoot, path), 'utf8'),
  ]),
);

/** As cdk.json has it: the feature flags change what is made. */
beforeAll(() => {
  const { context } = JSON.parse(readFileSync(join(projectRoot, 'cdk.json'), 'utf8'));
  const app = new App({ context, outdir: assembly, analyticsReporting: false });
  new OAuthTokenRefresherStack(app, NAME, { alarmEmail: 'you@example.com' });
  app.synth();
});

/** What `cdk diff` says of the deployed template and today's. It knows which change of which property replaces a resource. */
async function diffFrom(template: string): Promise<string> {
  const file = join(mkdtempSync(join(directory, 'deployed-')), 'template.json');
  writeFileSync(file, template);
  const cdk = join(projectRoot, 'node_modules/aws-cdk/bin/cdk');
  const options = ['--app', assembly, '--template', file, '--no-change-set', '--no-notices', '--no-color'];
  const { code, stdout, stderr } = await runProcess(process.execPath, [cdk, 'diff', NAME, ...options], {
    cwd: directory,
    env: {
      HOME: directory,
      CDK_DISABLE_CLI_TELEMETRY: 'true',
      CDK_DISABLE_VERSION_CHECK: '1',
      AWS_EC2_METADATA_DISABLED: 'true',
    },
  });
  expect(code).toBe(0);
  return stdout + stderr;
}

/** The page's filter. It shows the stack's name, since a diff that fails shows nothing, and lines such as "[~] AWS::DynamoDB::Table Refresher/Accounts RefresherAccounts3798094C replace". */
const [, filter = ''] =
  /cdk diff 2>&1 \| grep -E '([^']+)'/.exec(readFileSync(join(projectRoot, 'docs/upgrading.md'), 'utf8')) ??
  [];
const shownOf = (diff: string) => diff.split('\n').filter((line) => new RegExp(filter).test(line));

test('0.1.0 is among the releases, and the page has a filter', () => {
  expect(filter).not.toBe('');
  expect([...released.keys()]).toContain('0.1.0');
});

test('each release of the changelog has its template here, as test/fixtures/0.1.0/README.md says', () => {
  const changelog = readFileSync(join(projectRoot, 'CHANGELOG.md'), 'utf8');
  const versions = Array.from(changelog.matchAll(/^## \[(\d[^\]]*)\]/gm), ([, version = '']) => version);
  expect(versions.filter((version) => !released.has(version))).toEqual([]);
});

describe.each([...released])('an upgrade from %s', (_, template) => {
  test('replaces and removes nothing that has state', { timeout: 60_000 }, async () => {
    const diff = await diffFrom(template);
    expect(diff).toContain('[~] AWS::Lambda::Function Refresher/Function');
    expect(shownOf(diff)).toEqual([`Stack ${NAME}`]);
  });

  test('keeps every output: people and programs read them', () => {
    const made = JSON.parse(readFileSync(join(assembly, `${NAME}.template.json`), 'utf8'));
    expect(Object.keys(made.Outputs)).toEqual(
      expect.arrayContaining(Object.keys(JSON.parse(template).Outputs)),
    );
  });
});

test('the check sees each kind of loss', { timeout: 60_000 }, async () => {
  const template = JSON.parse(released.get('0.1.0') ?? '');
  const { Resources } = template;
  const idOf = (path: string) =>
    Object.keys(Resources).find((id) => id.startsWith(`Refresher${path}`) && id.length === path.length + 17);
  const change = (path: string, name: string, value: unknown) => {
    Resources[idOf(path) ?? ''].Properties[name] = value;
  };
  change('Accounts', 'KeySchema', [{ AttributeName: 'id', KeyType: 'HASH' }]);
  change('Logs', 'LogGroupName', 'an-old-name');
  change('AlarmTopic', 'TopicName', 'an-old-name');
  change('DeadLetterQueue', 'QueueName', 'an-old-name');
  const key = idOf('EscrowKey') ?? '';
  Resources.OldEscrowKey = Resources[key];
  delete Resources[key];
  const shown = shownOf(await diffFrom(JSON.stringify(template)));
  expect(shown.map((line) => line.replace(/ \S+ \S+ (\w+)$/, ' $1')).sort()).toEqual([
    `Stack ${NAME}`,
    '[-] AWS::KMS::Key orphan',
    '[~] AWS::DynamoDB::Table replace',
    '[~] AWS::Logs::LogGroup replace',
    '[~] AWS::SNS::Subscription replace',
    '[~] AWS::SNS::Topic replace',
    '[~] AWS::SQS::Queue replace',
  ]);
});
