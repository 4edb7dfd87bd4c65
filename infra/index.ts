export { OAuthTokenRefresher } from './oauth-token-refresher.ts';
export type { AlarmSetting, AlarmSettings, OAuthTokenRefresherProps } from './settings/props.ts';
export { OAuthTokenRefresherStack, type OAuthTokenRefresherStackProps } from './stack.ts';
