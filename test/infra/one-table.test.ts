import { App, Aws, CfnParameter, Stack, type StackProps, Stage } from 'aws-cdk-lib';
import { Annotations, Match } from 'aws-cdk-lib/assertions';
import type { Construct } from 'constructs';
import { describe, expect, test } from 'vitest';
import { OAuthTokenRefresher } from '../../infra/oauth-token-refresher.ts';
import type { OAuthTokenRefresherProps } from '../../infra/settings/props.ts';

const newApp = () => new App({ analyticsReporting: false });
const refresher = (scope: Construct, id: string, props: OAuthTokenRefresherProps = {}) =>
  new OAuthTokenRefresher(scope, id, props);

interface Deployment {
  readonly prefix?: string;
  readonly env?: StackProps['env'];
}

/** An app with these two deployments, in one stack or in one each. */
function appWith(
  stacks: 'in one stack' | 'in two stacks',
  ...deployments: readonly [Deployment, Deployment]
): App {
  const app = newApp();
  const both = stacks === 'in one stack' ? new Stack(app, 'Both') : undefined;
  deployments.forEach(({ prefix, env }, index) => {
    const id = index === 0 ? 'First' : 'Second';
    const stack = both ?? new Stack(app, id, env && { env });
    refresher(stack, id, prefix === undefined ? {} : { secretNamePrefix: prefix });
  });
  return app;
}

const tableArn = 'arn:aws:dynamodb:eu-central-1:111122223333:table/oauth-accounts';
const frankfurt = { env: { account: '111122223333', region: 'eu-central-1' } };
const ireland = { env: { account: '111122223333', region: 'eu-west-1' } };
const partner = { env: { account: '444455556666', region: 'eu-central-1' } };

interface Row {
  readonly name: string;
  readonly stacks: Parameters<typeof appWith>[0];
  readonly first: Deployment;
  readonly second: Deployment;
}

describe('two deployments whose secrets have the same names are refused at synth:', () => {
  test.each<Row>([
    { name: 'in one stack, both by default', stacks: 'in one stack', first: {}, second: {} },
    {
      name: 'in one stack, with one prefix',
      stacks: 'in one stack',
      first: { prefix: 'sales/' },
      second: { prefix: 'sales/' },
    },
    {
      name: 'the second prefix begins with the first',
      stacks: 'in one stack',
      first: { prefix: 'oauth/' },
      second: { prefix: 'oauth/eu/' },
    },
    {
      name: 'the first prefix begins with the second',
      stacks: 'in one stack',
      first: { prefix: 'oauth/eu/' },
      second: {},
    },
    { name: 'in two stacks that name no account or Region', stacks: 'in two stacks', first: {}, second: {} },
    {
      name: 'in two stacks for one account and Region',
      stacks: 'in two stacks',
      first: frankfurt,
      second: frankfurt,
    },
  ])('$name', ({ stacks, first, second }) => {
    expect(() => appWith(stacks, first, second).synth()).toThrow(/would keep the same secrets/);
  });

  test('the error names both, what is wrong, and each way out', () => {
    expect(() => appWith('in one stack', { prefix: 'oauth/' }, { prefix: 'oauth/eu/' }).synth()).toThrow(
      /Both\/First and Both\/Second would keep the same secrets \(prefixes "oauth\/" and "oauth\/eu\/"\).*secretNamePrefix.*formerAccountsTables.*env/s,
    );
  });

  test('it is reported once', () => {
    const message = (() => {
      try {
        return String(appWith('in one stack', {}, {}).synth());
      } catch (error) {
        return String(error);
      }
    })();
    expect(message.match(/would keep the same secrets/g)).toHaveLength(1);
  });
});

describe('two deployments are let through', () => {
  test.each<Row>([
    {
      name: 'with a prefix each',
      stacks: 'in one stack',
      first: { prefix: 'sales/' },
      second: { prefix: 'support/' },
    },
    {
      name: 'if one folder only looks like the other',
      stacks: 'in one stack',
      first: { prefix: 'oauth/' },
      second: { prefix: 'oauth-dev/' },
    },
    { name: 'in two Regions', stacks: 'in two stacks', first: frankfurt, second: ireland },
    { name: 'in two accounts', stacks: 'in two stacks', first: frankfurt, second: partner },
  ])('$name', ({ stacks, first, second }) => {
    expect(() => appWith(stacks, first, second).synth()).not.toThrow();
  });

  test('where a prefix is known only when it is deployed', () => {
    const app = newApp();
    const stack = new Stack(app, 'Both');
    const prefix = new CfnParameter(stack, 'Prefix', { default: 'x/' });
    refresher(stack, 'First', { secretNamePrefix: prefix.valueAsString });
    refresher(stack, 'Second');
    expect(() => app.synth()).not.toThrow();
  });

  test('in the stages of a pipeline, each for its own account', () => {
    const app = newApp();
    const stageFor = (id: string, { env }: typeof frankfurt) =>
      refresher(new Stack(new Stage(app, id, { env }), 'Tokens'), 'Refresher');
    stageFor('Test', partner);
    stageFor('Prod', frankfurt);
    expect(() => app.synth()).not.toThrow();
    stageFor('Blue', frankfurt);
    expect(() => app.synth({ force: true })).toThrow(/Prod\/Tokens\/Refresher and Blue\/Tokens\/Refresher/);
  });

  test('over one table: its leases keep them apart', () => {
    const app = newApp();
    const stack = new Stack(app, 'Both');
    refresher(stack, 'First', { accountsTableArn: tableArn });
    refresher(stack, 'Second', { accountsTableArn: tableArn });
    expect(() => app.synth()).not.toThrow();
  });

  test.each<{ name: string; nameOf: (former: OAuthTokenRefresher) => string }>([
    { name: 'name', nameOf: ({ table }) => table.tableName },
    {
      name: 'account, Region and name',
      nameOf: ({ table }) => `${Aws.ACCOUNT_ID}/${Aws.REGION}/${table.tableName}`,
    },
  ])('with a warning if one takes over the other, by its $name', ({ nameOf }) => {
    const app = newApp();
    const former = refresher(new Stack(app, 'Old'), 'Tokens');
    const stack = new Stack(app, 'New');
    refresher(stack, 'Tokens', { formerAccountsTables: [nameOf(former)] });
    expect(() => app.synth()).not.toThrow();
    Annotations.fromStack(stack).hasWarning(
      '/New/Tokens',
      Match.stringLikeRegexp('Old/Tokens and New/Tokens.*takes over the other.*docs/upgrading.md'),
    );
  });

  test('with a warning too if the one that takes over comes first', () => {
    const app = newApp();
    const stack = new Stack(app, 'Both');
    refresher(stack, 'New', { formerAccountsTables: ['oauth-accounts'] });
    refresher(stack, 'Old', { accountsTableArn: tableArn });
    expect(() => app.synth()).not.toThrow();
    Annotations.fromStack(stack).hasWarning('/Both/Old', Match.stringLikeRegexp('takes over the other'));
  });
});
