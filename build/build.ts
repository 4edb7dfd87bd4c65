import { buildCommandLine } from './command-line.ts';
import { buildConstruct } from './construct.ts';
import { buildFunction } from './function.ts';
import { writeManifest } from './manifest.ts';

// `npm run build` makes all that is published; `npm start` and `cdk` need the function only.
buildFunction();
if (process.argv[2] !== 'function') {
  buildCommandLine();
  buildConstruct('with types');
  writeManifest();
}
