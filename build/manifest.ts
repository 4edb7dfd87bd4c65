import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dist, writeChanged } from './output.ts';
import { projectRoot } from './project.ts';

const read = (name: string) => readFileSync(join(projectRoot, name), 'utf8');

/** What every package of this project says. */
export function sharedFields() {
  const { name, version, description, license } = JSON.parse(read('package.json'));
  return {
    name,
    version,
    description,
    license,
    keywords: [
      'oauth',
      'oauth2',
      'refresh-token',
      'token',
      'aws',
      'aws-cdk',
      'cdk',
      'lambda',
      'secrets-manager',
    ],
    // Before 2.178.0 the CDK leaves out the table's point-in-time recovery, and says nothing.
    peerDependencies: { 'aws-cdk-lib': '^2.178.0', constructs: '^10.0.0' },
  };
}

/** The address of the repository that builds a release, as npm's provenance demands it; undefined elsewhere. */
export function repositoryUrl(): string | undefined {
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY } = process.env;
  return GITHUB_REPOSITORY === undefined ? undefined : `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}.git`;
}

/** What npm publishes is dist/, with a manifest of its own: docs/decisions/19-what-is-published.md. */
export function writeManifest(): void {
  const url = repositoryUrl();
  const manifest = {
    ...sharedFields(),
    ...(url !== undefined && { repository: { type: 'git', url: `git+${url}` } }),
    type: 'module',
    bin: { 'oauth-token-refresher': 'cli/main.js' },
    main: './infra/index.js',
    types: './infra/index.d.ts',
    exports: {
      '.': { types: './infra/index.d.ts', default: './infra/index.js' },
      './package.json': './package.json',
    },
    files: ['cli', 'function', 'infra'],
    engines: { node: '>=20' },
    peerDependenciesMeta: { 'aws-cdk-lib': { optional: true }, constructs: { optional: true } },
  };
  writeChanged(join(dist, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  for (const file of ['README.md', 'LICENSE']) writeChanged(join(dist, file), read(file));
}
