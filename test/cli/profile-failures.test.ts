import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startFleet, type TestFleet } from '../support/fleet.ts';

let fleet: TestFleet;
/** Healthy accounts whose tokens have ended. */
let due: readonly string[];

/** Somebody writes a wrong client secret, just before all accounts of the profile are due. */
beforeAll(async () => {
  fleet = await startFleet();
  const secrets = await fleet.secrets();
  const profile = JSON.parse(secrets.get('oauth/profiles/crm') ?? '{}');
  for (let versions = 0; versions < 2; versions++)
    await fleet.system.clients.putSecret(
      'oauth/profiles/crm',
      JSON.stringify({ ...profile, client_secret: `wrong-${versions}` }),
    );
  due = Array.from({ length: 10 }, (_, n) => `crm-more-${n}`);
  for (const accountId of due) {
    await fleet.system.clients.putSecret(
      `oauth/accounts/${accountId}`,
      JSON.stringify({ refresh_token: `never-sent-${accountId}` }),
    );
    await fleet.put({
      accountId,
      authenticationType: 'oauth2',
      oauthProfile: 'crm',
      status: 'healthy',
      accessTokenExpiresAt: 1_000_000_000,
    });
  }
  await fleet.system.function.invoke({});
});
afterAll(() => fleet.close());

describe("a profile's wrong client secret", () => {
  test('has been tried with a few accounts alone', async () => {
    const items = (await fleet.system.clients.items()).filter(({ accountId }) => due.includes(accountId));
    const untouched = items.filter(({ status }) => status === 'healthy');
    expect(untouched.length).toBeGreaterThan(0);
  });

  test('is in status, with how many wait and whose turn it is', async () => {
    const { value } = await fleet.json(['status']);
    const { failingProfiles, byProfile } = value as {
      failingProfiles: unknown[];
      byProfile: { profile: string; failing: number }[];
    };
    const expected = { profile: 'crm', reason: 'client_rejected', accounts: due.length };
    expect(failingProfiles[0]).toMatchObject(expected);
    expect(byProfile[0]?.profile).toBe('crm');
    expect(byProfile[0]?.failing).toBeGreaterThanOrEqual(due.length);
    const { stdout } = await fleet.run(['status'], { columns: 80 });
    expect(stdout).toMatch(/crm .*client_rejected.* \d+ s .*the profile's owner/);
    expect(stdout.trimEnd().split('\n').length).toBeLessThanOrEqual(24);
  });

  test('is shown of each account that waits for it', async () => {
    const { value } = await fleet.json(['accounts', 'list', '--profile', 'crm', '--status', 'failing']);
    const shown = value as { accountId: string; reason: string; waitsForProfile?: boolean }[];
    const ours = shown.filter(({ accountId }) => due.includes(accountId));
    expect(ours.map(({ reason }) => reason)).toEqual(due.map(() => 'client_rejected'));
    const one = ours.find(({ waitsForProfile }) => waitsForProfile);
    const { stdout } = await fleet.run(['accounts', 'show', one?.accountId ?? '']);
    expect(stdout).toContain('It waits for its profile crm.');
    expect(stdout).toContain("It is the turn of the profile's owner.");
    expect(await fleet.json(['accounts', 'show', one?.accountId ?? ''])).toMatchObject({
      value: { status: 'failing', reason: 'client_rejected', turn: "the profile's owner" },
    });
  });

  test('is named by doctor', async () => {
    const { code, stdout } = await fleet.run(['doctor']);
    expect(code).toBe(3);
    expect(stdout).toMatch(/crm has been failing for/);
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain('Correct the client in the profile');
  });

  test('holds up nobody else', async () => {
    const { value } = await fleet.json(['accounts', 'list', '--profile', 'mail', '--status', 'failing']);
    expect(
      (value as { waitsForProfile?: boolean }[]).filter(({ waitsForProfile }) => waitsForProfile),
    ).toEqual([]);
  });
});
