/**
 * The CloudWatch metrics that the function emits (EMF) and that alarms and the dashboard read.
 * One file for both, so that an alarm can't watch a name that nobody emits.
 * No account id is ever a dimension: 10,000 accounts would cost about $5,000 a month.
 */
export const METRIC_NAMESPACE = 'OAuthTokenRefresher';

/**
 * The value of the `service` dimension, the only one, where POWERTOOLS_SERVICE_NAME does not name another. A deployed
 * function's is its deployment's own, or two stages in one AWS account would be counted together.
 */
export const METRIC_SERVICE = 'oauth-token-refresher';

/** What each run emits once: a run over one share of the table about that share. */
export const METRIC = {
  // Counts of what the run did.
  scanned: 'AccountsScanned',
  due: 'AccountsDue',
  refreshed: 'TokensRefreshed',
  reconciled: 'TokensReconciled',
  leasedElsewhere: 'AccountsLeasedElsewhere',
  failed: 'RefreshesFailed',
  invalid: 'AccountsInvalid',
  deferred: 'AccountsDeferred',
  escrowed: 'RefreshTokensEscrowed',
  escrowUnavailable: 'EscrowUnavailable',
  storesThrottled: 'StoresThrottled',
  scansIncomplete: 'ScansIncomplete',
  clockInDoubt: 'ClockInDoubt',
  // Levels: each run finds the same accounts again until they are mended.
  reauthorizationRequired: 'ReauthorizationRequired',
  accessTokensExpired: 'AccessTokensExpired',
  inEscrow: 'RefreshTokensInEscrow',
  eventsOwed: 'EventsOwed',
  profilesFailing: 'ProfilesFailing',
  profilesAtRisk: 'ProfilesAtRisk',
  // Milliseconds; how many there are is how many runs finished.
  runDuration: 'RunDuration',
} as const;

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
  scanned: count('items', 'read, notes included'),
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
