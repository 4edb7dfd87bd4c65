import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seconds, startFleet, type TestFleet } from '../support/fleet.ts';

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await startFleet();
});
afterAll(() => fleet.close());

const statuses = async (profile: string) => {
  const { value } = await fleet.json(['accounts', 'list', '--profile', profile]);
  return new Set(
    (value as { status: string; paused?: string }[]).map(({ status, paused }) => `${status} ${paused}`),
  );
};

describe('pause', () => {
  test('of a profile leaves its accounts alone, which show it; resume ends it', async () => {
    const before = [...(await statuses('crm'))].map((text) => text.split(' ')[0]);
    const { value: whole } = await fleet.json(['status']);
    const { code, stdout, stderr } = await fleet.run(['pause', '--profile', 'crm']);
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('Acting on') });
    expect(stdout).toContain('The profile crm');
    expect(stdout).toContain('To go on:\n  oauth-token-refresher resume --profile crm --data ');
    expect(await statuses('crm')).toEqual(new Set(before.map((status) => `${status} profile`)));
    const { value: after } = await fleet.json(['status']);
    expect(after).toMatchObject({ byStatus: (whole as { byStatus: unknown }).byStatus, paused: ['crm'] });
    const listed = await fleet.run(['accounts', 'list', '--profile', 'crm'], { columns: 80 });
    for (const word of ['healthy, paused', 'failing, paused', 'person, paused'])
      expect(listed.stdout).toContain(word);
    expect([...(await statuses('mail'))].join()).not.toContain('profile');
    const { stdout: shown } = await fleet.run(['accounts', 'show', 'crm-acme']);
    expect(shown).toContain('Run: resume --profile crm');
    const tokens = await fleet.tokenSet('crm-acme');
    await fleet.run(['accounts', 'refresh', 'crm-acme', '--force']);
    expect(await fleet.tokenSet('crm-acme')).toEqual(tokens);
    expect((await fleet.run(['status'], { columns: 80 })).stdout).toContain('Paused: crm');
    expect((await fleet.json(['resume', '--profile', 'crm'])).value).toMatchObject({ wasPaused: true });
    expect([...(await statuses('crm'))].join()).not.toContain('profile');
  });

  test('of everything stands above that of a profile, and each is ended by itself', async () => {
    await fleet.run(['pause']);
    await fleet.run(['pause', '--profile', 'crm']);
    expect([...(await statuses('mail'))].filter((text) => !text.endsWith(' everything'))).toEqual([]);
    const { stdout: screen } = await fleet.run(['status'], { columns: 80 });
    expect(screen).toContain('Paused: everything, crm');
    expect(screen).not.toContain('No account is healthy');
    expect((await fleet.run(['status', '--check'])).code).toBe(3);
    const { code, stdout } = await fleet.run(['resume', '--profile', 'crm']);
    expect({ code, stdout }).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/still paused\. To go on:\n {2}oauth-token-refresher resume --data /),
    });
    expect(await fleet.json(['resume'])).toMatchObject({ code: 0, value: { stillPaused: [] } });
  });

  test('twice says since when, and changes nothing', async () => {
    const { value } = await fleet.json(['pause']);
    const again = await fleet.json(['pause']);
    const { at } = value as { at: number };
    expect(again.value).toMatchObject({ isNew: false, at });
    expect(await fleet.json(['resume'])).toMatchObject({ code: 0 });
    expect(await fleet.json(['resume'])).toMatchObject({ code: 0, value: { wasPaused: false } });
  });

  test('--wait ends when runs know and nothing is leased', async () => {
    await fleet.change('mail-initech', { lease: { owner: 'a run', expiresAt: seconds() + 14 } });
    const began = Date.now();
    const { value } = await fleet.json(['pause', '--profile', 'mail', '--wait']);
    expect(value).toMatchObject({ idle: true });
    expect(Date.now() - began).toBeGreaterThan(12_000);
    await fleet.change('mail-initech', { lease: undefined });
    await fleet.run(['resume', '--profile', 'mail']);
  });

  test.each(['pause', 'resume'])('%s of a profile that does not exist is refused', async (command) => {
    expect(await fleet.json([command, '--profile', 'nobody'])).toMatchObject({
      code: 1,
      value: { error: { code: 'NO_PROFILE' } },
    });
  });

  test.each([
    { title: 'a profile that is gone', profile: 'gone', shown: 'gone', word: 'gone' },
    { title: 'the empty name', profile: '', shown: "''", word: "''" },
    { title: 'a name of two words', profile: "it's two", shown: "it's two", word: "'it'\\''s two'" },
    { title: 'a name of two lines', profile: 'a\nb', shown: "$'a\\nb'", word: "$'a\\nb'" },
  ])('note of $title is shown with what ends it', async ({ profile, shown, word }) => {
    await fleet.put({ accountId: `#pause:${profile}`, at: seconds() });
    expect((await fleet.run(['status'], { columns: 80 })).stdout).toContain(`Paused: ${shown}`);
    const { stdout } = await fleet.run(['resume']);
    expect(stdout).toContain(`  oauth-token-refresher resume --profile ${word} --data `);
    expect((await fleet.json(['resume', '--profile', profile])).value).toMatchObject({ wasPaused: true });
  });

  test('note that does not say since when is no news', async () => {
    await fleet.put({ accountId: '#pause', at: 'yesterday' });
    expect((await fleet.run(['pause'])).stdout).toContain('is paused already, nobody knows since when.');
    expect((await fleet.json(['pause'])).value).toMatchObject({ at: null, isNew: false });
    await fleet.run(['resume']);
  });
});
