import { fileURLToPath } from 'node:url';
import { type BundlingOptions, OutputFormat } from 'aws-cdk-lib/aws-lambda-nodejs';

/** This repository, also when another project uses the construct. */
export const projectRoot = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');

/** Smaller replacements for packages, as paths from the repository's root. */
export const ALIASES = {
  '@aws-sdk/credential-provider-node': './adapters/aws/credential-provider.ts',
  '@smithy/core/event-streams': './adapters/aws/no-event-streams.ts',
} as const;

/**
 * How the function is bundled: one ES module with the SDK in it.
 *
 * - `mainFields`: ES modules, since esbuild can't drop unused parts of CommonJS (358 KB instead of 574 KB for the
 *   SDK's clients alone).
 * - `alias`: leaves out what never runs in Lambda: other sources of credentials, and event streams. See
 *   docs/decisions/07-credentials-from-the-environment.md.
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
