import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  ComparisonOperator,
  type IMetric,
  MathExpression,
  Metric,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import { longestSilence } from '../settings/alarm-checks.ts';
import type { AlarmSetting, AlarmSettings } from '../settings/props.ts';
import { ownMetric, type Watched } from './metrics.ts';

interface AlarmRow {
  /** Names the construct and ends the alarm's name. */
  readonly id: string;
  /** What people can change about it. */
  readonly setting: keyof AlarmSettings;
  /** One sentence for the person on call. */
  readonly means: string;
  /** The section of docs/runbook.md. */
  readonly anchor: string;
  readonly metric: IMetric;
  readonly breaching: 'from 1' | 'below 1';
  /** How many of the last `periods` must breach. */
  readonly datapoints: number;
  readonly periods: number;
  readonly missing: TreatMissingData;
}

function alarmTable(watched: Watched): readonly AlarmRow[] {
  const { schedule } = watched.settings;
  const silence = longestSilence(watched.settings);
  // What each run finds again: one finding is enough, and the alarm ends when none came for as long as a healthy
  // function may be silent. Maximum, since each share of the table reports its own part, and a run by hand over a few
  // accounts must not hide the rest. If nothing runs, the state stays as it is, and DidNotRun fires. If no run gets through
  // the table, there are no levels either, and ScansIncomplete fires.
  const level = {
    breaching: 'from 1',
    datapoints: 1,
    periods: silence,
    missing: TreatMissingData.IGNORE,
  } as const;
  // What the next run may put right: the alarm waits until it happens again.
  const goesOn = {
    breaching: 'from 1',
    datapoints: 2,
    periods: 3,
    missing: TreatMissingData.NOT_BREACHING,
  } as const;
  const absent = {
    breaching: 'below 1',
    datapoints: silence,
    periods: silence,
    missing: TreatMissingData.BREACHING,
  } as const;
  return [
    {
      // Counts finished runs, not invocations: those may have failed or been killed.
      id: 'DidNotRun',
      setting: 'didNotRun',
      means: 'No run has finished lately, so no token is being refreshed.',
      anchor: 'did-not-run',
      metric: ownMetric(watched, 'runDuration', 'SampleCount'),
      ...absent,
    },
    ...ruleRows(watched, absent),
    {
      id: 'Errors',
      setting: 'errors',
      means: 'Runs fail or are throttled.',
      anchor: 'errors',
      metric: new MathExpression({
        expression: 'FILL(errors, 0) + FILL(throttles, 0)',
        usingMetrics: {
          errors: watched.function.metricErrors({ statistic: 'Sum', period: schedule }),
          throttles: watched.function.metricThrottles({ statistic: 'Sum', period: schedule }),
        },
        period: schedule,
        label: 'errors and throttles',
      }),
      ...goesOn,
    },
    {
      id: 'AccountsNeedAPerson',
      setting: 'accountsNeedAPerson',
      means: 'Accounts wait until a person signs in again.',
      anchor: 'accounts-need-a-person',
      metric: ownMetric(watched, 'reauthorizationRequired', 'Maximum'),
      ...level,
    },
    {
      // At once: refreshing begins a window before the token expires, so several runs have failed by then.
      id: 'TokensExpired',
      setting: 'tokensExpired',
      means: 'Access tokens have expired, because refreshing them fails or is late.',
      anchor: 'access-tokens-expired',
      metric: ownMetric(watched, 'accessTokensExpired', 'Maximum'),
      ...level,
    },
    {
      id: 'ProfileFailing',
      setting: 'profileFailing',
      means: 'A profile is failing, so its accounts wait.',
      anchor: 'a-profile-is-failing',
      metric: ownMetric(watched, 'profilesFailing', 'Maximum'),
      ...level,
    },
    {
      id: 'ProfileAtRisk',
      setting: 'profileAtRisk',
      means: "A profile's current version is refused. Its accounts live on the version before.",
      anchor: 'a-profile-is-at-risk',
      metric: ownMetric(watched, 'profilesAtRisk', 'Maximum'),
      ...level,
    },
    {
      id: 'ScansIncomplete',
      setting: 'scansIncomplete',
      means: 'Runs end before they have read the whole table.',
      anchor: 'more-work-than-time',
      metric: ownMetric(watched, 'scansIncomplete', 'Sum'),
      ...goesOn,
    },
    {
      id: 'ClockWrong',
      setting: 'clockWrong',
      means: "The function's clock is wrong, by what providers' responses say.",
      anchor: 'the-clock-is-wrong',
      metric: ownMetric(watched, 'clockInDoubt', 'Sum'),
      ...goesOn,
    },
    {
      // Twice: the next run usually puts what the bus did not take.
      id: 'EventsOwed',
      setting: 'eventsOwed',
      means: 'The event bus does not take our events.',
      anchor: 'events-are-owed',
      metric: ownMetric(watched, 'eventsOwed', 'Maximum'),
      ...level,
      datapoints: 2,
    },
    {
      id: 'WritesThrottled',
      setting: 'writesThrottled',
      means: 'Secrets Manager throttles our writes.',
      anchor: 'writes-throttled',
      metric: ownMetric(watched, 'storesThrottled', 'Sum'),
      ...goesOn,
    },
    {
      // Twice: the next run usually moves what is in escrow back to its secret.
      id: 'EscrowInUse',
      setting: 'escrowInUse',
      means: "Refresh tokens stay in escrow, because their secrets can't be written.",
      anchor: 'escrow-in-use',
      metric: ownMetric(watched, 'inEscrow', 'Maximum'),
      ...level,
      datapoints: 2,
    },
    {
      // Twice: if KMS fails once, it usually works for the next run.
      id: 'EscrowUnavailable',
      setting: 'escrowUnavailable',
      means: "The escrow key can't be used. A refresh token that can't be stored would be lost.",
      anchor: 'escrow-unavailable',
      metric: ownMetric(watched, 'escrowUnavailable', 'Maximum'),
      ...level,
      datapoints: 2,
    },
    {
      id: 'DeadLetters',
      setting: 'deadLetters',
      means:
        'The dead-letter queue holds events that the function could not take, or messages that could not be sent.',
      anchor: 'dead-letter-queue-not-empty',
      metric: watched.deadLetterQueue.metricApproximateNumberOfMessagesVisible({
        statistic: 'Maximum',
        period: Duration.minutes(1),
      }),
      breaching: 'from 1',
      datapoints: 1,
      periods: 1,
      // SQS sends no data about a queue that has been empty and unused for hours.
      missing: TreatMissingData.NOT_BREACHING,
    },
  ];
}

/**
 * If one of several rules is off, its shares of the table are left alone while the other runs finish. With a single
 * rule, DidNotRun notices.
 */
function ruleRows(
  { ruleNames, settings: { schedule } }: Watched,
  absent: Pick<AlarmRow, 'breaching' | 'datapoints' | 'periods' | 'missing'>,
): readonly AlarmRow[] {
  if (ruleNames.length === 1) return [];
  return ruleNames.map((RuleName, index) => ({
    id: `Rule${index + 1}DidNotFire`,
    setting: 'didNotRun',
    means: 'A rule has not fired lately, so its shares of the table are not refreshed.',
    anchor: 'did-not-run',
    metric: new Metric({
      namespace: 'AWS/Events',
      metricName: 'Invocations',
      dimensionsMap: { RuleName },
      statistic: 'Sum',
      period: schedule,
    }),
    ...absent,
  }));
}

/** Its number of breaching periods follows where only the other of the two is named. */
function changed(row: AlarmRow, { evaluationPeriods, datapointsToAlarm }: AlarmSetting): AlarmRow {
  const allOfThem = row.datapoints === row.periods;
  const periods = evaluationPeriods ?? Math.max(row.periods, datapointsToAlarm ?? 1);
  const datapoints = datapointsToAlarm ?? (allOfThem ? periods : Math.min(row.datapoints, periods));
  return { ...row, periods, datapoints };
}

/** Creates the alarms. Each tells the topic when it begins and when it ends. */
export function createAlarms(scope: Construct, watched: Watched, topic: ITopic): Alarm[] {
  const action = new SnsAction(topic);
  const { alarmSettings, runbookUrl } = watched.settings;
  return alarmTable(watched).flatMap((usual) => {
    const setting = alarmSettings[usual.setting] ?? {};
    if (setting.enabled === false) return [];
    const row = changed(usual, setting);
    const alarm = new Alarm(scope, row.id, {
      alarmName: `${watched.service}-${row.id}`,
      alarmDescription: `${row.means} What to do: ${runbookUrl}#${row.anchor}`,
      metric: row.metric,
      threshold: setting.threshold ?? 1,
      comparisonOperator:
        row.breaching === 'from 1'
          ? ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
          : ComparisonOperator.LESS_THAN_THRESHOLD,
      evaluationPeriods: row.periods,
      datapointsToAlarm: row.datapoints,
      treatMissingData: row.missing,
    });
    alarm.addAlarmAction(action);
    alarm.addOkAction(action);
    return [alarm];
  });
}
