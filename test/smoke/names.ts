/** No stage of cdk.json can be called so: stages are lower-case. */
export const STACK = 'OAuthTokenRefresher-SmokeTest';
export const PREFIX = 'oauth-token-refresher-smoke-test/';
/** The tag of all that a trial makes. Nothing else is ever deleted. */
export const MARK = 'oauth-token-refresher-smoke-test';
