import { describe, expect } from 'vitest';
import { test } from '../../support/world-test.ts';

const ANSWER = {
  access_token: 'granted-access-token',
  expires_in: 3600,
  refresh_token: 'granted-refresh-token',
};

interface Row {
  readonly headers: Record<string, string>;
  readonly status?: number;
  readonly body?: Record<string, unknown>;
  readonly text?: string;
  readonly id: string | undefined;
}

const rows: Record<string, Row> = {
  'the usual name': { headers: { 'x-request-id': '7f3c-11aa' }, id: '7f3c-11aa' },
  "Intuit's name": { headers: { intuit_tid: '1-5f2c-ab' }, id: '1-5f2c-ab' },
  'an error': {
    headers: { 'x-ms-request-id': 'ab12cd34' },
    status: 400,
    body: { error: 'temporarily_unavailable' },
    id: 'ab12cd34',
  },
  'no id': { headers: {}, id: undefined },
  'text that is no id': { headers: { 'x-request-id': 'see the manual, page 4' }, id: undefined },
  'an id that is the new refresh token': {
    headers: { 'x-request-id': 'granted-refresh-token' },
    id: undefined,
  },
  'a prefix and the new refresh token': {
    headers: { 'x-request-id': 'req-granted-refresh-token' },
    id: undefined,
  },
  'the new refresh token in Base64': {
    headers: { 'x-request-id': Buffer.from('granted-refresh-token').toString('base64') },
    id: undefined,
  },
  'the new refresh token, whose slashes the body escapes': {
    headers: { 'x-request-id': 'rt/Ab9-Zk3/Qm7xT2vN8sLq' },
    text: '{"access_token":"a","expires_in":3600,"refresh_token":"rt\\/Ab9-Zk3\\/Qm7xT2vN8sLq"}',
    id: undefined,
  },
};

describe('a line about a refresh leads to the provider', () => {
  test.for(Object.entries(rows))('by %s', async ([name, row], { world, provider }) => {
    const accountId = `traced-${Object.keys(rows).indexOf(name)}`;
    await world.account({ accountId, oauthProfile: 'crm' }, provider.issue(accountId));
    provider.inject((request) =>
      request.accountId === accountId
        ? {
            kind: 'answer',
            status: row.status ?? 200,
            headers: row.headers,
            body: row.text ?? JSON.stringify(row.body ?? ANSWER),
          }
        : undefined,
    );
    world.function.takeLog();
    const { runId } = await world.run({ accountIds: [accountId] });
    provider.inject(undefined);
    const lines = world.function.takeLog().map((line) => JSON.parse(line));
    const [line] = lines.filter(({ accountId: of, status }) => of === accountId && status !== undefined);
    expect(line).toMatchObject({
      runId,
      attemptId: expect.any(String),
      httpStatus: row.status ?? 200,
      exchangeMs: expect.any(Number),
    });
    expect(line.providerRequestId).toBe(row.id);
  });

  test('not by the client secret', async ({ world, provider }) => {
    await world.account({ accountId: 'client', oauthProfile: 'crm' }, provider.issue('client'));
    const secret = String(provider.profile.client_secret);
    provider.inject(() => ({ kind: 'answer', status: 503, headers: { 'x-request-id': secret }, body: '' }));
    world.function.takeLog();
    await world.run({ accountIds: ['client'] });
    provider.inject(undefined);
    expect(world.function.takeLog().join('\n')).not.toContain(secret);
  });

  test('not by the refresh token that was sent', async ({ world, provider }) => {
    const issued = provider.issue('quoted');
    await world.account({ accountId: 'quoted', oauthProfile: 'crm' }, issued);
    provider.inject(() => ({
      kind: 'answer',
      status: 503,
      headers: { 'x-request-id': issued.refresh_token.slice(0, 40) },
      body: '',
    }));
    world.function.takeLog();
    await world.run({ accountIds: ['quoted'] });
    provider.inject(undefined);
    expect(world.function.takeLog().join('\n')).not.toContain(issued.refresh_token.slice(0, 40));
  });
});
