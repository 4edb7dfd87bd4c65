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
