import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { Invoked } from './measure.ts';

/**
 * The process that measures one program: it loads a module that exports `handler`, runs it for each event, and reports
 * what that took. It does nothing else.
 */
const loading = performance.now();
const before = process.cpuUsage();
const { handler } = (await import(pathToFileURL(process.argv[2] ?? '').href)) as {
  handler: (event: unknown, context: unknown) => Promise<unknown>;
};
const { user, system } = process.cpuUsage(before);
process.send?.({
  loadMilliseconds: performance.now() - loading,
  loadCpuMilliseconds: (user + system) / 1000,
});

process.on('message', async ({ event, timeout }: { event: unknown; timeout: number }) => {
  const deadline = Date.now() + timeout;
  const cpuBefore = process.cpuUsage();
  const begun = performance.now();
  try {
    const result = await handler(event, { getRemainingTimeInMillis: () => deadline - Date.now() });
    const milliseconds = performance.now() - begun;
    const { user, system } = process.cpuUsage(cpuBefore);
    process.send?.({
      result,
      milliseconds,
      cpuMilliseconds: (user + system) / 1000,
      peakMegabytes: peakMegabytes(),
    } satisfies Invoked);
  } catch (error) {
    process.send?.({ error: String(error) });
  }
});
process.on('disconnect', () => process.exit());

/** Not `resourceUsage().maxRSS`: on Linux that starts with the parent's memory. */
function peakMegabytes(): number {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS / 1024;
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Number(kilobytes) / 1024;
}
