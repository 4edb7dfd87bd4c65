import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TO_DO } from '../../cli/report/due.ts';
import { REASONS, type Reason } from '../../core/reason.ts';
import { widthOf } from '../../terminal/display-text.ts';
import { seconds } from '../support/fleet.ts';
import { type ReportFleet, startReportFleet } from '../support/report-fleet.ts';

const MINUTE = 60;
const HOUR = 3_600;
const DAY = 24 * HOUR;

let fleet: ReportFleet;
const now = seconds();
beforeAll(async () => {
  fleet = await startReportFleet();
});
afterAll(() => fleet.close());

const failure = (reason: string, since: number, more: object = {}) => ({
  failure: { reason, message: `It is ${reason}.`, count: 3, since, at: now, ...more },
});
const person = (since: number, reason = 'grant_revoked') => ({
  status: 'reauthorization_required',
  ...failure(reason, since),
});
/** A token of an hour with so many seconds left. */
const token = (left: number) => ({ accessTokenExpiresAt: now + left, lastRefreshedAt: now + left - HOUR });
const failingProfile = (profile: string, reason: string, since: number) => ({
  accountId: `#profile:${profile}`,
  failure: { reason, message: 'The client is refused.', count: 2, since, at: now, accounts: 4 },
});

/** What a line of progress has left. */
const withoutProgress = (text: string) => text.split('\u001b[2K').at(-1) ?? '';

const questions: readonly (readonly string[])[] = [
  ['status'],
  ['report', 'upcoming'],
  ['report', 'grants'],
  ['report', 'broken'],
  ['report', 'profiles'],
  ['report', 'due'],
  ['report', 'sign-ins'],
  ['report', 'changes'],
  ['report', 'requests'],
  ['report', 'uses', 'crm'],
  ['report', 'secrets'],
  ['report', 'cost'],
  ['invoke', '--dry-run', '--local'],
];

describe.each([
  { name: 'an empty fleet', items: [] },
  {
    name: 'a fleet of odd items',
    items: [
      { accountId: 'no-profile' },
      { accountId: 'numbers', oauthProfile: 7, accessTokenExpiresAt: 'soon', refreshTokenExpiresAt: {} },
      {
        accountId: 'odd "id" \u001b[31m/=cmd',
        oauthProfile: 'a b',
        name: '日本',
        ...person(Number.MAX_SAFE_INTEGER),
      },
      { accountId: 'text', oauthProfile: 'crm', status: 'failing', failure: 'none', lease: 'x', escrow: 'y' },
      { accountId: 'far', oauthProfile: 'crm', accessTokenExpiresAt: now * 1000, lastRefreshedAt: now },
      { accountId: 'basic', oauthProfile: 'crm', authenticationType: 'basic', ...person(1) },
      { accountId: '#pause:crm', at: 'yesterday' },
      { accountId: '#profile:crm', failure: 3, atRisk: 'yes' },
    ],
  },
])('of $name', ({ items }) => {
  beforeAll(() => fleet.hold(items));

  test.each(
    questions.map((args) => ({ name: args.join(' '), args })),
  )('$name is answered, at 80 and at 40 columns', async ({ args }) => {
    const target = args.includes('--local') ? args.filter((word) => word !== '--local') : args;
    for (const columns of [80, 40]) {
      const { code, stdout, stderr } = await fleet.run(target, { columns, env: { NO_COLOR: '1' } });
      expect({
        code,
        stderr: withoutProgress(stderr).replace(/^Acting on[\s\S]*/, ''),
      }).toEqual({
        code: 0,
        stderr: '',
      });
      expect(stdout).not.toMatch(/NaN|undefined|Infinity|Invalid Date|\p{Cc}(?<!\n)/u);
      for (const line of stdout.split('\n')) expect(widthOf(line), line).toBeLessThanOrEqual(columns);
    }
    const { code, value } = await fleet.json(target);
    expect(code).toBe(0);
    expect(value).not.toBeNull();
  });
});

describe('what will break', () => {
  const found = async (...args: string[]) => {
    const { value, text } = await fleet.ask('report', 'upcoming', ...args);
    const { upcoming, ...rest } = value as {
      upcoming: { accountId: string; why: string; ends: string; turn?: string }[];
      brokenAlready: number;
      profilesAtRisk: unknown[];
    };
    return {
      ids: upcoming.map(({ accountId, ends, why }) => `${accountId}: ${ends}, ${why}`),
      upcoming,
      text,
      ...rest,
    };
  };
  const sliding = (ago: number) => ({
    oauthProfile: 'sliding',
    ...token(HOUR - ago),
    refreshTokenExpiresAt: now - ago + 12 * HOUR,
  });

  beforeAll(() =>
    fleet.hold([
      failingProfile('refused', 'client_rejected', now - HOUR),
      {
        accountId: '#profile:old-secret',
        atRisk: { since: now - HOUR },
      },
      { accountId: '#pause:paused', at: now - HOUR },
      { accountId: 'will-be-refreshed', oauthProfile: 'sound', ...token(20 * MINUTE) },
      {
        accountId: 'grant-ends',
        oauthProfile: 'sound',
        ...token(MINUTE),
        refreshTokenExpiresAt: now + 10 * HOUR,
      },
      { accountId: 'sliding-1', ...sliding(10 * MINUTE) },
      { accountId: 'sliding-2', ...sliding(40 * MINUTE) },
      { accountId: 'sliding-but-off', ...sliding(3 * HOUR), enabled: false },
      { accountId: 'switched-off', oauthProfile: 'sound', ...token(HOUR), enabled: false },
      { accountId: 'paused', oauthProfile: 'paused', ...token(2 * HOUR) },
      { accountId: 'person-token-lives', oauthProfile: 'sound', ...token(3 * HOUR), ...person(now - DAY) },
      { accountId: 'person-token-dead', oauthProfile: 'sound', ...token(-1), ...person(now - DAY) },
      { accountId: 'not-due-yet', oauthProfile: 'refused', ...token(4 * HOUR) },
      { accountId: 'waits', oauthProfile: 'refused', ...token(MINUTE) },
      {
        accountId: 'newer',
        oauthProfile: 'sound',
        ...token(5 * HOUR),
        status: 'failing',
        ...failure('of_2030', now),
      },
      { accountId: 'later', oauthProfile: 'sound', ...token(25 * HOUR), enabled: false },
      { accountId: 'endless', oauthProfile: 'sound', doesNotExpire: true, enabled: false },
      {
        accountId: 'basic',
        authenticationType: 'basic',
        oauthProfile: 'sound',
        ...token(HOUR),
        ...person(now),
      },
      { accountId: 'at-risk', oauthProfile: 'old-secret', ...token(30 * MINUTE) },
    ]),
  );

  test('is what nobody refreshes by the end of its token, and whose grant ends; the first first', async () => {
    expect((await found()).ids).toEqual([
      'waits: access_token, client_rejected',
      'switched-off: access_token, disabled',
      'paused: access_token, paused',
      'person-token-lives: access_token, grant_revoked',
      'not-due-yet: access_token, client_rejected',
      'newer: access_token, of_2030',
      'sliding-but-off: grant, grant_ends',
      'grant-ends: grant, grant_ends',
    ]);
  });

  test('says whose turn it is, what is broken already, and which profile lives on its old version', async () => {
    const { upcoming, brokenAlready, profilesAtRisk, text } = await found();
    const turns = Object.fromEntries(upcoming.map(({ accountId, turn }) => [accountId, turn]));
    expect(turns).toMatchObject({
      waits: "the profile's owner",
      'not-due-yet': "the profile's owner",
      'person-token-lives': "the account's holder",
    });
    expect(turns.newer).toBeUndefined();
    expect(brokenAlready).toBe(1);
    expect(text.replaceAll(/\s+/g, ' ')).toContain(
      '2 grants end by then unless refreshing goes on renewing them',
    );
    expect(profilesAtRisk).toEqual([{ profile: 'old-secret', since: now - HOUR, accounts: 1 }]);
    expect(text.replaceAll(/\s+/g, ' ')).toContain('Run: profiles check old-secret');
  });

  test('looks as far as is asked', async () => {
    expect((await found('--within', '90m')).ids).toHaveLength(2);
    expect((await found('--within', '30h')).ids).toContain('later: access_token, disabled');
  });

  test('a pause of everything counts for all', async () => {
    await fleet.put({ accountId: '#pause', at: now });
    expect((await found()).ids).toContain('will-be-refreshed: access_token, paused');
    expect((await found()).ids).toContain('sliding-1: access_token, paused');
  });
});

describe('which grants end', () => {
  beforeAll(() =>
    fleet.hold([
      {
        accountId: 'in-20-days',
        oauthProfile: 'fixed',
        ...token(HOUR),
        refreshTokenExpiresAt: now + 20 * DAY,
        authorizedBy: 'https://id#1',
      },
      {
        accountId: 'in-2-days',
        oauthProfile: 'fixed',
        ...token(1_000),
        refreshTokenExpiresAt: now + 2 * DAY,
      },
      {
        accountId: 'in-40-days',
        oauthProfile: 'fixed',
        ...token(2_000),
        refreshTokenExpiresAt: now + 40 * DAY,
      },
      { accountId: 'over', oauthProfile: 'fixed', ...token(500), refreshTokenExpiresAt: now - 1 },
      {
        accountId: 'dead',
        oauthProfile: 'fixed',
        ...token(HOUR),
        refreshTokenExpiresAt: now + DAY,
        ...person(now - 1),
      },
      { accountId: 'moves-1', oauthProfile: 'moving', ...token(HOUR), refreshTokenExpiresAt: now + 14 * DAY },
      {
        accountId: 'moves-2',
        oauthProfile: 'moving',
        ...token(HOUR / 2),
        refreshTokenExpiresAt: now + 14 * DAY - HOUR / 2,
      },
      {
        accountId: 'moved-once',
        oauthProfile: 'moving',
        ...token(-5 * DAY),
        refreshTokenExpiresAt: now + 9 * DAY - HOUR,
        status: 'failing',
        ...failure('malformed_response', now - 5 * DAY),
      },
      {
        accountId: 'just-signed-in-1',
        oauthProfile: 'fresh',
        ...token(HOUR),
        authorizedAt: now,
        refreshTokenExpiresAt: now + 7 * DAY,
      },
      {
        accountId: 'just-signed-in-2',
        oauthProfile: 'fresh',
        ...token(HOUR / 2),
        authorizedAt: now - HOUR / 2,
        refreshTokenExpiresAt: now + 7 * DAY - HOUR / 2,
      },
    ]),
  );

  test('are those alive with a fixed end; what each refresh renews is counted', async () => {
    const { value, text } = await fleet.ask('report', 'grants');
    const { ending, renewed, over } = value as {
      ending: { accountId: string }[];
      renewed: number;
      over: number;
    };
    expect({ ids: ending.map(({ accountId }) => accountId), renewed, over }).toEqual({
      ids: ['in-2-days', 'just-signed-in-2', 'just-signed-in-1', 'moved-once', 'in-20-days'],
      renewed: 2,
      over: 1,
    });
    expect(text).toMatch(/in 20 d +.*in-20-days +fixed/);
  });

  test('what each refresh renews, as far as known, is listed too: that is a guess', async () => {
    const { value, text } = await fleet.ask('report', 'grants');
    const { renewing, unknown } = value as { renewing: { accountId: string }[]; unknown: number };
    expect(renewing.map(({ accountId }) => accountId)).toEqual(['moves-2', 'moves-1']);
    expect(unknown).toBe(0);
    expect(text.replaceAll(/\s+/g, ' ')).toContain('2 grants more end, unless each refresh renews them');
    expect(text).toMatch(/in 14 d +.*moves-1 +moving +so far/);
    const { text: soon } = await fleet.ask('report', 'grants', '--within', '1h');
    expect(soon).toContain('No known end of a grant is within 60 min.');
  });

  test('also further ahead', async () => {
    const { value } = await fleet.ask('report', 'grants', '--within', '60d');
    expect((value as { ending: unknown[] }).ending).toHaveLength(6);
  });
});

describe('what broke', () => {
  beforeAll(() =>
    fleet.hold([
      failingProfile('refused', 'client_rejected', now - 10 * MINUTE),
      { accountId: 'long-ago', oauthProfile: 'crm', ...person(now - 3 * DAY) },
      { accountId: 'an-hour-ago', oauthProfile: 'crm', ...person(now - HOUR) },
      { accountId: 'newer', oauthProfile: 'crm', status: 'failing', ...failure('of_2030', now - 2 * HOUR) },
      { accountId: 'waits', oauthProfile: 'refused', ...token(-1) },
      { accountId: 'not-due', oauthProfile: 'refused', ...token(HOUR) },
      { accountId: 'off', oauthProfile: 'crm', ...person(now - HOUR), enabled: false },
      { accountId: 'no-time', oauthProfile: 'crm', status: 'failing', failure: { reason: 'rate_limited' } },
      { accountId: 'healthy', oauthProfile: 'crm', ...token(HOUR) },
    ]),
  );

  test('is what began since then, by reason; not what only still goes on', async () => {
    const { value, text } = await fleet.ask('report', 'broken');
    const { broken, before, byReason } = value as {
      broken: { accountId: string; waitsForProfile: boolean }[];
      before: number;
      byReason: unknown[];
    };
    expect(broken.map(({ accountId }) => accountId)).toEqual(['waits', 'an-hour-ago', 'newer']);
    expect(broken.filter(({ waitsForProfile }) => waitsForProfile)).toHaveLength(1);
    expect(before).toBe(2);
    expect(byReason).toEqual([
      { reason: 'client_rejected', accounts: 1, meaning: expect.any(String), turn: "the profile's owner" },
      { reason: 'grant_revoked', accounts: 1, meaning: expect.any(String), turn: "the account's holder" },
      { reason: 'of_2030', accounts: 1 },
    ]);
    expect(text).toContain('this version does not know it');
    const flat = (said: string) => said.replaceAll(/\s+/g, ' ');
    expect(flat(text)).toMatch(
      /3 accounts broke since .* still are: 2 by themselves, and 1 that only waits for a profile that fails\./,
    );
    const { text: changes, value: changed } = await fleet.ask('report', 'changes');
    expect(changed).toMatchObject({ waiting: 1 });
    expect(flat(changes)).toContain('2 broke, 1 more waits for a profile that fails, 0 recovered');
  });

  test.each([
    { name: 'a duration', since: '4d', count: 4 },
    { name: 'a time', since: new Date((now - 90 * MINUTE) * 1000).toISOString(), count: 2 },
  ])('since $name', async ({ since, count }) => {
    const { value } = await fleet.ask('report', 'broken', '--since', since);
    expect((value as { broken: unknown[] }).broken).toHaveLength(count);
  });

  test.each(['yesterday', '2099-01-01', '17', '-1d'])('"%s" is no time', async (since) => {
    const { code, stdout } = await fleet.run(['report', 'broken', '--json', `--since=${since}`]);
    expect({ code, said: JSON.parse(stdout) }).toMatchObject({ code: 2, said: { error: { code: 'USAGE' } } });
  });
});

test('the worst profiles are those that fail themselves, then those of which most suffer; who is off does not count', async () => {
  await fleet.hold([
    failingProfile('refused', 'client_rejected', now - HOUR),
    failingProfile('unused', 'provider_unavailable', now - HOUR),
    { accountId: 'r-1', oauthProfile: 'refused', ...token(-1) },
    { accountId: 'r-2', oauthProfile: 'refused', ...token(HOUR) },
    ...[1, 2, 3].map((n) => ({ accountId: `b-${n}`, oauthProfile: 'bad', ...person(now) })),
    ...[4, 5, 6].map((n) => ({ accountId: `b-${n}`, oauthProfile: 'bad', ...token(HOUR) })),
    { accountId: 'b-off', oauthProfile: 'bad', ...person(now), enabled: false },
    ...[1, 2, 3].map((n) => ({
      accountId: `s-${n}`,
      oauthProfile: 'small',
      status: 'failing',
      ...failure('of_2030', now),
    })),
    ...[1, 2].map((n) => ({ accountId: `o-${n}`, oauthProfile: 'off', ...person(now), enabled: false })),
    { accountId: 'w-1', oauthProfile: 'well', ...token(HOUR) },
  ]);
  const { value, text } = await fleet.ask('report', 'profiles');
  expect(value).toMatchObject({
    allProfiles: 5,
    profiles: [
      {
        profile: 'refused',
        accounts: 2,
        inTrouble: 1,
        failing: 1,
        reason: 'client_rejected',
        turn: "the profile's owner",
        profileFailure: { since: now - HOUR, accounts: 4 },
      },
      { profile: 'unused', accounts: 0, inTrouble: 0, share: 0, reason: 'provider_unavailable' },
      { profile: 'small', accounts: 3, inTrouble: 3, share: 1, needPerson: 0, failing: 3, reason: 'of_2030' },
      {
        profile: 'bad',
        accounts: 6,
        inTrouble: 3,
        share: 0.5,
        needPerson: 3,
        failing: 0,
        reason: 'grant_revoked',
      },
    ],
  });
  expect((value as { profiles: unknown[] }).profiles).toHaveLength(4);
  expect(text).toMatch(/^bad +3 +6 +— +grant_revoked +account's holder$/m);
});

test.each([
  80, 40,
])('whose turn it is stays at %i columns, and which profiles fail as a whole', async (columns) => {
  const profile = 'salesforce-of-the-emea-region-in-production';
  await fleet.hold([
    failingProfile(profile, 'provider_wide_refusal', now - HOUR),
    ...[...Array(3)].map((_, n) => ({
      accountId: `tenant-000000${n}-of-a-customer-in-production-eu-central-1`,
      oauthProfile: profile,
      ...token(n * HOUR - 1),
    })),
    { accountId: 'sign-in', oauthProfile: 'crm-of-another-customer', ...token(HOUR), ...person(now - HOUR) },
  ]);
  const asked = async (question: string) => {
    const { stdout } = await fleet.run(['report', question], { columns, env: { NO_COLOR: '1' } });
    return stdout.replaceAll(/\s+/g, ' ');
  };
  const profiles = await asked('profiles');
  expect(profiles).toMatch(/PROFILE FAILS .*for 60 min/);
  for (const question of ['profiles', 'broken', 'due', 'upcoming']) {
    const text = await asked(question);
    expect(text, question).toContain('provider_wide_refusal');
    expect(text, question).toMatch(/WHOSE TURN .*(?<!this )provider\b/);
  }
  for (const question of ['profiles', 'broken', 'upcoming'])
    expect(await asked(question), question).toContain("account's holder");
});

test.each(
  Object.keys(REASONS).filter((reason) => REASONS[reason as Reason].severity !== 'calm'),
)('what to do about %s is said in the room there is', (reason) => {
  expect(TO_DO[reason]).toMatch(/^.{4,30}$/);
});

test('what is due and not refreshed says why not, whose turn it is, and until when', async () => {
  const backOff = { nextAttemptAt: now + 300 };
  await fleet.hold([
    failingProfile('refused', 'client_rejected', now - HOUR),
    { accountId: '#pause:paused', at: now },
    { accountId: 'off', oauthProfile: 'crm', ...token(-1), enabled: false },
    { accountId: 'paused', oauthProfile: 'paused', ...token(-2) },
    { accountId: 'in-a-run', oauthProfile: 'crm', ...token(-3), lease: { owner: 'a', expiresAt: now + 200 } },
    { accountId: 'lease-over', oauthProfile: 'crm', ...token(-4), lease: { owner: 'a', expiresAt: now - 1 } },
    {
      accountId: 'backs-off',
      oauthProfile: 'crm',
      ...token(-5),
      status: 'failing',
      ...failure('rate_limited', now),
      ...backOff,
    },
    { accountId: 'person', oauthProfile: 'crm', ...token(-6), ...person(now - DAY) },
    { accountId: 'waits', oauthProfile: 'refused', ...token(-7) },
    { accountId: 'mistaken', oauthProfile: 'crm', ...token(-8), parameters: 'none' },
    { accountId: 'forgotten', oauthProfile: 'crm', ...token(-2 * DAY) },
    { accountId: 'never', oauthProfile: 'crm', status: undefined },
    {
      accountId: 'short-lived',
      oauthProfile: 'crm',
      accessTokenExpiresAt: now + 290,
      lastRefreshedAt: now - 710,
    },
    { accountId: 'fresh', oauthProfile: 'crm', ...token(HOUR) },
    { accountId: 'within-the-usual-window', oauthProfile: 'crm', ...token(200) },
    { accountId: 'waits-later', oauthProfile: 'refused', ...token(200) },
    { accountId: 'endless', oauthProfile: 'crm', doesNotExpire: true },
    { accountId: 'basic', authenticationType: 'basic', oauthProfile: 'crm', ...token(-9) },
  ]);
  const { value, text } = await fleet.ask('report', 'due');
  const { due, byReason } = value as {
    due: { accountId: string; why: string; turn?: string; until?: number }[];
    byReason: { accounts: number }[];
  };
  expect(value, "the function's own").toMatchObject({ refreshWindow: 75 });
  const why = Object.fromEntries(due.map((one) => [one.accountId, one.why]));
  expect(why).toEqual({
    off: 'disabled',
    paused: 'paused',
    'in-a-run': 'leased_elsewhere',
    'lease-over': 'next_run',
    'backs-off': 'rate_limited',
    person: 'grant_revoked',
    waits: 'client_rejected',
    mistaken: 'account_invalid',
    forgotten: 'no_run',
    never: 'next_run',
  });
  expect(due.slice(0, 2).map(({ accountId }) => accountId)).toEqual(['never', 'forgotten']);
  expect(due.find(({ accountId }) => accountId === 'backs-off')?.until).toBe(now + 300);
  expect(due.find(({ accountId }) => accountId === 'in-a-run')?.until).toBe(now + 200);
  expect(due.find(({ accountId }) => accountId === 'waits')?.turn).toBe("the profile's owner");
  expect(due.find(({ accountId }) => accountId === 'mistaken')?.turn).toBe('who runs this');
  expect(byReason.reduce((sum, { accounts }) => sum + accounts, 0)).toBe(due.length);
  expect(text).toContain('people have paused it: resume');
});

describe('who needs to sign in', () => {
  beforeAll(() =>
    fleet.hold([
      {
        accountId: 'newer',
        name: 'Newer',
        oauthProfile: 'crm',
        ...person(now - HOUR),
        authorizedBy: 'https://id.example#7',
      },
      {
        accountId: "it's",
        name: '=HYPERLINK("http://evil")',
        oauthProfile: 'crm',
        ...person(now - DAY, 'refresh_token_expired'),
      },
      { accountId: '@older', oauthProfile: 'mail', ...person(now - 2 * DAY) },
      { accountId: 'off', oauthProfile: 'crm', ...person(now), enabled: false },
      { accountId: 'not-believed', oauthProfile: 'crm', status: 'failing', ...failure('grant_revoked', now) },
      { accountId: 'no-time', oauthProfile: 'mail', status: 'reauthorization_required' },
      { accountId: '#pause:mail', at: now },
    ]),
  );

  test('is listed, whoever has waited longest first', async () => {
    const { value, text } = await fleet.ask('report', 'sign-ins');
    expect(text).toContain('Run: authorize --needs-person');
    expect(value).toMatchObject({
      disabled: 1,
      signIns: [
        { accountId: 'no-time', reason: 'unknown' },
        { accountId: '@older', since: now - 2 * DAY, reason: 'grant_revoked', name: '@older' },
        { accountId: "it's", since: now - DAY, command: `authorize 'it'\\''s'` },
        { accountId: 'newer', authorizedBy: 'https://id.example#7', command: 'authorize newer' },
      ],
    });
    expect(text).toContain('The holders of 4 accounts need to sign in.');
  });

  test('as CSV no cell is a formula, and each is as it was without its apostrophe', async () => {
    const { stdout } = await fleet.run(['report', 'sign-ins', '--csv']);
    const rows = parse(stdout, { columns: true }) as Record<string, string>[];
    expect(rows.map(({ accountId, name, since }) => [accountId, name, since])).toEqual([
      ['no-time', 'no-time', ''],
      ["'@older", "'@older", new Date((now - 2 * DAY) * 1000).toISOString()],
      ["it's", `'=HYPERLINK("http://evil")`, new Date((now - DAY) * 1000).toISOString()],
      ['newer', 'Newer', new Date((now - HOUR) * 1000).toISOString()],
    ]);
  });

  test('of one profile; one that nobody knows is an error', async () => {
    const { value } = await fleet.ask('report', 'sign-ins', '--profile', 'mail');
    expect((value as { signIns: unknown[] }).signIns).toHaveLength(2);
    expect(await fleet.json(['report', 'sign-ins', '--profile', 'nix'])).toMatchObject({
      code: 1,
      value: { error: { code: 'NO_PROFILE' } },
    });
  });
});

describe('what a rotation touches', () => {
  beforeAll(async () => {
    const profile = (client_id: string, host: string) =>
      JSON.stringify({ client_id, client_secret: 's', token_endpoint: `https://${host}/token` });
    const put = fleet.system.clients.putSecret;
    await put('oauth/profiles/eu', profile('shared', 'id.example'));
    await put('oauth/profiles/us', profile('shared', 'id.example'));
    await put('oauth/profiles/else', profile('shared', 'other.example'));
    await put('oauth/profiles/own', profile('own', 'id.example'));
    await fleet.hold([
      { accountId: 'eu-1', oauthProfile: 'eu', ...token(HOUR) },
      { accountId: 'eu-off', oauthProfile: 'eu', ...token(HOUR), enabled: false },
      { accountId: 'us-1', oauthProfile: 'us', ...person(now) },
      { accountId: 'else-1', oauthProfile: 'else', ...token(HOUR) },
      { accountId: 'own-1', oauthProfile: 'own', ...token(HOUR) },
      { accountId: 'lost-1', oauthProfile: 'without-secret', ...token(HOUR) },
    ]);
  });

  test('is each profile with this client at this provider, and all of their accounts', async () => {
    const { value, text } = await fleet.ask('report', 'uses', 'eu');
    const { clientId, profiles, accounts, unread } = value as {
      clientId: string;
      profiles: unknown[];
      accounts: { accountId: string; status: string }[];
      unread: { profile: string }[];
    };
    expect({ clientId, profiles }).toEqual({
      clientId: 'shared',
      profiles: [
        { profile: 'eu', provider: 'id.example', accounts: 2 },
        { profile: 'us', provider: 'id.example', accounts: 1 },
      ],
    });
    expect(accounts.map(({ accountId, status }) => `${accountId} ${status}`)).toEqual([
      'eu-1 healthy',
      'eu-off disabled',
      'us-1 reauthorization_required',
    ]);
    expect(unread.map(({ profile }) => profile)).toEqual(['crm-misspelt']);
    expect(text).toContain('They share one client');
  });

  test('by the client it is every provider that knows it', async () => {
    const { value } = await fleet.ask('report', 'uses', '--client-id', 'shared');
    expect((value as { profiles: { profile: string }[] }).profiles.map(({ profile }) => profile)).toEqual([
      'else',
      'eu',
      'us',
    ]);
  });

  test.each([
    { name: 'neither', args: [], code: 2, error: 'USAGE' },
    { name: 'both', args: ['eu', '--client-id', 'shared'], code: 2, error: 'USAGE' },
    { name: 'an unknown profile', args: ['nix'], code: 1, error: 'NO_PROFILE' },
    { name: 'an unknown client', args: ['--client-id', 'nix'], code: 1, error: 'NO_CLIENT' },
  ])('$name is an error', async ({ args, code, error }) => {
    expect(await fleet.json(['report', 'uses', ...args])).toMatchObject({
      code,
      value: { error: { code: error } },
    });
  });

  test('an account whose profile has no secret is found by the profile', async () => {
    const { value } = await fleet.ask('report', 'uses', 'without-secret');
    expect(value).toMatchObject({
      accounts: [{ accountId: 'lost-1' }],
      profiles: [{ profile: 'without-secret', accounts: 1 }],
    });
  });
});

describe('secrets and accounts', () => {
  test('an account without a secret is found, and one whose secret waits for deletion', async () => {
    await fleet.hold([
      { accountId: 'gone', oauthProfile: 'crm' },
      { accountId: 'deleted', oauthProfile: 'crm' },
      { accountId: 'there', oauthProfile: 'crm' },
      { accountId: 'named', oauthProfile: 'crm', tokenSecretId: 'oauth/accounts/there-too' },
      { accountId: 'elsewhere', oauthProfile: 'crm', tokenSecretId: 'shared/secret' },
      { accountId: 'in-the-table', oauthProfile: 'crm', tokenStore: 'table' },
      { accountId: 'basic', oauthProfile: 'crm', authenticationType: 'basic' },
    ]);
    const { clients } = fleet.system;
    for (const name of ['deleted', 'there', 'there-too'])
      await clients.putSecret(`oauth/accounts/${name}`, '{}');
    const { DeleteSecretCommand } = await import('@aws-sdk/client-secrets-manager');
    await clients.secrets.send(new DeleteSecretCommand({ SecretId: 'oauth/accounts/deleted' }));
    const { value } = await fleet.ask('report', 'secrets');
    expect(value).toMatchObject({
      complete: true,
      elsewhere: 1,
      withoutSecret: [
        { accountId: 'deleted', waitsForDeletion: true },
        { accountId: 'gone', secretId: 'oauth/accounts/gone', waitsForDeletion: false },
      ],
      // They are too young: an account may be on its way.
      withoutAccount: [],
    });
  });
});

describe('what a run would do now', () => {
  test('is a summary that adds up, then those it would touch', async () => {
    await fleet.hold([
      { accountId: 'due', oauthProfile: 'nix', ...token(-1) },
      { accountId: 'off', oauthProfile: 'nix', ...token(-1), enabled: false },
      { accountId: 'person', oauthProfile: 'nix', ...token(-1), ...person(now) },
      { accountId: 'fresh', oauthProfile: 'crm', ...token(HOUR) },
    ]);
    const before = await fleet.item('due');
    const { value, text } = await fleet.ask('invoke', '--dry-run');
    const { summary, accounts } = value as {
      summary: { action: string; accounts: number }[];
      accounts: unknown[];
    };
    expect(summary.reduce((sum, one) => sum + one.accounts, 0)).toBe(accounts.length);
    expect(summary.at(-1)?.action).toBe('leave');
    expect(text).toMatch(/^person +reauthorize +grant_revoked/m);
    expect(text).not.toMatch(/^fresh /m);
    expect(await fleet.item('due')).toEqual(before);
  });

  test('an event that is no object can’t be a dry run', async () => {
    const { code } = await fleet.json(['invoke', '--dry-run', '[]']);
    expect(code).toBe(2);
  });
});

test('who authorized an account, and when, is in "accounts show", also that nobody knows', async () => {
  await fleet.hold([
    {
      accountId: 'known',
      oauthProfile: 'crm',
      ...token(HOUR),
      authorizedBy: 'https://id.example#7',
      authorizedAt: now - DAY,
    },
    { accountId: 'imported', oauthProfile: 'crm', ...token(HOUR) },
  ]);
  const known = await fleet.ask('accounts', 'show', 'known');
  expect(known.value).toMatchObject({ authorizedBy: 'https://id.example#7', authorizedAt: now - DAY });
  expect(known.text).toMatch(/authorized by +https:\/\/id\.example#7/);
  const imported = await fleet.ask('accounts', 'show', 'imported');
  expect(imported.text.replaceAll(/\s+/g, ' ')).toContain('authorized by nobody knows');
});
