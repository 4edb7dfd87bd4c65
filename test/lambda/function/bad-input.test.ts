import { beforeAll, describe, expect, test } from 'vitest';
import type { RunResult } from '../../../lambda/run-result.ts';
import { awsEndpoint } from '../../support/aws-endpoint.ts';
import type { ProviderFault } from '../../support/strict-provider.ts';
import { fileWorld } from '../../support/world-test.ts';

/**
 * Accounts in every kind of trouble in one table, between healthy ones: each has its reason, and harms nobody else.
 */
const html = { 'content-type': 'text/html' };
const faults: Record<string, ProviderFault> = {
  'answers-html': { kind: 'answer', status: 200, body: '<!doctype html><h1>Welcome</h1>', headers: html },
  'answers-500': { kind: 'answer', status: 500, body: 'Internal Server Error', headers: html },
  'answers-503': { kind: 'answer', status: 503, headers: { 'retry-after': '120' } },
  'answers-429': { kind: 'answer', status: 429, headers: { 'retry-after': '600' } },
  'answers-nothing': { kind: 'answer', status: 200, body: '' },
  'answers-5-mb': { kind: 'answer', status: 200, body: Buffer.alloc(5 * 1024 * 1024, 'x') },
  'answers-redirect': { kind: 'answer', status: 302, headers: { location: 'http://127.0.0.1/elsewhere' } },
  'drops-the-request': { kind: 'drop_request' },
};

/** What is wrong, the reason, and what the message must name. */
const rows: readonly { accountId: string; reason: string; names: string }[] = [
  { accountId: 'enabled-as-text', reason: 'account_invalid', names: 'enabled: must be true or false' },
  {
    accountId: 'parameters-as-text',
    reason: 'account_invalid',
    names: 'parameters: must be a map of strings',
  },
  { accountId: 'no-secret', reason: 'secret_missing', names: 'accounts/no-secret" does not exist' },
  { accountId: 'secret-not-json', reason: 'secret_invalid', names: 'must hold a JSON object' },
  { accountId: 'secret-of-wrong-kind', reason: 'secret_invalid', names: 'refresh_token: must be a string' },
  { accountId: 'profile-not-there', reason: 'profile_missing', names: 'oauthProfile "erp" does not exist' },
  { accountId: 'profile-not-json', reason: 'profile_invalid', names: 'must hold a JSON object' },
  {
    accountId: 'profile-unknown-field',
    reason: 'profile_invalid',
    names: 'client_ident: is not a known field',
  },
  { accountId: 'profile-http', reason: 'profile_invalid', names: 'token_endpoint: must use https' },
  {
    accountId: 'profile-metadata',
    reason: 'profile_invalid',
    names: 'token_endpoint: leads to an address that is not allowed: only public addresses are, private ones',
  },
  {
    accountId: 'profile-placeholder',
    reason: 'account_invalid',
    names: "parameters.subdomain: is missing; the profile's token_endpoint needs it",
  },
  { accountId: 'wrong-client', reason: 'client_rejected', names: 'invalid_client' },
  { accountId: 'revoked', reason: 'grant_revoked', names: 'invalid_grant' },
  { accountId: 'answers-html', reason: 'malformed_response', names: 'HTML' },
  { accountId: 'answers-500', reason: 'provider_unavailable', names: 'HTTP 500' },
  { accountId: 'answers-503', reason: 'provider_unavailable', names: 'HTTP 503' },
  { accountId: 'answers-429', reason: 'rate_limited', names: 'HTTP 429' },
  { accountId: 'answers-nothing', reason: 'malformed_response', names: 'empty body' },
  { accountId: 'answers-5-mb', reason: 'malformed_response', names: 'too large' },
  { accountId: 'answers-redirect', reason: 'malformed_response', names: 'redirect' },
  { accountId: 'drops-the-request', reason: 'provider_unavailable', names: 'did not answer' },
];

const { aws, provider, world } = await fileWorld(awsEndpoint());
let result: RunResult;
const before = new Map<string, unknown>();
/** As the run left them: some tests go on from there. */
const items = new Map<string, Record<string, unknown>>();

beforeAll(async () => {
  const { profile } = provider;
  await world.profile('profile-not-json', '{"client_id": ');
  await world.profile('profile-unknown-field', { ...profile, client_ident: 'x' });
  await world.profile('profile-http', { ...profile, token_endpoint: 'http://id.example/token' });
  await world.profile('profile-metadata', { ...profile, token_endpoint: 'https://169.254.169.254/latest' });
  await world.profile('profile-placeholder', {
    ...profile,
    token_endpoint: 'https://{subdomain}.example/token',
  });
  await world.profile('wrong-client', { ...profile, client_secret: 'wrong' });
  // A profile each, as three failures in a row count as an outage of the profile's provider.
  for (const name of Object.keys(faults)) await world.profile(name, profile);
  const item: Record<string, Record<string, unknown>> = {
    'enabled-as-text': { enabled: 'yes' },
    'parameters-as-text': { parameters: 'subdomain=x' },
    'profile-not-there': { oauthProfile: 'erp' },
    'wrong-client': { oauthProfile: 'wrong-client' },
  };
  const secret: Record<string, unknown> = {
    'secret-not-json': 'tokens!',
    'secret-of-wrong-kind': { refresh_token: 12345 },
  };
  for (const { accountId } of rows) {
    const issued = provider.issue(accountId);
    const own = accountId.startsWith('profile-') || accountId in faults ? { oauthProfile: accountId } : {};
    const tokens = accountId === 'no-secret' ? undefined : (secret[accountId] ?? issued);
    await world.account({ accountId, oauthProfile: 'crm', ...own, ...item[accountId] }, tokens);
    if (tokens !== undefined && accountId !== 'secret-not-json')
      before.set(accountId, await world.tokens(accountId));
  }
  for (const accountId of ['good-1', 'good-2', 'good-3'])
    await world.account({ accountId, oauthProfile: 'crm' }, provider.issue(accountId));
  provider.revoke('revoked');
  provider.inject(({ accountId }) => faults[accountId ?? '']);
  result = await world.run();
  for (const { accountId } of rows) items.set(accountId, await world.item(accountId));
});

describe('an account', () => {
  test.each(rows)('$accountId fails with $reason, by name', ({ accountId, reason, names }) => {
    const { status, failure } = items.get(accountId) ?? {};
    expect({ status, failure }).toMatchObject({ status: 'failing', failure: { reason, count: 1 } });
    const { message } = failure as { message: string };
    expect(message).toContain(names);
    expect(message).toContain(`Account="${accountId}"`);
  });

  test('waits as long as its provider asked for', () => {
    const { nextAttemptAt, failure } = items.get('answers-429') ?? {};
    expect(nextAttemptAt).toBe((failure as { at: number }).at + 600);
  });

  test('keeps its tokens as they were', async () => {
    for (const [accountId, tokens] of before) expect(await world.tokens(accountId)).toEqual(tokens);
  });
});

describe('the others', () => {
  test.each(['good-1', 'good-2', 'good-3'])('%s is refreshed', async (accountId) => {
    expect(await world.item(accountId)).toMatchObject({ status: 'healthy' });
    expect(provider.accepts(accountId, (await world.tokens(accountId)).refresh_token)).toBe(true);
  });
});

describe('the run', () => {
  test('does not fail, and counts each account once', () => {
    const { scanned, refreshed, failed, invalid, reauthorizationRequired, deferred } = result;
    expect({ scanned, refreshed, reauthorizationRequired, deferred }).toEqual({
      scanned: rows.length + 3,
      refreshed: 3,
      reauthorizationRequired: 0,
      deferred: 0,
    });
    expect(failed + invalid).toBe(rows.length);
    expect(invalid).toBe(11);
  });

  test('believes a dead grant when it is heard again an hour later', async () => {
    await world.runAt(3_660, { accountIds: ['revoked'] });
    expect(await world.item('revoked')).toMatchObject({
      status: 'reauthorization_required',
      failure: { reason: 'grant_revoked', count: 2 },
    });
  });

  test('tells trouble that goes on once, and counts it', async () => {
    await world.runAt(60, { accountIds: ['enabled-as-text', 'profile-not-there'] });
    for (const id of ['enabled-as-text', 'profile-not-there'])
      expect(await world.item(id)).toMatchObject({ status: 'failing', failure: { count: 2 } });
    const told = aws.aws
      ?.putEventsLog()
      .map(({ detailType, detail }) => [detailType, (detail as { accountId: string }).accountId])
      .filter(([, accountId]) => accountId === 'enabled-as-text');
    if (told !== undefined) expect(told).toEqual([['OAuth Account Failing', 'enabled-as-text']]);
  });

  test.each([
    { name: 'another authenticationType', attributes: { authenticationType: 'basic', oauthProfile: 'crm' } },
    { name: 'no profile', attributes: { authenticationType: 'oauth2' } },
  ])('leaves an account of $name alone when it is asked for by its id, too', async ({ name, attributes }) => {
    const accountId = `left-${name.replaceAll(' ', '-')}`;
    const issued = provider.issue(accountId);
    const item = { accountId, ...attributes };
    await world.account(item, issued);
    const result = await world.run({ accountIds: [accountId], force: true });
    expect(result).toMatchObject({ refreshed: 0, failed: 0, invalid: 1 });
    expect(await world.item(accountId)).toEqual(item);
    expect(await world.tokens(accountId)).toEqual({ ...issued, kept_by: world.keeper });
    expect(provider.truth(accountId).requests).toBe(0);
  });

  test('says of an account that is not there that it is not', async () => {
    const { accounts, invalid } = await world.run({ accountIds: ['nobody'] });
    expect(invalid).toBe(1);
    expect(accounts).toEqual([
      { accountId: 'nobody', action: 'retry', reason: 'account_invalid', accessTokenExpiresAt: null },
    ]);
    expect(await world.item('nobody')).toEqual({});
  });
});
