import { type IMetric, MathExpression, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { METRIC, METRIC_NAMESPACE } from '../../lambda/metric-names.ts';
import type { Settings } from '../settings/settings.ts';

export interface Watched {
  readonly service: string;
  readonly function: IFunction;
  readonly logGroup: ILogGroup;
  readonly deadLetterQueue: IQueue;
  readonly ruleNames: readonly string[];
  readonly settings: Settings;
}

/** The metric of a name in CloudWatch. @throws Error if there is none */
export function knownMetric(metricName: string): keyof typeof METRIC {
  const known = Object.entries(METRIC).find(([, name]) => name === metricName);
  if (known !== undefined) return known[0] as keyof typeof METRIC;
  throw new Error(`There is no metric "${metricName}". Use ${Object.values(METRIC).join(', ')}.`);
}

export type Statistic = 'Sum' | 'Maximum' | 'Average' | 'SampleCount' | 'p50' | 'p99';

/** One of the function's own metrics, with one data point for each tick of the schedule. */
export function ownMetric(
  { service, settings: { schedule } }: Watched,
  name: keyof typeof METRIC,
  statistic: Statistic,
  label?: string,
): Metric {
  return new Metric({
    namespace: METRIC_NAMESPACE,
    metricName: METRIC[name],
    dimensionsMap: { service },
    statistic,
    period: schedule,
    ...(label !== undefined && { label }),
  });
}

/**
 * How many accounts are in some state, over all shares of the table. Each share's run reports its own part. A sum
 * would grow with the period that a graph uses, so this is the mean times the number of shares. With one share the
 * maximum is exact, and a run by hand over a few accounts does not lower it.
 */
export function level(watched: Watched, name: keyof typeof METRIC, label: string): IMetric {
  const { segments, schedule } = watched.settings;
  if (segments === 1) return ownMetric(watched, name, 'Maximum', label);
  return new MathExpression({
    expression: `${segments} * ${name}`,
    usingMetrics: { [name]: ownMetric(watched, name, 'Average') },
    period: schedule,
    label,
  });
}
