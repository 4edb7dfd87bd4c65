import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { ApplicationLogLevel, Architecture, Tracing } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { alarmProblems } from './alarm-checks.ts';
import { settingProblems } from './checks.ts';
import { givenProblems } from './given-checks.ts';
import { networkProblems } from './network-checks.ts';
import type { AlarmSettings, OAuthTokenRefresherProps } from './props.ts';

/** The props with their defaults. */
export interface Settings {
  readonly secretNamePrefix: string;
  readonly refreshWindow: Duration;
  readonly refreshSpread: Duration;
  readonly schedule: Duration;
  readonly timeout: Duration;
  readonly segments: number;
  readonly memorySize: number;
  readonly architecture: Architecture;
  readonly tracing: Tracing;
  readonly logLevel: ApplicationLogLevel;
  readonly logRetention: RetentionDays;
  readonly noProxy: readonly string[];
  readonly formerAccountsTables: readonly string[];
  readonly privateAddressCidrs: readonly string[];
  readonly alarmEmail: string | undefined;
  readonly runbookUrl: string;
  readonly alarmSettings: AlarmSettings;
  readonly removalPolicy: RemovalPolicy;
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
    architecture: props.architecture ?? Architecture.ARM_64,
    tracing: props.tracing ?? Tracing.ACTIVE,
    logLevel: props.logLevel ?? ApplicationLogLevel.INFO,
    logRetention: props.logRetention ?? RetentionDays.ONE_MONTH,
    noProxy: props.noProxy ?? [],
    formerAccountsTables: props.formerAccountsTables ?? [],
    privateAddressCidrs: props.privateAddressCidrs ?? [],
    alarmEmail: props.alarmEmail,
    runbookUrl: props.runbookUrl ?? 'docs/runbook.md',
    alarmSettings: props.alarmSettings ?? {},
    removalPolicy: props.removalPolicy ?? RemovalPolicy.RETAIN,
  };
  const problems = [
    ...settingProblems(settings, props),
    ...givenProblems(props),
    ...networkProblems(props),
    ...alarmProblems(settings, props),
  ];
  if (problems.length > 0)
    throw new Error(
      `OAuthTokenRefresher can't work like this:\n${problems.map((text) => `  - ${text}`).join('\n')}`,
    );
  return settings;
}
