import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ListSecretVersionIdsCommand } from '@aws-sdk/client-secrets-manager';
import { expect, test } from 'vitest';
import { awsEnvironment } from '../../local/clients.ts';
import { createImportWorld, type ImportWorld } from '../support/import-world.ts';
import { startStrictProvider } from '../support/strict-provider.ts';

const COUNT = Number(process.env.IMPORT_ACCOUNTS ?? 300);
/** Writes a second: a test has no quota to share. */
const RATE = process.env.IMPORT_RATE ?? '2000';

/** The items of the table that are accounts, and no notes of the function's. */
async function accountsOf(world: ImportWorld) {
  return (await world.clients.items()).filter(({ accountId }) => !accountId.startsWith('#'));
}

/** Runs an import in a process of its own, and kills it once `killAt` items have been written. */
async function importFile(world: ImportWorld, file: string, killAt?: number) {
  const args = ['cli/main.ts', ...world.options, '--json', 'import', file, '--rate', RATE];
  const env = { PATH: process.env.PATH, ...awsEnvironment(world.aws.url) };
  const child = spawn(process.execPath, args, { env });
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  let written = 0;
  world.aws.onEffect(({ operation }) => {
    if (operation === 'PutItem' && ++written === killAt) child.kill('SIGKILL');
  });
  const signal = await new Promise((resolve) => child.on('close', (_, signal) => resolve(signal)));
  world.aws.onEffect(undefined);
  return { signal, stdout };
}

test(
  `${COUNT} accounts, imported by processes that are killed while the function refreshes them, are there once each`,
  async () => {
    const provider = await startStrictProvider();
    const world = await createImportWorld();
    await world.profile('crm', provider.profile);
    const directory = mkdtempSync(join(tmpdir(), 'import-'));
    const file = join(directory, 'accounts.csv');
    const accountIds = Array.from({ length: COUNT }, (_, index) => `account-${index + 1}`);
    const rows = accountIds.map((id) => `${id},crm,${provider.issue(id).refresh_token}`);
    writeFileSync(file, `accountId,oauthProfile,refresh_token\n${rows.join('\n')}\n`);

    // The function runs all the while, and spends each token that it finds.
    let over = false;
    const refreshing = (async () => {
      while (!over) await world.run();
    })();
    let left = COUNT;
    for (const share of [0.2, 0.3]) {
      expect((await importFile(world, file, Math.floor(COUNT * share))).signal).toBe('SIGKILL');
      const there = (await accountsOf(world)).length;
      expect(there).toBeGreaterThanOrEqual(COUNT - left + Math.floor(COUNT * share));
      expect(there).toBeLessThan(COUNT);
      left = COUNT - there;
    }
    const { stdout } = await importFile(world, file);
    expect(JSON.parse(stdout)).toMatchObject({ created: left, alreadyThere: COUNT - left, conflicts: [] });
    const { stdout: again } = await importFile(world, file);
    expect(JSON.parse(again)).toMatchObject({ created: 0, alreadyThere: COUNT, conflicts: [] });
    over = true;
    await refreshing;
    while ((await world.run()).due > 0);

    const items = await accountsOf(world);
    expect(items.map(({ accountId }) => accountId).sort()).toEqual([...accountIds].sort());
    expect(items.filter(({ status }) => status !== 'healthy')).toEqual([]);
    for (const accountId of accountIds) {
      const { reuses, grants } = provider.truth(accountId);
      const { refresh_token } = await world.tokens(accountId);
      const SecretId = `${world.prefix}accounts/${accountId}`;
      const { Versions } = await world.clients.secrets.send(
        new ListSecretVersionIdsCommand({ SecretId, IncludeDeprecated: true }),
      );
      // One version from the import, one from the refresh; no token was presented twice.
      expect({ accountId, reuses, grants, versions: Versions?.length }).toEqual({
        accountId,
        reuses: 0,
        grants: 1,
        versions: 2,
      });
      expect(provider.accepts(accountId, refresh_token)).toBe(true);
    }
    await world.close();
    await provider.close();
    rmSync(directory, { recursive: true });
  },
  60_000 + COUNT * 200,
);
