import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildFunction } from './function.ts';
import { repositoryUrl, sharedFields } from './manifest.ts';
import { dist, writeFolder } from './output.ts';
import { projectRoot } from './project.ts';

/** The languages, by jsii's names. */
export type Language = 'python' | 'java' | 'dotnet' | 'go';

const folder = join(dist, 'jsii');
const read = (path: string) => readFileSync(join(projectRoot, path), 'utf8');

/**
 * Builds the construct for other languages over jsii: dist/jsii. It is the same source over the same function:
 * docs/decisions/21-jsii.md.
 */
export async function buildJsii(): Promise<void> {
  await buildFunction();
  writeFolder('jsii', {
    'package.json': JSON.stringify(manifest(), undefined, 2),
    'tsconfig.json': JSON.stringify(compilerSettings),
    'README.md': read('build/python.md'),
    LICENSE: read('LICENSE'),
    ...sources('infra/index.ts'),
    ...Object.fromEntries(
      readdirSync(join(dist, 'function')).map((file) => [
        `function/${file}`,
        readFileSync(join(dist, 'function', file)),
      ]),
    ),
  });
  run('jsii/bin/jsii', [
    '--fail-on-warnings',
    // It is compiled with the CDK of this repository, and a test synthesizes with the oldest.
    '--silence-warnings=metadata/missing-dev-dependency',
    '--tsconfig=tsconfig.json',
  ]);
}

/** Makes the package of a language, or only its code, from what `buildJsii` made: dist/jsii/out. */
export function generate(language: Language, ...options: readonly '--code-only'[]): void {
  run('jsii-pacmak/bin/jsii-pacmak', ['--targets', language, ...options]);
}

function run(script: string, options: readonly string[]): void {
  execFileSync(process.execPath, [join(projectRoot, 'node_modules', script), ...options], {
    cwd: folder,
    stdio: 'inherit',
  });
}

/** jsii forbids a few of our own settings, such as `exactOptionalPropertyTypes`. */
const compilerSettings = {
  compilerOptions: {
    target: 'es2022',
    lib: ['es2022'],
    module: 'node16',
    types: ['node'],
    strict: true,
    declaration: true,
    skipLibCheck: true,
    noEmitOnError: true,
    allowImportingTsExtensions: true,
    rewriteRelativeImportExtensions: true,
    rootDir: '.',
  },
  files: ['infra/index.ts'],
};

function manifest() {
  // Outside of a release there is no public address, and jsii insists on one.
  const url = repositoryUrl() ?? 'https://repository.invalid/oauth-token-refresher.git';
  return {
    ...sharedFields(),
    author: { name: 'The authors of oauth-token-refresher', organization: true },
    repository: { type: 'git', url },
    main: 'infra/index.js',
    types: 'infra/index.d.ts',
    files: ['.jsii', 'function', 'infra/**/*.js', 'infra/**/*.d.ts', 'lambda/*.js', 'lambda/*.d.ts'],
    stability: 'experimental',
    jsii: {
      outdir: 'out',
      targets: {
        python: {
          distName: 'oauth-token-refresher',
          module: 'oauth_token_refresher',
          classifiers: ['Framework :: AWS CDK', 'Framework :: AWS CDK :: 2'],
        },
        java: {
          package: 'oauthtokenrefresher',
          maven: { groupId: 'oauthtokenrefresher', artifactId: 'oauth-token-refresher' },
        },
        dotnet: { namespace: 'OAuthTokens', packageId: 'OAuthTokenRefresher' },
        go: {
          moduleName: url.replace(/^https:\/\//, '').replace(/\.git$/, ''),
          packageName: 'oauthtokenrefresher',
        },
      },
    },
  };
}

/** A file and what it imports, as CommonJS can have it. */
function sources(path: string, found: Record<string, string> = {}): Record<string, string> {
  if (Object.hasOwn(found, path)) return found;
  const text = read(path).replaceAll('import.meta.dirname', '__dirname');
  found[path] = text;
  for (const [, other = ''] of text.matchAll(/ from '(\.[^']+)'/g)) sources(join(path, '..', other), found);
  return found;
}

if (import.meta.main) {
  await buildJsii();
  generate('python');
}
