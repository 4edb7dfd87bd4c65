import type { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type { ISecurityGroup, IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2';
import type { IEventBus } from 'aws-cdk-lib/aws-events';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { ApplicationLogLevel, Architecture, SystemLogLevel, Tracing } from 'aws-cdk-lib/aws-lambda';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';

/** The settings of an `OAuthTokenRefresher`. The defaults suit most teams. */
export interface OAuthTokenRefresherProps {
  /**
   * How the names of its secrets begin: `<prefix>profiles/…` and `<prefix>accounts/…`.
   * @default 'oauth/'
   */
  readonly secretNamePrefix?: string;
  /**
   * An access token that expires within this time is refreshed. At least `schedule` plus `timeout`, or a token could
   * expire between two runs.
   * @default 5 minutes
   */
  readonly refreshWindow?: Duration;
  /**
   * Refreshes each account up to this much earlier than `refreshWindow` says, depending on its id. Then accounts whose
   * tokens expire at the same moment are not all due at once. A token is still used for at
   * least half the time that it would be used without (half of its lifetime less the window). docs/performance.md says
   * when this helps.
   * @default 0, no spread
   */
  readonly refreshSpread?: Duration;
  /**
   * How often the function runs, in whole minutes.
   * @default 1 minute
   */
  readonly schedule?: Duration;
  /**
   * How long a run may take.
   * @default 2 minutes
   */
  readonly timeout?: Duration;
  /**
   * Shares of the table that run in parallel. One is enough for 50 refreshes a second, the most that Secrets Manager
   * takes in a Region. More make runs over very large tables shorter.
   * @default 1
   */
  readonly segments?: number;
  /**
   * MB, 512 or more: the function needs that much if all providers send the worst possible responses.
   * @default 512
   */
  readonly memorySize?: number;
  /**
   * How many runs may go on at once. At least `segments`, since each share of the table has its own run. Where runs take
   * longer than `schedule`, and for runs by hand, it takes more: what is refused is an error and a dead letter.
   * @default none of its own
   */
  readonly reservedConcurrentExecutions?: number;
  /** @default Architecture.ARM_64 */
  readonly architecture?: Architecture;
  /** @default Tracing.ACTIVE */
  readonly tracing?: Tracing;
  /**
   * The least important lines that the function logs: `INFO`, `DEBUG` or `TRACE`. Metrics and results of runs are lines at
   * `INFO`, so nothing above it works.
   * @default ApplicationLogLevel.INFO
   */
  readonly logLevel?: ApplicationLogLevel;
  /**
   * The same for the lines that Lambda itself logs about each run. `WARN` leaves out the usual ones.
   * @default Lambda's, SystemLogLevel.INFO
   */
  readonly systemLogLevel?: SystemLogLevel;
  /**
   * The key that encrypts the log group. CloudWatch Logs is allowed to use it; the policy of an imported key must do so
   * itself.
   * @default CloudWatch Logs' own
   */
  readonly logEncryptionKey?: IKey;
  /** @default 1 month */
  readonly logRetention?: RetentionDays;
  /**
   * Gets the events about accounts.
   * @default the default event bus
   */
  readonly eventBus?: IEventBus;
  /**
   * Your key that encrypts the secrets, unless they are under `aws/secretsmanager`.
   */
  readonly secretsEncryptionKey?: IKey;
  /**
   * ARNs of token secrets outside the prefix, for accounts with their own `tokenSecretId`. They may end with `*`.
   * @default none
   */
  readonly additionalTokenSecretArns?: string[];
  /**
   * An existing table to use, such as one restored from a backup. Its partition key is `accountId` (S). Recovery,
   * deletion protection and removal stay its owner's business. The function and the command line use its name, or its
   * ARN if it is, or may be, in another account or Region than the stack.
   * @default a new table
   */
  readonly accountsTableArn?: string;
  /**
   * The key that encrypts the table in `accountsTableArn`.
   * @default none: one of AWS's own
   */
  readonly accountsTableKeyArn?: string;
  /**
   * The accounts tables of deployments that this one replaces: names, or `account/region/name` for another account or
   * Region. The function takes over each of their token sets when it next spends it. By naming a table here you promise
   * that its function has stopped and its leases have ended: docs/upgrading.md.
   * @default none
   */
  readonly formerAccountsTables?: string[];
  /**
   * The private addresses that the function may call, as CIDRs such as `10.1.0.0/16`. It refuses all others, also
   * behind a name.
   * @default none: it calls only public addresses
   */
  readonly privateAddressCidrs?: string[];
  /**
   * Puts the function into a VPC. Its subnets must lead to AWS's APIs and to providers: docs/deploy.md, which also says how to
   * get a fixed address.
   * @default none
   */
  readonly vpc?: IVpc;
  /**
   * Where in the VPC. The function gets no public address, so public subnets lead nowhere.
   * @default its private subnets
   */
  readonly vpcSubnets?: SubnetSelection;
  /** @default a new one that lets the function call anything, and nobody call it */
  readonly securityGroups?: ISecurityGroup[];
  /**
   * The proxy through which the function calls providers, such as `http://proxy.example.com:3128`. It must know the
   * function by its address, since a password would be readable in the function's environment. It resolves names, so it must
   * refuse private addresses itself. AWS's APIs are called directly.
   * @default none
   */
  readonly httpsProxy?: string;
  /**
   * Names that the function calls without the proxy: `id.example.com`, or `.example.com` with all below it.
   * @default none
   */
  readonly noProxy?: string[];
  /**
   * An existing key to encrypt refresh tokens with while they can't be stored. Its policy must let IAM policies of this
   * account allow its use, as the CDK's keys do. Never change it while something is in escrow.
   * @default a new key
   */
  readonly escrowKey?: IKey;
  /**
   * An existing topic for alarms and messages. Its policy, and that of its key, must let CloudWatch publish.
   * @default a new topic with its own key
   */
  readonly alarmTopic?: ITopic;
  /** @default true */
  readonly alarms?: boolean;
  /**
   * Changes to single alarms.
   * @default those of docs/runbook.md
   */
  readonly alarmSettings?: AlarmSettings;
  /** @default true */
  readonly dashboard?: boolean;
  /**
   * Gives the stack the outputs by which the command line finds everything: then `--stack NAME` is enough, with
   * `--construct ID` where a stack has several refreshers.
   * @default false; an OAuthTokenRefresherStack always has them
   */
  readonly outputs?: boolean;
  /**
   * Gets alarms and messages about accounts that need a person. The address must be confirmed once. Others can
   * subscribe to `alarmTopic`.
   * @default nobody
   */
  readonly alarmEmail?: string;
  /**
   * The address of docs/runbook.md, for alarms and messages to link to.
   * @default 'docs/runbook.md', which is only its path in the repository
   */
  readonly runbookUrl?: string;
  /**
   * What happens to the table, the keys and the logs when the stack is deleted. `DESTROY` also turns off the table's
   * deletion protection; use it for throwaway stacks.
   * @default RemovalPolicy.RETAIN
   */
  readonly removalPolicy?: RemovalPolicy;
}

/** Changes to one alarm. */
export interface AlarmSetting {
  /** @default true */
  readonly enabled?: boolean;
  /**
   * The value that breaches it: this or more. With several `segments`, in one share of the table.
   * @default 1
   */
  readonly threshold?: number;
  /** How many of the last `evaluationPeriods` must breach. */
  readonly datapointsToAlarm?: number;
  /** Each is as long as `schedule`; those of `deadLetters` are a minute. */
  readonly evaluationPeriods?: number;
}

/** Changes to the alarms, by their names in docs/runbook.md. */
export interface AlarmSettings {
  /** Also those that watch each rule where there are several. They have no threshold: they ring when nothing happens. */
  readonly didNotRun?: AlarmSetting;
  readonly errors?: AlarmSetting;
  readonly accountsNeedAPerson?: AlarmSetting;
  readonly tokensExpired?: AlarmSetting;
  readonly profileFailing?: AlarmSetting;
  readonly profileAtRisk?: AlarmSetting;
  readonly scansIncomplete?: AlarmSetting;
  readonly clockWrong?: AlarmSetting;
  readonly eventsOwed?: AlarmSetting;
  readonly writesThrottled?: AlarmSetting;
  readonly escrowInUse?: AlarmSetting;
  readonly escrowUnavailable?: AlarmSetting;
  readonly deadLetters?: AlarmSetting;
}
