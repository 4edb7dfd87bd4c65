export interface FleetOptions {
  readonly local?: boolean;
  readonly data?: string;
  readonly stack?: string;
  readonly construct?: string;
  readonly region?: string;
  readonly table?: string;
  readonly prefix?: string;
  readonly function?: string;
}

export const DEFAULT_STACK = 'OAuthTokenRefresher-prod';
