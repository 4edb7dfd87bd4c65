import { resolve } from 'node:path';

/**
 * A path of the command line, from the directory where the person is: `npm run`, `npm start` and `npm --prefix` change
 * into the project's directory first, and leave the one they were called from in INIT_CWD.
 */
export function callersPath(
  path: string,
  { INIT_CWD }: Readonly<Record<string, string | undefined>>,
): string {
  // What people wrote is what messages name, where it leads to the same.
  return INIT_CWD === undefined || INIT_CWD === process.cwd() ? path : resolve(INIT_CWD, path);
}
