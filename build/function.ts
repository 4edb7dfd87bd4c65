import { basename } from 'node:path';
import { type BuildOptions, buildSync, type Metafile } from 'esbuild';
import { licenceTexts } from './licences.ts';
import { writeFolder } from './output.ts';
import { projectRoot } from './project.ts';

/**
 * How the function is bundled: one ES module with the SDK in it.
 *
 * - `mainFields`: ES modules, since esbuild can't drop unused parts of CommonJS (358 KB instead of 574 KB for the
 *   SDK's clients alone).
 * - `alias`: leaves out what never runs in Lambda: other sources of credentials, event streams, and a cache of endpoints.
 *   See docs/decisions/07-credentials-from-the-environment.md.
 */
export const functionOptions = {
  absWorkingDir: projectRoot,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  mainFields: ['module', 'main'],
  minify: true,
  sourcemap: true,
  sourcesContent: false,
  alias: {
    '@aws-sdk/credential-provider-node': './adapters/aws/credential-provider.ts',
    '@aws-sdk/endpoint-cache': './adapters/aws/no-endpoint-cache.ts',
    '@smithy/core/event-streams': './adapters/aws/no-event-streams.ts',
  },
  logLevel: 'warning',
} as const satisfies BuildOptions;

/** Builds the asset that is deployed: dist/function. @returns what is in it */
export function buildFunction(): Metafile {
  const { outputFiles, metafile } = buildSync({
    ...functionOptions,
    entryPoints: ['lambda/handler.ts'],
    outfile: 'dist/function/index.mjs',
    write: false,
    metafile: true,
  });
  const files = outputFiles.map(({ path, contents }) => [basename(path), contents] as const);
  writeFolder('function', { ...Object.fromEntries(files), 'LICENCES.txt': licenceTexts(metafile) });
  return metafile;
}
