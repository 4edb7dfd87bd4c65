import { spawn } from 'node:child_process';
import type { Ended } from './cli.ts';

export interface ProcessOptions {
  /** Standard input. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program to its end, without blocking the servers of this process. Its environment is PATH and `env`. */
export function runProcess(
  command: string,
  args: readonly string[],
  { input = '', env = {} }: ProcessOptions = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: { PATH: process.env.PATH ?? '', ...env } });
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const)
      child[stream].on('data', (chunk: Buffer) => {
        said[stream] += chunk;
      });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? -1, ...said }));
    child.stdin.end(input);
  });
}
