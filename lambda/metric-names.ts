/**
 * The CloudWatch metrics that the function emits (EMF) and that alarms and the dashboard read.
 * One file for both, so that an alarm can't watch a name that nobody emits.
 * No account id is ever a dimension: 10,000 accounts would cost about $5,000 a month.
 */
export const METRIC_NAMESPACE = 'OAuthTokenRefresher';

/** The value of the `service` dimension, the only one. */
export const METRIC_SERVICE = 'oauth-token-refresher';

export const METRIC = {
  scanned: 'AccountsScanned',
  due: 'AccountsDue',
  refreshed: 'TokensRefreshed',
  reconciled: 'TokensReconciled',
  leasedElsewhere: 'AccountsLeasedElsewhere',
  failed: 'RefreshesFailed',
  reauthorizationRequired: 'ReauthorizationRequired',
  invalid: 'AccountsInvalid',
  deferred: 'AccountsDeferred',
  accessTokensExpired: 'AccessTokensExpired',
  escrowed: 'RefreshTokensEscrowed',
  storesThrottled: 'StoresThrottled',
  runDuration: 'RunDuration',
} as const;
