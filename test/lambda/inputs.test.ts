import { describe, expect, test } from 'vitest';
import { parseAccount } from '../../core/account/account.ts';
import { parseTokenSet } from '../../core/tokens/token-set.ts';
import { readEnvironment } from '../../lambda/environment.ts';
import { readEvent } from '../../lambda/event.ts';

describe('an item of the accounts table', () => {
  const good = { accountId: 'acme', authenticationType: 'oauth2', oauthProfile: 'crm' };
  const rows: readonly { name: string; wrong: Record<string, unknown>; says: string }[] = [
    {
      name: 'with enabled as text',
      wrong: { enabled: 'false' },
      says: 'enabled: must be true or false (BOOL)',
    },
    { name: 'with a number for a name', wrong: { name: 7 }, says: 'name: must be a string' },
    {
      name: 'with an expiry as text',
      wrong: { accessTokenExpiresAt: 'soon' },
      says: 'accessTokenExpiresAt: must be a number (seconds since the epoch)',
    },
    {
      name: 'with an expiry too large to be one',
      wrong: { accessTokenExpiresAt: Number.POSITIVE_INFINITY },
      says: 'accessTokenExpiresAt: must be a number',
    },
    { name: 'with an empty profile', wrong: { oauthProfile: '' }, says: 'oauthProfile: must not be empty' },
    {
      name: 'with a profile that is no name of a secret',
      wrong: { oauthProfile: 'a b' },
      says: 'oauthProfile: may hold letters',
    },
    {
      name: 'with an id that is no name of a secret',
      wrong: { accountId: 'a b' },
      says: 'accountId: may hold letters',
    },
    {
      name: 'with a parameter that leaves its place',
      wrong: { parameters: { subdomain: 'evil.com/' } },
      says: 'parameters.subdomain: may hold letters',
    },
    {
      name: 'with a parameter of dots',
      wrong: { parameters: { subdomain: '..' } },
      says: 'parameters.subdomain: may hold letters',
    },
    {
      name: 'with an unknown status',
      wrong: { status: 'fine' },
      says: 'status: must be healthy, failing or reauthorization_required',
    },
    { name: 'with a lease that is text', wrong: { lease: 'mine' }, says: 'lease: must be a map' },
    {
      name: 'with a failure whose reason is no text',
      wrong: { failure: { reason: 7, message: '', count: 1, since: 1, at: 1 } },
      says: 'failure.reason: must be a string',
    },
  ];
  test.each(rows)('$name is invalid, by name', ({ wrong, says }) => {
    const parsed = parseAccount({ ...good, ...wrong });
    expect(parsed.kind === 'invalid' ? parsed.problem : 'none').toContain(says);
  });

  test('may have any id where it names its secret', () => {
    expect(parseAccount({ ...good, accountId: 'a b', tokenSecretId: 'elsewhere' }).kind).toBe('account');
  });

  test('may carry what is not ours', () => {
    expect(parseAccount({ ...good, team: 'sales', owner: { mail: 'x' } }).kind).toBe('account');
  });
});

describe('a token secret', () => {
  const rows: readonly { name: string; text?: string; says: string }[] = [
    { name: 'that is binary', says: 'must hold text' },
    { name: 'that is not JSON', text: 'tokens!', says: 'must hold a JSON object' },
    { name: 'that is an array', text: '[]', says: 'must hold a JSON object' },
    {
      name: 'whose refresh token is a number',
      text: '{"refresh_token": 1}',
      says: 'refresh_token: must be a string',
    },
    {
      name: 'whose expiry is words, without a refresh token',
      text: '{"access_token": "a", "expires_at": "soon"}',
      says: 'expires_at: must be a time (seconds since the epoch)',
    },
  ];
  test.each(rows)('$name is invalid, by field', ({ text, says }) => {
    const parsed = parseTokenSet(text);
    expect(parsed.kind === 'invalid' ? parsed.problem : 'none').toContain(says);
  });

  test('with empty or null tokens has none', () => {
    const parsed = parseTokenSet('{"access_token": "", "refresh_token": null}');
    expect(parsed).toMatchObject({ tokenSet: { access_token: undefined, refresh_token: undefined } });
  });
});

describe('an event', () => {
  test.each([
    { name: 'nothing', event: undefined },
    { name: 'null', event: null },
    { name: '{}', event: {} },
    {
      name: 'a scheduled event',
      event: { version: '0', source: 'aws.events', 'detail-type': 'Scheduled Event', detail: {} },
    },
  ])('of $name asks for a run over all accounts', ({ event }) => {
    expect(readEvent(event)).toEqual({ force: false, dryRun: false });
  });

  test('may name accounts, each counted once', () => {
    expect(readEvent({ accountIds: ['a', 'b', 'a'], force: true })).toEqual({
      accountIds: ['a', 'b'],
      force: true,
      dryRun: false,
    });
  });

  test('may ask for a share of the table', () => {
    expect(readEvent({ segment: 1, totalSegments: 4 }).share).toEqual({ segment: 1, totalSegments: 4 });
  });

  const wrong: readonly { event: unknown; says: string }[] = [
    { event: 'run', says: 'it must be a JSON object' },
    { event: [], says: 'it must be a JSON object' },
    {
      event: { dryrun: true },
      says: 'dryrun: is not a known field; known are accountIds, force, dryRun, segment, totalSegments',
    },
    { event: { dryRun: 'yes' }, says: 'dryRun: must be true or false' },
    { event: { accountIds: 'acme' }, says: 'accountIds: must be an array of account ids' },
    { event: { accountIds: [] }, says: 'accountIds: must name at least one account' },
    { event: { accountIds: [1] }, says: 'accountIds.0: must be a string' },
    { event: { segment: 0 }, says: 'totalSegments: is missing beside segment' },
    { event: { totalSegments: 2 }, says: 'segment: is missing beside totalSegments' },
    { event: { segment: 2, totalSegments: 2 }, says: 'segment: must be less than totalSegments' },
    { event: { segment: -1, totalSegments: 2 }, says: 'segment: must be a whole number' },
    {
      event: { accountIds: ['a'], segment: 0, totalSegments: 2 },
      says: 'accountIds: must not stand beside segment',
    },
  ];
  test.each(wrong)('of $event is refused by name', ({ event, says }) => {
    expect(() => readEvent(event)).toThrow(says);
  });
});

describe('the environment', () => {
  test('needs the table and has defaults for the rest', () => {
    expect(readEnvironment({ ACCOUNTS_TABLE_NAME: 't', SECRET_NAME_PREFIX: '' })).toEqual({
      accountsTableName: 't',
      formerAccountsTables: [],
      secretNamePrefix: 'oauth/',
      refreshWindow: 300,
      refreshSpread: 0,
      escrowKeyId: undefined,
      eventBusName: 'default',
      addresses: { allowHttpLoopback: false, privateAddressCidrs: [] },
      proxy: undefined,
    });
  });

  test('may name a proxy, without a password, and what goes past it', () => {
    const read = (HTTPS_PROXY: string, NO_PROXY = '') =>
      readEnvironment({ ACCOUNTS_TABLE_NAME: 't', HTTPS_PROXY, NO_PROXY }).proxy;
    expect(read('http://proxy.example:3128')).toEqual({ url: 'http://proxy.example:3128', except: '' });
    expect(read('https://[fd12::1]:443/', '.internal.example')).toEqual({
      url: 'https://[fd12::1]:443/',
      except: '.internal.example',
    });
    for (const wrong of ['proxy.example:3128', 'socks5://proxy.example', 'http://proxy.example/path'])
      expect(() => read(wrong)).toThrow("HTTPS_PROXY must be a proxy's address without a password");
    expect(() => read('http://me:hunter2@proxy.example')).toThrow(/^(?!.*hunter2).*without a password/);
  });

  test('may list private addresses, with commas between them', () => {
    const read = (cidrs: string) =>
      readEnvironment({ ACCOUNTS_TABLE_NAME: 't', PRIVATE_ADDRESS_CIDRS: cidrs }).addresses
        .privateAddressCidrs;
    expect(read(' 10.1.0.0/16, fd12::/48 ,')).toEqual(['10.1.0.0/16', 'fd12::/48']);
    for (const wrong of [
      '10.1.0.0',
      '0.0.0.0/0',
      '10.1.0.0/16 fd12::/48',
      '10.1.0.0/16,169.254.0.0/16',
      'vpc',
    ])
      expect(() => read(wrong)).toThrow('PRIVATE_ADDRESS_CIDRS must be CIDRs within 10.0.0.0/8, ');
  });

  test('says everything that is wrong at once', () => {
    expect(() => readEnvironment({ REFRESH_WINDOW_SECONDS: '5m', ALLOW_HTTP_LOOPBACK: '1' })).toThrow(
      /ACCOUNTS_TABLE_NAME must be set.*; REFRESH_WINDOW_SECONDS must be a whole number.*; ALLOW_HTTP_LOOPBACK must be true or false/,
    );
  });
});
