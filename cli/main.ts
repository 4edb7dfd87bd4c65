#!/usr/bin/env node

const [major] = process.versions.node.split('.');
if (Number(major) < 20) {
  console.error(`oauth-token-refresher needs Node.js 20 or newer. This is ${process.version}.`);
  process.exit(1);
}
const stop = new AbortController();
process.on('SIGINT', () => {
  // A second one does not wait for what is being put in order.
  if (stop.signal.aborted) process.exit(130);
  stop.abort();
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
