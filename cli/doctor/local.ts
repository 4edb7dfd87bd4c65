import { open } from 'node:fs/promises';
import { join } from 'node:path';

const TAIL_BYTES = 256 * 1024;

/** When the local function's last run finished, milliseconds since the epoch, as the end of its log tells. */
export async function lastLocalRun(dataDirectory: string): Promise<number | undefined> {
  const file = await open(join(dataDirectory, 'logs', 'function.log')).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - TAIL_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, start);
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
    const last = lines.findLast((line) => line.includes('"message":"Run finished."'));
    const at = Date.parse(/"timestamp":"([^"]+)"/.exec(last ?? '')?.[1] ?? '');
    return Number.isNaN(at) ? undefined : at;
  } finally {
    await file.close();
  }
}
