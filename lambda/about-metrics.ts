import type { METRIC } from './metric-names.ts';

/** What a metric is, for docs/logs.md. The function itself takes nothing of it. */
export interface AboutMetric {
  readonly kind: 'count' | 'level' | 'duration';
  readonly unit: string;
  readonly meaning: string;
}

const count = (unit: string, meaning: string): AboutMetric => ({ kind: 'count', unit, meaning });
const level = (unit: string, meaning: string): AboutMetric => ({ kind: 'level', unit, meaning });

/** Each metric, in words. */
export const ABOUT_METRICS: Readonly<Record<keyof typeof METRIC, AboutMetric>> = {
  scanned: level('items', 'read, notes included'),
  due: count('accounts', 'whose token was to be refreshed'),
  refreshed: count('accounts', 'refreshed'),
  reconciled: count('accounts', 'whose stored token set an earlier run had not recorded'),
  leasedElsewhere: count('accounts', 'left to another run, which had the lease'),
  failed: count('accounts', 'that failed and will be tried again'),
  invalid: count('accounts', 'with something to be corrected'),
  deferred: count('accounts', 'left to a later run'),
  escrowed: count('refresh tokens', 'put into escrow'),
  escrowUnavailable: count('runs', "whose escrow key can't be used"),
  storesThrottled: count('writes', 'that Secrets Manager throttled'),
  scansIncomplete: count('runs', 'that ended before they had read their share of the table'),
  clockInDoubt: count('runs', "whose clock is wrong, by the providers' responses"),
  reauthorizationRequired: level('accounts', 'that need a person'),
  accessTokensExpired: level('access tokens', 'that have expired though no person is needed'),
  inEscrow: level('refresh tokens', 'in escrow'),
  eventsOwed: level('events', 'that are owed'),
  profilesFailing: level('profiles', 'that are failing'),
  profilesAtRisk: level('profiles', 'whose current version is refused while the one before works'),
  runDuration: {
    kind: 'duration',
    unit: 'milliseconds',
    meaning: 'that a run took; how many there are is how many finished',
  },
};
