/**
 * Stands in for the SDK's default credential chain in the bundle. Lambda hands its credentials over in the
 * environment and nowhere else; the chain's other providers (SSO, profiles, STS, ...) would be a fifth of the bundle.
 */
export { fromEnv as defaultProvider } from '@aws-sdk/credential-provider-env';
