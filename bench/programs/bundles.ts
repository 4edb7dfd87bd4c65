import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';
import { buildCommandLine } from '../../build/command-line.ts';
import { functionOptions } from '../../build/function.ts';
import { dist } from '../../build/output.ts';
import { projectRoot } from '../../build/project.ts';
import { synthesizeBundle } from '../../test/support/function-bundle.ts';

/** The programs that we compare: one file each, all bundled in the same way. */
export interface Bundles {
  /** As it is deployed. */
  readonly function: string;
  /** The same without the pace of 48 starts a second: how fast the code itself is. */
  readonly unpaced: string;
  /** The bare calls and the baselines. */
  readonly bare: string;
  /** The command line, as it is published. */
  readonly commandLine: string;
  /** A program that reads the table and answers nothing. */
  readonly bareScan: string;
  /** Only the SDK's clients, as they come. */
  readonly sdk: string;
  /** The same with the function's single credential provider. */
  readonly sdkTrimmed: string;
  readonly remove: () => void;
}

const options = {
  ...functionOptions,
  alias: { '@aws-sdk/credential-provider-node': functionOptions.alias['@aws-sdk/credential-provider-node'] },
} satisfies BuildOptions;

const PACE = /export const STARTS_PER_SECOND = \d+;/;

export async function buildBundles(): Promise<Bundles> {
  const deployed = await synthesizeBundle();
  buildCommandLine();
  const directory = mkdtempSync(join(tmpdir(), 'bench-'));
  const outfile = (name: string) => join(directory, `${name}.mjs`);
  const file = (path: string) => join(projectRoot, path);
  await build({ ...options, entryPoints: [file('bench/programs/bare.ts')], outfile: outfile('bare') });
  await build({
    ...options,
    entryPoints: [file('bench/programs/bare-scan.ts')],
    outfile: outfile('bare-scan'),
  });
  const sdkOnly = { ...options, entryPoints: [file('bench/programs/sdk-only.ts')] };
  await build({ ...sdkOnly, alias: {}, outfile: outfile('sdk') });
  await build({ ...sdkOnly, outfile: outfile('sdk-trimmed') });
  await build({
    ...options,
    entryPoints: [file('lambda/handler.ts')],
    outfile: outfile('unpaced'),
    plugins: [
      {
        name: 'without the pace',
        setup: ({ onLoad }) =>
          onLoad({ filter: /lambda\/run\.ts$/ }, ({ path }) => {
            const source = readFileSync(path, 'utf8');
            if (!PACE.test(source)) throw new Error('lambda/run.ts no longer has STARTS_PER_SECOND.');
            return { contents: source.replace(PACE, 'export const STARTS_PER_SECOND = 1e6;'), loader: 'ts' };
          }),
      },
    ],
  });
  return {
    function: deployed.path,
    unpaced: outfile('unpaced'),
    bare: outfile('bare'),
    commandLine: join(dist, 'cli/main.js'),
    bareScan: outfile('bare-scan'),
    sdk: outfile('sdk'),
    sdkTrimmed: outfile('sdk-trimmed'),
    remove: () => {
      deployed.remove();
      rmSync(directory, { recursive: true });
    },
  };
}

export function sizeOf(bundle: string): number {
  return statSync(bundle).size;
}
