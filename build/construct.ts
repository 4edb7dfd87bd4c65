import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { writeFolder } from './output.ts';
import { projectRoot } from './project.ts';

/** In place of a stack trace of Node.js, since both peers are optional. */
const NEEDS_CDK = `try { require.resolve('aws-cdk-lib'); require.resolve('constructs'); } catch {
  throw new Error('The construct of oauth-token-refresher needs the CDK: npm i aws-cdk-lib constructs');
}`;

/** Builds the construct: dist/infra. It is CommonJS, which projects of `cdk init`, their jest, and ES modules load. */
export function buildConstruct(): void {
  const [built] = buildSync({
    absWorkingDir: projectRoot,
    entryPoints: ['infra/index.ts'],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    external: ['aws-cdk-lib', 'constructs'],
    define: { 'import.meta.dirname': '__dirname' },
    banner: { js: NEEDS_CDK },
    write: false,
    logLevel: 'warning',
  }).outputFiles;
  writeFolder('infra', {
    'package.json': '{ "type": "commonjs" }\n',
    'index.js': built?.contents ?? '',
    ...declarations(),
  });
}

/** The declarations that the first one leads to. */
function declarations(): Record<string, string> {
  const outDir = mkdtempSync(join(tmpdir(), 'declarations-'));
  try {
    const compiler = join(projectRoot, 'node_modules/typescript/bin/tsc');
    const options = ['-p', join(projectRoot, 'build/declarations.json'), '--outDir', outDir];
    execFileSync(process.execPath, [compiler, ...options], { stdio: 'inherit' });
    const folder = join(outDir, 'infra');
    const found: Record<string, string> = {};
    const add = (file: string) => {
      if (Object.hasOwn(found, file)) return;
      // A compiler of our users knows .js in declarations, whatever its options are.
      const text = readFileSync(join(folder, file), 'utf8').replaceAll(/(from '\.[^']*)\.ts'/g, "$1.js'");
      found[file] = text;
      for (const [, path = ''] of text.matchAll(/from '\.\/([^']+)\.js'/g)) add(`${path}.d.ts`);
    };
    add('index.d.ts');
    return found;
  } finally {
    rmSync(outDir, { recursive: true });
  }
}
