import { ArnFormat, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import type { Alarm, Dashboard } from 'aws-cdk-lib/aws-cloudwatch';
import { AttributeType, BillingMode, type ITable, Table, TableEncryption } from 'aws-cdk-lib/aws-dynamodb';
import { EventBus, Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import {
  AnyPrincipal,
  Effect,
  type Grant,
  type IGrantable,
  PolicyStatement,
  Role,
  ServicePrincipal,
} from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import {
  ApplicationLogLevel,
  Architecture,
  Code,
  Function as Lambda,
  LoggingFormat,
  Runtime,
  RuntimeFamily,
  Tracing,
} from 'aws-cdk-lib/aws-lambda';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Topic } from 'aws-cdk-lib/aws-sns';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { METRIC_NAMESPACE } from '../lambda/metric-names.ts';
import { createAlarms } from './alarms.ts';
import { createDashboard } from './dashboard.ts';
import { functionAsset } from './function-asset.ts';
import { createKey } from './key.ts';
import { createAlarmTopic, tellWhoNeedsAPerson } from './mail-topic.ts';
import type { Watched } from './metrics.ts';
import { sharedSecrets } from './one-table.ts';
import {
  acknowledgeFindings,
  grantEscrow,
  grantReadAnswers,
  grantSecrets,
  grantTable,
} from './permissions.ts';
import { type OAuthTokenRefresherProps, resolveProps, type Settings } from './props.ts';

/** Older versions of the CDK have no name for it. */
const NODEJS_24 = new Runtime('nodejs24.x', RuntimeFamily.NODEJS);

/** EventBridge allows five targets for each rule. */
const TARGETS_PER_RULE = 5;

/**
 * Keeps OAuth access tokens fresh: the accounts table, the function, its schedule, alarms and dashboard.
 *
 * @throws Error if the props can't work together; it lists what to change
 */
export class OAuthTokenRefresher extends Construct {
  /** With one item for each account. */
  readonly table: ITable;
  /** Its name for the function and the command line; its ARN if it is in another account or Region. */
  readonly tableName: string;
  readonly function: Lambda;
  readonly rules: Rule[];
  /** Events that the function could not take, and messages that could not be sent. */
  readonly deadLetterQueue: Queue;
  /** Encrypts refresh tokens while they can't be stored. */
  readonly escrowKey: Key;
  readonly secretNamePrefix: string;
  /** The tables whose token sets it takes over. */
  readonly formerAccountsTables: string[];
  /** Gets every alarm, and a message for each account that needs a person. */
  readonly alarmTopic: Topic;
  readonly alarms: Alarm[];
  readonly dashboard: Dashboard;

  constructor(scope: Construct, id: string, props: OAuthTokenRefresherProps = {}) {
    super(scope, id);
    const settings = resolveProps(props);
    const removalPolicy = props.removalPolicy ?? RemovalPolicy.RETAIN;
    this.secretNamePrefix = settings.secretNamePrefix;
    this.formerAccountsTables = [...settings.formerAccountsTables];
    this.table = this.findTable(props) ?? this.createTable(removalPolicy);
    this.tableName = this.isElsewhere(props.accountsTableArn) ? this.table.tableArn : this.table.tableName;
    this.node.addValidation({
      validate: () =>
        sharedSecrets(
          this,
          this.node.root.node.findAll().filter((construct) => construct instanceof OAuthTokenRefresher),
        ),
    });
    // A separate key, so that reading the table is not enough to read what is in escrow there.
    this.escrowKey = createKey(this, 'EscrowKey', 'Refresh tokens in escrow', removalPolicy);
    this.deadLetterQueue = this.createDeadLetterQueue();
    const eventBus = props.eventBus ?? EventBus.fromEventBusName(this, 'DefaultBus', 'default');
    this.function = this.createFunction(props, settings, removalPolicy, eventBus.eventBusName);
    eventBus.grantPutEventsTo(this.function);
    grantTable(this, this.function);
    grantSecrets(this, this.function, props);
    grantEscrow(this.escrowKey, this.function);
    this.rules = this.createRules(settings);
    acknowledgeFindings(this, props);
    this.alarmTopic = createAlarmTopic(this, settings.alarmEmail, removalPolicy);
    tellWhoNeedsAPerson(this, {
      eventBus: EventBus.fromEventBusName(this, 'EventBus', eventBus.eventBusName),
      topic: this.alarmTopic,
      deadLetterQueue: this.deadLetterQueue,
      runbookUrl: settings.runbookUrl,
    });
    const watched: Watched = {
      service: this.service,
      function: this.function,
      logGroup: this.function.logGroup,
      deadLetterQueue: this.deadLetterQueue,
      ruleNames: this.rules.map(({ ruleName }) => ruleName),
      settings,
    };
    this.alarms = createAlarms(this, watched, this.alarmTopic);
    this.dashboard = createDashboard(this, watched, this.alarms);
  }

  /** Distinguishes this deployment's metrics and alarms from those of other stages in the same account. */
  private get service(): string {
    return this.node.path.replaceAll(/[^A-Za-z0-9]+/g, '-').slice(-100);
  }

  /**
   * Lets somebody read a provider's response that waits in escrow because no token could be found in it
   * (`accounts answer`). It opens everything in escrow, also refresh tokens, so give it only to people who may have them.
   */
  grantReadAnswers(grantee: IGrantable): Grant {
    return grantReadAnswers(this, grantee);
  }

  /** Whether a table is, or may be, in another account or Region than this stack. Its name is not enough then. */
  private isElsewhere(tableArn: string | undefined): boolean {
    if (tableArn === undefined) return false;
    const here = Stack.of(this);
    const there = here.splitArn(tableArn, ArnFormat.SLASH_RESOURCE_NAME);
    return there.account !== here.account || there.region !== here.region;
  }

  private findTable(props: OAuthTokenRefresherProps): ITable | undefined {
    const { accountsTableArn: tableArn, accountsTableKeyArn: keyArn } = props;
    if (tableArn === undefined) return undefined;
    return Table.fromTableAttributes(this, 'GivenTable', {
      tableArn,
      ...(keyArn !== undefined && { encryptionKey: Key.fromKeyArn(this, 'GivenTableKey', keyArn) }),
    });
  }

  private createTable(removalPolicy: RemovalPolicy): ITable {
    const table = new Table(this, 'Accounts', {
      partitionKey: { name: 'accountId', type: AttributeType.STRING },
      billingMode: BillingMode.PAY_PER_REQUEST,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: removalPolicy !== RemovalPolicy.DESTROY,
      encryption: TableEncryption.CUSTOMER_MANAGED,
      encryptionKey: createKey(this, 'TableKey', 'The accounts table', removalPolicy),
      removalPolicy,
    });
    return table as ITable;
  }

  private createDeadLetterQueue(): Queue {
    const queue = new Queue(this, 'DeadLetterQueue', {
      encryption: QueueEncryption.SQS_MANAGED,
      retentionPeriod: Duration.days(14),
    });
    // Like enforceSSL, but without its wildcard action.
    queue.addToResourcePolicy(
      new PolicyStatement({
        effect: Effect.DENY,
        principals: [new AnyPrincipal()],
        actions: queueUse,
        resources: [queue.queueArn],
        conditions: { Bool: { 'aws:SecureTransport': 'false' } },
      }),
    );
    return queue;
  }

  private createFunction(
    props: OAuthTokenRefresherProps,
    settings: Settings,
    removalPolicy: RemovalPolicy,
    eventBusName: string,
  ): Lambda {
    const { refreshWindow, refreshSpread, timeout, memorySize, secretNamePrefix } = settings;
    const { formerAccountsTables, privateAddressCidrs } = settings;
    const logGroup = new LogGroup(this, 'Logs', {
      retention: props.logRetention ?? RetentionDays.ONE_MONTH,
      removalPolicy,
    });
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    role.addToPolicy(
      new PolicyStatement({
        actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        resources: [logGroup.logGroupArn],
      }),
    );
    return new Lambda(this, 'Function', {
      description: 'Keeps OAuth access tokens fresh',
      code: Code.fromAsset(functionAsset()),
      handler: 'index.handler',
      runtime: NODEJS_24,
      architecture: Architecture.ARM_64,
      memorySize,
      timeout,
      role,
      tracing: Tracing.ACTIVE,
      loggingFormat: LoggingFormat.JSON,
      applicationLogLevelV2: ApplicationLogLevel.INFO,
      logGroup,
      // The next minute's run is the retry, so an older event is useless.
      retryAttempts: 0,
      maxEventAge: Duration.seconds(60),
      onFailure: new SqsDestination(this.deadLetterQueue),
      environment: {
        ACCOUNTS_TABLE_NAME: this.tableName,
        ...(formerAccountsTables.length > 0 && { FORMER_ACCOUNTS_TABLES: formerAccountsTables.join() }),
        ...(privateAddressCidrs.length > 0 && { PRIVATE_ADDRESS_CIDRS: privateAddressCidrs.join() }),
        SECRET_NAME_PREFIX: secretNamePrefix,
        REFRESH_WINDOW_SECONDS: String(refreshWindow.toSeconds()),
        REFRESH_SPREAD_SECONDS: String(refreshSpread.toSeconds()),
        ESCROW_KEY_ID: this.escrowKey.keyArn,
        EVENT_BUS_NAME: eventBusName,
        POWERTOOLS_SERVICE_NAME: this.service,
        POWERTOOLS_METRICS_NAMESPACE: METRIC_NAMESPACE,
        NODE_OPTIONS: '--enable-source-maps',
      },
    });
  }

  /** A target for each share of the table, and a rule for every five targets. */
  private createRules({ schedule, segments }: Settings): Rule[] {
    const inputs = [...Array(segments)].map((_, segment) =>
      segments === 1 ? undefined : RuleTargetInput.fromObject({ segment, totalSegments: segments }),
    );
    const rules = Math.ceil(segments / TARGETS_PER_RULE);
    return [...Array(rules)].map((_, index) => {
      const own = inputs.slice(index * TARGETS_PER_RULE, (index + 1) * TARGETS_PER_RULE);
      return new Rule(this, index === 0 ? 'Schedule' : `Schedule${index + 1}`, {
        description: 'Starts the OAuth token refresher',
        schedule: Schedule.rate(schedule),
        targets: own.map(
          (event) =>
            new LambdaFunction(this.function, {
              ...(event && { event }),
              retryAttempts: 0,
              maxEventAge: Duration.seconds(60),
            }),
        ),
      });
    });
  }
}

const queueUse = [
  'sqs:ChangeMessageVisibility',
  'sqs:DeleteMessage',
  'sqs:GetQueueAttributes',
  'sqs:GetQueueUrl',
  'sqs:PurgeQueue',
  'sqs:ReceiveMessage',
  'sqs:SendMessage',
  'sqs:SetQueueAttributes',
];
