import type { METRIC } from './metric-names.ts';

/** What a metric is, for docs/logs.md. The function itself takes nothing of it. */
export interface AboutMetric {
  readonly kind: 'count' | 'level' | 'duration';
  /** What is counted; absent where it is the field of the same name in a run's last line. */
  readonly meaning?: string;
}

const count = (meaning: string): AboutMetric => ({ kind: 'count', meaning });
const level = (meaning: string): AboutMetric => ({ kind: 'level', meaning });

/** Each metric, in words. */
export const ABOUT_METRICS: Readonly<Record<keyof typeof METRIC, AboutMetric>> = {
  scanned: { kind: 'level' },
  due: { kind: 'count' },
  refreshed: { kind: 'count' },
  reconciled: { kind: 'count' },
  leasedElsewhere: { kind: 'count' },
  failed: { kind: 'count' },
  invalid: { kind: 'count' },
  deferred: { kind: 'count' },
  escrowed: count('refresh tokens put into escrow'),
  escrowUnavailable: count("runs whose escrow key can't be used"),
  storesThrottled: count('writes that Secrets Manager throttled'),
  scansIncomplete: count('runs that ended before they had read their share of the table'),
  clockInDoubt: count("runs whose clock is wrong, by the providers' responses"),
  reauthorizationRequired: { kind: 'level' },
  accessTokensExpired: level('access tokens that have expired though no person is needed'),
  inEscrow: level('refresh tokens in escrow'),
  eventsOwed: level('events that are owed'),
  profilesFailing: level('profiles that are failing'),
  profilesAtRisk: level('profiles whose current version is refused while the one before works'),
  runDuration: {
    kind: 'duration',
    meaning: 'milliseconds that a run took; how many there are is how many finished',
  },
};
