import { fileURLToPath } from 'node:url';
import { type BundlingOptions, OutputFormat } from 'aws-cdk-lib/aws-lambda-nodejs';

/** The repository, wherever the construct is used from. */
export const projectRoot = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');

/** What stands in for packages of which the function needs less, from the repository's root. */
export const ALIASES = {
  '@aws-sdk/credential-provider-node': './adapters/aws/credential-provider.ts',
  '@smithy/core/event-streams': './adapters/aws/no-event-streams.ts',
} as const;

/**
 * How the function is bundled: one ES module with the SDK in it.
 *
 * - `mainFields`: the packages' ES modules rather than CommonJS, or nothing can be left out (574 KB against 358 KB for
 *   the SDK's clients alone).
 * - `alias`: Lambda hands credentials over in the environment; the rest of the default chain can never run there. See
 *   docs/decisions/07-credentials-from-the-environment.md. Nor does any call of the function stream events.
 */
export const bundling: BundlingOptions = {
  format: OutputFormat.ESM,
  target: 'node24',
  mainFields: ['module', 'main'],
  minify: true,
  sourceMap: true,
  sourcesContent: false,
  externalModules: [],
  esbuildArgs: Object.fromEntries(Object.entries(ALIASES).map(([name, path]) => [`--alias:${name}`, path])),
};
