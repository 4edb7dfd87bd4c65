import { describe, expect, test } from 'vitest';
import { parseAccount } from '../../core/account/account.ts';
import { parseTokenSet } from '../../core/tokens/token-set.ts';
import { readEnvironment } from '../../lambda/environment.ts';
import { readEvent } from '../../lambda/event.ts';

describe('an item of the accounts table', () => {
  const good = { accountId: 'acme', authenticationType: 'oauth2', oauthProfile: 'crm' };
  const rows: readonly [string, Record<string, unknown>, string][] = [
    ['with enabled as text', { enabled: 'false' }, 'enabled: must be true or false (BOOL)'],
    ['with a number for a name', { name: 7 }, 'name: must be a string'],
    [
      'with an expiry as text',
      { accessTokenExpiresAt: 'soon' },
      'accessTokenExpiresAt: must be a number (seconds since the epoch)',
    ],
    [
      'with an expiry too large to be one',
      { accessTokenExpiresAt: Number.POSITIVE_INFINITY },
      'accessTokenExpiresAt: must be a number',
    ],
    ['with an empty profile', { oauthProfile: '' }, 'oauthProfile: must not be empty'],
    ['with a profile that is no name of a secret', { oauthProfile: 'a b' }, 'oauthProfile: may hold letters'],
    ['with an id that is no name of a secret', { accountId: 'a b' }, 'accountId: may hold letters'],
    [
      'with a parameter that leaves its place',
      { parameters: { subdomain: 'evil.com/' } },
      'parameters.subdomain: may hold letters',
    ],
    [
      'with a parameter of dots',
      { parameters: { subdomain: '..' } },
      'parameters.subdomain: may hold letters',
    ],
    [
      'with an unknown status',
      { status: 'fine' },
      'status: must be healthy, failing or reauthorization_required',
    ],
    ['with a lease that is text', { lease: 'mine' }, 'lease: must be a map'],
    [
      'with a failure whose reason is no text',
      { failure: { reason: 7, message: '', count: 1, since: 1, at: 1 } },
      'failure.reason: must be a string',
    ],
  ];
  test.each(rows)('%s is invalid, by name', (_, wrong, problem) => {
    const parsed = parseAccount({ ...good, ...wrong });
    expect(parsed.kind === 'invalid' ? parsed.problem : 'none').toContain(problem);
  });

  test('may have any id where it names its secret', () => {
    expect(parseAccount({ ...good, accountId: 'a b', tokenSecretId: 'elsewhere' }).kind).toBe('account');
  });

  test('may carry what is not ours', () => {
    expect(parseAccount({ ...good, team: 'sales', owner: { mail: 'x' } }).kind).toBe('account');
  });
});

describe('a token secret', () => {
  const rows: readonly [string, string | undefined, string][] = [
    ['that is binary', undefined, 'must hold text'],
    ['that is not JSON', 'tokens!', 'must hold a JSON object'],
    ['that is an array', '[]', 'must hold a JSON object'],
    ['whose refresh token is a number', '{"refresh_token": 1}', 'refresh_token: must be a string'],
    [
      'whose expiry is words, without a refresh token',
      '{"access_token": "a", "expires_at": "soon"}',
      'expires_at: must be a time (seconds since the epoch)',
    ],
  ];
  test.each(rows)('%s is invalid, by field', (_, text, problem) => {
    const parsed = parseTokenSet(text);
    expect(parsed.kind === 'invalid' ? parsed.problem : 'none').toContain(problem);
  });

  test('with empty or null tokens has none', () => {
    const parsed = parseTokenSet('{"access_token": "", "refresh_token": null}');
    expect(parsed).toMatchObject({ tokenSet: { access_token: undefined, refresh_token: undefined } });
  });
});

describe('an event', () => {
  test.each([
    ['nothing', undefined],
    ['null', null],
    ['{}', {}],
    [
      'a scheduled event',
      { version: '0', source: 'aws.events', 'detail-type': 'Scheduled Event', detail: {} },
    ],
  ])('of %s asks for a run over all accounts', (_, event) => {
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

  const wrong: readonly [unknown, string][] = [
    ['run', 'it must be a JSON object'],
    [[], 'it must be a JSON object'],
    [
      { dryrun: true },
      'dryrun: is not a known field; known are accountIds, force, dryRun, segment, totalSegments',
    ],
    [{ dryRun: 'yes' }, 'dryRun: must be true or false'],
    [{ accountIds: 'acme' }, 'accountIds: must be an array of account ids'],
    [{ accountIds: [] }, 'accountIds: must name at least one account'],
    [{ accountIds: [1] }, 'accountIds.0: must be a string'],
    [{ segment: 0 }, 'totalSegments: is missing beside segment'],
    [{ totalSegments: 2 }, 'segment: is missing beside totalSegments'],
    [{ segment: 2, totalSegments: 2 }, 'segment: must be less than totalSegments'],
    [{ segment: -1, totalSegments: 2 }, 'segment: must be a whole number'],
    [{ accountIds: ['a'], segment: 0, totalSegments: 2 }, 'accountIds: must not stand beside segment'],
  ];
  test.each(wrong)('of %j is refused by name', (event, problem) => {
    expect(() => readEvent(event)).toThrow(problem);
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
    });
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
