import { Aws, Duration, Stack } from 'aws-cdk-lib';
import { Effect, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Code, Function as Lambda, LoggingFormat, Runtime, RuntimeFamily } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { METRIC_NAMESPACE } from '../lambda/metric-names.ts';
import { functionAsset } from './function-asset.ts';
import type { OAuthTokenRefresherProps } from './settings/props.ts';
import type { Settings } from './settings/settings.ts';
import { packageVersion } from './version.ts';

/** Older versions of the CDK have no name for it. */
const NODEJS_24 = new Runtime('nodejs24.x', RuntimeFamily.NODEJS);

/** What the function is told of the other parts. */
interface Parts {
  readonly tableName: string;
  readonly escrowKey: IKey;
  readonly eventBusName: string;
  readonly deadLetterQueue: IQueue;
  /** Distinguishes its metrics from those of other deployments. */
  readonly service: string;
}

/** Creates the function with its role and its log group. */
export function createFunction(
  scope: Construct,
  props: OAuthTokenRefresherProps,
  settings: Settings,
  { tableName, escrowKey, eventBusName, deadLetterQueue, service }: Parts,
): Lambda {
  const { logEncryptionKey, systemLogLevel, vpc, vpcSubnets, securityGroups, httpsProxy } = props;
  const { reservedConcurrentExecutions } = props;
  const { formerAccountsTables, privateAddressCidrs, noProxy } = settings;
  if (logEncryptionKey !== undefined) letLogsUse(logEncryptionKey, scope);
  const logGroup = new LogGroup(scope, 'Logs', {
    retention: settings.logRetention,
    removalPolicy: settings.removalPolicy,
    ...(logEncryptionKey && { encryptionKey: logEncryptionKey }),
  });
  const role = new Role(scope, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
  role.addToPolicy(
    new PolicyStatement({
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [logGroup.logGroupArn],
    }),
  );
  role.addToPolicy(
    new PolicyStatement({ actions: ['sqs:SendMessage'], resources: [deadLetterQueue.queueArn] }),
  );
  if (vpc !== undefined) letLambdaConnect(role);
  return new Lambda(scope, 'Function', {
    // The command line reads the version here where it is given the function alone.
    description: `Keeps OAuth access tokens fresh (oauth-token-refresher ${packageVersion()})`,
    code: Code.fromAsset(functionAsset()),
    handler: 'index.handler',
    runtime: NODEJS_24,
    architecture: settings.architecture,
    memorySize: settings.memorySize,
    timeout: settings.timeout,
    role,
    tracing: settings.tracing,
    loggingFormat: LoggingFormat.JSON,
    applicationLogLevelV2: settings.logLevel,
    ...(systemLogLevel && { systemLogLevelV2: systemLogLevel }),
    logGroup,
    ...(vpc && { vpc }),
    ...(vpcSubnets && { vpcSubnets }),
    ...(securityGroups && { securityGroups }),
    ...(reservedConcurrentExecutions !== undefined && { reservedConcurrentExecutions }),
    // The next minute's run is the retry, so an older event is useless.
    retryAttempts: 0,
    maxEventAge: Duration.seconds(60),
    // The CDK's own destination would also let it read the queue's attributes.
    onFailure: { bind: () => ({ destination: deadLetterQueue.queueArn }) },
    environment: {
      ACCOUNTS_TABLE_NAME: tableName,
      ...(formerAccountsTables.length > 0 && { FORMER_ACCOUNTS_TABLES: formerAccountsTables.join() }),
      ...(privateAddressCidrs.length > 0 && { PRIVATE_ADDRESS_CIDRS: privateAddressCidrs.join() }),
      ...(httpsProxy !== undefined && { HTTPS_PROXY: httpsProxy }),
      ...(noProxy.length > 0 && { NO_PROXY: noProxy.join() }),
      SECRET_NAME_PREFIX: settings.secretNamePrefix,
      REFRESH_WINDOW_SECONDS: String(settings.refreshWindow.toSeconds()),
      REFRESH_SPREAD_SECONDS: String(settings.refreshSpread.toSeconds()),
      ESCROW_KEY_ID: escrowKey.keyArn,
      EVENT_BUS_NAME: eventBusName,
      POWERTOOLS_SERVICE_NAME: service,
      POWERTOOLS_METRICS_NAMESPACE: METRIC_NAMESPACE,
      NODE_OPTIONS: '--enable-source-maps',
    },
  });
}

/** The name of the log group can't be in the key's policy: each would need the other first. */
function letLogsUse(key: IKey, scope: Construct): void {
  const { region, account, partition, urlSuffix } = Stack.of(scope);
  key.addToResourcePolicy(
    new PolicyStatement({
      principals: [new ServicePrincipal(`logs.${region}.${urlSuffix}`)],
      actions: [
        'kms:Encrypt',
        'kms:Decrypt',
        'kms:ReEncryptFrom',
        'kms:ReEncryptTo',
        'kms:GenerateDataKey',
        'kms:GenerateDataKeyWithoutPlaintext',
        'kms:DescribeKey',
      ],
      resources: ['*'],
      conditions: {
        ArnLike: {
          'kms:EncryptionContext:aws:logs:arn': `arn:${partition}:logs:${region}:${account}:log-group:*`,
        },
      },
    }),
  );
}

const NETWORK_INTERFACES = [
  'ec2:CreateNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:DeleteNetworkInterface',
  'ec2:AssignPrivateIpAddresses',
  'ec2:UnassignPrivateIpAddresses',
];

/** Lambda connects the function to the VPC with its role. What runs in the function has no business with that. */
function letLambdaConnect(role: Role): void {
  role.addToPolicy(new PolicyStatement({ actions: NETWORK_INTERFACES, resources: ['*'] }));
  role.addToPolicy(
    new PolicyStatement({
      effect: Effect.DENY,
      actions: NETWORK_INTERFACES,
      resources: ['*'],
      conditions: {
        ArnLike: { 'lambda:SourceFunctionArn': `arn:${Aws.PARTITION}:lambda:*:${Aws.ACCOUNT_ID}:function:*` },
      },
    }),
  );
}
