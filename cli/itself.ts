import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

const { url } = import.meta;

/** How this very program is called: with main.ts, or where it is built with main.js, which is beside this file too. */
export const ITSELF = [process.execPath, fileURLToPath(new URL(`main${extname(url)}`, url))];
