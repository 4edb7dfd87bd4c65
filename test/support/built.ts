import { buildCommandLine } from '../../build/command-line.ts';
import { buildConstruct } from '../../build/construct.ts';
import { buildFunction } from '../../build/function.ts';
import { writeManifest } from '../../build/manifest.ts';

/** Before any test: what is tested is what ships. */
export default function build(): void {
  buildFunction();
  buildCommandLine();
  buildConstruct('with types');
  writeManifest();
}
