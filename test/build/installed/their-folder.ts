import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { dist } from '../../../build/output.ts';
import { projectRoot } from '../../../build/project.ts';

const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'));

/** What npm would publish. */
export const tarball = join(dist, `oauth-token-refresher-${version}.tgz`);

/** A folder of somebody who knows nothing of this repository. */
export class TheirFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'theirs-'));

  write(name: string, content: string): void {
    writeFileSync(join(this.path, name), content);
  }

  read(name: string): string {
    return readFileSync(join(this.path, name), 'utf8');
  }

  /** Runs a program here to its end. @throws Error with what it printed, where it fails */
  async run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const options = { cwd: this.path, env: { ...theirEnvironment(), ...env }, maxBuffer: 100_000_000 };
    const { stdout, stderr } = await promisify(execFile)(program, args, options);
    return { stdout, stderr };
  }

  async install(...packages: readonly string[]): Promise<void> {
    await this.run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', ...packages]);
  }

  /** A Node.js of this version. @returns its path */
  async node(wanted: string): Promise<string> {
    const name = `node-${process.platform}-${process.arch}`;
    const folder = join(this.path, `node-${wanted}`);
    await mkdir(folder, { recursive: true });
    await this.install('--no-save', '--prefix', folder, `${name}@${wanted}`);
    return join(folder, 'node_modules', name, 'bin/node');
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** The environment without what belongs to this repository: its programs, and what npm says about its own run. */
export function theirEnvironment(): Record<string, string> {
  const ours =
    /^(npm_(lifecycle|package)_|npm_config_(local_)?prefix$|INIT_CWD$|VITEST|NODE_ENV$|NODE_OPTIONS$)/;
  const env = Object.entries(process.env).filter(([name]) => !ours.test(name)) as [string, string][];
  const programs = (process.env.PATH ?? '').split(delimiter).filter((path) => !path.includes('node_modules'));
  return {
    ...Object.fromEntries(env),
    PATH: [dirname(process.execPath), ...programs].join(delimiter),
  };
}
