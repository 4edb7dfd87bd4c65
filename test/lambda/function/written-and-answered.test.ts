import { describe, expect, test } from 'vitest';
import { awsEndpoint } from '../../support/aws-endpoint.ts';
import { aJwt } from '../../support/builders.ts';
import { fileWorld } from '../../support/world-test.ts';

/** What people write into secrets, and the times that providers answer, as the function takes them. */
const { provider, world } = await fileWorld(awsEndpoint());

interface Given {
  readonly profile?: Record<string, unknown>;
  /** What comes before the JSON of both secrets. */
  readonly before?: string;
  readonly tokens?: (issued: Record<string, unknown>) => Record<string, unknown>;
  readonly answer?: Record<string, unknown>;
}

let made = 0;

/** One account, due, and what one run makes of it. */
async function visit({ profile = {}, before = '', tokens = (issued) => issued, answer }: Given) {
  const accountId = `written-${++made}`;
  const issued = provider.issue(accountId);
  await world.profile(accountId, before + JSON.stringify({ ...provider.profile, ...profile }));
  await world.account({ accountId, oauthProfile: accountId }, before + JSON.stringify(tokens(issued)));
  if (answer !== undefined)
    provider.inject(() => ({
      kind: 'odd_body',
      make: ({ access_token, refresh_token }) => ({
        body: JSON.stringify({ access_token, refresh_token, token_type: 'Bearer', ...answer }),
      }),
    }));
  const { accounts } = await world.run({ accountIds: [accountId], force: true });
  provider.inject(undefined);
  const item = await world.item(accountId);
  const { failure } = item as { failure?: { message: string } };
  return { report: accounts?.[0], message: failure?.message, item, accountId };
}

const now = () => Math.floor(Date.now() / 1000);

describe('a secret', () => {
  test('with a byte order mark is read, a profile’s and an account’s', async () => {
    const { report, item, accountId } = await visit({ before: '\uFEFF' });
    expect(report?.action).toBe('refresh');
    expect(item.status).toBe('healthy');
    expect(provider.truth(accountId).grants).toBe(1);
  });

  const wrong: readonly (Given & { of: string; reason: string; names: string })[] = [
    {
      of: 'a profile whose client_secret ends in a line break',
      profile: { client_secret: 'hush\n' },
      reason: 'profile_invalid',
      names: 'client_secret: must not hold control characters',
    },
    {
      of: 'a profile whose client_id ends in a space',
      profile: { client_id: 'client ' },
      reason: 'profile_invalid',
      names: 'client_id: must not begin or end with a space',
    },
    {
      of: 'a profile that frames its own messages',
      profile: { token_request_headers: { 'Content-Length': '700' } },
      reason: 'profile_invalid',
      names: 'token_request_headers: must not have content-length',
    },
    {
      of: 'an account whose refresh token ends in a line break',
      tokens: (issued) => ({ ...issued, refresh_token: `${issued.refresh_token}\n` }),
      reason: 'secret_invalid',
      names: 'refresh_token: must not hold control characters',
    },
    {
      of: 'an account whose refresh token ends in a space',
      tokens: (issued) => ({ ...issued, refresh_token: `${issued.refresh_token} ` }),
      reason: 'secret_invalid',
      names: 'refresh_token: must not begin or end with a space',
    },
    {
      of: 'an account whose kept_by is a number',
      tokens: (issued) => ({ ...issued, kept_by: 7 }),
      reason: 'secret_invalid',
      names: 'kept_by: must be a string',
    },
  ];
  test.each(wrong)('of $of is refused by name, and nothing is sent', async ({ reason, names, ...given }) => {
    const { report, message, accountId } = await visit(given);
    expect(report?.reason).toBe(reason);
    expect(message).toContain(names);
    expect(provider.truth(accountId).requests).toBe(0);
  });
});

describe('the access token of an answer', () => {
  const until = { token_response_fields: { expires_at: '/until' } };
  const rows: readonly (Given & { that: string; lifetime: number })[] = [
    {
      that: 'names no lifetime lives as long as the one before it',
      tokens: (issued) => ({ ...issued, obtained_at: now() - 700, expires_at: now() - 100 }),
      answer: {},
      lifetime: 600,
    },
    {
      that: 'names no lifetime, after one whose times were in milliseconds, lives as long as that',
      tokens: (issued) => ({
        ...issued,
        obtained_at: (now() - 700) * 1000,
        expires_at: (now() - 100) * 1000,
      }),
      answer: {},
      lifetime: 600,
    },
    {
      that: 'ended long ago by its own account lives for an hour',
      profile: until,
      tokens: ({ access_token, refresh_token }) => ({ access_token, refresh_token }),
      answer: { until: '2020-01-01T00:00:00Z' },
      lifetime: 3_600,
    },
    {
      that: 'is a JWT and names no lifetime lives until its exp',
      answer: { access_token: aJwt({ exp: now() + 1_234 }) },
      lifetime: 1_234,
    },
    {
      that: 'lives an hour in milliseconds lives an hour',
      answer: { expires_in: 3_600_000 },
      lifetime: 3_600,
    },
  ];
  test.each(rows)('that $that', async ({ lifetime, ...given }) => {
    const { item, message } = await visit(given);
    expect({ status: item.status, message }).toEqual({ status: 'healthy', message: undefined });
    expect(Math.abs(Number(item.accessTokenExpiresAt) - now() - lifetime)).toBeLessThan(30);
  });
});
