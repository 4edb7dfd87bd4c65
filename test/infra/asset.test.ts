import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { buildSync } from 'esbuild';
import { describe, expect } from 'vitest';
import { projectRoot } from '../../build/project.ts';
import type { RunResult } from '../../lambda/run-result.ts';
import { synthesizeBundle } from '../support/function-bundle.ts';
import { test as worldTest } from '../support/world-test.ts';

const test = worldTest.extend('bundle', { scope: 'file' }, async ({ environment: _ }, { onCleanup }) => {
  const { path, remove } = await synthesizeBundle();
  onCleanup(remove);
  return path;
});

describe('the bundled asset, in a fresh process', () => {
  test('refreshes an account', async ({ bundle, provider, world }) => {
    await world.account({ accountId: 'asset', oauthProfile: 'crm' }, provider.issue('asset'));
    const fn = world.process({ module: bundle });
    const invocation = await fn.invoke({});
    expect(invocation).toMatchObject({ kind: 'returned', payload: { refreshed: 1, failed: 0, invalid: 0 } });
    expect(provider.accepts('asset', (await world.tokens('asset')).refresh_token)).toBe(true);
    const lines = fn.takeLog().map((line) => JSON.parse(line));
    expect(lines.at(-1)).toMatchObject((invocation as { payload: RunResult }).payload);
  });

  test('names its errors, minified as it is', async ({ bundle, world }) => {
    const failed = await world.process({ module: bundle }).invoke({ dryrun: true });
    expect(failed).toMatchObject({ kind: 'failed', errorType: 'InvalidEvent' });
  });

  test('needs nothing beside itself', ({ bundle }) => {
    const alone = `import(${JSON.stringify(bundle)}).then((m) => console.log(typeof m.handler))`;
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', alone], {
      cwd: tmpdir(),
      encoding: 'utf8',
    });
    expect({ stdout, stderr }).toEqual({ stdout: 'function\n', stderr: '' });
  });

  test('is at most 1.3 times as large as the three SDK clients alone', ({ bundle }) => {
    const { outputFiles } = buildSync({
      stdin: { contents: sdkAlone, resolveDir: projectRoot },
      bundle: true,
      minify: true,
      write: false,
      platform: 'node',
      format: 'esm',
      target: 'node24',
      mainFields: ['module', 'main'],
    });
    const floor = outputFiles[0]?.contents.byteLength ?? 0;
    const ratio = statSync(bundle).size / floor;
    console.log(`bundle ${statSync(bundle).size} B, the three clients alone ${floor} B: ${ratio.toFixed(3)}`);
    expect(ratio).toBeLessThanOrEqual(1.3);
  });
});

const sdkAlone = `
  import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
  import { DynamoDBDocumentClient, GetCommand, ScanCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
  import { GetSecretValueCommand, PutSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
  export const clients = [DynamoDBDocumentClient.from(new DynamoDBClient()), new SecretsManagerClient()];
  export const commands = [GetCommand, ScanCommand, UpdateCommand, GetSecretValueCommand, PutSecretValueCommand];
`;
