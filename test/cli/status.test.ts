import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { awsEnvironment, LOCAL_FUNCTION_NAME, LOCAL_TABLE_NAME } from '../../local/clients.ts';
import { isAccount } from '../../terminal/fleet-table.ts';
import { cli, type Ended } from '../support/cli.ts';
import { startFleet, type TestFleet } from '../support/fleet.ts';
import { runProcess } from '../support/run-process.ts';

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await startFleet();
});
afterAll(() => fleet.close());

describe('status', () => {
  test('counts by status and profile, and tells the next expiries and the last runs', async () => {
    const { code, value } = await fleet.json(['status']);
    expect(code).toBe(0);
    const items = (await fleet.system.clients.items()).filter(isAccount);
    const healthy = items.filter(({ status }) => status === 'healthy');
    expect(value).toMatchObject({
      accounts: items.length,
      byStatus: { healthy: healthy.length, disabled: 1, other: 1 },
      late: false,
    });
    const { byProfile, nextExpiries, lastRuns } = value as {
      byProfile: { profile: string; accounts: number }[];
      nextExpiries: { accessTokenExpiresAt: number }[];
      lastRuns: { scanned: number }[];
    };
    expect(byProfile[0]).toMatchObject({ profile: 'crm', accounts: 9, healthy: 2 });
    expect(byProfile.reduce((sum, { accounts }) => sum + accounts, 0)).toBe(items.length);
    const soonest = Math.min(...healthy.map(({ accessTokenExpiresAt }) => Number(accessTokenExpiresAt)));
    expect(nextExpiries[0]?.accessTokenExpiresAt).toBe(soonest);
    expect(lastRuns).toEqual([
      expect.objectContaining({ scanned: items.length, durationMs: expect.any(Number) }),
    ]);
  });

  test('fits on a screen of 80 by 24', async () => {
    const { stdout } = await fleet.run(['status'], { columns: 80 });
    expect(stdout.split('\n').length).toBeLessThanOrEqual(24);
    expect(stdout).toMatch(/LAST RUNS/);
  });

  test('exits with 3 on request where accounts need attention, and where no run has ended', async () => {
    expect((await fleet.run(['status', '--check'])).code).toBe(3);
    for (const { accountId, status } of (await fleet.system.clients.items()).filter(isAccount))
      if (status !== 'healthy') await fleet.change(accountId, { status: 'healthy', enabled: true });
    expect((await fleet.run(['status', '--check'])).code).toBe(0);
    const log = join(fleet.data, 'logs', 'function.log');
    const lines = readFileSync(log, 'utf8');
    const tenMinutesAgo = new Date(Date.now() - 600_000).toISOString();
    writeFileSync(log, lines.replaceAll(/"timestamp":"[^"]*"/g, `"timestamp":"${tenMinutesAgo}"`));
    const late = await fleet.run(['status', '--check']);
    expect({ code: late.code, stdout: late.stdout }).toEqual({
      code: 3,
      stdout: expect.stringContaining('10 min ago'),
    });
    await fleet.run(['accounts', 'show', 'crm-acme']);
    await fleet.run(['accounts', 'refresh', 'crm-acme']);
    await fleet.system.function.invoke({ dryRun: true });
    const looked = await fleet.json(['status', '--check']);
    expect(looked, 'what people invoke is no run of the schedule').toMatchObject({
      code: 3,
      value: { late: true },
    });
    writeFileSync(log, '');
    expect((await fleet.run(['status'])).stdout).toContain('No run has ended in the last 24 hours.');
    appendFileSync(log, lines);
  });
});

/** Runs the program as a person does, with AWS's own settings in its environment. */
function runOnAws(args: readonly string[]): Promise<Ended> {
  const target = ['--table', LOCAL_TABLE_NAME, '--function', LOCAL_FUNCTION_NAME];
  const env = awsEnvironment(fleet.system.aws.url, fleet.system.aws.keys);
  return runProcess(process.execPath, ['cli/main.ts', ...target, ...args], { env });
}

test('--data is looked for where the person is, though npm has changed the directory', async () => {
  const env = { INIT_CWD: dirname(fleet.data) };
  const { code, stdout } = await cli(['--data', basename(fleet.data), 'status'], { env });
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('21 accounts in') });
});

describe('against AWS, by the names of its parts', () => {
  test('every command says the same as against the local system', async () => {
    const onAws = JSON.parse((await runOnAws(['status', '--json'])).stdout);
    const { value } = (await fleet.json(['status'])) as { value: Record<string, unknown> };
    expect({ ...onAws, at: value.at, target: value.target }).toEqual(value);
    expect(onAws.lastRuns.length).toBeGreaterThan(0);
    for (const args of [
      ['accounts', 'list', '--json'],
      ['accounts', 'show', 'crm-weyland', '--json'],
      ['token', 'mail-initech'],
    ]) {
      const { code, stdout } = await fleet.run(args);
      expect(await runOnAws(args)).toMatchObject({ code, stdout });
    }
    const { code, stdout } = await runOnAws(['accounts', 'refresh', 'mail-initech', '--force']);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/mail-initech +refreshed +forced/),
    });
    expect(stdout).toContain(`In the table ${LOCAL_TABLE_NAME} (us-east-1): 1 refreshed`);
    expect((await runOnAws(['accounts', 'enable', 'mail-initech'])).stdout).toBe(
      `✓ mail-initech: enabled in the table ${LOCAL_TABLE_NAME} (us-east-1)\n`,
    );
  });

  test('a function that is not there is named', async () => {
    const { code, stderr } = await runOnAws(['--function', 'nix', 'accounts', 'refresh', 'crm-acme']);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('The function "nix" could not be invoked: ResourceNotFoundException'),
    });
    expect((await runOnAws(['--function', 'nix', 'status'])).stdout).toContain(
      "The function's log can't be read",
    );
  });
});
