import { App, Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { EventBus, type IEventBus } from 'aws-cdk-lib/aws-events';
import { AwsSolutionsChecks } from 'cdk-nag';
import { beforeAll, describe, expect, test } from 'vitest';
import { readContext } from '../../infra/context.ts';
import { OAuthTokenRefresher } from '../../infra/oauth-token-refresher.ts';
import type { OAuthTokenRefresherProps } from '../../infra/settings/props.ts';
import { OAuthTokenRefresherStack } from '../../infra/stack.ts';
import { templateOf } from '../support/synthesized.ts';

/** The rules that fire the function. */
function schedulesOf(template: Template) {
  return template.findResources('AWS::Events::Rule', {
    Properties: { ScheduleExpression: Match.anyValue() },
  });
}

interface Statement {
  readonly Action: string | string[];
  readonly Condition?: unknown;
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

/** The statements of the function's role. */
function rolePoliciesOf(template: Template): Statement[] {
  return Object.values(template.findResources('AWS::IAM::Policy')).flatMap(
    ({ Properties }) => Properties.PolicyDocument.Statement,
  );
}

function actionsOf(statements: readonly Statement[]): string[] {
  return statements.flatMap(({ Action }) => Action);
}

describe('the stack', () => {
  let template: Template;
  beforeAll(() => {
    template = templateOf();
  });

  test('has one rule, each minute, with one target and no fixed input', () => {
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
    expect(actionsOf(statementsOf(template)).filter((action) => action.includes('*'))).toEqual([]);
  });

  test('has a function that lists, creates and deletes no secret, and deletes no item', () => {
    const allowed = actionsOf(rolePoliciesOf(template));
    for (const action of [
      'ListSecrets',
      'CreateSecret',
      'DeleteSecret',
      'BatchGetSecretValue',
      'DescribeSecret',
    ])
      expect(allowed).not.toContain(`secretsmanager:${action}`);
    expect(allowed.filter((action) => action.startsWith('dynamodb:')).sort()).toEqual([
      'dynamodb:BatchGetItem',
      'dynamodb:GetItem',
      'dynamodb:Scan',
      'dynamodb:UpdateItem',
    ]);
  });

  test('reads profiles and accounts, and puts accounts only', () => {
    const about = (action: string) =>
      rolePoliciesOf(template)
        .filter(({ Action }) => [Action].flat().includes(`secretsmanager:${action}`))
        .map(({ Resource }) => JSON.stringify(Resource));
    expect(about('GetSecretValue').join()).toMatch(/secret:oauth\/profiles\/\*.*secret:oauth\/accounts\/\*/);
    expect(about('PutSecretValue').join()).toContain('secret:oauth/accounts/*');
    expect(about('PutSecretValue').join()).not.toContain('profiles');
  });

  test('claims token sets, and no profile', () => {
    const [claiming, ...more] = rolePoliciesOf(template).filter(({ Action }) =>
      [Action].flat().includes('secretsmanager:UpdateSecretVersionStage'),
    );
    expect(more).toEqual([]);
    expect(JSON.stringify(claiming?.Resource)).toContain('secret:oauth/accounts/*');
    expect(JSON.stringify(claiming?.Resource)).not.toContain('profiles');
  });

  test('uses the escrow key for escrow only, and for what 0.1.0 put there', () => {
    const [escrowKey] = Object.keys(template.findResources('AWS::KMS::Key')).filter((id) =>
      id.includes('EscrowKey'),
    );
    const used = rolePoliciesOf(template).filter(({ Resource }) =>
      JSON.stringify(Resource).includes(`"${escrowKey}"`),
    );
    expect(used.map(({ Action, Condition }) => ({ Action, Condition }))).toEqual([
      {
        Action: ['kms:GenerateDataKey', 'kms:Decrypt'],
        Condition: { StringEquals: { 'kms:EncryptionContext:use': 'escrow' } },
      },
      {
        Action: ['kms:Encrypt', 'kms:Decrypt'],
        Condition: { 'ForAnyValue:StringEquals': { 'kms:EncryptionContextKeys': ['accountId'] } },
      },
    ]);
  });

  test('changes the permissions before the code, so that new code finds what it needs', () => {
    const [policy = ''] = Object.keys(template.findResources('AWS::IAM::Policy'));
    template.hasResource('AWS::Lambda::Function', { DependsOn: Match.arrayWith([policy]) });
  });

  test('takes over no table by default', () => {
    template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: Match.objectLike({ FORMER_ACCOUNTS_TABLES: Match.absent() }) },
    });
  });

  test('has wildcard resources only below a prefix, except for X-Ray, the list of secrets, queries of logs and key policies', () => {
    const open = statementsOf(template).filter(
      ({ Resource, Effect }) => Resource === '*' && Effect === 'Allow',
    );
    const actions = new Set(
      open.flatMap(({ Action }) => Action).filter((action) => !action.startsWith('kms:')),
    );
    expect([...actions].sort()).toEqual([
      'logs:GetQueryResults',
      'logs:StopQuery',
      'secretsmanager:ListSecrets',
      'xray:PutTelemetryRecords',
      'xray:PutTraceSegments',
    ]);
  });

  test('has the outputs that the command line needs', () => {
    expect(Object.keys(template.findOutputs('*')).sort()).toEqual([
      'AccountsTableName',
      'AlarmTopicArn',
      'DashboardName',
      'DashboardUrl',
      'DeadLetterQueueUrl',
      'EscrowKeyArn',
      'FunctionName',
      'LogGroupName',
      'OperatorPolicyArn',
      'RuleNames',
      'SecretNamePrefix',
      'Version',
    ]);
  });

  test('has no finding of cdk-nag that is not acknowledged', () => {
    const app = new App({ analyticsReporting: false });
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
  test('the construct uses its bus, prefix and further secrets, and leaves nothing behind if that is set', () => {
    const stack = new Stack(new App(), 'Theirs');
    const eventBus = new EventBus(stack, 'Bus') as IEventBus;
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

describe('an existing table', () => {
  const tableArn = 'arn:aws:dynamodb:eu-central-1:111122223333:table/restored';
  const keyArn = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
  const over = (env: { account: string; region: string } | undefined) => {
    const app = new App({ analyticsReporting: false });
    const stack = new Stack(app, 'Theirs', env && { env });
    new OAuthTokenRefresher(stack, 'Tokens', {
      accountsTableArn: tableArn,
      accountsTableKeyArn: keyArn,
      formerAccountsTables: ['oauth-accounts', '111122223333/eu-west-1/oauth-accounts'],
      privateAddressCidrs: ['10.1.0.0/16', 'fd12::/48'],
    });
    return Template.fromStack(stack);
  };
  const variables = (values: Record<string, unknown>) => ({
    Environment: { Variables: Match.objectLike(values) },
  });

  test('is used by its name, with its key, and nothing about it changes', () => {
    const template = over({ account: '111122223333', region: 'eu-central-1' });
    template.resourceCountIs('AWS::DynamoDB::Table', 0);
    template.hasResourceProperties('AWS::Lambda::Function', variables({ ACCOUNTS_TABLE_NAME: 'restored' }));
    const used = rolePoliciesOf(template).filter(({ Resource }) => Resource === keyArn);
    expect(used.map(({ Condition }) => Condition)).toEqual([
      {
        StringEquals: {
          'kms:ViaService': { 'Fn::Join': ['', ['dynamodb.eu-central-1.', { Ref: 'AWS::URLSuffix' }]] },
        },
      },
    ]);
    const reading = rolePoliciesOf(template).find(({ Action }) => Action.includes('dynamodb:Scan'));
    expect([reading?.Resource].flat()[0]).toBe(tableArn);
  });

  test.each([
    { name: 'in another Region', env: { account: '111122223333', region: 'eu-west-1' } },
    { name: 'in another account', env: { account: '444455556666', region: 'eu-central-1' } },
    { name: 'if the stack does not say where it goes', env: undefined },
  ])('is used by its ARN $name', ({ env }) => {
    over(env).hasResourceProperties('AWS::Lambda::Function', variables({ ACCOUNTS_TABLE_NAME: tableArn }));
  });

  test('tells the function which tables it takes over', () => {
    over(undefined).hasResourceProperties(
      'AWS::Lambda::Function',
      variables({ FORMER_ACCOUNTS_TABLES: 'oauth-accounts,111122223333/eu-west-1/oauth-accounts' }),
    );
  });

  test('tells the function which private addresses it may call', () => {
    over(undefined).hasResourceProperties(
      'AWS::Lambda::Function',
      variables({ PRIVATE_ADDRESS_CIDRS: '10.1.0.0/16,fd12::/48' }),
    );
  });
});

describe("what can't work fails at synth and says what to change:", () => {
  const rows: readonly { name: string; props: OAuthTokenRefresherProps; message: string }[] = [
    {
      name: 'a window shorter than schedule plus timeout',
      props: { refreshWindow: Duration.minutes(2) },
      message: 'use a refreshWindow of 180 s or more',
    },
    {
      name: 'a schedule of half a minute',
      props: { schedule: Duration.seconds(30) },
      message: 'schedule is 30 s: EventBridge fires in whole minutes',
    },
    {
      name: 'a timeout beyond Lambda’s',
      props: { timeout: Duration.minutes(20), refreshWindow: Duration.hours(1) },
      message: 'timeout is 1200 s',
    },
    {
      name: 'a timeout too short for one exchange',
      props: { timeout: Duration.seconds(10) },
      message: 'timeout is 10 s',
    },
    {
      name: 'a prefix without an end',
      props: { secretNamePrefix: 'oauth' },
      message: 'secretNamePrefix must end with "/"',
    },
    {
      name: 'a window of a year',
      props: { refreshWindow: Duration.days(365) },
      message: 'refreshWindow is 31536000 s: use 30 days (2592000 s) at most',
    },
    {
      name: 'a spread of a year',
      props: { refreshSpread: Duration.days(365) },
      message: 'refreshSpread is 31536000 s: use 30 days (2592000 s) at most',
    },
    { name: 'no segment', props: { segments: 0 }, message: 'segments must be a whole number from 1 to 48' },
    {
      name: 'too little memory',
      props: { memorySize: 256 },
      message: 'memorySize must be a whole number of MB from 512',
    },
    {
      name: 'an e-mail address that is none',
      props: { alarmEmail: 'on call' },
      message: 'alarmEmail must be one e-mail address',
    },
    {
      name: 'a runbook with an anchor',
      props: { runbookUrl: 'https://wiki.example.com/runbook#top' },
      message: 'runbookUrl must be the address of docs/runbook.md',
    },
    {
      name: 'an ARN that is none',
      props: { additionalTokenSecretArns: ['*'] },
      message: 'additionalTokenSecretArns: "*" is not the ARN of a secret',
    },
    {
      name: 'a former table by its ARN',
      props: { formerAccountsTables: ['arn:aws:dynamodb:eu-central-1:111122223333:table/oauth-accounts'] },
      message:
        'is neither the name of a table nor account/region/name, such as "123456789012/eu-central-1/oauth-accounts"',
    },
    ...['10.1.0.0', '0.0.0.0/0', '169.254.0.0/16', '10.1.0.0/16,10.2.0.0/16', 'fe80::/10'].map((cidr) => ({
      name: `${cidr} as private addresses`,
      props: { privateAddressCidrs: [cidr] },
      message: `privateAddressCidrs: "${cidr}" is not a CIDR within 10.0.0.0/8`,
    })),
    {
      name: 'two former tables in one text',
      props: { formerAccountsTables: ['old-accounts,older-accounts'] },
      message: 'formerAccountsTables: "old-accounts,older-accounts" is neither',
    },
    {
      name: 'a former table without its Region',
      props: { formerAccountsTables: ['111122223333/oauth-accounts'] },
      message: 'formerAccountsTables: "111122223333/oauth-accounts" is neither',
    },
    {
      name: 'a table that is its own former one',
      props: {
        accountsTableArn: 'arn:aws:dynamodb:eu-central-1:111122223333:table/oauth-accounts',
        formerAccountsTables: ['oauth-accounts'],
      },
      message: 'formerAccountsTables: "oauth-accounts" is the current table; leave it out',
    },
    {
      name: 'a table that is its own former one, with account and Region',
      props: {
        accountsTableArn: 'arn:aws:dynamodb:eu-central-1:111122223333:table/oauth-accounts',
        formerAccountsTables: ['111122223333/eu-central-1/oauth-accounts'],
      },
      message: 'is the current table; leave it out',
    },
    {
      name: 'a table by its name',
      props: { accountsTableArn: 'oauth-accounts' },
      message:
        'accountsTableArn must be the ARN of a table, such as arn:aws:dynamodb:eu-central-1:123456789012:table/',
    },
    {
      name: 'a key by its alias',
      props: {
        accountsTableArn: 'arn:aws:dynamodb:eu-central-1:111122223333:table/oauth-accounts',
        accountsTableKeyArn: 'arn:aws:kms:eu-central-1:111122223333:alias/oauth',
      },
      message: 'accountsTableKeyArn must be the ARN of a KMS key',
    },
    {
      name: 'a key without a table',
      props: { accountsTableKeyArn: 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd' },
      message: 'accountsTableKeyArn needs accountsTableArn',
    },
  ];
  test.each(rows)('$name', ({ props, message }) => {
    expect(() => templateOf(props)).toThrow(message);
  });

  test('all of it at once', () => {
    expect(() => templateOf({ segments: 0, memorySize: 1 })).toThrow(/segments must.*\n.*memorySize must/);
  });

  test.each([
    {
      name: 'a stage with a space',
      context: { stage: 'my stage' },
      message: 'stage must be lower-case letters',
    },
    {
      name: 'segments in words',
      context: { segments: 'two' },
      message: 'segments must be a whole number, such as -c segments=2',
    },
    {
      name: 'a window of nothing',
      context: { window: 0 },
      message: 'window must be a whole number, such as -c window=300',
    },
    {
      name: 'a spread in minutes',
      context: { spread: '15m' },
      message: 'spread must be a whole number, such as -c spread=300',
    },
  ])('$name', ({ context, message }) => {
    expect(() => readContext(context)).toThrow(message);
  });

  test.each([
    { name: 'segmnets', message: 'There is no setting "segmnets". Did you mean -c segments=…?' },
    { name: 'alarmemail', message: 'There is no setting "alarmemail". Did you mean -c alarmEmail=…?' },
    { name: 'privateCidr', message: 'There is no setting "privateCidr". Did you mean -c privateCidrs=…?' },
    {
      name: 'x',
      message: 'There is no setting "x". Use stage, prefix, segments, window, spread, tableArn, tableKeyArn,',
    },
  ])('a setting that does not exist: $name', ({ name, message }) => {
    expect(() => readContext({ [name]: '3' })).toThrow(message);
  });

  test("the CDK's and libraries' own context is let through", () => {
    const theirs = {
      '@aws-cdk/core:checkSecretUsage': true,
      'aws:cdk:enable-path-metadata': true,
      'availability-zones:account=111122223333:region=eu-central-1': ['eu-central-1a'],
      'acknowledged-issue-numbers': [16603],
    };
    expect(readContext({ ...theirs, segments: '3' })).toMatchObject({ segments: 3 });
  });

  test('empty context values count as not set, and a spread of 0 as none', () => {
    const empty = { segments: '', window: '', spread: 0, alarmEmail: '', runbookUrl: '', tableArn: '' };
    expect(readContext(empty)).toMatchObject({
      segments: undefined,
      window: undefined,
      spread: 0,
      alarmEmail: undefined,
      runbookUrl: undefined,
      tableArn: undefined,
      tableKeyArn: undefined,
      formerTables: [],
      privateCidrs: [],
    });
  });

  test('formerTables in the context is a list', () => {
    const context = { formerTables: 'old-accounts, 111122223333/eu-west-1/oauth-accounts,' };
    expect(readContext(context).formerTables).toEqual([
      'old-accounts',
      '111122223333/eu-west-1/oauth-accounts',
    ]);
  });

  test('each stage has its own secrets', () => {
    expect(readContext({ stage: 'test' })).toMatchObject({
      stage: 'test',
      prefix: 'oauth-test/',
    });
  });
});
