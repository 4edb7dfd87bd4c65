import { resolve } from 'node:path';

/**
 * Resolves a path from the directory where the person is: `npm run`, `npm start` and `npm --prefix` change into the
 * project's directory first, and put the person's into INIT_CWD.
 */
export function callersPath(
  path: string,
  { INIT_CWD }: Readonly<Record<string, string | undefined>>,
): string {
  // Messages should show the path as the person wrote it, if that leads to the same place.
  return INIT_CWD === undefined || INIT_CWD === process.cwd() ? path : resolve(INIT_CWD, path);
}
