import { execFileSync } from 'node:child_process';
import { build } from '../../../build/build.ts';
import { dist } from '../../../build/output.ts';
import { theirEnvironment } from './their-folder.ts';

/** Before any test: builds and packs what is published. */
export default async function pack(): Promise<void> {
  await build();
  const options = ['--json', '--pack-destination', dist];
  execFileSync('npm', ['pack', dist, ...options], { env: theirEnvironment(), stdio: 'pipe' });
}
