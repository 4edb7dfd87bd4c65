import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { METRIC, METRIC_NAMESPACE, METRIC_SERVICE } from './metric-names.ts';
import type { RunOutcome } from './run-result.ts';

/** Structured JSON lines on standard output. */
export const logger = new Logger({ serviceName: METRIC_SERVICE });

const metrics = new Metrics({ namespace: METRIC_NAMESPACE, serviceName: METRIC_SERVICE });

/** What only a metric shows, counted during one run. */
export interface RunCounters {
  storesThrottled: number;
  escrowed: number;
}

/** Writes one EMF line with the run's metrics; the only dimension is the service. */
export function publishRunMetrics({ result, accessTokensExpired }: RunOutcome, counters: RunCounters): void {
  const counts = { ...result, ...counters, accessTokensExpired };
  for (const [key, name] of Object.entries(METRIC)) {
    if (key === 'runDuration') metrics.addMetric(name, MetricUnit.Milliseconds, result.durationMs);
    else
      metrics.addMetric(name, MetricUnit.Count, counts[key as Exclude<keyof typeof METRIC, 'runDuration'>]);
  }
  metrics.publishStoredMetrics();
}
