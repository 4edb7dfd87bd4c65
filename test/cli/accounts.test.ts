import { PutItemCommand } from '@aws-sdk/client-dynamodb';
import {
  DeleteSecretCommand,
  DescribeSecretCommand,
  RestoreSecretCommand,
} from '@aws-sdk/client-secrets-manager';
import { DeleteCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seconds, startFleet, type TestFleet } from '../support/fleet.ts';

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await startFleet();
  await fleet.system.clients.putSecret('oauth/profiles/unused', '{}');
});
afterAll(() => fleet.close());

const idsOf = (value: unknown) => (value as { accountId: string }[]).map(({ accountId }) => accountId);

test.each([
  ['list'],
  ['refresh'],
])('accounts %s of a profile that does not exist says so', async (command) => {
  for (const profile of ['nix', 'no name of a secret'])
    expect(await fleet.json(['accounts', command, '--profile', profile])).toEqual({
      code: 1,
      value: {
        error: { code: 'NO_PROFILE', message: `There is no profile ${profile}. See "profiles list".` },
      },
    });
});

test("the function's own notes in the table are no accounts to any command", async () => {
  const id = '#secret:oauth/accounts/crm-acme';
  await fleet.put({ accountId: id, secretOwner: 'crm-acme' });
  await fleet.put({ accountId: '#profile:unused', failure: { reason: 'client_rejected', accounts: 3 } });
  await fleet.put({ accountId: '#secret:unused' });
  await fleet.put({ accountId: '#later:x', authenticationType: 'oauth2', oauthProfile: 'crm' });
  const { value } = await fleet.json(['status']);
  expect(value).toMatchObject({ accounts: 21, byStatus: { other: 1 } });
  for (const args of [
    ['accounts', 'list'],
    ['export'],
    ['doctor'],
    ['__complete', '--', '--data', fleet.data, 'accounts', 'show', '#'],
  ]) {
    const { stdout, stderr } = await fleet.run(args);
    expect(stdout + stderr).not.toMatch(/#(secret|profile|pause|later)/);
  }
  for (const args of [
    ['accounts', 'show', id],
    ['accounts', 'refresh', id],
    ['accounts', 'enable', '#secret:unused'],
    ['accounts', 'disable', '#profile:unused'],
    ['accounts', 'answer', '#profile:unused', '--out', 'nowhere'],
    ['token', id],
  ])
    expect((await fleet.run(args)).code, args.join(' ')).toBe(1);
  expect((await fleet.run(['accounts', 'remove', id, '--yes'])).code).toBe(1);
  expect(await fleet.item(id)).toEqual({ accountId: id, secretOwner: 'crm-acme' });
});

describe('accounts list', () => {
  test.each([
    ['by status', ['--status', 'disabled'], ['crm-pied-piper']],
    ['by several statuses', ['--status', 'disabled', 'other'], ['crm-pied-piper', 'ftp-acme']],
    ['by profile and status', ['--profile', 'mail', '--status', 'healthy'], ['mail-initech', 'mail-stark']],
    ['by a profile that nobody has yet', ['--profile', 'unused'], []],
    ['by expiry, none that is later', ['--profile', 'billing', '--expiring', '1s'], []],
    ['by expiry', ['--profile', 'billing', '--expiring', '1h'], ['billing-globex', 'billing-umbrella']],
  ])('filters %s', async (_, filter, expected) => {
    const { code, value } = await fleet.json(['accounts', 'list', ...filter]);
    expect({ code, ids: idsOf(value).sort() }).toEqual({ code: 0, ids: expected });
  });

  test('shows a screenful on a terminal, says how many more there are, and all of them on request', async () => {
    const first = await fleet.run(['accounts', 'list'], { columns: 80 });
    expect(first.stdout.trimEnd().split('\n')).toHaveLength(1 + 20 + 2);
    expect(first.stdout).toContain('… and 1 more (--all shows all)');
    const { stdout: all } = await fleet.run(['accounts', 'list', '--all'], { columns: 80 });
    expect(all.trimEnd().split('\n')).toHaveLength(1 + 21);
    const { stdout: piped } = await fleet.run(['accounts', 'list']);
    expect(piped.trimEnd().split('\n')).toHaveLength(1 + 21);
    const { stdout: two } = await fleet.run(['accounts', 'list', '--limit', '2']);
    expect(two).toContain('… and 19 more');
  });

  test('exits with 3 on request where one of the accounts found needs attention', async () => {
    const check = async (...filter: string[]) =>
      (await fleet.run(['accounts', 'list', '--check', ...filter])).code;
    expect(await check()).toBe(3);
    expect(await check('--status', 'healthy')).toBe(0);
  });

  test.each([
    ['a status that does not exist', ['--status', 'well']],
    ['a duration without a unit', ['--expiring', '60']],
    ['a limit of nothing', ['--limit', '0']],
  ])('refuses %s', async (_, args) => {
    expect((await fleet.run(['accounts', 'list', ...args])).code).toBe(2);
  });
});

test('a grant that is revoked at its server: the event appears, and the account comes first', async () => {
  // The other troubles are older.
  for (const { accountId, failure } of await fleet.system.clients.items())
    if (failure !== undefined)
      await fleet.change(accountId, { failure: { ...(failure as object), since: seconds() - 7_200 } });
  const { refresh_token } = await fleet.tokenSet('mail-stark');
  await fleet.system.authorizationServer.revokeGrant(String(refresh_token));

  const once = await fleet.run(['accounts', 'refresh', 'mail-stark', '--force']);
  expect(once.code).toBe(1);
  expect(once.stdout).toMatch(/mail-stark +failed +grant_revoked/);
  // It is believed when it still comes after an hour.
  const { failure } = await fleet.item('mail-stark');
  await fleet.change('mail-stark', { failure: { ...(failure as object), since: seconds() - 3_700 } });
  const twice = await fleet.run(['accounts', 'refresh', 'mail-stark', '--force']);
  expect(twice.code).toBe(3);
  expect(twice.stdout).toMatch(/mail-stark +needs a person +grant_revoked/);

  const events = fleet.system.aws
    .putEventsLog()
    .map(({ detailType, detail }) => [detailType, (detail as { accountId: string }).accountId]);
  expect(events).toContainEqual(['OAuth Reauthorization Required', 'mail-stark']);
  const { stdout } = await fleet.run(['accounts', 'list']);
  expect(stdout.split('\n')[1]).toMatch(
    /^mail-stark +Stark mail +mail +needs a person +grant_revoked|^mail-stark +mail +needs a person +grant_revoked/,
  );
});

describe('accounts show', () => {
  test('tells what is known, what a run would do, and what to do', async () => {
    const { code, stdout } = await fleet.run(['accounts', 'show', 'crm-tyrell']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Tyrell CRM \(crm-tyrell\) {2}needs a person\n/);
    expect(stdout).toMatch(
      /A run would now\n {2}wait for a person: the refresh token has expired\n? *\(refresh_token_expired\)/,
    );
    expect(stdout).toContain('What to do\n  Authorize the account again. Run: authorize crm-tyrell');
  });

  test('of an account that no run has looked at, the secret tells when the grant ends', async () => {
    const accountId = 'just-imported';
    const tokens = { refresh_token: 'r', refresh_token_expires_at: seconds() + 20 * 86_400 };
    await fleet.system.clients.putSecret(`oauth/accounts/${accountId}`, JSON.stringify(tokens));
    await fleet.put({ accountId, authenticationType: 'oauth2', oauthProfile: 'crm' });
    const { stdout } = await fleet.run(['accounts', 'show', accountId]);
    expect(stdout).not.toContain('no expiry is known');
    expect(stdout.match(/refresh token +expires in 20 d/g)).toHaveLength(2);
    await fleet.system.clients.table.send(
      new DeleteCommand({ TableName: fleet.system.clients.tableName, Key: { accountId } }),
    );
  });

  test('names the fields of the token set', async () => {
    const { value } = await fleet.json(['accounts', 'show', 'crm-acme']);
    expect(value).toMatchObject({
      status: 'healthy',
      inEscrow: false,
      tokenSecret: {
        id: 'oauth/accounts/crm-acme',
        fields: expect.arrayContaining(['access_token', 'refresh_token', 'expires_at']),
        scope: 'openid offline_access',
        versions: expect.any(Number),
      },
      decision: {
        action: expect.stringMatching(/leave|refresh/),
        reason: expect.stringMatching(/fresh|expiring/),
      },
    });
  });

  test.each([
    ['crm-weyland', 'problem  it does not exist'],
    ['crm-aperture', 'problem   must hold a JSON object'],
    ['crm-monarch', "item can't be used: enabled: must be true or false (BOOL)."],
    ['crm-pied-piper', 'Run: accounts enable crm-pied-piper'],
    ['crm-oscorp', 'client_ident'],
    ['ftp-acme', 'A run would now leave it alone: it is not an OAuth account.'],
  ])('of %s: %s', async (accountId, said) => {
    const { stdout } = await fleet.run(['accounts', 'show', accountId]);
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(said.replaceAll(/\s+/g, ' '));
  });

  test('shows who authorized it, its lease and its escrow, without the ciphertext', async () => {
    await fleet.put({
      accountId: 'held',
      authenticationType: 'oauth2',
      oauthProfile: 'crm',
      authorizedBy: 'ada@example.com',
      lease: { owner: 'attempt-1', expiresAt: seconds() + 100 },
      escrow: { ciphertext: 'c1pher', attemptId: 'attempt-0', at: seconds() - 30 },
    });
    const { stdout } = await fleet.run(['accounts', 'show', 'held']);
    expect(stdout).toMatch(/lease +held by attempt attempt-1, ends in/);
    expect(stdout).toMatch(/escrow +a refresh token waits to be stored/);
    expect(stdout).toMatch(/authorized by +ada@example.com/);
    expect(stdout).toContain('leave it alone: another run is working on this account');
    expect(stdout + JSON.stringify(await fleet.json(['accounts', 'show', 'held']))).not.toContain('c1pher');
  });

  test('shows an account whose item holds no value where a lease and an escrow stand', async () => {
    const accountId = 'hollow';
    await fleet.put({
      accountId,
      authenticationType: 'oauth2',
      oauthProfile: 'crm',
      lease: null,
      escrow: null,
    });
    const shown = await fleet.run(['accounts', 'show', accountId]);
    const answer = await fleet.run(['accounts', 'answer', accountId, '--out', 'nowhere']);
    await fleet.system.clients.table.send(
      new DeleteCommand({ TableName: fleet.system.clients.tableName, Key: { accountId } }),
    );
    expect([shown.code, shown.stderr]).toEqual([0, `Reading the local system (${fleet.data}).\n`]);
    expect(shown.stdout).toContain('must be a map');
    expect(answer.stderr).toContain('was put there by a newer version');
  });

  test('says so where there is no such account', async () => {
    const { code, stderr } = await fleet.run(['accounts', 'show', 'nix']);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('There is no account "nix"'),
    });
  });
});

test('an account whose token does not expire is healthy, and is said to have no end', async () => {
  await fleet.put({
    accountId: 'endless',
    authenticationType: 'oauth2',
    oauthProfile: 'crm',
    status: 'healthy',
    doesNotExpire: true,
    lastRefreshedAt: seconds() - 60,
  });
  expect((await fleet.run(['accounts', 'list', '--status', 'healthy'])).stdout).toMatch(
    /endless +crm +healthy +does not expire/,
  );
  expect((await fleet.run(['accounts', 'show', 'endless'])).stdout).toMatch(/access token +does not expire/);
  const { value } = await fleet.json(['accounts', 'list', '--expiring', '7d']);
  expect(idsOf(value)).not.toContain('endless');
  expect(await fleet.json(['accounts', 'list', '--profile', 'crm', '--status', 'healthy'])).toMatchObject({
    value: expect.arrayContaining([expect.objectContaining({ accountId: 'endless', doesNotExpire: true })]),
  });
});

test('a reason and a status of a newer version are shown as they are', async () => {
  const failure = {
    reason: 'moon_in_the_way',
    message: 'The moon.',
    count: 1,
    since: seconds(),
    at: seconds(),
  };
  const newer = { authenticationType: 'oauth2', oauthProfile: 'crm' };
  await fleet.put({ ...newer, accountId: 'moonstruck', status: 'failing', failure });
  await fleet.put({ ...newer, accountId: 'hibernating', status: 'hibernating' });
  const { stdout } = await fleet.run(['accounts', 'list', '--all']);
  expect(stdout).toMatch(/moonstruck +crm +failing +moon_in_the_way/);
  expect(stdout).toMatch(/hibernating +crm +hibernating/);
  const shown = await fleet.run(['accounts', 'show', 'moonstruck']);
  expect({ code: shown.code, stdout: shown.stdout }).toEqual({
    code: 0,
    stdout: expect.stringContaining('The moon.'),
  });
  expect((await fleet.json(['status'])).code).toBe(0);
  for (const accountId of ['moonstruck', 'hibernating'])
    await fleet.system.clients.table.send(
      new DeleteCommand({ TableName: fleet.system.clients.tableName, Key: { accountId } }),
    );
});

test('what a newer version has made is neither switched nor removed', async () => {
  const item = { accountId: 'newer', authenticationType: 'oauth2', oauthProfile: 'crm', formatVersion: 2 };
  await fleet.put(item);
  for (const command of ['enable', 'disable', 'remove']) {
    const { code, stdout } = await fleet.run([
      'accounts',
      command,
      'newer',
      ...(command === 'remove' ? ['--yes'] : []),
    ]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringContaining('made by a newer version') });
  }
  expect(await fleet.item('newer')).toEqual(item);
});

describe('accounts enable and disable', () => {
  test('change the item; an id that is not there fails by itself', async () => {
    const { code, value } = await fleet.json(['accounts', 'disable', 'nix', 'crm-hooli']);
    expect(code).toBe(1);
    expect(value).toEqual([
      expect.objectContaining({ accountId: 'nix', result: 'not_found' }),
      expect.objectContaining({ accountId: 'crm-hooli', result: 'disabled' }),
    ]);
    expect(await fleet.item('nix')).toEqual({});
    expect(await fleet.item('crm-hooli')).toMatchObject({ enabled: false });
    expect(await fleet.run(['accounts', 'enable', 'crm-hooli'])).toEqual({
      code: 0,
      stdout: `✓ crm-hooli: enabled in the local system (${fleet.data})\n`,
      stderr: `Acting on the local system (${fleet.data}).\n`,
    });
    expect(await fleet.item('crm-hooli')).toMatchObject({ enabled: true });
  });
});

describe('accounts remove', () => {
  const describeSecret = (accountId: string) =>
    fleet.system.clients.secrets.send(new DescribeSecretCommand({ SecretId: `oauth/accounts/${accountId}` }));

  test('asks, and removes nothing where nobody is there to answer', async () => {
    const { code, stderr } = await fleet.run(['accounts', 'remove', 'crm-wayne']);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('Add --yes') });
    expect(await fleet.item('crm-wayne')).toHaveProperty('accountId');
  });

  test('removes the account, and its secret can be restored: what it prints brings both back', async () => {
    await fleet.change('crm-wayne', {
      name: `O'Wayne "CRM"\u001b[31m`,
      parameters: { subdomain: 'wayne' },
      authorizedBy: 'ada@example.com',
    });
    const { code, stdout, stderr } = await fleet.run(['accounts', 'remove', 'crm-wayne', '--yes']);
    expect(code).toBe(0);
    expect(stdout).toContain(`✓ crm-wayne: removed from the local system (${fleet.data}); its secret`);
    expect(await fleet.item('crm-wayne')).toEqual({});
    const { DeletedDate } = await describeSecret('crm-wayne');
    expect(DeletedDate).toBeInstanceOf(Date);
    expect(stderr).not.toContain('\u001b');
    expect(stderr).toContain('To undo it (these commands need the AWS CLI, and any credentials):');
    expect(stderr).toContain('restore-secret');
    const word = /--item '(.*)'$/m.exec(stderr)?.[1] ?? '';
    await fleet.system.clients.secrets.send(
      new RestoreSecretCommand({ SecretId: 'oauth/accounts/crm-wayne' }),
    );
    await fleet.system.clients.table.send(
      new PutItemCommand({
        TableName: fleet.system.clients.tableName,
        Item: JSON.parse(word.replaceAll(`'\\''`, "'")),
      }),
    );
    expect(await fleet.item('crm-wayne')).toEqual({
      accountId: 'crm-wayne',
      name: `O'Wayne "CRM"\u001b[31m`,
      authenticationType: 'oauth2',
      oauthProfile: 'crm',
      parameters: { subdomain: 'wayne' },
      authorizedBy: 'ada@example.com',
    });
    expect((await describeSecret('crm-wayne')).DeletedDate).toBeUndefined();
  });

  test.each([
    [
      'while a run spends its refresh token',
      { lease: { owner: 'x', expiresAt: seconds() + 3_600 } },
      'leased',
    ],
    [
      'while its newest refresh token is in escrow',
      { escrow: { ciphertext: 'c', attemptId: 'a', at: 1 } },
      'in_escrow',
    ],
  ])('refuses %s', async (_, attributes, result) => {
    await fleet.change('crm-hooli', attributes);
    const { code, value } = await fleet.json(['accounts', 'remove', 'crm-hooli', '--yes']);
    expect(code).toBe(1);
    expect(value).toEqual([expect.objectContaining({ accountId: 'crm-hooli', result })]);
    expect((await describeSecret('crm-hooli')).DeletedDate).toBeUndefined();
    await fleet.change('crm-hooli', { lease: undefined, escrow: undefined });
  });

  test.each([
    ['before its secret is deleted', 'DeleteItem'],
    ['just as its secret is deleted', 'DeleteSecret'],
  ])('leaves the secret of an account that is made anew %s', async (_, moment) => {
    const { clients, aws } = fleet.system;
    const accountId = `anew-${moment}`;
    const item = { accountId, authenticationType: 'oauth2', oauthProfile: 'crm' };
    await clients.putSecret(`oauth/accounts/${accountId}`, '{"refresh_token":"old"}');
    await fleet.put(item);
    let made: Promise<unknown> | undefined;
    const makeAnew = async () => {
      await fleet.put(item);
      await clients.putSecret(`oauth/accounts/${accountId}`, '{"refresh_token":"new"}');
    };
    aws.onEffect(({ operation }) => {
      if (operation === 'DeleteItem' && operation === moment) made ??= makeAnew();
    });
    aws.inject(({ operation }) => {
      if (operation === 'GetItem') return { kind: 'delay', milliseconds: 200 };
      if (operation !== 'DeleteSecret' || operation !== moment) return undefined;
      made ??= makeAnew();
      return { kind: 'delay', milliseconds: 300 };
    });
    const { code, stdout, stderr } = await fleet.run(['accounts', 'remove', accountId, '--yes']);
    aws.inject(undefined);
    aws.onEffect(undefined);
    await made;
    expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringContaining('has created it again') });
    expect(stderr).not.toContain('put-item');
    expect(await fleet.tokenSet(accountId)).toEqual({ refresh_token: 'new' });
    expect((await describeSecret(accountId)).DeletedDate).toBeUndefined();
  });

  describe('keeps the secret', () => {
    const remove = async (accountId: string, tokens: object, before?: () => Promise<unknown>) => {
      await fleet.system.clients.putSecret(`oauth/accounts/${accountId}`, JSON.stringify(tokens));
      await fleet.put({ accountId, authenticationType: 'oauth2', oauthProfile: 'crm' });
      await before?.();
      const { stdout } = await fleet.run(['accounts', 'remove', accountId, '--yes']);
      fleet.system.aws.inject(undefined);
      expect(await fleet.item(accountId)).toEqual({});
      expect((await describeSecret(accountId)).DeletedDate).toBeUndefined();
      return stdout;
    };
    const heir = async (accountId: string, secretOf: string) => {
      const { ARN } = await describeSecret(secretOf);
      await fleet.put({
        accountId,
        authenticationType: 'oauth2',
        oauthProfile: 'crm',
        tokenSecretId: `oauth/accounts/${secretOf}`,
      });
      await fleet.put({ accountId: `#secret:${ARN}`, secretOwner: accountId });
    };
    /** Does it just as the secret is deleted. */
    const asItIsDeleted = (change: () => Promise<unknown>) => async () => {
      let done = false;
      fleet.system.aws.inject(({ operation }) => {
        if (operation !== 'DeleteSecret' || done) return undefined;
        done = true;
        void change();
        return { kind: 'delay', milliseconds: 300 };
      });
    };

    test('that the function of another table keeps', async () => {
      const kept_by = '111122223333/eu-central-1/other';
      expect(await remove('foreign', { refresh_token: 'r', kept_by })).toContain(kept_by);
    });

    test('that another account has taken over', async () => {
      const said = await remove('left', { refresh_token: 'r' }, () => heir('right', 'left'));
      expect(said).toContain('as the account right names it');
    });

    test('that another account takes over just then', async () => {
      const said = await remove(
        'left2',
        { refresh_token: 'r' },
        asItIsDeleted(() => heir('right2', 'left2')),
      );
      expect(said).toContain('as the account right2 names it');
    });

    test('that somebody writes to just then', async () => {
      const write = () => fleet.system.clients.putSecret('oauth/accounts/written', '{"refresh_token":"new"}');
      const said = await remove('written', { refresh_token: 'r' }, asItIsDeleted(write));
      expect(said).toContain('as somebody else has just written to it');
      expect(await fleet.tokenSet('written')).toEqual({ refresh_token: 'new' });
    });
  });

  test('what it prints to undo it writes over nobody who came meanwhile, and forgets nothing that people wrote', async () => {
    await fleet.put({
      accountId: 'undone',
      authenticationType: 'oauth2',
      oauthProfile: 'crm',
      status: 'healthy',
      authorizedBy: 'https://id.example#ada',
      authorizedAt: 1,
      refreshTokenFingerprint: 'f',
      team: ['a', 'b'],
    });
    const { stderr } = await fleet.run(['accounts', 'remove', 'undone', '--yes']);
    expect(stderr).toContain("--condition-expression 'attribute_not_exists(accountId)'");
    const item = /--item '(.*)'$/m.exec(stderr)?.[1] ?? '';
    expect(JSON.parse(item)).toEqual({
      accountId: { S: 'undone' },
      authenticationType: { S: 'oauth2' },
      oauthProfile: { S: 'crm' },
      authorizedBy: { S: 'https://id.example#ada' },
      authorizedAt: { N: '1' },
      refreshTokenFingerprint: { S: 'f' },
      team: { L: [{ S: 'a' }, { S: 'b' }] },
    });
  });

  test('goes on after a lease that has run out, and keeps a secret with a name of its own', async () => {
    await fleet.put({
      accountId: 'old',
      authenticationType: 'oauth2',
      oauthProfile: 'crm',
      tokenSecretId: 'oauth/accounts/crm-acme',
      lease: { owner: 'x', expiresAt: seconds() - 1 },
    });
    const { code, stdout } = await fleet.run(['accounts', 'remove', 'old', '--yes']);
    expect(code).toBe(0);
    expect(stdout).toContain('its secret oauth/accounts/crm-acme has a name of its own and is kept');
    expect((await describeSecret('crm-acme')).DeletedDate).toBeUndefined();
  });
});

describe('accounts refresh', () => {
  test('tells what became of each; unknown ids and others fail by themselves', async () => {
    const { code, value } = await fleet.json([
      'accounts',
      'refresh',
      '--force',
      'crm-acme',
      'nix',
      'ftp-acme',
      'crm-tyrell',
      'crm-vehement',
    ]);
    expect(code).toBe(1);
    const actions = (value as { accountId: string; action: string }[]).map(({ accountId, action }) => [
      accountId,
      action,
    ]);
    expect(actions).toEqual([
      ['nix', 'not_found'],
      ['ftp-acme', 'not_oauth2'],
      ['crm-tyrell', 'reauthorize'],
      ['crm-vehement', 'retry'],
      ['crm-acme', 'refresh'],
    ]);
    expect(await fleet.item('ftp-acme')).toEqual({
      accountId: 'ftp-acme',
      name: 'Acme FTP',
      authenticationType: 'basic',
    });
  });

  test('counts what became of them', async () => {
    const refresh = ['accounts', 'refresh', '--dry-run'];
    const { stdout: two } = await fleet.run([...refresh, 'crm-tyrell', 'mail-stark', 'crm-pied-piper']);
    expect(two).toContain(`In the local system (${fleet.data}): 2 need a person, 1 left alone`);
    const { stdout: one } = await fleet.run([...refresh, 'crm-tyrell', 'crm-pied-piper']);
    expect(one).toContain('1 needs a person, 1 left alone');
  });

  test('a dry run changes nothing', async () => {
    const before = await fleet.tokenSet('mail-initech');
    const { code, stdout } = await fleet.run(['accounts', 'refresh', 'mail-initech', '--force', '--dry-run']);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/mail-initech +would refresh +forced/),
    });
    expect(await fleet.tokenSet('mail-initech')).toEqual(before);
  });

  test('--all-failing tries what is backing off', async () => {
    const { code, value } = await fleet.json(['accounts', 'refresh', '--all-failing']);
    expect(code).toBe(1);
    expect(idsOf(value)).toContain('crm-vehement');
    expect(idsOf(value)).not.toContain('crm-acme');
    for (const { reason } of value as { reason: string }[]) expect(reason).not.toBe('fresh');
  });

  test('--profile looks at all of its accounts', async () => {
    const { code, value } = await fleet.json(['accounts', 'refresh', '--profile', 'billing', '--dry-run']);
    expect({ code, ids: idsOf(value).sort() }).toEqual({
      code: 3,
      ids: ['billing-cyberdyne', 'billing-globex', 'billing-umbrella'],
    });
  });

  test('more accounts than one run takes are looked at in several', async () => {
    const ids = [...Array(120)].map((_, n) => `many-${n}`);
    for (const accountId of ids)
      await fleet.put({ accountId, authenticationType: 'oauth2', oauthProfile: 'many', enabled: true });
    const { stderr } = await fleet.run(['accounts', 'refresh', '--profile', 'many', '--dry-run'], {
      columns: 80,
    });
    expect(stderr).toMatch(/100 of 120 \(83 %\), \d+\/s, \d+ s left: 100 would fail/);
  });

  test('is repeated where it is throttled, and says what is left where it is refused', async () => {
    const { aws } = fleet.system;
    const many = ['accounts', 'refresh', '--profile', 'many', '--force'];
    let invocations = 0;
    aws.inject(({ service }) => {
      if (service !== 'lambda') return undefined;
      invocations++;
      return invocations % 2 === 1 ? { kind: 'throttle' } : undefined;
    });
    const { value } = await fleet.json(many);
    expect({ invocations, reported: idsOf(value).length }).toEqual({ invocations: 4, reported: 120 });
    invocations = 0;
    aws.inject(({ service }) => {
      if (service !== 'lambda' || ++invocations === 1) return undefined;
      return { kind: 'error', status: 403, type: 'AccessDeniedException', message: 'not any more' };
    });
    const { code, stdout, stderr } = await fleet.run([...many, '--json']);
    aws.inject(undefined);
    const actions = Map.groupBy(JSON.parse(stdout) as { action: string }[], ({ action }) => action);
    expect({ code, notDone: actions.get('not_done')?.length }).toEqual({ code: 1, notDone: 20 });
    expect(stderr).toMatch(
      /^Stopped by an error \(AccessDeniedException: .*\): 20 accounts are left\. To go on:\n {2}oauth-token-refresher accounts refresh --profile many --force --untried-since \d{4}-.*Z --data \/\S+ --json$/m,
    );
  });

  test.each([
    { title: 'an empty one', id: '', bytes: '0' },
    { title: 'a long one', id: 'é'.repeat(1_025), bytes: '2,050' },
  ])('says what an id may be: $title', async ({ id, bytes }) => {
    const commands = [
      ['accounts', 'show', id],
      ['accounts', 'history', id],
      ['accounts', 'answer', id, '--out', '/dev/null'],
      ['accounts', 'refresh', 'crm-acme', id],
      ['accounts', 'disable', 'crm-acme', id],
      ['accounts', 'remove', id, '--yes'],
      ['token', id],
      ['authorize', id],
    ];
    for (const command of commands) {
      const { code, value } = await fleet.json(command);
      expect({ command, code, value }).toEqual({
        command,
        code: 2,
        value: {
          error: {
            code: 'USAGE',
            message: expect.stringContaining(`has 1 to 2,048 bytes. This one has ${bytes}.`),
          },
        },
      });
    }
    expect((await fleet.item('crm-acme')).enabled).not.toBe(false);
  });

  test('an odd id is shown so that it can be pasted', async () => {
    await fleet.put({
      accountId: 'odd\nid',
      authenticationType: 'oauth2',
      oauthProfile: 'crm',
      tokenSecretId: 'crm/odd',
      enabled: false,
    });
    const word = "$'odd\\nid'";
    expect((await fleet.run(['accounts', 'list'])).stdout).toContain(`\n${word}  `);
    const { stdout } = await fleet.run(['accounts', 'show', 'odd\nid']);
    expect(stdout).toMatch(/^\$'odd\\nid' {2}/);
    expect(stdout).toContain(`Run: accounts enable ${word}`);
    expect((await fleet.run(['accounts', 'enable', 'odd\nid'])).stdout).toContain(`${word}: enabled`);
    await fleet.run(['accounts', 'remove', 'odd\nid', '--yes']);
  });

  test('leaves out what was refreshed or tried since a time', async () => {
    const refresh = ['accounts', 'refresh', 'crm-acme', 'mail-stark', '--force', '--dry-run'];
    const later = await fleet.json([...refresh, '--untried-since', '2099-01-01T00:00:00Z']);
    expect(idsOf(later.value).sort()).toEqual(['crm-acme', 'mail-stark']);
    const earlier = await fleet.json([...refresh, '--untried-since', '2020-01-01T00:00:00Z']);
    expect(idsOf(earlier.value)).toEqual([]);
    expect((await fleet.run([...refresh, '--untried-since', 'soon'])).code).toBe(2);
  });

  test('looks again at an account whose secret was restored', async () => {
    const secretId = 'oauth/accounts/mail-initech';
    const { secrets } = fleet.system.clients;
    await secrets.send(new DeleteSecretCommand({ SecretId: secretId, RecoveryWindowInDays: 7 }));
    await fleet.run(['accounts', 'refresh', 'mail-initech', '--force']);
    expect(await fleet.item('mail-initech')).toMatchObject({
      status: 'failing',
      failure: { reason: 'secret_missing' },
    });
    await secrets.send(new RestoreSecretCommand({ SecretId: secretId }));
    const { code, value } = await fleet.json(['accounts', 'refresh', 'mail-initech']);
    expect({ code, value }).toMatchObject({ code: 0, value: [{ action: 'refresh' }] });
  });

  test('accounts disable goes on where it was throttled, and says what is left where it is denied', async () => {
    const { aws } = fleet.system;
    let updates = 0;
    aws.inject(({ operation, input }) => {
      const isOurs = operation === 'UpdateItem' && JSON.stringify(input).includes('many-');
      return isOurs && ++updates % 2 === 1 ? { kind: 'throttle' } : undefined;
    });
    const some = ['many-1', 'many-2', 'many-3'];
    const { code, stdout } = await fleet.run(['accounts', 'disable', ...some]);
    expect({ code, lines: stdout.trimEnd().split('\n').length }).toEqual({ code: 0, lines: 3 });
    aws.inject(({ operation, input }) =>
      operation === 'UpdateItem' && JSON.stringify(input).includes('many-2')
        ? { kind: 'error', status: 400, type: 'AccessDeniedException', message: 'not this one' }
        : undefined,
    );
    const denied = await fleet.run(['accounts', 'enable', ...some]);
    aws.inject(undefined);
    expect(denied).toMatchObject({ code: 1, stdout: expect.stringMatching(/^. many-1: enabled.*\n$/) });
    expect(denied.stderr).toContain(
      '2 accounts are left. To go on:\n  oauth-token-refresher accounts enable many-2 many-3 --data ',
    );
  });

  test.each([
    [[]],
    [['crm-acme', '--all-failing']],
    [['--all-failing', '--profile', 'crm']],
  ])('is wrong usage with %j', async (args) => {
    expect((await fleet.run(['accounts', 'refresh', ...args])).code).toBe(2);
  });
});
