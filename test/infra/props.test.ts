import { App, CfnOutput, Stack, Tags, Validations } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import {
  CfnEIP,
  GatewayVpcEndpointAwsService,
  type IVpc,
  NatProvider,
  SecurityGroup,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { ManagedPolicy, PermissionsBoundary } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { ApplicationLogLevel, Architecture, SystemLogLevel, Tracing } from 'aws-cdk-lib/aws-lambda';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { AwsSolutionsChecks } from 'cdk-nag';
import { describe, expect, test } from 'vitest';
import { OAuthTokenRefresher } from '../../infra/oauth-token-refresher.ts';
import type { OAuthTokenRefresherProps } from '../../infra/settings/props.ts';
import { alarmsOf, templateOf, widgetsOf } from '../support/synthesized.ts';

/** A refresher in a stack with things that exist there already. */
function within(propsOf: (stack: Stack) => OAuthTokenRefresherProps): Template {
  const stack = new Stack(new App({ analyticsReporting: false }), 'Theirs');
  new OAuthTokenRefresher(stack, 'Tokens', propsOf(stack));
  return Template.fromStack(stack);
}

/** With exactOptionalPropertyTypes, TypeScript does not see that the CDK's own class is one. */
const newVpc = (stack: Stack) => new Vpc(stack, 'Net', { natGateways: 1 }) as IVpc;

const variables = (values: Record<string, unknown>) => ({
  Environment: { Variables: Match.objectLike(values) },
});
const ref = (id: string) => ({ Ref: Match.stringLikeRegexp(`^${id}`) });

describe('in a VPC', () => {
  const template = within((stack) => {
    const vpc = newVpc(stack);
    const securityGroup = new SecurityGroup(stack, 'Group', { vpc });
    const vpcSubnets = { subnetType: SubnetType.PRIVATE_WITH_EGRESS };
    return { vpc, vpcSubnets, securityGroups: [securityGroup] };
  });

  test('the function is in its private subnets, with the security group', () => {
    template.hasResourceProperties('AWS::Lambda::Function', {
      VpcConfig: {
        SubnetIds: [ref('NetPrivateSubnet1'), ref('NetPrivateSubnet2')],
        SecurityGroupIds: [{ 'Fn::GetAtt': [Match.stringLikeRegexp('^Group'), 'GroupId'] }],
      },
    });
  });

  test('Lambda may connect it, and what runs in it may not', () => {
    const [policy] = Object.values(template.findResources('AWS::IAM::Policy'));
    const about = policy?.Properties.PolicyDocument.Statement.filter(({ Action }: { Action: string[] }) =>
      Action.includes('ec2:CreateNetworkInterface'),
    );
    expect(about).toMatchObject([
      { Effect: 'Allow', Resource: '*' },
      {
        Effect: 'Deny',
        Resource: '*',
        Condition: { ArnLike: { 'lambda:SourceFunctionArn': expect.anything() } },
      },
    ]);
    expect(about[0].Condition).toBeUndefined();
  });

  test('has a security group of its own where none is given, and still no private address to call', () => {
    const own = within((stack) => ({ vpc: newVpc(stack) }));
    own.hasResourceProperties('AWS::EC2::SecurityGroup', { SecurityGroupIngress: Match.absent() });
    own.hasResourceProperties('AWS::Lambda::Function', variables({ PRIVATE_ADDRESS_CIDRS: Match.absent() }));
  });

  test('has no finding of cdk-nag that is not acknowledged', () => {
    const app = new App({ analyticsReporting: false });
    const stack = new Stack(app, 'Theirs');
    const vpc = Vpc.fromVpcAttributes(stack, 'Net', {
      vpcId: 'vpc-12345678',
      availabilityZones: ['eu-central-1a'],
      privateSubnetIds: ['subnet-12345678'],
    });
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    new OAuthTokenRefresher(stack, 'Tokens', { vpc });
    expect(() => app.synth()).not.toThrow();
  });
});

test('its NAT gateway has a fixed address, as docs/deploy.md shows', () => {
  const template = within((stack) => {
    const address = new CfnEIP(stack, 'Address');
    const vpc = new Vpc(stack, 'Network', {
      natGateways: 1,
      natGatewayProvider: NatProvider.gateway({ eipAllocationIds: [address.attrAllocationId] }),
      gatewayEndpoints: { Tables: { service: GatewayVpcEndpointAwsService.DYNAMODB } },
    });
    new CfnOutput(stack, 'AllowThisAddress', { value: address.attrPublicIp });
    return { vpc: vpc as IVpc };
  });
  template.resourceCountIs('AWS::EC2::NatGateway', 1);
  template.resourceCountIs('AWS::EC2::EIP', 1);
  template.hasResourceProperties('AWS::EC2::NatGateway', {
    AllocationId: { 'Fn::GetAtt': ['Address', 'AllocationId'] },
  });
  template.hasResourceProperties('AWS::EC2::VPCEndpoint', { VpcEndpointType: 'Gateway' });
  template.hasResourceProperties('AWS::Lambda::Function', {
    VpcConfig: { SubnetIds: [ref('NetworkPrivateSubnet1'), ref('NetworkPrivateSubnet2')] },
  });
});

test('a proxy is told to the function, with the names that need none', () => {
  const httpsProxy = 'http://proxy.example.com:3128';
  templateOf({ httpsProxy, noProxy: ['id.example.com', '.internal.example.com'] }).hasResourceProperties(
    'AWS::Lambda::Function',
    variables({ HTTPS_PROXY: httpsProxy, NO_PROXY: 'id.example.com,.internal.example.com' }),
  );
  templateOf().hasResourceProperties(
    'AWS::Lambda::Function',
    variables({ HTTPS_PROXY: Match.absent(), NO_PROXY: Match.absent() }),
  );
});

test('the function is as its props say', () => {
  templateOf({
    reservedConcurrentExecutions: 3,
    architecture: Architecture.X86_64,
    tracing: Tracing.DISABLED,
    logLevel: ApplicationLogLevel.DEBUG,
    systemLogLevel: SystemLogLevel.WARN,
  }).hasResourceProperties('AWS::Lambda::Function', {
    ReservedConcurrentExecutions: 3,
    Architectures: ['x86_64'],
    TracingConfig: Match.absent(),
    LoggingConfig: Match.objectLike({ ApplicationLogLevel: 'DEBUG', SystemLogLevel: 'WARN' }),
  });
});

test('a key for the log group lets CloudWatch Logs use it, for log groups', () => {
  const template = within((stack) => ({ logEncryptionKey: new Key(stack, 'LogKey') }));
  const key = { 'Fn::GetAtt': [Match.stringLikeRegexp('^LogKey'), 'Arn'] };
  template.hasResourceProperties('AWS::Logs::LogGroup', { KmsKeyId: key });
  template.hasResourceProperties('AWS::KMS::Key', {
    KeyPolicy: {
      Statement: Match.arrayWith([
        Match.objectLike({
          Principal: {
            Service: {
              'Fn::Join': ['', ['logs.', { Ref: 'AWS::Region' }, '.', { Ref: 'AWS::URLSuffix' }]],
            },
          },
          Condition: { ArnLike: { 'kms:EncryptionContext:aws:logs:arn': Match.anyValue() } },
        }),
      ]),
    },
  });
});

test('an existing escrow key is used instead of a new one', () => {
  const keyArn = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd';
  const template = within((stack) => ({ escrowKey: Key.fromKeyArn(stack, 'Given', keyArn) }));
  expect(Object.keys(template.findResources('AWS::KMS::Key')).filter((id) => id.includes('Escrow'))).toEqual(
    [],
  );
  template.hasResourceProperties('AWS::Lambda::Function', variables({ ESCROW_KEY_ID: keyArn }));
  const policies = JSON.stringify(template.findResources('AWS::IAM::Policy'));
  expect(policies).toContain(
    `"kms:EncryptionContext:use":"escrow"}},"Effect":"Allow","Resource":"${keyArn}"`,
  );
});

test('an existing topic gets alarms, messages and the subscription, and nothing else about it changes', () => {
  const topicArn = 'arn:aws:sns:eu-central-1:111122223333:oncall';
  const template = within((stack) => ({
    alarmTopic: Topic.fromTopicArn(stack, 'Oncall', topicArn),
    alarmEmail: 'oncall@example.com',
  }));
  template.resourceCountIs('AWS::SNS::Topic', 0);
  template.resourceCountIs('AWS::SNS::TopicPolicy', 0);
  template.hasResourceProperties('AWS::SNS::Subscription', { TopicArn: topicArn });
  for (const { AlarmActions } of alarmsOf(template).values()) expect(AlarmActions).toEqual([topicArn]);
  template.hasResourceProperties('AWS::Events::Rule', {
    EventPattern: Match.anyValue(),
    Targets: [Match.objectLike({ Arn: topicArn })],
  });
});

test('a table of the same app is used by its ARN', () => {
  const template = within((stack) => {
    const former = new OAuthTokenRefresher(stack, 'Former', { secretNamePrefix: 'former/' });
    return { accountsTableArn: former.table.tableArn };
  });
  template.hasResourceProperties(
    'AWS::Lambda::Function',
    variables({ ACCOUNTS_TABLE_NAME: { 'Fn::GetAtt': [Match.stringLikeRegexp('^FormerAccounts'), 'Arn'] } }),
  );
});

describe('alarms', () => {
  test('can be off, and then the dashboard shows none', () => {
    const template = templateOf({ alarms: false });
    template.resourceCountIs('AWS::CloudWatch::Alarm', 0);
    expect(widgetsOf(template).filter(({ type }) => type === 'alarm')).toEqual([]);
    // People still get a message for each account.
    template.resourceCountIs('AWS::SNS::Topic', 1);
  });

  test('can be changed one by one', () => {
    const alarms = alarmsOf(
      templateOf({
        alarmSettings: {
          writesThrottled: { enabled: false },
          accountsNeedAPerson: { threshold: 10 },
          errors: { evaluationPeriods: 10 },
          escrowInUse: { datapointsToAlarm: 15 },
          didNotRun: { evaluationPeriods: 30 },
        },
      }),
    );
    expect([...alarms.keys()]).not.toContain('WritesThrottled');
    const of = (name: string) => {
      const { Threshold, DatapointsToAlarm, EvaluationPeriods } = alarms.get(name) ?? {};
      return `${Threshold}: ${DatapointsToAlarm} of ${EvaluationPeriods}`;
    };
    expect(of('AccountsNeedAPerson')).toBe('10: 1 of 4');
    expect(of('Errors')).toBe('1: 2 of 10');
    expect(of('EscrowInUse')).toBe('1: 15 of 15');
    expect(of('DidNotRun')).toBe('1: 30 of 30');
    expect(of('TokensExpired')).toBe('1: 1 of 4');
  });

  test('of rules follow didNotRun', () => {
    const alarms = alarmsOf(templateOf({ segments: 6, alarmSettings: { didNotRun: { enabled: false } } }));
    expect([...alarms.keys()].filter((name) => /Did/.test(name))).toEqual([]);
  });
});

test('a dashboard can be left out, with its outputs', () => {
  const template = templateOf({ dashboard: false });
  template.resourceCountIs('AWS::CloudWatch::Dashboard', 0);
  expect(Object.keys(template.findOutputs('*')).filter((name) => name.includes('Dashboard'))).toEqual([]);
});

describe("the CDK's own aspects reach all of it:", () => {
  test('a permissions boundary is on every role', () => {
    const template = within((stack) => {
      const boundary = ManagedPolicy.fromManagedPolicyName(stack, 'Limit', 'Limit');
      PermissionsBoundary.of(stack).apply(boundary);
      return {};
    });
    const roles = Object.values(template.findResources('AWS::IAM::Role'));
    expect(roles.length).toBeGreaterThan(0);
    for (const { Properties } of roles)
      expect(JSON.stringify(Properties.PermissionsBoundary)).toContain('policy/Limit');
  });

  test('tags are on what can be tagged', () => {
    const template = within((stack) => {
      Tags.of(stack).add('team', 'integrations');
      return {};
    });
    for (const type of ['AWS::DynamoDB::Table', 'AWS::KMS::Key', 'AWS::Lambda::Function', 'AWS::SNS::Topic'])
      template.allResourcesProperties(type, {
        Tags: Match.arrayWith([{ Key: 'team', Value: 'integrations' }]),
      });
  });
});

describe("what can't work fails at synth and says what to change:", () => {
  const stack = new Stack(new App({ analyticsReporting: false }), 'Theirs');
  const vpc = newVpc(stack);
  const rows: readonly { name: string; props: OAuthTokenRefresherProps; message: string }[] = [
    { name: 'subnets without a VPC', props: { vpcSubnets: {} }, message: 'vpcSubnets needs vpc' },
    {
      name: 'security groups without a VPC',
      props: { securityGroups: [SecurityGroup.fromSecurityGroupId(stack, 'Group', 'sg-12345678')] },
      message: 'securityGroups needs vpc',
    },
    {
      name: 'public subnets',
      props: { vpc, vpcSubnets: { subnetType: SubnetType.PUBLIC } },
      message: 'vpcSubnets are public: the function gets no public address there',
    },
    {
      name: 'no security group',
      props: { vpc, securityGroups: [] },
      message: 'securityGroups is empty: name one or more, or leave it out',
    },
    {
      name: 'a proxy without http',
      props: { httpsProxy: 'proxy.example.com:3128' },
      message: 'httpsProxy must be the address of a proxy',
    },
    { name: 'names for no proxy', props: { noProxy: ['a.example'] }, message: 'noProxy needs httpsProxy' },
    {
      name: 'everything without the proxy',
      props: { httpsProxy: 'http://proxy.example.com', noProxy: ['*'] },
      message: 'noProxy: "*" is not a name such as "id.example.com"',
    },
    {
      name: 'two names in one',
      props: { httpsProxy: 'http://proxy.example.com', noProxy: ['a.example,b.example'] },
      message: 'noProxy: "a.example,b.example" is not a name',
    },
    {
      name: 'less concurrency than shares',
      props: { segments: 4, reservedConcurrentExecutions: 3 },
      message: 'reservedConcurrentExecutions is 3: use a whole number from 4 on',
    },
    {
      name: 'a log level that drops metrics',
      props: { logLevel: ApplicationLogLevel.WARN },
      message: 'logLevel is WARN: use INFO, DEBUG or TRACE',
    },
    {
      name: 'a FIFO topic',
      props: {
        alarmTopic: Topic.fromTopicArn(stack, 'Fifo', 'arn:aws:sns:eu-central-1:111122223333:a.fifo'),
      },
      message: 'alarmTopic must not be a FIFO topic',
    },
    {
      name: 'changes to alarms that are off',
      props: { alarms: false, alarmSettings: { errors: { threshold: 2 } } },
      message: 'alarmSettings changes alarms, and alarms is false',
    },
    {
      name: 'an alarm that is none',
      props: { alarmSettings: { needsAPerson: {} } as OAuthTokenRefresherProps['alarmSettings'] & object },
      message: 'alarmSettings.needsAPerson is no alarm: use didNotRun, errors, accountsNeedAPerson',
    },
    {
      name: 'a threshold where nothing may happen',
      props: { alarmSettings: { didNotRun: { threshold: 2 } } },
      message: 'alarmSettings.didNotRun has no threshold',
    },
    {
      name: 'an alarm that a healthy function sets off',
      props: { alarmSettings: { didNotRun: { evaluationPeriods: 2 } } },
      message: 'alarmSettings.didNotRun: evaluationPeriods is 2; use 4 or more',
    },
    {
      name: 'a threshold of nothing',
      props: { alarmSettings: { errors: { threshold: 0 } } },
      message: 'alarmSettings.errors: threshold must be a number above 0',
    },
    {
      name: 'more datapoints than periods',
      props: { alarmSettings: { errors: { datapointsToAlarm: 3, evaluationPeriods: 2 } } },
      message: 'alarmSettings.errors: datapointsToAlarm is 3, more than its 2 evaluationPeriods',
    },
    {
      name: 'more than CloudWatch looks back',
      props: { alarmSettings: { deadLetters: { evaluationPeriods: 2_000 } } },
      message: 'alarmSettings.deadLetters: evaluationPeriods must be a whole number from 1 to 1440',
    },
  ];
  test.each(rows)('$name', ({ props, message }) => {
    expect(() => templateOf(props)).toThrow(message);
  });

  test('a proxy with a password, which is not repeated', () => {
    expect(() => templateOf({ httpsProxy: 'http://me:hunter2@proxy.example.com' })).toThrow(
      /^(?!.*hunter2).*without a path and without a password/s,
    );
  });
});
