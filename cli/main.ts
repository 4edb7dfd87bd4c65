#!/usr/bin/env node

import { STOP_AGAIN } from './shared/stop-again.ts';

const [major] = process.versions.node.split('.');
if (Number(major) < 20) {
  console.error(`oauth-token-refresher needs Node.js 20 or newer. This is ${process.version}.`);
  process.exit(1);
}
const stop = new AbortController();
const ONE_KEY_MILLISECONDS = 200;
let stopAt = 0;
process.on('SIGINT', () => {
  if (!stop.signal.aborted) {
    stopAt = performance.now();
    return stop.abort();
  }
  // npm hands on the Ctrl-C that the terminal has sent already; where its shell is bash, that arrives here.
  if (performance.now() - stopAt < ONE_KEY_MILLISECONDS) return;
  // A second one does not wait for what is being put in order.
  stop.signal.dispatchEvent(new Event(STOP_AGAIN));
  process.exit(130);
});
// A reader that has seen enough, such as head, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
const { stdin, stdout, stderr, env } = process;
// Only now: an older Node.js would stop at what it does not know.
const { runCli } = await import('./program.ts');
process.exitCode = await runCli(process.argv.slice(2), { stdin, stdout, stderr, env }, stop.signal);
