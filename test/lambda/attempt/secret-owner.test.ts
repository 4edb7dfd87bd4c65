import { randomUUID } from 'node:crypto';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DeleteCommand, DynamoDBDocumentClient, PutCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, describe, expect, test } from 'vitest';
import { type AccountsTable, createAccountsTable } from '../../../adapters/aws/accounts-table.ts';
import { type Account, parseAccount } from '../../../core/account/account.ts';
import { tokenSecretIdOf, unusualSecret } from '../../../core/account/secret-id.ts';
import { type Ownership, ownSecret } from '../../../lambda/attempt/secret-owner.ts';
import { startLocalAws } from '../../../local/aws/server.ts';
import { clientSettings, createAccountsTable as makeTable } from '../../support/aws-endpoint.ts';
import { NOW } from '../../support/builders.ts';

const aws = await startLocalAws();
afterAll(() => aws.close());
const dynamodb = new DynamoDBClient(clientSettings(aws.url));
const client = DynamoDBDocumentClient.from(dynamodb, { marshallOptions: { removeUndefinedValues: true } });

const PREFIX = 'oauth/';
const usual = (accountId: string) => `${PREFIX}accounts/${accountId}`;
const arnOf = (name: string) => `arn:aws:secretsmanager:us-east-1:000000000000:secret:${name}-AbCdEf`;
const LONGEST_LEASE = 240;

/** A table of its own, people who write to it, and visits to its accounts. */
async function aTable() {
  const tableName = `accounts-${randomUUID()}`;
  await makeTable(dynamodb, tableName);
  const table: AccountsTable = createAccountsTable(client, tableName);
  let now = NOW;
  const write = async (accountId: string, attributes: Partial<Account> = {}) => {
    const Item = {
      accountId,
      authenticationType: 'oauth2',
      oauthProfile: 'crm',
      status: 'healthy',
      lastRefreshedAt: NOW - 3_600,
      ...attributes,
    };
    await client.send(new PutCommand({ TableName: tableName, Item }));
  };
  const accountOf = async (accountId: string) => {
    const parsed = parseAccount((await table.get(accountId)) ?? {});
    if (parsed.kind === 'invalid') throw new Error(parsed.problem);
    return parsed.account;
  };
  /** Asks whose the secret is that an account names, under the account's lease, which goes on. */
  const visit = async (
    accountId: string,
    { keptByUs = true, obtainedAt = NOW - 3_600, secret = '' } = {},
  ) => {
    const account = await accountOf(accountId);
    const secretId = unusualSecret(account, PREFIX);
    const lease = { owner: randomUUID(), expiresAt: now + 180, secretId };
    if ((await table.lease(account, lease, now)) === 'conflict') throw new Error(`${accountId} is leased`);
    const name = secret || tokenSecretIdOf(PREFIX, account);
    const version = { text: '{}', versionId: 'v', createdAt: obtainedAt, name, arn: arnOf(name) };
    const read = { kind: 'read' as const, tokenSet: { obtained_at: obtainedAt }, version };
    const question = {
      account,
      read,
      keptByUs,
      prefix: PREFIX,
      lease,
      now,
      longestLease: LONGEST_LEASE,
    };
    const own = await ownSecret(question, { table });
    /** Ends the visit, having stored or not. */
    const end = async (stored?: number) => {
      await table.release(account, lease.owner, { set: { lastRefreshedAt: stored }, remove: [] });
      if (own.kind === 'own' && own.leased !== undefined)
        await table.releaseSecret(own.leased, lease.owner, stored);
    };
    return { own, end };
  };
  const remove = async (accountId: string) => {
    await client.send(new DeleteCommand({ TableName: tableName, Key: { accountId } }));
  };
  return {
    write,
    visit,
    remove,
    table,
    /** A visit that ends at once. */
    asked: async (...what: Parameters<typeof visit>) => {
      const { own, end } = await visit(...what);
      await end();
      return own;
    },
    pass: (seconds: number) => {
      now += seconds;
    },
  };
}

const kindOf = (own: Ownership) => (own.kind === 'failed' ? own.reason : own.kind);

describe('one secret has one account', () => {
  test('in the ordinary case the one whose usual secret it is, without a further call', async () => {
    const { write, visit } = await aTable();
    await write('acme');
    const from = aws.calls().length;
    const { own } = await visit('acme');
    expect(own).toEqual({ kind: 'own' });
    const operations = aws
      .calls()
      .slice(from)
      .map(({ operation }) => operation);
    expect(operations).toEqual(['GetItem', 'UpdateItem']);
  });

  test.each([
    { how: 'by its name', tokenSecretId: usual('acme') },
    { how: 'by its ARN', tokenSecretId: arnOf(usual('acme')) },
    { how: 'by its ARN without the random end', tokenSecretId: arnOf(usual('acme')).replace(/-[^-]*$/, '') },
  ])('the one whose usual secret it is, though that names it itself, $how', async ({ tokenSecretId }) => {
    const { write, asked } = await aTable();
    await write('acme', { tokenSecretId });
    await write('other', { tokenSecretId: usual('acme') });
    expect(kindOf(await asked('other', { secret: usual('acme') }))).toBe('secret_invalid');
    expect(kindOf(await asked('acme', { secret: usual('acme') }))).toBe('own');
    expect(kindOf(await asked('other', { secret: usual('acme') }))).toBe('secret_invalid');
  });

  test('the one whose usual secret it is, in whatever form another names it', async () => {
    const { write, asked } = await aTable();
    await write('acme');
    await write('other', { tokenSecretId: arnOf(usual('acme')) });
    const own = await asked('other', { secret: usual('acme') });
    expect(kindOf(own)).toBe('secret_invalid');
    expect(own).toMatchObject({ detail: expect.stringContaining('it is the account "acme"\'s') });
  });

  test('else the first that claimed it', async () => {
    const { write, asked } = await aTable();
    await write('first', { tokenSecretId: 'shared' });
    await write('second', { tokenSecretId: 'shared' });
    expect(kindOf(await asked('first'))).toBe('own');
    expect(kindOf(await asked('second'))).toBe('secret_invalid');
    expect(kindOf(await asked('first'))).toBe('own');
  });

  test('and one alone where two claim it at the same time', async () => {
    const { write, visit } = await aTable();
    await write('first', { tokenSecretId: 'shared' });
    await write('second', { tokenSecretId: 'shared' });
    const visits = await Promise.all([visit('first'), visit('second')]);
    expect(visits.filter(({ own }) => own.kind === 'own')).toHaveLength(1);
  });

  test('and never a profile’s', async () => {
    const { write, asked } = await aTable();
    await write('acme', { tokenSecretId: `${PREFIX}profiles/crm` });
    const own = await asked('acme');
    expect(kindOf(own)).toBe('secret_invalid');
    expect(own).toMatchObject({ detail: expect.stringContaining("it is a profile's") });
  });
});

describe('a secret that people hand from one account to another', () => {
  test('is waited for while the one whose usual secret it is is at work with it', async () => {
    const { write, visit, asked, table, pass } = await aTable();
    await write('acme');
    await write('other', { tokenSecretId: usual('acme') });
    const atWork = await visit('acme');
    // Somebody points acme elsewhere meanwhile.
    await repoint(table, 'acme', 'elsewhere');
    expect(kindOf(await asked('other'))).toBe('busy');
    await atWork.end(NOW);
    pass(1);
    const own = await asked('other');
    expect(own).toMatchObject({ kind: 'own', newest: NOW });
  });

  test('is waited for until the lease of a run that died has ended', async () => {
    const { write, visit, asked, table, pass } = await aTable();
    await write('acme');
    await write('other', { tokenSecretId: usual('acme') });
    await visit('acme');
    await repoint(table, 'acme', 'elsewhere');
    pass(179);
    expect(kindOf(await asked('other'))).toBe('busy');
    pass(1);
    expect(kindOf(await asked('other'))).toBe('own');
  });

  test('is waited for by the one whose usual secret it is, when that comes back to it', async () => {
    const { write, visit, asked, table, pass } = await aTable();
    await write('acme', { tokenSecretId: 'elsewhere' });
    await write('other', { tokenSecretId: usual('acme') });
    const borrower = await visit('other');
    expect(borrower.own.kind).toBe('own');
    await repoint(table, 'acme', undefined);
    expect(kindOf(await asked('acme'))).toBe('busy');
    await borrower.end(NOW + 5);
    pass(10);
    expect(await asked('acme')).toMatchObject({ kind: 'own', newest: NOW + 5 });
    expect(kindOf(await asked('other'))).toBe('secret_invalid');
  });

  test('is not lent by an account that was pointed back to it in the same moment', async () => {
    const { write, asked } = await aTable();
    await write('acme');
    await write('other', { tokenSecretId: usual('acme') });
    expect(kindOf(await asked('other'))).toBe('secret_invalid');
  });

  test('is swapped by two accounts without either being spent twice', async () => {
    const { write, visit, asked, table, pass } = await aTable();
    await write('a');
    await write('b');
    const [one, other] = [await visit('a'), await visit('b')];
    await repoint(table, 'a', usual('b'));
    await repoint(table, 'b', usual('a'));
    await one.end(NOW + 1);
    expect(kindOf(await asked('a')), 'b is at work with its usual one').toBe('busy');
    expect(kindOf(await asked('b').catch(() => ({ kind: 'busy' })))).toBe('busy');
    await other.end(NOW + 2);
    pass(5);
    expect(await asked('a')).toMatchObject({ kind: 'own', newest: NOW + 2 });
    expect(await asked('b')).toMatchObject({ kind: 'own', newest: NOW + 1 });
  });

  test('outside the usual place is waited for while its owner is at work with it', async () => {
    const { write, visit, asked, table, pass } = await aTable();
    await write('first', { tokenSecretId: 'shared' });
    await write('second', { tokenSecretId: 'shared' });
    const atWork = await visit('first');
    await repoint(table, 'first', 'elsewhere');
    expect(kindOf(await asked('second'))).toBe('busy');
    await atWork.end(NOW + 3);
    pass(5);
    expect(await asked('second')).toMatchObject({ kind: 'own', newest: NOW + 3 });
    await repoint(table, 'first', 'shared');
    expect(kindOf(await asked('first'))).toBe('secret_invalid');
  });

  test('of an account that is removed is waited for until any visit to it must have ended', async () => {
    const { write, visit, remove, asked, pass } = await aTable();
    await write('old');
    await visit('old');
    await remove('old');
    await write('renamed', { tokenSecretId: usual('old'), status: undefined, lastRefreshedAt: undefined });
    const { spendFrom } = (await asked('renamed')) as Extract<Ownership, { kind: 'own' }>;
    expect(spendFrom).toBe(NOW + LONGEST_LEASE);
    pass(LONGEST_LEASE);
    // It does not begin anew with each look.
    expect(await asked('renamed')).toMatchObject({ kind: 'own', spendFrom });
  });

  test('goes back to an account that was restored from a backup when any visit to it must have ended', async () => {
    const { write, asked } = await aTable();
    await write('restored', { lastRefreshedAt: NOW - 7_200 });
    expect(await asked('restored')).toMatchObject({ kind: 'own', spendFrom: NOW + LONGEST_LEASE });
  });

  test('of an account that never was is taken at once where no function has kept it', async () => {
    const { write, asked } = await aTable();
    await write('acme', { tokenSecretId: usual('nobody') });
    expect(kindOf(await asked('acme', { keptByUs: false }))).toBe('own');
  });

  test('outside the usual place, of an owner that is removed, is taken when its lease has ended', async () => {
    const { write, visit, remove, asked, pass } = await aTable();
    await write('first', { tokenSecretId: 'shared' });
    await write('second', { tokenSecretId: 'shared' });
    await visit('first');
    await remove('first');
    expect(kindOf(await asked('second'))).toBe('busy');
    pass(180);
    expect(kindOf(await asked('second'))).toBe('own');
  });

  test('is waited for by an account that is made anew in the place of one that was removed', async () => {
    const { write, visit, asked, pass } = await aTable();
    await write('other', { tokenSecretId: usual('acme') });
    const borrower = await visit('other', { keptByUs: false });
    expect(borrower.own.kind).toBe('own');
    await write('acme', { status: undefined, lastRefreshedAt: undefined });
    expect(kindOf(await asked('acme'))).toBe('busy');
    await borrower.end(NOW + 5);
    pass(10);
    expect(await asked('acme')).toMatchObject({ kind: 'own', newest: NOW + 5 });
    expect(kindOf(await asked('other'))).toBe('secret_invalid');
  });

  test('is waited for by an account that is restored as it was, where another has kept it since', async () => {
    const { write, visit, pass, asked } = await aTable();
    await write('other', { tokenSecretId: usual('acme') });
    const earlier = await visit('other', { keptByUs: false });
    await earlier.end(NOW - 60);
    const borrower = await visit('other', { keptByUs: false });
    await write('acme', { status: 'healthy', lastRefreshedAt: NOW - 7_200 });
    expect(kindOf(await asked('acme', { obtainedAt: NOW - 60 }))).toBe('busy');
    await borrower.end(NOW + 5);
    pass(10);
    expect(kindOf(await asked('acme', { obtainedAt: NOW + 5 }))).toBe('own');
  });
});

/** As a person does: the attribute alone, whatever the account is at. */
async function repoint(table: AccountsTable, accountId: string, tokenSecretId: string | undefined) {
  await table.note(accountId, Number.MAX_SAFE_INTEGER, {
    set: { tokenSecretId },
    remove: tokenSecretId === undefined ? ['tokenSecretId'] : [],
  });
}
