export { OAuthTokenRefresher } from './oauth-token-refresher.ts';
export type { OAuthTokenRefresherProps } from './props.ts';
export { OAuthTokenRefresherStack, type OAuthTokenRefresherStackProps } from './stack.ts';
