import { ArnFormat, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import type { Alarm, Dashboard, Metric, MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import { AttributeType, BillingMode, type ITable, Table, TableEncryption } from 'aws-cdk-lib/aws-dynamodb';
import { EventBus, Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { type Grant, type IGrantable, ManagedPolicy } from 'aws-cdk-lib/aws-iam';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import type { Function as Lambda } from 'aws-cdk-lib/aws-lambda';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { createDeadLetterQueue } from './dead-letter-queue.ts';
import { createFunction } from './function.ts';
import { createReaderPolicy, grantOperate, grantReadAccount, grantReadAnswers } from './grants.ts';
import { createKey } from './key.ts';
import { createAlarmTopic, tellWhoNeedsAPerson } from './mail-topic.ts';
import { createAlarms } from './monitoring/alarms.ts';
import { createDashboard } from './monitoring/dashboard.ts';
import { knownMetric, ownMetric, type Statistic, type Watched } from './monitoring/metrics.ts';
import { createQueries } from './monitoring/queries.ts';
import { serviceName } from './monitoring/service-name.ts';
import { sharedNames, sharedSecrets } from './one-table.ts';
import { createOutputs } from './outputs.ts';
import { acknowledgeFindings, grantEscrow, grantEvents, grantSecrets, grantTable } from './permissions.ts';
import type { OAuthTokenRefresherProps } from './settings/props.ts';
import { resolveProps, type Settings } from './settings/settings.ts';

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
  readonly escrowKey: IKey;
  readonly secretNamePrefix: string;
  /** The tables whose token sets it takes over. */
  readonly formerAccountsTables: string[];
  /** Gets every alarm, and a message for each account that needs a person. */
  readonly alarmTopic: ITopic;
  readonly alarms: Alarm[];
  readonly dashboard?: Dashboard;
  /** All that the command line needs: attach it to the role of who operates this. */
  readonly operatorPolicy: ManagedPolicy;
  /** Distinguishes this deployment's metrics and alarms from those of others in the same account. */
  readonly service: string;
  private readonly watched: Watched;
  private readonly props: OAuthTokenRefresherProps;

  constructor(scope: Construct, id: string, props: OAuthTokenRefresherProps = {}) {
    super(scope, id);
    this.props = props;
    const settings = resolveProps(props);
    const { removalPolicy } = settings;
    this.service = serviceName(this);
    this.secretNamePrefix = settings.secretNamePrefix;
    this.formerAccountsTables = [...settings.formerAccountsTables];
    this.table = this.findTable(props) ?? this.createTable(removalPolicy);
    this.tableName = this.isElsewhere(props.accountsTableArn) ? this.table.tableArn : this.table.tableName;
    this.node.addValidation({
      validate: () => {
        const everywhere = this.node.root.node.findAll();
        const all = everywhere.filter((construct) => construct instanceof OAuthTokenRefresher);
        return [...sharedSecrets(this, all), ...sharedNames(this, all)];
      },
    });
    // A separate key, so that reading the table is not enough to read what is in escrow there.
    this.escrowKey =
      props.escrowKey ?? createKey(this, 'EscrowKey', 'Refresh tokens in escrow', removalPolicy);
    this.deadLetterQueue = createDeadLetterQueue(this);
    const eventBus = props.eventBus ?? EventBus.fromEventBusName(this, 'DefaultBus', 'default');
    this.function = createFunction(this, props, settings, {
      tableName: this.tableName,
      escrowKey: this.escrowKey,
      eventBusName: eventBus.eventBusName,
      deadLetterQueue: this.deadLetterQueue,
      service: this.service,
    });
    grantEvents(eventBus, this.function);
    grantTable(this, this.function);
    grantSecrets(this, this.function, props);
    grantEscrow(this.escrowKey, this.function);
    this.rules = this.createRules(settings);
    const alarmTopic = createAlarmTopic(this, props.alarmTopic, settings);
    this.alarmTopic = alarmTopic.topic;
    tellWhoNeedsAPerson(this, {
      eventBus: EventBus.fromEventBusName(this, 'EventBus', eventBus.eventBusName),
      alarmTopic,
      deadLetterQueue: this.deadLetterQueue,
      runbookUrl: settings.runbookUrl,
    });
    this.watched = {
      service: this.service,
      function: this.function,
      logGroup: this.function.logGroup,
      deadLetterQueue: this.deadLetterQueue,
      ruleNames: this.rules.map(({ ruleName }) => ruleName),
      settings,
    };
    this.alarms = props.alarms === false ? [] : createAlarms(this, this.watched, this.alarmTopic);
    createQueries(this, this.service, this.function.logGroup);
    if (props.dashboard !== false) this.dashboard = createDashboard(this, this.watched, this.alarms);
    this.operatorPolicy = new ManagedPolicy(this, 'Operator');
    this.grantOperate(this.operatorPolicy);
    acknowledgeFindings(this, props);
    if (props.outputs === true) createOutputs(this, this);
  }

  /**
   * One of the function's own metrics, by its name in CloudWatch, such as `TokensRefreshed`. By default it is the sum for
   * each tick of the schedule. What each run counts anew, such as accounts that need a person, is best seen as a maximum.
   *
   * @throws Error if there is no such metric; it lists those there are
   */
  metric(metricName: string, props?: MetricOptions): Metric {
    return this.own(knownMetric(metricName), 'Sum', props);
  }

  /** Accounts whose token was to be refreshed. */
  metricDue(props?: MetricOptions): Metric {
    return this.own('due', 'Sum', props);
  }

  /** Access tokens that were refreshed. */
  metricRefreshed(props?: MetricOptions): Metric {
    return this.own('refreshed', 'Sum', props);
  }

  /** Refreshes that failed. */
  metricFailed(props?: MetricOptions): Metric {
    return this.own('failed', 'Sum', props);
  }

  /** Accounts that need a person. */
  metricReauthorizationRequired(props?: MetricOptions): Metric {
    return this.own('reauthorizationRequired', 'Maximum', props);
  }

  /** Access tokens that have expired and are still being tried. */
  metricAccessTokensExpired(props?: MetricOptions): Metric {
    return this.own('accessTokensExpired', 'Maximum', props);
  }

  /** Refresh tokens that wait in escrow, because they can't be stored. */
  metricInEscrow(props?: MetricOptions): Metric {
    return this.own('inEscrow', 'Maximum', props);
  }

  /** How long runs took, in milliseconds. Its `SampleCount` is how many have finished. */
  metricRunDuration(props?: MetricOptions): Metric {
    return this.own('runDuration', 'Average', props);
  }

  private own(name: Parameters<typeof ownMetric>[1], statistic: Statistic, props?: MetricOptions): Metric {
    return ownMetric(this.watched, name, statistic)
      .with(props ?? {})
      .attachTo(this);
  }

  /**
   * Lets somebody use the whole command line on this deployment. It is as much as having every token: whoever has it can
   * read each secret below the prefix, and what is in escrow.
   */
  grantOperate(grantee: IGrantable): Grant {
    return grantOperate(this, grantee, this.props);
  }

  /**
   * Lets a program read the tokens of one account, and nothing else. Its secret is the usual one,
   * `<prefix>accounts/<accountId>`.
   */
  grantReadAccount(grantee: IGrantable, accountId: string): Grant {
    return grantReadAccount(this, grantee, accountId, this.props);
  }

  /** The same as a managed policy, to attach to roles that are made elsewhere. An output has its ARN. */
  addReaderPolicy(accountId: string): ManagedPolicy {
    return createReaderPolicy(this, accountId, this.props);
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
