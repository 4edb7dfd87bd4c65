import { App, CfnOutput, Duration, RemovalPolicy } from 'aws-cdk-lib';
import { AttributeType, BillingMode, Table } from 'aws-cdk-lib/aws-dynamodb';
import { Rule } from 'aws-cdk-lib/aws-events';
import { SqsQueue } from 'aws-cdk-lib/aws-events-targets';
import { Architecture, Code, FunctionUrlAuthType, Function as Lambda, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { SqsSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { OAuthTokenRefresherStack } from '../../infra/stack.ts';
import { MARK, PREFIX, STACK } from './names.ts';

/** The stack as it ships, a provider to refresh with, and a queue that gets what people and programs would be told. */
const app = new App({ analyticsReporting: false });
const stack = new OAuthTokenRefresherStack(app, STACK, {
  secretNamePrefix: PREFIX,
  removalPolicy: RemovalPolicy.DESTROY,
  tags: { [MARK]: 'true' },
});

const grants = new Table(stack, 'Grants', {
  partitionKey: { name: 'id', type: AttributeType.STRING },
  billingMode: BillingMode.PAY_PER_REQUEST,
  removalPolicy: RemovalPolicy.DESTROY,
});
const provider = new Lambda(stack, 'Provider', {
  description: 'A small OAuth provider for a trial',
  code: Code.fromAsset('test/smoke/provider'),
  handler: 'index.handler',
  runtime: Runtime.NODEJS_24_X,
  architecture: Architecture.ARM_64,
  timeout: Duration.seconds(10),
  memorySize: 512,
  environment: { GRANTS_TABLE_NAME: grants.tableName },
  logGroup: new LogGroup(stack, 'ProviderLogs', {
    retention: RetentionDays.ONE_DAY,
    removalPolicy: RemovalPolicy.DESTROY,
  }),
});
grants.grantReadWriteData(provider);

const witness = new Queue(stack, 'Witness', {
  encryption: QueueEncryption.SQS_MANAGED,
  enforceSSL: true,
  // Each message is seen once.
  visibilityTimeout: Duration.hours(12),
});
stack.refresher.alarmTopic.addSubscription(new SqsSubscription(witness, { rawMessageDelivery: true }));
new Rule(stack, 'AllEvents', {
  eventPattern: { source: ['oauth-token-refresher'] },
  targets: [new SqsQueue(witness)],
});

// The public internet can ask it, as it can any provider. Without the client's secret it answers 401.
const url = provider.addFunctionUrl({ authType: FunctionUrlAuthType.NONE });
new CfnOutput(stack, 'ProviderUrl', { value: url.url });
new CfnOutput(stack, 'GrantsTableName', { value: grants.tableName });
new CfnOutput(stack, 'WitnessUrl', { value: witness.queueUrl });
