import { buildCommandLine } from './command-line.ts';
import { buildConstruct } from './construct.ts';
import { buildFunction } from './function.ts';
import { writeManifest } from './manifest.ts';

/** Builds all that is published: `npm run build`. */
export async function build(): Promise<void> {
  await buildFunction();
  buildCommandLine();
  buildConstruct();
  writeManifest();
}

// `npm start` and `cdk` need the function only.
if (import.meta.main) await (process.argv[2] === 'function' ? buildFunction : build)();
