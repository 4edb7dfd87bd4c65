import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { historyQuery } from '../../cli/accounts/history.ts';
import { instantIn, quoted } from '../../cli/logs/query.ts';
import { PROFILE_QUERY, TROUBLE_QUERY } from '../../cli/report/changes.ts';
import { fleetCost } from '../../cli/report/cost.ts';
import { REQUESTS_QUERY } from '../../cli/report/requests.ts';
import { match } from '../../cli/report/secrets.ts';
import { limitsOf } from '../../cli/status/limits.ts';
import { costOf, USUAL_RUNNING } from '../../core/monthly-cost.ts';

const NOW = 1_800_000_000;
const HOUR = 3_600;

const account = (accountId: string, more: object = {}) => ({
  accountId,
  authenticationType: 'oauth2',
  oauthProfile: 'crm',
  status: 'healthy',
  lastRefreshedAt: NOW - 600,
  accessTokenExpiresAt: NOW - 600 + HOUR,
  ...more,
});

describe('what a fleet costs', () => {
  const running = { ...USUAL_RUNNING, metrics: 16 };
  const cost = (...accounts: ReturnType<typeof account>[]) =>
    fleetCost(accounts, { running, refreshWindow: 300 });

  test('adds up: the profiles and what is shared make the total of the whole load', () => {
    const accounts = [
      ...Array.from({ length: 300 }, (_, n) => account(`a-${n}`)),
      ...Array.from({ length: 50 }, (_, n) =>
        account(`b-${n}`, { oauthProfile: 'mail', accessTokenExpiresAt: NOW + 86_400 }),
      ),
    ];
    const { profiles, shared, total } = cost(...accounts);
    expect(profiles.map(({ profile, accounts, secrets }) => [profile, accounts, secrets])).toEqual([
      ['crm', 300, 301],
      ['mail', 50, 51],
    ]);
    expect(profiles.reduce((sum, { dollars }) => sum + dollars, shared)).toBeCloseTo(total, 6);
    const refreshes = profiles.reduce((sum, one) => sum + one.refreshes, 0);
    const tableBytes = accounts.reduce((sum, item) => sum + JSON.stringify(item).length, 0);
    expect(total).toBeCloseTo(
      costOf({ secrets: 352, refreshes, tableBytes }, { ...running, profiles: 2 }).total,
      2,
    );
  });

  test.each([
    { name: 'healthy, an hour', more: {}, refreshes: 778, secrets: 2 },
    { name: 'disabled', more: { enabled: false }, refreshes: 0, secrets: 2 },
    { name: 'paused', more: { paused: 'profile' }, refreshes: 0, secrets: 2 },
    { name: 'needs a person', more: { status: 'reauthorization_required' }, refreshes: 0, secrets: 2 },
    { name: 'endless', more: { doesNotExpire: true }, refreshes: 0, secrets: 2 },
    { name: 'in the table', more: { tokenStore: 'table' }, refreshes: 778, secrets: 1 },
    { name: 'milliseconds', more: { accessTokenExpiresAt: NOW * 1000 }, refreshes: 778, secrets: 2 },
    {
      name: 'five minutes, as often as versions allow',
      more: { accessTokenExpiresAt: NOW - 300 },
      refreshes: 2_880,
      secrets: 2,
    },
  ])('an account: $name', ({ more, refreshes, secrets }) => {
    expect(cost(account('one', more)).profiles).toMatchObject([{ accounts: 1, refreshes, secrets }]);
  });

  test('what the function does not look at is scanned, and costs nothing else', () => {
    const basic = account('basic', { authenticationType: 'basic' });
    expect(cost(basic)).toMatchObject({ profiles: [], assumed: 0 });
    expect(cost().total).toBeGreaterThan(10);
  });

  test('says of how many it does not know how long their tokens live', () => {
    expect(cost(account('a'), account('b', { lastRefreshedAt: undefined })).assumed).toBe(1);
  });
});

describe('secrets and accounts', () => {
  const secret = (id: string, more: object = {}) => ({
    name: `oauth/accounts/${id}`,
    arn: `arn:aws:secretsmanager:eu-central-1:123456789012:secret:oauth/accounts/${id}-AbCdEf`,
    createdAt: NOW - HOUR,
    changedAt: NOW - HOUR,
    deletedAt: undefined,
    ...more,
  });
  const found = (accounts: Parameters<typeof match>[0], secrets: ReturnType<typeof secret>[]) => {
    const { withoutAccount, withoutSecret, elsewhere } = match(accounts, secrets, {
      prefix: 'oauth/accounts/',
      at: NOW,
    });
    return {
      secrets: withoutAccount.map(({ name }) => name.slice(15)),
      accounts: withoutSecret.map(({ accountId }) => accountId),
      elsewhere,
    };
  };

  test.each([
    { name: 'its usual secret', item: account('a'), secrets: [], accounts: [] },
    {
      name: 'by its whole ARN',
      item: account('x', { tokenSecretId: secret('a').arn }),
      secrets: [],
      accounts: [],
    },
    {
      name: 'by its ARN without the end',
      item: account('x', { tokenSecretId: secret('a').arn.slice(0, -7) }),
      secrets: [],
      accounts: [],
    },
    {
      name: 'by its name',
      item: account('x', { tokenSecretId: 'oauth/accounts/a' }),
      secrets: [],
      accounts: [],
    },
    { name: 'another one', item: account('b'), secrets: ['a'], accounts: ['b'] },
    { name: 'one whose name only begins so', item: account('a-2'), secrets: ['a'], accounts: ['a-2'] },
    { name: 'disabled', item: account('a', { enabled: false }), secrets: [], accounts: [] },
    {
      name: 'disabled, and none there',
      item: account('b', { enabled: false }),
      secrets: ['a'],
      accounts: ['b'],
    },
    {
      name: 'not OAuth, with its usual name',
      item: account('a', { authenticationType: 'basic' }),
      secrets: [],
      accounts: [],
    },
    {
      name: 'not OAuth, and none there',
      item: account('b', { authenticationType: 'basic' }),
      secrets: ['a'],
      accounts: [],
    },
    { name: 'moved to the table', item: account('a', { tokenStore: 'table' }), secrets: [], accounts: [] },
  ])('$name', ({ item, secrets, accounts }) => {
    expect(found([item], [secret('a')])).toEqual({ secrets, accounts, elsewhere: 0 });
  });

  test('one that was just made, or waits for its deletion, is not one without an account', () => {
    expect(
      found([], [secret('new', { createdAt: NOW - 60 }), secret('old', { deletedAt: NOW - 60 })]).secrets,
    ).toEqual([]);
  });

  test('an account whose secret is outside of the prefix is counted', () => {
    expect(found([account('a', { tokenSecretId: 'shared/a' })], [])).toEqual({
      secrets: [],
      accounts: [],
      elsewhere: 1,
    });
  });

  test('nothing at all', () => {
    expect(found([], [])).toEqual({ secrets: [], accounts: [], elsewhere: 0 });
  });
});

describe('the queries', () => {
  const documented = [...readFileSync('docs/logs.md', 'utf8').matchAll(/^- `(\w+)`/gm)].map(
    ([, name]) => name,
  );

  test.each([
    { name: 'history', query: historyQuery('acme', 10) },
    { name: 'requests', query: REQUESTS_QUERY },
    { name: 'trouble', query: TROUBLE_QUERY },
    { name: 'profiles', query: PROFILE_QUERY },
  ])('name no field but those that the log is documented to have: $name', ({ query }) => {
    const own = [...query.matchAll(/ as (\w+)/g)].map(([, alias]) => alias);
    const words = query.replaceAll(/"[^"]*"/g, '').match(/@?[A-Za-z]\w*/g) ?? [];
    const language = /^(?:filter|fields|stats|sort|limit|and|by|as|desc|ispresent|count|sum|max|bin|m)$/;
    const fields = words.filter(
      (word) => !word.startsWith('@') && !language.test(word) && !own.includes(word),
    );
    expect(fields.length).toBeGreaterThan(0);
    expect(fields.filter((field) => !documented.includes(field))).toEqual([]);
  });
});

describe('texts of a query', () => {
  test.each([
    { text: 'acme', query: '"acme"' },
    { text: 'a "b" \\c', query: '"a \\"b\\" \\\\c"' },
  ])('$text is quoted', ({ text, query }) => expect(quoted(text)).toBe(query));

  test('one that could end the query is refused', () => {
    expect(() => quoted('a\nb')).toThrow('control characters');
  });

  test.each([
    { text: '2026-11-29 19:12:05.123', instant: Date.UTC(2026, 10, 29, 19, 12, 5) / 1000 },
    { text: '1764443525123', instant: 1_764_443_525 },
    { text: '1.764443525123E12', instant: 1_764_443_525 },
    { text: 'soon', instant: undefined },
    { text: undefined, instant: undefined },
  ])('the time $text is read', ({ text, instant }) => expect(instantIn(text)).toBe(instant));
});

test('the account whose secret is replaced most often is named, and how many are near the limit', () => {
  const lastRuns = { kind: 'unreadable', problem: 'x' } as const;
  const brief = (accountId: string, lifetime: number) =>
    account(accountId, { oauthProfile: 'brief', accessTokenExpiresAt: NOW - 600 + lifetime });
  const accounts = [account('a'), brief('b', 900), brief('c', 700), brief('d', 800)];
  expect(limitsOf(accounts, lastRuns, 60).versions).toMatchObject({
    accountId: 'c',
    oauthProfile: 'brief',
    tokenLifetime: 700,
    alike: 3,
  });
});

test('without any account no limit is used', () => {
  const lastRuns = { kind: 'unreadable', problem: 'x' } as const;
  expect(limitsOf([], lastRuns, 60)).toEqual({
    time: undefined,
    writes: { used: 0, limit: 48 },
    versions: { used: 0, limit: 96, alike: 0 },
  });
});
