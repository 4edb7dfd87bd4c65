import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { localKeyFile } from '../../local/local-key.ts';
import type { Ended } from './cli.ts';

export interface ProcessOptions {
  /** Standard input. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** What a process needs to find programs, and local systems of the tests' own. */
export const bareEnvironment = () => ({
  PATH: process.env.PATH ?? '',
  XDG_STATE_HOME: dirname(dirname(localKeyFile())),
});

/** Runs a program to its end, without blocking the servers of this process. Its environment is a bare one and `env`. */
export function runProcess(
  command: string,
  args: readonly string[],
  { input = '', env = {}, cwd }: ProcessOptions = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...bareEnvironment(), ...env } });
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const)
      child[stream].on('data', (chunk: Buffer) => {
        said[stream] += chunk;
      });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? -1, ...said }));
    // One that ends without reading closes it.
    child.stdin.on('error', () => undefined).end(input);
  });
}
