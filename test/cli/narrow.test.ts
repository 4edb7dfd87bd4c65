import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { widthOf } from '../../terminal/display-text.ts';
import { startFleet, type TestFleet } from '../support/fleet.ts';

const MANY = 60;
const PROFILES = 8;
const now = () => Math.floor(Date.now() / 1000);
const idOf = (n: number) => `tenant-${String(n).padStart(7, '0')}-of-a-customer-in-production-eu-central-1`;
const profileOf = (n: number) => `salesforce-of-the-${'abcdefgh'[n % PROFILES]}-region-in-production`;

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await startFleet();
  for (let n = 0; n < MANY; n++)
    await fleet.put({
      accountId: idOf(n),
      authenticationType: 'oauth2',
      oauthProfile: profileOf(n),
      status: 'failing',
      accessTokenExpiresAt: now() + 9_000 + n,
      lastRefreshedAt: now() - 60,
      failure: {
        reason: 'provider_wide_refusal',
        message: 'no',
        count: 3,
        since: now() - 600 - n,
        at: now(),
      },
    });
  for (let n = 0; n < PROFILES; n++)
    await fleet.put({
      accountId: `#profile:${profileOf(n)}`,
      failure: {
        reason: 'client_rejected',
        message: 'no',
        count: 9,
        since: now() - 9,
        at: now(),
        accounts: 12_345,
      },
    });
});
afterAll(() => fleet.close());

/** A screen of 40 by 24. A small one is where something is cut, if it is anywhere. */
async function narrow(args: readonly string[], env: Readonly<Record<string, string>> = { PAGER: '' }) {
  const { stdout } = await fleet.run(args, { columns: 40, env: { NO_COLOR: '1', ...env } });
  return stdout;
}

const joined = (text: string) => text.replaceAll(/\s+/g, '');

describe('at 40 columns', () => {
  test.each([
    ['status'],
    ['accounts', 'list'],
    ['accounts', 'list', '--all'],
    ['accounts', 'show', idOf(7)],
    ['accounts', 'refresh', '--all-failing', '--dry-run'],
    ['accounts', 'disable', idOf(0)],
    ['accounts', 'enable', idOf(0)],
    ['profiles', 'list'],
    ['profiles', 'list', '--all'],
    ['profiles', 'check', 'crm'],
    ['doctor'],
  ])('no line is longer, of %s %s %s', async (...args) => {
    const lines = (await narrow(args)).split('\n');
    expect(lines.length).toBeGreaterThan(1);
    expect(lines.filter((line) => widthOf(line) > 40)).toEqual([]);
  });

  test('accounts list shows ids, reasons and states whole, and says how many more there are', async () => {
    const text = await narrow(['accounts', 'list', '--profile', profileOf(0)]);
    const own = [...Array(MANY)].flatMap((_, n) => (n % PROFILES === 0 ? [idOf(n)] : []));
    const shown = own.filter((id) => joined(text).includes(id));
    expect(shown.length).toBeGreaterThan(1);
    expect(text.match(/STATUS failing/g)).toHaveLength(shown.length);
    expect(text.match(/REASON provider_wide_refusal/g)).toHaveLength(shown.length);
    expect(text).toContain(`… and ${own.length - shown.length} more (--all shows all)`);
    expect(text.split('\n').length).toBeLessThanOrEqual(24);
  });

  test('accounts list --all leaves none out', async () => {
    const text = joined(await narrow(['accounts', 'list', '--all']));
    expect([...Array(MANY)].filter((_, n) => !text.includes(idOf(n)))).toEqual([]);
  });

  test('status cuts no count, and shows no two profiles as the same text', async () => {
    const text = await narrow(['status']);
    expect(text.match(/WAITING 12345/g)?.length).toBe(2);
    expect(text).toMatch(/FAILING +8/);
    const profiles = [...Array(PROFILES)].filter((_, n) => joined(text).includes(joined(profileOf(n))));
    expect(profiles.length).toBeGreaterThan(1);
    expect(text).toMatch(/… and \d+ more profiles/);
  });
});

describe('at 80 columns', () => {
  const status = async (rows: number, ...args: string[]) => {
    const options = { columns: 80, rows, env: { NO_COLOR: '1', PAGER: '' } };
    const { stdout } = await fleet.run(['status', ...args], options);
    const lines = stdout.trimEnd().split('\n');
    return {
      lines: lines.length,
      failing: stdout.match(/^salesforce\S* +client_rejected/gm)?.length,
      profiles: stdout.match(/^salesforce\S* +[·\d]/gm)?.length,
      more: stdout.match(/… and \d+ more/g)?.length ?? 0,
    };
  };

  test.each([
    { name: 'a small screen has few', rows: 24, failing: 2, least: 2, more: 2 },
    { name: 'a high one has all that fit', rows: 80, failing: PROFILES, least: PROFILES, more: 0 },
  ])('status fills the screen: $name', async ({ rows, failing, least, more }) => {
    const shown = await status(rows);
    expect(shown.failing).toBeGreaterThanOrEqual(failing);
    expect(shown.profiles).toBeGreaterThanOrEqual(least);
    expect(shown.more).toBe(more);
    expect(shown.lines).toBeLessThanOrEqual(rows);
  });

  test('status --all shows every profile on any screen', async () => {
    expect(await status(24, '--all')).toMatchObject({ failing: PROFILES, profiles: PROFILES, more: 0 });
  });

  test('ids are shortened, and never to the same text', async () => {
    const { stdout } = await fleet.run(['accounts', 'list', '--all'], {
      columns: 80,
      env: { NO_COLOR: '1', PAGER: '' },
    });
    const ids = stdout.split('\n').flatMap((line) => (line.startsWith('tenant') ? [line.split(' ')[0]] : []));
    expect(ids).toHaveLength(MANY);
    expect(new Set(ids).size).toBe(MANY);
    expect(ids.every((id) => id?.includes('…'))).toBe(true);
  });
});

describe('all of a list goes through the pager', () => {
  test.each([
    { name: 'of PAGER', env: { PAGER: "sed -e 's/^/| /'" }, first: '| ' },
    { name: 'but not where there is none', env: { PAGER: '' }, first: '' },
    {
      name: 'but not where it is not found',
      env: { PAGER: 'no-such-pager-anywhere 2> /dev/null' },
      first: '',
    },
  ])('$name', async ({ env, first }) => {
    const lines = (await narrow(['accounts', 'list', '--all'], env)).trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(MANY);
    expect(lines.filter((line) => !line.startsWith(first))).toEqual([]);
    expect(lines.filter((line) => line.startsWith('| '))).toHaveLength(first === '' ? 0 : lines.length);
  });

  test.each([
    { name: 'a screenful', args: ['accounts', 'list'], columns: 80 },
    {
      name: 'all of a short list',
      args: ['accounts', 'list', '--all', '--profile', profileOf(0)],
      columns: 80,
    },
    { name: 'JSON', args: ['accounts', 'list', '--all', '--json'], columns: 80 },
    { name: 'a pipe', args: ['accounts', 'list', '--all'], columns: undefined },
  ])('but not $name', async ({ args, columns }) => {
    const options = columns === undefined ? {} : { columns };
    const { stdout } = await fleet.run(args, { ...options, env: { PAGER: 'echo PAGED; cat' } });
    expect(stdout.length).toBeGreaterThan(100);
    expect(stdout).not.toContain('PAGED');
  });

  test('is left before its end: that is no error', async () => {
    expect(
      (await fleet.run(['accounts', 'list', '--all'], { columns: 40, env: { PAGER: 'head -n 1' } })).code,
    ).toBe(0);
  });
});
