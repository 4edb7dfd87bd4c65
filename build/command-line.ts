import { basename } from 'node:path';
import { buildSync, type Metafile } from 'esbuild';
import { licenceTexts } from './licences.ts';
import { writeFolder } from './output.ts';
import { projectRoot } from './project.ts';

/**
 * Builds the command line: dist/cli. A command's code is in a file of its own, which is loaded when the command runs.
 *
 * @returns what is in which file
 */
export function buildCommandLine(): Metafile {
  const { outputFiles, metafile } = buildSync({
    absWorkingDir: projectRoot,
    entryPoints: ['cli/main.ts'],
    outdir: 'dist/cli',
    bundle: true,
    splitting: true,
    chunkNames: '[name]-[hash]',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    mainFields: ['module', 'main'],
    minify: true,
    // CommonJS packages ask for Node's own modules with it. No minified name is this long.
    banner: {
      js: "import{createRequire as makeRequire}from'node:module';const require=makeRequire(import.meta.url);",
    },
    legalComments: 'none',
    write: false,
    metafile: true,
    logLevel: 'warning',
  });
  const files = outputFiles.map(({ path, contents }) => [basename(path), contents] as const);
  writeFolder('cli', { ...Object.fromEntries(files), 'LICENCES.txt': licenceTexts(metafile) });
  return metafile;
}
