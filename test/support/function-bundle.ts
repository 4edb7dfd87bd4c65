import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { buildFunction } from '../../build/function.ts';
import { OAuthTokenRefresherStack } from '../../infra/stack.ts';

/** The bundle that gets deployed, taken from a synthesized assembly. */
export async function synthesizeBundle(): Promise<{ readonly path: string; readonly remove: () => void }> {
  await buildFunction();
  const assembly = mkdtempSync(join(tmpdir(), 'assembly-'));
  const app = new App({ outdir: assembly, analyticsReporting: false });
  new OAuthTokenRefresherStack(app, 'Test');
  app.synth();
  const { files } = JSON.parse(readFileSync(join(assembly, 'Test.assets.json'), 'utf8'));
  const asset = Object.values<{ source: { path: string; packaging: string } }>(files).find(
    ({ source }) => source.packaging === 'zip',
  );
  return {
    path: join(assembly, asset?.source.path ?? '', 'index.mjs'),
    remove: () => rmSync(assembly, { recursive: true }),
  };
}
