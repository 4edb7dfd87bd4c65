import { App, Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { EventBus } from 'aws-cdk-lib/aws-events';
import { AwsSolutionsChecks } from 'cdk-nag';
import { beforeAll, describe, expect, test } from 'vitest';
import { readContext } from '../../infra/context.ts';
import { OAuthTokenRefresher } from '../../infra/oauth-token-refresher.ts';
import type { OAuthTokenRefresherProps } from '../../infra/props.ts';
import { OAuthTokenRefresherStack } from '../../infra/stack.ts';

/** Bundling is tested with the asset itself; here it would only cost time. */
const unbundled = { 'aws:cdk:bundling-stacks': [] };

function templateOf(props: OAuthTokenRefresherProps = {}): Template {
  const stack = new OAuthTokenRefresherStack(
    new App({ context: unbundled, analyticsReporting: false }),
    'Test',
    props,
  );
  return Template.fromStack(stack);
}

/** The rules that fire the function. */
function schedulesOf(template: Template) {
  return template.findResources('AWS::Events::Rule', {
    Properties: { ScheduleExpression: Match.anyValue() },
  });
}

interface Statement {
  readonly Action: string | string[];
  readonly Resource?: unknown;
  readonly Effect: string;
}

/** Every statement of every policy: the role's, the keys', the queue's. */
function statementsOf(template: Template): Statement[] {
  const statements: Statement[] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    if ('Action' in node && 'Effect' in node) statements.push(node as unknown as Statement);
    for (const value of Object.values(node)) walk(value);
  };
  walk(template.toJSON());
  return statements;
}

function actionsOf(template: Template): string[] {
  return statementsOf(template).flatMap(({ Action }) => Action);
}

describe('the stack', () => {
  let template: Template;
  beforeAll(() => {
    template = templateOf();
  });

  test('has one rule, each minute, with one target and no input of its own', () => {
    expect(Object.keys(schedulesOf(template))).toHaveLength(1);
    template.hasResourceProperties('AWS::Events::Rule', {
      ScheduleExpression: 'rate(1 minute)',
      State: 'ENABLED',
      Targets: [{ Input: Match.absent(), RetryPolicy: { MaximumRetryAttempts: 0 } }],
    });
  });

  test('has a table on demand, with recovery, deletion protection and a key of the customer, and keeps it', () => {
    template.hasResource('AWS::DynamoDB::Table', {
      DeletionPolicy: 'Retain',
      Properties: {
        KeySchema: [{ AttributeName: 'accountId', KeyType: 'HASH' }],
        BillingMode: 'PAY_PER_REQUEST',
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        DeletionProtectionEnabled: true,
        SSESpecification: { SSEEnabled: true, SSEType: 'KMS' },
      },
    });
  });

  test('rotates its three keys and keeps them', () => {
    template.resourceCountIs('AWS::KMS::Key', 3);
    template.allResources('AWS::KMS::Key', {
      DeletionPolicy: 'Retain',
      Properties: { EnableKeyRotation: true },
    });
  });

  test('tells the function over how long to spread refreshes', () => {
    templateOf({ refreshSpread: Duration.minutes(15) }).hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: Match.objectLike({ REFRESH_SPREAD_SECONDS: '900' }) },
    });
  });

  test('has a small ARM function on Node 24 with its environment', () => {
    template.hasResourceProperties('AWS::Lambda::Function', {
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      MemorySize: 512,
      Timeout: 120,
      TracingConfig: { Mode: 'Active' },
      LoggingConfig: { LogFormat: 'JSON' },
      Environment: {
        Variables: Match.objectLike({
          SECRET_NAME_PREFIX: 'oauth/',
          REFRESH_WINDOW_SECONDS: '300',
          REFRESH_SPREAD_SECONDS: '0',
          EVENT_BUS_NAME: 'default',
          ACCOUNTS_TABLE_NAME: Match.anyValue(),
          ESCROW_KEY_ID: Match.anyValue(),
        }),
      },
    });
    template.hasResourceProperties('AWS::Logs::LogGroup', { RetentionInDays: 30 });
  });

  test('retries no asynchronous invocation, and puts what fails into an encrypted queue', () => {
    template.hasResourceProperties('AWS::Lambda::EventInvokeConfig', {
      MaximumRetryAttempts: 0,
      MaximumEventAgeInSeconds: 60,
      DestinationConfig: { OnFailure: { Destination: Match.anyValue() } },
    });
    template.hasResourceProperties('AWS::SQS::Queue', { SqsManagedSseEnabled: true });
  });

  test('has no wildcard in any action', () => {
    expect(actionsOf(template).filter((action) => action.includes('*'))).toEqual([]);
  });

  test('lists, creates and deletes no secret, and deletes no item', () => {
    const allowed = actionsOf(template);
    for (const action of [
      'ListSecrets',
      'CreateSecret',
      'DeleteSecret',
      'BatchGetSecretValue',
      'DescribeSecret',
    ])
      expect(allowed).not.toContain(`secretsmanager:${action}`);
    expect(allowed.filter((action) => action.startsWith('dynamodb:')).sort()).toEqual([
      'dynamodb:GetItem',
      'dynamodb:Scan',
      'dynamodb:UpdateItem',
    ]);
  });

  test('reads profiles and accounts, and puts accounts only', () => {
    const about = (action: string) =>
      statementsOf(template)
        .filter(({ Action }) => [Action].flat().includes(`secretsmanager:${action}`))
        .map(({ Resource }) => JSON.stringify(Resource));
    expect(about('GetSecretValue').join()).toMatch(/secret:oauth\/profiles\/\*.*secret:oauth\/accounts\/\*/);
    expect(about('PutSecretValue').join()).toContain('secret:oauth/accounts/*');
    expect(about('PutSecretValue').join()).not.toContain('profiles');
  });

  test('lets resources end with a wildcard only below a prefix, but for X-Ray and key policies', () => {
    const open = statementsOf(template).filter(
      ({ Resource, Effect }) => Resource === '*' && Effect === 'Allow',
    );
    const actions = new Set(
      open.flatMap(({ Action }) => Action).filter((action) => !action.startsWith('kms:')),
    );
    expect([...actions].sort()).toEqual(['xray:PutTelemetryRecords', 'xray:PutTraceSegments']);
  });

  test('tells the command line where things are', () => {
    expect(Object.keys(template.findOutputs('*')).sort()).toEqual([
      'AccountsTableName',
      'AlarmTopicArn',
      'DashboardName',
      'DashboardUrl',
      'DeadLetterQueueUrl',
      'EscrowKeyArn',
      'FunctionName',
      'LogGroupName',
      'RuleNames',
      'SecretNamePrefix',
    ]);
  });

  test('has no finding of cdk-nag that is not acknowledged', () => {
    const app = new App({ context: unbundled, analyticsReporting: false });
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    new OAuthTokenRefresherStack(app, 'Test', { secretNamePrefix: 'team/oauth/' });
    expect(() => app.synth()).not.toThrow();
  });
});

describe('shares of the table', () => {
  test('are constant inputs, at most five to a rule', () => {
    const template = templateOf({ segments: 7 });
    const rules = Object.values(schedulesOf(template));
    const inputs = rules.map(({ Properties }) =>
      Properties.Targets.map(({ Input }: { Input: string }) => JSON.parse(Input)),
    );
    expect(inputs.map(({ length }) => length).sort()).toEqual([2, 5]);
    expect(inputs.flat().sort((a, b) => a.segment - b.segment)).toEqual(
      [...Array(7)].map((_, segment) => ({ segment, totalSegments: 7 })),
    );
  });
});

describe("in somebody else's stack", () => {
  test('the construct takes its bus, prefix and further secrets, and leaves nothing behind if told so', () => {
    const stack = new Stack(new App({ context: unbundled }), 'Theirs');
    const eventBus = new EventBus(stack, 'Bus');
    const additionalTokenSecretArns = ['arn:aws:secretsmanager:eu-west-1:111122223333:secret:legacy-*'];
    const removalPolicy = RemovalPolicy.DESTROY;
    new OAuthTokenRefresher(stack, 'Tokens', {
      secretNamePrefix: 'x/',
      eventBus,
      additionalTokenSecretArns,
      removalPolicy,
    });
    const template = Template.fromStack(stack);
    template.hasResource('AWS::DynamoDB::Table', {
      DeletionPolicy: 'Delete',
      Properties: { DeletionProtectionEnabled: false },
    });
    const policies = JSON.stringify(template.findResources('AWS::IAM::Policy'));
    expect(policies).toContain('secret:x/accounts/*');
    expect(policies).toContain('secret:legacy-*');
  });
});

describe('what can not work fails at synth, and says what to change:', () => {
  const rows: readonly [string, OAuthTokenRefresherProps, string][] = [
    [
      'a window shorter than schedule plus timeout',
      { refreshWindow: Duration.minutes(2) },
      'use a refreshWindow of 180 s or more',
    ],
    [
      'a schedule of half a minute',
      { schedule: Duration.seconds(30) },
      'schedule is 30 s: EventBridge fires in whole minutes',
    ],
    [
      'a timeout beyond Lambda’s',
      { timeout: Duration.minutes(20), refreshWindow: Duration.hours(1) },
      'timeout is 1200 s',
    ],
    ['a timeout too short for one exchange', { timeout: Duration.seconds(10) }, 'timeout is 10 s'],
    ['a prefix without an end', { secretNamePrefix: 'oauth' }, 'secretNamePrefix must end with "/"'],
    [
      'a window of a year',
      { refreshWindow: Duration.days(365) },
      'refreshWindow is 31536000 s: use 30 days (2592000 s) at most',
    ],
    [
      'a spread of a year',
      { refreshSpread: Duration.days(365) },
      'refreshSpread is 31536000 s: use 30 days (2592000 s) at most',
    ],
    ['no segment', { segments: 0 }, 'segments must be a whole number from 1 to 48'],
    ['too little memory', { memorySize: 128 }, 'memorySize must be a whole number of MB from 256'],
    ['an e-mail address that is none', { alarmEmail: 'on call' }, 'alarmEmail must be one e-mail address'],
    [
      'a runbook with an anchor',
      { runbookUrl: 'https://wiki.example.com/runbook#top' },
      'runbookUrl must be the address of docs/runbook.md',
    ],
    [
      'an ARN that is none',
      { additionalTokenSecretArns: ['*'] },
      'additionalTokenSecretArns: "*" is not the ARN of a secret',
    ],
  ];
  test.each(rows)('%s', (_, props, message) => {
    expect(() => templateOf(props)).toThrow(message);
  });

  test('all of it at once', () => {
    expect(() => templateOf({ segments: 0, memorySize: 1 })).toThrow(/segments must.*\n.*memorySize must/);
  });

  test.each([
    ['a stage with a space', { stage: 'my stage' }, 'stage must be lower-case letters'],
    ['segments in words', { segments: 'two' }, 'segments must be a whole number, such as -c segments=2'],
    ['a window of nothing', { window: 0 }, 'window must be a whole number, such as -c window=300'],
    ['a spread in minutes', { spread: '15m' }, 'spread must be a whole number, such as -c spread=300'],
  ])('%s', (_, context, message) => {
    expect(() => readContext((name) => (context as Record<string, unknown>)[name])).toThrow(message);
  });

  test('what is empty in the context is not set, and no spread is none', () => {
    const empty = { segments: '', window: '', spread: 0, alarmEmail: '', runbookUrl: '' };
    expect(readContext((name) => (empty as Record<string, unknown>)[name])).toMatchObject({
      segments: undefined,
      window: undefined,
      spread: 0,
      alarmEmail: undefined,
      runbookUrl: undefined,
    });
  });

  test('a stage has secrets of its own', () => {
    expect(readContext((name) => ({ stage: 'test' })[name])).toMatchObject({
      stage: 'test',
      prefix: 'oauth-test/',
    });
  });
});
