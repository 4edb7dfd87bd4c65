import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { RunCounters } from './attempt/ports.ts';
import { METRIC, METRIC_NAMESPACE, METRIC_SERVICE } from './metric-names.ts';
import type { RunSummary } from './run-result.ts';

const serviceName = process.env.POWERTOOLS_SERVICE_NAME ?? METRIC_SERVICE;

/** Structured JSON lines on standard output. */
export const logger = new Logger({ serviceName });

const metrics = new Metrics({ namespace: METRIC_NAMESPACE, serviceName });

/** What is in the state that a metric names: only a run that has read all of its share knows. */
const LEVELS: readonly (keyof typeof METRIC)[] = [
  'scanned',
  'reauthorizationRequired',
  'accessTokensExpired',
  'inEscrow',
  'eventsOwed',
  'profilesFailing',
  'profilesAtRisk',
];

/**
 * Writes one EMF line with the run's metrics; the only dimension is the service.
 *
 * @param over what the run looked at: a look at some accounts by hand has no levels, and no duration, as the alarm for
 *   runs that do not happen counts durations
 */
export function publishRunMetrics(
  { result, accessTokensExpired }: RunSummary,
  counters: RunCounters,
  over: 'table' | 'named accounts',
): void {
  const { runDuration, ...names } = METRIC;
  const scansIncomplete = result.incomplete ? 1 : 0;
  const expired = accessTokensExpired + (counters.expiredWhilePaused ?? 0);
  const counts = { ...result, ...counters, accessTokensExpired: expired, scansIncomplete };
  const knowsLevels = over === 'table' && !result.incomplete;
  for (const [key, name] of Object.entries(names) as [keyof typeof names, string][])
    if (knowsLevels || !LEVELS.includes(key)) metrics.addMetric(name, MetricUnit.Count, counts[key] ?? 0);
  if (over === 'table') metrics.addMetric(runDuration, MetricUnit.Milliseconds, result.durationMs);
  metrics.publishStoredMetrics();
}
