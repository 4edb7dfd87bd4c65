import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { METRIC, METRIC_NAMESPACE, METRIC_SERVICE } from './metric-names.ts';
import type { RunSummary } from './run-result.ts';

const serviceName = process.env.POWERTOOLS_SERVICE_NAME ?? METRIC_SERVICE;

/** Structured JSON lines on standard output. */
export const logger = new Logger({ serviceName });

const metrics = new Metrics({ namespace: METRIC_NAMESPACE, serviceName });

/** What only a metric shows, counted during one run. */
export interface RunCounters {
  storesThrottled: number;
  /** Refresh tokens put into escrow. */
  escrowed: number;
  /** 1 where the run found, when it began, that the escrow key can't be used. */
  escrowUnavailable: number;
  /** Accounts found with a refresh token in escrow. */
  inEscrow: number;
}

/**
 * Writes one EMF line with the run's metrics; the only dimension is the service.
 *
 * @param over what the run looked at: a look at some accounts by hand has no duration, as the alarm for runs that do
 *   not happen counts durations
 */
export function publishRunMetrics(
  { result, accessTokensExpired }: RunSummary,
  counters: RunCounters,
  over: 'table' | 'named accounts',
): void {
  const counts = { ...result, ...counters, accessTokensExpired };
  for (const [key, name] of Object.entries(METRIC)) {
    if (key === 'runDuration') {
      if (over === 'table') metrics.addMetric(name, MetricUnit.Milliseconds, result.durationMs);
    } else
      metrics.addMetric(name, MetricUnit.Count, counts[key as Exclude<keyof typeof METRIC, 'runDuration'>]);
  }
  metrics.publishStoredMetrics();
}
