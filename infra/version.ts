import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The version of this package. The function's description and an output say it, for the command line. */
export function packageVersion(): string {
  // In the repository and in the package, the manifest is one folder up.
  return JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')).version;
}
