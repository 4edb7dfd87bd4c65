#!/usr/bin/env node
import { runCli } from './program.ts';

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
process.exitCode = await runCli(process.argv.slice(2), { stdin, stdout, stderr, env }, stop.signal);
