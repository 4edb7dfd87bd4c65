import { Duration, Stack } from 'aws-cdk-lib';
import {
  type Alarm,
  AlarmStatusWidget,
  Color,
  Dashboard,
  GraphWidget,
  type GraphWidgetProps,
  type IMetric,
  LogQueryVisualizationType,
  LogQueryWidget,
  SingleValueWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import { level, ownMetric, type Watched } from './metrics.ts';
import { LOG_QUERIES, type LogQuery } from './queries.ts';

/** For the screen on the wall: is all well, who needs a person, how hard is it working. */
export function createDashboard(scope: Construct, watched: Watched, alarms: readonly Alarm[]): Dashboard {
  const { function: fn, settings, logGroup, deadLetterQueue } = watched;
  const dashboard = new Dashboard(scope, 'Dashboard', {
    // Dashboards are global, so each Region's needs a name of its own.
    dashboardName: `${watched.service}-${Stack.of(scope).region}`,
    defaultInterval: Duration.hours(12),
  });
  const period = settings.schedule;
  const sum = (name: Parameters<typeof ownMetric>[1], label: string) =>
    ownMetric(watched, name, 'Sum', label);
  if (alarms.length > 0)
    dashboard.addWidgets(
      new AlarmStatusWidget({ title: 'Alarms', alarms: [...alarms], width: 24, height: 4 }),
    );
  dashboard.addWidgets(
    now('Accounts', level(watched, 'scanned', 'accounts')),
    now('Need a person', level(watched, 'reauthorizationRequired', 'accounts')),
    now('Access tokens expired', level(watched, 'accessTokensExpired', 'tokens')),
    now('Refresh tokens in escrow', level(watched, 'inEscrow', 'tokens')),
    now('Profiles failing', level(watched, 'profilesFailing', 'profiles')),
    now('Profiles at risk', level(watched, 'profilesAtRisk', 'profiles')),
  );
  dashboard.addWidgets(
    graph('Accounts due, refreshed and failed', {
      left: [sum('due', 'due'), sum('refreshed', 'refreshed'), sum('failed', 'failed')],
      width: 12,
    }),
    graph('Runs that finished, and how long they took (ms)', {
      left: [ownMetric(watched, 'runDuration', 'SampleCount', 'runs')],
      right: [
        ownMetric(watched, 'runDuration', 'p50', 'half took less than'),
        ownMetric(watched, 'runDuration', 'Maximum', 'longest'),
      ],
      width: 12,
    }),
  );
  dashboard.addWidgets(
    graph('Waiting', {
      left: [
        level(watched, 'reauthorizationRequired', 'need a person'),
        level(watched, 'accessTokensExpired', 'expired, being tried'),
      ],
    }),
    graph('Left to a later run', {
      left: [
        sum('deferred', 'deferred'),
        sum('leasedElsewhere', 'leased elsewhere'),
        sum('reconciled', 'reconciled'),
        sum('invalid', 'invalid'),
      ],
    }),
    graph('Writes throttled, and escrow', {
      left: [
        sum('storesThrottled', 'writes throttled'),
        sum('escrowed', 'put into escrow'),
        level(watched, 'inEscrow', 'in escrow'),
        sum('escrowUnavailable', 'runs without a usable escrow key'),
      ],
    }),
  );
  dashboard.addWidgets(
    graph('Lambda: errors and throttles', {
      left: [
        fn.metricErrors({ statistic: 'Sum', period, label: 'errors' }),
        fn.metricThrottles({ statistic: 'Sum', period, label: 'throttles' }),
        fn.metricInvocations({ statistic: 'Sum', period, label: 'invocations' }),
      ],
    }),
    graph('Lambda: duration (ms)', {
      left: [
        fn.metricDuration({ statistic: 'p50', period, label: 'half took less than' }),
        fn.metricDuration({ statistic: 'Maximum', period, label: 'longest' }),
      ],
      leftAnnotations: [{ value: settings.timeout.toMilliseconds(), label: 'timeout', color: Color.RED }],
    }),
    graph('Lambda: runs at once', {
      left: [fn.metric('ConcurrentExecutions', { statistic: 'Maximum', period, label: 'runs at once' })],
    }),
  );
  dashboard.addWidgets(
    graph('Profiles', {
      left: [level(watched, 'profilesFailing', 'failing'), level(watched, 'profilesAtRisk', 'at risk')],
    }),
    graph('Runs in doubt, and events owed', {
      left: [
        sum('scansIncomplete', 'runs that did not read all'),
        sum('clockInDoubt', 'runs with a wrong clock'),
        level(watched, 'eventsOwed', 'events owed'),
      ],
    }),
    graph('Dead-letter queue', {
      left: [
        deadLetterQueue.metricApproximateNumberOfMessagesVisible({ statistic: 'Maximum', label: 'messages' }),
      ],
    }),
  );
  // From the log: as dimensions of metrics, profiles and reasons would cost $0.30 a month for each pair.
  const table = (title: string, { lines }: LogQuery, width: number) =>
    new LogQueryWidget({
      title,
      logGroupNames: [logGroup.logGroupName],
      queryLines: [...lines],
      view: LogQueryVisualizationType.TABLE,
      width,
      height: 6,
    });
  dashboard.addWidgets(
    table('Failures by profile and reason', LOG_QUERIES.failuresByProfile, 12),
    table('Token requests by profile (ms)', LOG_QUERIES.slowProviders, 12),
  );
  dashboard.addWidgets(
    table('Accounts that came to need a person in the time shown', LOG_QUERIES.needsAPerson, 24),
  );
  return dashboard;
}

function now(title: string, metric: IMetric): SingleValueWidget {
  return new SingleValueWidget({ title, metrics: [metric], width: 4, height: 3 });
}

function graph(title: string, props: Omit<GraphWidgetProps, 'title'>): GraphWidget {
  return new GraphWidget({ title, width: 8, height: 6, leftYAxis: { min: 0 }, ...props });
}
