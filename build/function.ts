import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';
import { licenceTexts } from './licences.ts';
import { writeFolder } from './output.ts';
import { projectRoot } from './project.ts';

/** An SDK's client imports all of its manifest for its version. */
const onlyVersions: Plugin = {
  name: 'only-versions',
  setup: ({ onLoad }) =>
    onLoad({ filter: /[\\/]@aws-sdk[\\/][^\\/]+[\\/]package\.json$/ }, ({ path }) => {
      const { version } = JSON.parse(readFileSync(path, 'utf8'));
      return { contents: JSON.stringify({ version }), loader: 'json' };
    }),
};

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
  plugins: [onlyVersions],
  logLevel: 'warning',
} as const satisfies BuildOptions;

/** Builds the asset that is deployed: dist/function. @returns what is in it */
export async function buildFunction(): Promise<Metafile> {
  const { outputFiles, metafile } = await build({
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
