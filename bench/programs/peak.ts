import { readFileSync, writeFileSync } from 'node:fs';

/** Loaded before a program: leaves its highest resident memory, in kilobytes, in the file that PEAK_FILE names. */
process.on('exit', () => {
  const kilobytes =
    process.platform === 'linux'
      ? /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
      : process.resourceUsage().maxRSS;
  writeFileSync(process.env.PEAK_FILE ?? '', String(kilobytes));
});
