import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Beside the built construct, or in dist/ of the repository. */
const PLACES = ['../function', '../dist/function'].map((place) => join(import.meta.dirname, place));

/** The folder of the function as it is deployed, which is built beforehand. @throws Error where it is not */
export function functionAsset(): string {
  const built = PLACES.find((folder) => existsSync(join(folder, 'index.mjs')));
  if (built !== undefined) return built;
  throw new Error(
    'The function is not built. Run "npm run build" in the folder of oauth-token-refresher first.',
  );
}
