import { App, CfnOutput, NestedStack, Stack, Stage } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import type { Construct } from 'constructs';
import { describe, expect, test } from 'vitest';
import { OAuthTokenRefresher } from '../../infra/oauth-token-refresher.ts';
import type { OAuthTokenRefresherProps } from '../../infra/settings/props.ts';
import { OAuthTokenRefresherStack } from '../../infra/stack.ts';

const newApp = () => new App({ analyticsReporting: false });
const refresher = (scope: Construct, id: string, props: OAuthTokenRefresherProps = {}) =>
  new OAuthTokenRefresher(scope, id, props);

/** Everything that has a name of its own in an AWS account: alarms, the dashboard, queries, and the metrics' dimension. */
function namesOf(template: Template): string[] {
  const named = [
    'AWS::CloudWatch::Alarm',
    'AWS::CloudWatch::Dashboard',
    'AWS::Logs::QueryDefinition',
    'AWS::Lambda::Function',
  ];
  return named
    .flatMap((type) => Object.values(template.findResources(type)))
    .flatMap(({ Properties }) => [
      Properties.AlarmName,
      Properties.DashboardName,
      Properties.Name,
      Properties.Environment?.Variables.POWERTOOLS_SERVICE_NAME,
    ])
    .filter((name) => name !== undefined)
    .map((name) => JSON.stringify(name));
}

const inCommon = (one: readonly string[], other: readonly string[]) =>
  one.filter((name) => other.includes(name));

/** The logical ids of what has state: with another, CloudFormation makes a new one and leaves the old one behind. */
function idsOf(template: Template): string[] {
  return ['AWS::DynamoDB::Table', 'AWS::KMS::Key']
    .flatMap((type) => Object.keys(template.findResources(type)))
    .sort();
}

describe('an upgrade replaces neither the table nor a key:', () => {
  test('their logical ids in our stack', () => {
    const template = Template.fromStack(new OAuthTokenRefresherStack(newApp(), 'OAuthTokenRefresher-prod'));
    expect(idsOf(template)).toEqual([
      'RefresherAccounts3798094C',
      'RefresherAlarmTopicKeyB6599DEF',
      'RefresherEscrowKey5A8B25ED',
      'RefresherTableKey8B2865D9',
    ]);
  });

  test('their logical ids in another stack', () => {
    const stack = new Stack(newApp(), 'Theirs');
    refresher(stack, 'Tokens');
    expect(idsOf(Template.fromStack(stack))).toEqual([
      'TokensAccounts0DD977EE',
      'TokensAlarmTopicKey290B1D57',
      'TokensEscrowKey8CB8BEAA',
      'TokensTableKey8CBB4750',
    ]);
  });

  test('the table has no name of its own, and one key attribute: a change of either replaces it', () => {
    const stack = new OAuthTokenRefresherStack(newApp(), 'OAuthTokenRefresher-prod');
    const [table] = Object.values(Template.fromStack(stack).findResources('AWS::DynamoDB::Table'));
    expect(table?.Properties.TableName).toBeUndefined();
    expect(table?.Properties.KeySchema).toEqual([{ AttributeName: 'accountId', KeyType: 'HASH' }]);
    expect(table?.Properties.LocalSecondaryIndexes).toBeUndefined();
  });
});

describe('two have no name in common', () => {
  test('in one stack', () => {
    const stack = new Stack(newApp(), 'Both');
    refresher(stack, 'Sales', { secretNamePrefix: 'sales/' });
    refresher(stack, 'Support', { secretNamePrefix: 'support/' });
    const names = namesOf(Template.fromStack(stack));
    expect(new Set(names).size).toBe(names.length);
    expect(names).toHaveLength(2 * 22);
  });

  test('with one path in apps of their own, whose stacks are called blue and green', () => {
    const namesAs = (stackName: string) => {
      const stack = new Stack(newApp(), 'Tokens', { stackName });
      refresher(stack, 'Refresher');
      return namesOf(Template.fromStack(stack));
    };
    expect(inCommon(namesAs('tokens-blue'), namesAs('tokens-green'))).toEqual([]);
    expect(namesAs('tokens-blue')).toContain('"tokens-blue-Refresher-DidNotRun"');
  });

  test('where only the beginning of a long path differs', () => {
    const namesAs = (stackName: string) => {
      const stack = new Stack(newApp(), 'Tokens', { stackName });
      refresher(stack, 'R'.repeat(120));
      return namesOf(Template.fromStack(stack));
    };
    expect(inCommon(namesAs('blue'), namesAs('green'))).toEqual([]);
    // CloudWatch takes 255 characters, and dashboards' names end with the Region.
    expect(Math.max(...namesAs('blue').map(({ length }) => length))).toBeLessThan(150);
  });

  test('in nested stacks, whose names are known only when they are deployed', () => {
    const stack = new Stack(newApp(), 'Top');
    const nested = ['One', 'Two'].map((id) => new NestedStack(stack, id));
    for (const [index, one] of nested.entries())
      refresher(one, 'Tokens', { secretNamePrefix: `oauth-${index}/` });
    const [one = [], two = []] = nested.map((scope) => namesOf(Template.fromStack(scope)));
    expect(one).toContain('"Top-One-Tokens-DidNotRun"');
    expect(inCommon(one, two)).toEqual([]);
  });

  test('in the stages of a pipeline', () => {
    const app = newApp();
    const stageFor = (id: string) => {
      const stack = new Stack(new Stage(app, id), 'Tokens');
      refresher(stack, 'Refresher', { secretNamePrefix: `${id}/` });
      return namesOf(Template.fromStack(stack));
    };
    expect(inCommon(stageFor('Test'), stageFor('Prod'))).toEqual([]);
  });
});

describe('two that would have one name are refused at synth:', () => {
  test('where ids differ only in their signs', () => {
    const stack = new Stack(newApp(), 'Both');
    refresher(stack, 'Sales-EU', { secretNamePrefix: 'a/' });
    refresher(stack, 'Sales_EU', { secretNamePrefix: 'b/' });
    expect(() => Template.fromStack(stack)).toThrow(
      'Both/Sales-EU and Both/Sales_EU would both call their alarms and metrics Both-Sales-EU-…: give one another id, or its stack another name.',
    );
  });

  test('but not for two Regions', () => {
    const app = newApp();
    for (const region of ['eu-west-1', 'us-east-1']) {
      const env = { account: '111122223333', region };
      refresher(new Stack(app, region, { env, stackName: 'Tokens' }), 'Refresher');
    }
    expect(() => app.synth()).not.toThrow();
  });
});

describe('the outputs', () => {
  const outputsOf = (stack: Stack) => Object.keys(Template.fromStack(stack).findOutputs('*')).sort();

  test("of refreshers in somebody else's stack are those of our stack, after their ids", () => {
    const stack = new Stack(newApp(), 'Theirs');
    new CfnOutput(stack, 'FunctionName', { value: 'x' });
    for (const id of ['Sales', 'Support'])
      refresher(stack, id, { secretNamePrefix: `${id}/`, outputs: true });
    const ours = outputsOf(new OAuthTokenRefresherStack(newApp(), 'OAuthTokenRefresher-prod'));
    expect(ours).toContain('AccountsTableName');
    const theirs = outputsOf(stack).map((key) => key.replace(/[0-9A-F]{8}$/, ''));
    const expected = ['Sales', 'Support'].flatMap((id) => ours.map((key) => `${id}${key}`));
    expect(theirs).toEqual([...expected, 'FunctionName'].sort());
  });

  test('are not made unasked', () => {
    const stack = new Stack(newApp(), 'Theirs');
    refresher(stack, 'Tokens');
    expect(outputsOf(stack)).toEqual([]);
  });
});

describe('a metric', () => {
  const stack = new Stack(newApp(), 'Theirs', { env: { account: '111122223333', region: 'eu-west-1' } });
  const own = refresher(stack, 'Tokens', { secretNamePrefix: 'metrics/' });

  test.each([
    { metric: own.metricDue(), name: 'AccountsDue', statistic: 'Sum' },
    { metric: own.metricRefreshed(), name: 'TokensRefreshed', statistic: 'Sum' },
    { metric: own.metricFailed(), name: 'RefreshesFailed', statistic: 'Sum' },
    { metric: own.metricReauthorizationRequired(), name: 'ReauthorizationRequired', statistic: 'Maximum' },
    { metric: own.metricAccessTokensExpired(), name: 'AccessTokensExpired', statistic: 'Maximum' },
    { metric: own.metricInEscrow(), name: 'RefreshTokensInEscrow', statistic: 'Maximum' },
    { metric: own.metricRunDuration(), name: 'RunDuration', statistic: 'Average' },
    { metric: own.metric('TokensReconciled'), name: 'TokensReconciled', statistic: 'Sum' },
  ])('$name is the one that the function emits', ({ metric, name, statistic }) => {
    expect(metric).toMatchObject({
      namespace: 'OAuthTokenRefresher',
      metricName: name,
      statistic,
      dimensions: { service: 'Theirs-Tokens' },
    });
    expect(metric.period.toSeconds()).toBe(60);
  });

  test('takes what every metric of the CDK takes', () => {
    const metric = own.metricRunDuration({ statistic: 'p99', label: 'slow runs' });
    expect(metric).toMatchObject({ statistic: 'p99', label: 'slow runs' });
    expect(metric.metricName).toBe('RunDuration');
  });

  test('makes an alarm', () => {
    own.metricFailed().createAlarm(stack, 'Mine', { threshold: 100, evaluationPeriods: 3 });
    Template.fromStack(stack).hasResourceProperties('AWS::CloudWatch::Alarm', {
      MetricName: 'RefreshesFailed',
      Threshold: 100,
    });
  });

  test('that does not exist is refused with those that do', () => {
    expect(() => own.metric('TokensFresh')).toThrow(
      'There is no metric "TokensFresh". Use AccountsScanned, AccountsDue, TokensRefreshed',
    );
  });
});
