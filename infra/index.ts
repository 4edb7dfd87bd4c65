export { OAuthTokenRefresher } from './oauth-token-refresher.ts';
export type { OAuthTokenRefresherProps } from './props.ts';
export { OAuthTokenRefresherStack } from './stack.ts';
