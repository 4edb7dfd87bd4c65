import { Duration, type RemovalPolicy, Token } from 'aws-cdk-lib';
import type { IEventBus } from 'aws-cdk-lib/aws-events';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';

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
 * @throws Error that lists all problems, each with the prop and what to change
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

/** Seconds. The function has the same limit. */
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
      `secretNamePrefix must end with "/" and contain only letters, digits and / _ + = . @ -, such as "oauth/"`,
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

/** A table name, alone or after its account and Region. The function reads it in the same way. */
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
      ? ['accountsTableKeyArn needs accountsTableArn, the table that it encrypts']
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
      .map((name) => `formerAccountsTables: "${name}" is the current table; leave it out`),
  ];
}

/** RFC 1918, 6598 and 4193. The function checks more closely. */
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
