import { Token } from 'aws-cdk-lib';
import { ApplicationLogLevel } from 'aws-cdk-lib/aws-lambda';
import type { OAuthTokenRefresherProps } from './props.ts';
import type { Settings } from './settings.ts';

/** Seconds. The function has the same limit. */
const LONGEST = 2_592_000;

/** What is wrong, as a sentence, and whether it is. */
export type Check = readonly [wrong: boolean, message: string];

export function failed(checks: readonly Check[]): string[] {
  return checks.filter(([wrong]) => wrong).map(([, message]) => message);
}

/** Levels at which metrics and the results of runs are logged. */
const LOG_LEVELS: readonly ApplicationLogLevel[] = [
  ApplicationLogLevel.INFO,
  ApplicationLogLevel.DEBUG,
  ApplicationLogLevel.TRACE,
];

/** Times, sizes and texts. */
export function settingProblems(settings: Settings, props: OAuthTokenRefresherProps): string[] {
  const {
    secretNamePrefix,
    refreshWindow,
    refreshSpread,
    schedule,
    timeout,
    segments,
    memorySize,
    alarmEmail,
    runbookUrl,
    logLevel,
  } = settings;
  const { reservedConcurrentExecutions: reserved } = props;
  const window = refreshWindow.toSeconds();
  const spread = refreshSpread.toSeconds();
  const every = schedule.toSeconds();
  const limit = timeout.toSeconds();
  return failed([
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
      reserved !== undefined &&
        !Token.isUnresolved(reserved) &&
        !(Number.isInteger(reserved) && reserved >= segments),
      `reservedConcurrentExecutions is ${reserved}: use a whole number from ${segments} on, since so many runs begin at once (segments)`,
    ],
    [
      !LOG_LEVELS.includes(logLevel),
      `logLevel is ${logLevel}: use INFO, DEBUG or TRACE, since alarms, the dashboard and "doctor" need lines at INFO; systemLogLevel can be WARN`,
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
  ]);
}
