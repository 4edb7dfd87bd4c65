import { App, Aws, CfnParameter, Stack, type StackProps, Stage } from 'aws-cdk-lib';
import { Annotations, Match } from 'aws-cdk-lib/assertions';
import type { Construct } from 'constructs';
import { describe, expect, test } from 'vitest';
import { OAuthTokenRefresher } from '../../infra/oauth-token-refresher.ts';
import type { OAuthTokenRefresherProps } from '../../infra/props.ts';
import { unbundled } from '../support/synthesized.ts';

const newApp = () => new App({ context: unbundled, analyticsReporting: false });
const refresher = (scope: Construct, id: string, props: OAuthTokenRefresherProps = {}) =>
  new OAuthTokenRefresher(scope, id, props);

/** Two deployments with these prefixes, in one stack or in one each. */
function two(
  [one, other]: readonly [string | undefined, string | undefined],
  stacks: 'one stack' | readonly [StackProps, StackProps],
): App {
  const app = newApp();
  const props = (secretNamePrefix: string | undefined) => ({
    ...(secretNamePrefix !== undefined && { secretNamePrefix }),
  });
  if (stacks === 'one stack') {
    const stack = new Stack(app, 'Both');
    refresher(stack, 'First', props(one));
    refresher(stack, 'Second', props(other));
  } else {
    refresher(new Stack(app, 'First', stacks[0]), 'Tokens', props(one));
    refresher(new Stack(app, 'Second', stacks[1]), 'Tokens', props(other));
  }
  return app;
}

const tableArn = 'arn:aws:dynamodb:eu-central-1:111122223333:table/oauth-accounts';
const frankfurt = { env: { account: '111122223333', region: 'eu-central-1' } };
const ireland = { env: { account: '111122223333', region: 'eu-west-1' } };
const partner = { env: { account: '444455556666', region: 'eu-central-1' } };

describe('two deployments whose secrets have the same names are refused at synth:', () => {
  test.each<[string, Parameters<typeof two>]>([
    ['one prefix in one stack, both by default', [[undefined, undefined], 'one stack']],
    ['… set', [['sales/', 'sales/'], 'one stack']],
    ['a prefix that begins like the other', [['oauth/', 'oauth/eu/'], 'one stack']],
    ['… the other way round', [['oauth/eu/', undefined], 'one stack']],
    [
      'two stacks that say nothing of where they go',
      [
        [undefined, undefined],
        [{}, {}],
      ],
    ],
    [
      'two stacks for one account and Region',
      [
        [undefined, undefined],
        [frankfurt, frankfurt],
      ],
    ],
  ])('%s', (_, [prefixes, stacks]) => {
    expect(() => two(prefixes, stacks).synth()).toThrow(/would keep the same secrets/);
  });

  test('the error names both, what is wrong, and each way out', () => {
    expect(() => two(['oauth/', 'oauth/eu/'], 'one stack').synth()).toThrow(
      /Both\/First and Both\/Second would keep the same secrets \(prefixes "oauth\/" and "oauth\/eu\/"\).*secretNamePrefix.*formerAccountsTables.*env/s,
    );
  });

  test('it is said once of two', () => {
    const message = (() => {
      try {
        return String(two([undefined, undefined], 'one stack').synth());
      } catch (error) {
        return String(error);
      }
    })();
    expect(message.match(/would keep the same secrets/g)).toHaveLength(1);
  });
});

describe('two deployments are let through', () => {
  test.each<[string, Parameters<typeof two>]>([
    ['with a prefix each', [['sales/', 'support/'], 'one stack']],
    ['where one is a folder that only looks alike', [['oauth/', 'oauth-dev/'], 'one stack']],
    [
      'in two Regions',
      [
        [undefined, undefined],
        [frankfurt, ireland],
      ],
    ],
    [
      'in two accounts',
      [
        [undefined, undefined],
        [frankfurt, partner],
      ],
    ],
  ])('%s', (_, [prefixes, stacks]) => {
    expect(() => two(prefixes, stacks).synth()).not.toThrow();
  });

  test('where a prefix is known only when it is deployed', () => {
    const app = newApp();
    const stack = new Stack(app, 'Both');
    const prefix = new CfnParameter(stack, 'Prefix', { default: 'x/' });
    refresher(stack, 'First', { secretNamePrefix: prefix.valueAsString });
    refresher(stack, 'Second');
    expect(() => app.synth()).not.toThrow();
  });

  test('in the stages of a pipeline, each for an account of its own', () => {
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

  test.each<[string, (former: OAuthTokenRefresher) => string]>([
    ['name', ({ table }) => table.tableName],
    ['account, Region and name', ({ table }) => `${Aws.ACCOUNT_ID}/${Aws.REGION}/${table.tableName}`],
  ])('with a warning where one takes the other over, by its %s', (_, nameOf) => {
    const app = newApp();
    const former = refresher(new Stack(app, 'Old'), 'Tokens');
    const stack = new Stack(app, 'New');
    refresher(stack, 'Tokens', { formerAccountsTables: [nameOf(former)] });
    expect(() => app.synth()).not.toThrow();
    Annotations.fromStack(stack).hasWarning(
      '/New/Tokens',
      Match.stringLikeRegexp('Old/Tokens and New/Tokens.*takes the other.*docs/upgrading.md'),
    );
  });

  test('with a warning too where the one that takes over stands before the other', () => {
    const app = newApp();
    const stack = new Stack(app, 'Both');
    refresher(stack, 'New', { formerAccountsTables: ['oauth-accounts'] });
    refresher(stack, 'Old', { accountsTableArn: tableArn });
    expect(() => app.synth()).not.toThrow();
    Annotations.fromStack(stack).hasWarning('/Both/Old', Match.stringLikeRegexp('takes the other'));
  });
});
