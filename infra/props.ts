import { Duration, type RemovalPolicy, Token } from 'aws-cdk-lib';
import type { IEventBus } from 'aws-cdk-lib/aws-events';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';

/** What can be set about an `OAuthTokenRefresher`. Everything has a default that suits most teams. */
export interface OAuthTokenRefresherProps {
  /**
   * The beginning of the names of its secrets: `<prefix>profiles/…` and `<prefix>accounts/…`.
   * @default 'oauth/'
   */
  readonly secretNamePrefix?: string;
  /**
   * An access token that expires within it is refreshed. Must be at least `schedule` plus `timeout`, or a token could
   * run out between two runs.
   * @default 5 minutes
   */
  readonly refreshWindow?: Duration;
  /**
   * Each account is refreshed earlier than `refreshWindow` says, by a share of this that its id fixes: so that
   * accounts whose tokens expire at the same moment are not all due at once. A token is used for half of its time at
   * least, however long this is. See docs/performance.md for when it helps.
   * @default 0, no spread
   */
  readonly refreshSpread?: Duration;
  /**
   * How often the function is fired, in whole minutes.
   * @default 1 minute
   */
  readonly schedule?: Duration;
  /**
   * How long a run may take.
   * @default 2 minutes
   */
  readonly timeout?: Duration;
  /**
   * Shares of the table that are run in parallel. One is enough for 50 refreshes a second, the most that Secrets
   * Manager takes in a Region; more make runs over very large tables shorter.
   * @default 1
   */
  readonly segments?: number;
  /**
   * MB, 512 or more: so much is needed where every provider answers as badly as it can.
   * @default 512
   */
  readonly memorySize?: number;
  /** @default 1 month */
  readonly logRetention?: RetentionDays;
  /**
   * Where the events about accounts go.
   * @default the default event bus
   */
  readonly eventBus?: Pick<IEventBus, 'eventBusName' | 'grantPutEventsTo'>;
  /**
   * The customer key that the secrets are encrypted with, if they are not under `aws/secretsmanager`.
   */
  readonly secretsEncryptionKey?: IKey;
  /**
   * ARNs (an ending `*` allowed) of token secrets outside the prefix, for accounts with a `tokenSecretId` of their own.
   * @default none
   */
  readonly additionalTokenSecretArns?: readonly string[];
  /**
   * A table that is there already, such as one restored from a backup, in place of one that is made here. Its
   * partition key is `accountId` (S). What would be set about a table made here (recovery, deletion protection,
   * `removalPolicy`) is left to its owner. The function and the command line call it by its name; by its ARN where it
   * is, or may be, in another account or Region than the stack.
   * @default a table is made
   */
  readonly accountsTableArn?: string;
  /**
   * The customer's key that the table in `accountsTableArn` is encrypted with.
   * @default none: a key of DynamoDB's or AWS's own
   */
  readonly accountsTableKeyArn?: string;
  /**
   * The accounts tables of deployments that this one replaces: names, or `account/region/name` where one was in
   * another account or Region. The function takes over each token set of theirs when it next spends it. To name one
   * here is to say that its function has stopped and its leases have ended: docs/upgrading.md.
   * @default none
   */
  readonly formerAccountsTables?: readonly string[];
  /**
   * The private addresses at which providers may be, as CIDRs such as `10.1.0.0/16`. All others are refused, whatever
   * name leads to them.
   * @default none, only public addresses are called
   */
  readonly privateAddressCidrs?: readonly string[];
  /**
   * Who is told of alarms and of accounts that need a person. They have to confirm the subscription once. Others can
   * subscribe to `alarmTopic`.
   * @default nobody
   */
  readonly alarmEmail?: string;
  /**
   * Where docs/runbook.md can be read, for the descriptions of the alarms.
   * @default 'docs/runbook.md', its path in the repository
   */
  readonly runbookUrl?: string;
  /**
   * What becomes of the table, the keys and the logs when the stack is deleted. `DESTROY` also lifts the table's
   * deletion protection: for throwaway stacks.
   * @default RemovalPolicy.RETAIN
   */
  readonly removalPolicy?: RemovalPolicy;
}

export interface Settings {
  readonly secretNamePrefix: string;
  readonly refreshWindow: Duration;
  readonly refreshSpread: Duration;
  readonly schedule: Duration;
  readonly timeout: Duration;
  readonly segments: number;
  readonly memorySize: number;
  readonly formerAccountsTables: readonly string[];
  readonly privateAddressCidrs: readonly string[];
  readonly alarmEmail: string | undefined;
  readonly runbookUrl: string;
}

/**
 * Fills in the defaults and refuses what can't work.
 *
 * @throws Error that lists every problem, each with the prop and what to change
 */
export function resolveProps(props: OAuthTokenRefresherProps): Settings {
  const settings: Settings = {
    secretNamePrefix: props.secretNamePrefix ?? 'oauth/',
    refreshWindow: props.refreshWindow ?? Duration.minutes(5),
    refreshSpread: props.refreshSpread ?? Duration.seconds(0),
    schedule: props.schedule ?? Duration.minutes(1),
    timeout: props.timeout ?? Duration.minutes(2),
    segments: props.segments ?? 1,
    memorySize: props.memorySize ?? 512,
    formerAccountsTables: props.formerAccountsTables ?? [],
    privateAddressCidrs: props.privateAddressCidrs ?? [],
    alarmEmail: props.alarmEmail,
    runbookUrl: props.runbookUrl ?? 'docs/runbook.md',
  };
  const problems = [
    ...problemsOf(settings),
    ...arnProblems(props.additionalTokenSecretArns ?? []),
    ...tableProblems(props),
    ...formerTableProblems(settings.formerAccountsTables, props.accountsTableArn),
    ...cidrProblems(settings.privateAddressCidrs),
  ];
  if (problems.length > 0)
    throw new Error(
      `OAuthTokenRefresher can't work like this:\n${problems.map((text) => `  - ${text}`).join('\n')}`,
    );
  return settings;
}

/** Seconds; what the function takes, too. */
const LONGEST = 2_592_000;

function problemsOf({
  secretNamePrefix,
  refreshWindow,
  refreshSpread,
  schedule,
  timeout,
  segments,
  memorySize,
  alarmEmail,
  runbookUrl,
}: Settings): string[] {
  const window = refreshWindow.toSeconds();
  const spread = refreshSpread.toSeconds();
  const every = schedule.toSeconds();
  const limit = timeout.toSeconds();
  const checks: readonly (readonly [wrong: boolean, message: string])[] = [
    [
      !Token.isUnresolved(secretNamePrefix) && !/^[A-Za-z0-9/_+=.@-]{0,200}\/$/.test(secretNamePrefix),
      `secretNamePrefix must end with "/" and hold letters, digits and / _ + = . @ - only, such as "oauth/"`,
    ],
    [
      every % 60 !== 0 || every < 60 || every > 86_400,
      `schedule is ${every} s: EventBridge fires in whole minutes; use 1 minute or a multiple of it, up to a day`,
    ],
    [window > LONGEST, `refreshWindow is ${window} s: use 30 days (${LONGEST} s) at most`],
    [spread > LONGEST, `refreshSpread is ${spread} s: use 30 days (${LONGEST} s) at most`],
    [
      limit < 30 || limit > 900,
      `timeout is ${limit} s: use 30 s (a token request, a second try and the store need 12) to 900 s (Lambda's limit)`,
    ],
    [
      window < every + limit,
      `refreshWindow is ${window} s, less than schedule (${every} s) plus timeout (${limit} s): a token could expire between two runs; use a refreshWindow of ${every + limit} s or more, or shorten the others`,
    ],
    [
      !Number.isInteger(segments) || segments < 1 || segments > 48,
      'segments must be a whole number from 1 to 48: together they share the 48 refreshes a second that Secrets Manager allows',
    ],
    [
      !Number.isInteger(memorySize) || memorySize < 512 || memorySize > 10_240,
      'memorySize must be a whole number of MB from 512 to 10240',
    ],
    [
      alarmEmail !== undefined &&
        !Token.isUnresolved(alarmEmail) &&
        !/^[^\s@,;]+@[^\s@,;]+\.[^\s@,;]+$/.test(alarmEmail),
      `alarmEmail must be one e-mail address, such as oncall@example.com; it is "${alarmEmail}"`,
    ],
    [
      !Token.isUnresolved(runbookUrl) && !/^[^\s#]{1,300}$/.test(runbookUrl),
      `runbookUrl must be the address of docs/runbook.md, without "#" and spaces; it is "${runbookUrl}"`,
    ],
  ];
  return checks.filter(([wrong]) => wrong).map(([, message]) => message);
}

function arnProblems(arns: readonly string[]): string[] {
  return arns
    .filter(
      (arn) =>
        !Token.isUnresolved(arn) && !/^arn:[^:]+:secretsmanager:[^:*]+:[^:*]+:secret:[^*]+\*?$/.test(arn),
    )
    .map(
      (arn) =>
        `additionalTokenSecretArns: "${arn}" is not the ARN of a secret, or of all secrets with a prefix`,
    );
}

/** As the function reads them: a name of DynamoDB's, alone or after its account and Region. */
const FORMER_TABLE = /^(?:\d{12}\/[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}\/)?[A-Za-z0-9_.-]{3,255}$/;

function tableProblems({ accountsTableArn, accountsTableKeyArn }: OAuthTokenRefresherProps): string[] {
  const wrong = (arn: string | undefined, pattern: RegExp) =>
    arn !== undefined && !Token.isUnresolved(arn) && !pattern.test(arn);
  return [
    ...(wrong(accountsTableArn, /^arn:[^:]+:dynamodb:[^:*]+:\d{12}:table\/[A-Za-z0-9_.-]{3,255}$/)
      ? [
          `accountsTableArn must be the ARN of a table, such as arn:aws:dynamodb:eu-central-1:123456789012:table/oauth-accounts; it is "${accountsTableArn}"`,
        ]
      : []),
    ...(wrong(accountsTableKeyArn, /^arn:[^:]+:kms:[^:*]+:\d{12}:key\/[A-Za-z0-9-]+$/)
      ? [
          `accountsTableKeyArn must be the ARN of a KMS key, such as arn:aws:kms:eu-central-1:123456789012:key/…, not of an alias; it is "${accountsTableKeyArn}"`,
        ]
      : []),
    ...(accountsTableKeyArn !== undefined && accountsTableArn === undefined
      ? ['accountsTableKeyArn is of no use without accountsTableArn, the table that it encrypts']
      : []),
  ];
}

function formerTableProblems(names: readonly string[], ownArn: string | undefined): string[] {
  const own = /:dynamodb:([^:]+):(\d{12}):table\/(.+)$/.exec(ownArn ?? '');
  const ownNames = own === null ? [] : [own[3], `${own[2]}/${own[1]}/${own[3]}`];
  const known = names.filter((name) => !Token.isUnresolved(name));
  return [
    ...known
      .filter((name) => !FORMER_TABLE.test(name))
      .map(
        (name) =>
          `formerAccountsTables: "${name}" is neither the name of a table nor account/region/name, such as "123456789012/eu-central-1/oauth-accounts"`,
      ),
    ...known
      .filter((name) => ownNames.includes(name))
      .map((name) => `formerAccountsTables: "${name}" is the table that is kept now; leave it out`),
  ];
}

/** As the function reads them, which looks closer: RFC 1918, 6598 and 4193. */
const PRIVATE_CIDR =
  /^(?:10|172\.(?:1[6-9]|2\d|3[01])|192\.168|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))(?:\.\d{1,3}){2,3}\/\d{1,2}$|^f[cd][\da-f]{2}:[\da-f:]*\/\d{1,3}$/i;

function cidrProblems(cidrs: readonly string[]): string[] {
  return cidrs
    .filter((cidr) => !Token.isUnresolved(cidr) && !PRIVATE_CIDR.test(cidr))
    .map(
      (cidr) =>
        `privateAddressCidrs: "${cidr}" is not a CIDR within 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10 or fc00::/7, such as "10.1.0.0/16"`,
    );
}
