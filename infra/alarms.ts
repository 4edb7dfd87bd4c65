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
import { ownMetric, type Watched } from './metrics.ts';

export interface AlarmRow {
  /** Names the construct and ends the alarm's name. */
  readonly id: string;
  /** One sentence for the one who is woken. */
  readonly means: string;
  /** The section of docs/runbook.md. */
  readonly anchor: string;
  readonly metric: IMetric;
  readonly breaching: 'from 1' | 'below 1';
  /** So many of the last `periods` have to breach. */
  readonly datapoints: number;
  readonly periods: number;
  readonly missing: TreatMissingData;
}

/** Every alarm, as data. */
export function alarmTable(watched: Watched): readonly AlarmRow[] {
  const { schedule, timeout } = watched.settings;
  const every = schedule.toSeconds();
  // A run may end as late as `timeout` after it was fired, so a healthy function can leave this many periods without a
  // run that ended, less one.
  const silence = Math.floor((every + timeout.toSeconds()) / every) + 1;
  // What runs find again and again: one finding is enough, and it is over when none has been for as long as a healthy
  // function may be silent. Maximum, since each share of the table tells its own part, and a run by hand over a few
  // accounts must not hide the rest. Where nothing runs nothing is known: the state stays, and DidNotRun speaks.
  const level = {
    breaching: 'from 1',
    datapoints: 1,
    periods: silence,
    missing: TreatMissingData.IGNORE,
  } as const;
  // What can happen once and be made good by the next run is told when it goes on.
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
      // Runs that finished, not invocations: one that fails, is killed or can't start is no run.
      id: 'DidNotRun',
      means: 'No run has finished lately, so no token is being refreshed.',
      anchor: 'did-not-run',
      metric: ownMetric(watched, 'runDuration', 'SampleCount'),
      ...absent,
    },
    ...ruleRows(watched, absent),
    {
      id: 'Errors',
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
      means: 'Accounts wait for a person to authorize them again.',
      anchor: 'accounts-need-a-person',
      metric: ownMetric(watched, 'reauthorizationRequired', 'Maximum'),
      ...level,
    },
    {
      // At once: refreshing begins a window before the expiry, so several runs have failed by then.
      id: 'TokensExpired',
      means: 'Access tokens have expired and could not be refreshed, though no person is needed.',
      anchor: 'access-tokens-expired',
      metric: ownMetric(watched, 'accessTokensExpired', 'Maximum'),
      ...level,
    },
    {
      id: 'WritesThrottled',
      means: 'Secrets Manager throttles the writes of token sets.',
      anchor: 'writes-throttled',
      metric: ownMetric(watched, 'storesThrottled', 'Sum'),
      ...goesOn,
    },
    {
      // Twice: what one run put into escrow the next one takes home.
      id: 'EscrowInUse',
      means: 'Refresh tokens stay in escrow, since their secrets can not be written.',
      anchor: 'escrow-in-use',
      metric: ownMetric(watched, 'inEscrow', 'Maximum'),
      ...level,
      datapoints: 2,
    },
    {
      // Twice: what KMS does not answer once, it answers the next run.
      id: 'EscrowUnavailable',
      means: 'The escrow key can not be used: a refresh token that can not be stored would be lost.',
      anchor: 'escrow-unavailable',
      metric: ownMetric(watched, 'escrowUnavailable', 'Maximum'),
      ...level,
      datapoints: 2,
    },
    {
      id: 'DeadLetters',
      means:
        'The dead-letter queue holds events that the function could not take, or news that nobody was told.',
      anchor: 'dead-letter-queue-not-empty',
      metric: watched.deadLetterQueue.metricApproximateNumberOfMessagesVisible({
        statistic: 'Maximum',
        period: Duration.minutes(1),
      }),
      breaching: 'from 1',
      datapoints: 1,
      periods: 1,
      // SQS tells nothing about a queue that has been empty and untouched for hours.
      missing: TreatMissingData.NOT_BREACHING,
    },
  ];
}

/**
 * With several rules, one that is switched off leaves its shares of the table alone while the runs of the others
 * finish. With one, DidNotRun sees it.
 */
function ruleRows(
  { ruleNames, settings: { schedule } }: Watched,
  absent: Pick<AlarmRow, 'breaching' | 'datapoints' | 'periods' | 'missing'>,
): readonly AlarmRow[] {
  if (ruleNames.length === 1) return [];
  return ruleNames.map((RuleName, index) => ({
    id: `Rule${index + 1}DidNotFire`,
    means: 'A rule has fired nothing lately, so its shares of the table are left alone.',
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

/** Makes the alarms of the table; the topic is told when one begins and when it is over. */
export function createAlarms(scope: Construct, watched: Watched, topic: ITopic): readonly Alarm[] {
  const action = new SnsAction(topic);
  return alarmTable(watched).map((row) => {
    const alarm = new Alarm(scope, row.id, {
      alarmName: `${watched.service}-${row.id}`,
      alarmDescription: `${row.means} What to do: ${watched.settings.runbookUrl}#${row.anchor}`,
      metric: row.metric,
      threshold: 1,
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
    return alarm;
  });
}
