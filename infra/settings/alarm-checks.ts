import { failed } from './checks.ts';
import type { AlarmSetting, AlarmSettings, OAuthTokenRefresherProps } from './props.ts';
import type { Settings } from './settings.ts';

/** The alarms that can be changed. */
const NAMES: Readonly<Record<keyof AlarmSettings, true>> = {
  didNotRun: true,
  errors: true,
  accountsNeedAPerson: true,
  tokensExpired: true,
  profileFailing: true,
  profileAtRisk: true,
  scansIncomplete: true,
  clockWrong: true,
  eventsOwed: true,
  writesThrottled: true,
  escrowInUse: true,
  escrowUnavailable: true,
  deadLetters: true,
};

const DAY = 86_400;

/**
 * Periods of the schedule after which a silent function is not healthy: a run may end as late as `timeout` after it was
 * fired, so one period less than this can pass in a row in which no run ends.
 */
export function longestSilence({ schedule, timeout }: Pick<Settings, 'schedule' | 'timeout'>): number {
  const every = schedule.toSeconds();
  return Math.floor((every + timeout.toSeconds()) / every) + 1;
}

export function alarmProblems(settings: Settings, { alarms }: OAuthTokenRefresherProps): string[] {
  const named = Object.entries(settings.alarmSettings) as [keyof AlarmSettings, AlarmSetting | undefined][];
  const silence = longestSilence(settings);
  const least = settings.alarmSettings.didNotRun?.evaluationPeriods ?? silence;
  return [
    ...failed([
      [
        alarms === false && named.length > 0,
        'alarmSettings changes alarms, and alarms is false: use one of both',
      ],
      [
        settings.alarmSettings.didNotRun?.threshold !== undefined,
        'alarmSettings.didNotRun has no threshold: it rings when no run ends; change its evaluationPeriods',
      ],
      [
        least < silence,
        `alarmSettings.didNotRun: evaluationPeriods is ${least}; use ${silence} or more, since with this schedule and timeout a healthy function may be silent for ${silence - 1}`,
      ],
    ]),
    ...named.flatMap(([name, setting]) =>
      NAMES[name] === undefined
        ? [`alarmSettings.${name} is no alarm: use ${Object.keys(NAMES).join(', ')}`]
        : settingProblems(
            `alarmSettings.${name}`,
            setting ?? {},
            name === 'deadLetters' ? 60 : settings.schedule.toSeconds(),
          ),
    ),
  ];
}

/** @param period in seconds */
function settingProblems(name: string, setting: AlarmSetting, period: number): string[] {
  const { threshold = 1, evaluationPeriods: periods = 1, datapointsToAlarm: datapoints = 1 } = setting;
  // CloudWatch looks back a day, or a week where periods are an hour or longer.
  const most = Math.floor((period >= 3_600 ? 7 * DAY : DAY) / period);
  const whole = (value: number) => Number.isInteger(value) && value >= 1;
  return failed([
    [!(threshold > 0 && Number.isFinite(threshold)), `${name}: threshold must be a number above 0`],
    [
      !whole(periods) || periods > most,
      `${name}: evaluationPeriods must be a whole number from 1 to ${most}: CloudWatch looks back no further`,
    ],
    [
      !whole(datapoints) || datapoints > most,
      `${name}: datapointsToAlarm must be a whole number from 1 to ${most}`,
    ],
    [
      setting.evaluationPeriods !== undefined && datapoints > periods,
      `${name}: datapointsToAlarm is ${datapoints}, more than its ${periods} evaluationPeriods`,
    ],
  ]);
}
