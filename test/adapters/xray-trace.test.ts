import { describe, expect } from 'vitest';
import { createTrace, type Part } from '../../adapters/xray-trace.ts';
import { test as worldTest } from '../support/world-test.ts';
import { startXrayDaemon } from '../support/xray-daemon.ts';

const ROOT = '1-5759e988-bd862e3fe1be46a994272793';
const SAMPLED = `Root=${ROOT};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:0`;

const test = worldTest.extend('daemon', async ({ environment: _ }, { onCleanup }) => {
  const daemon = await startXrayDaemon();
  onCleanup(daemon.close);
  return daemon;
});

const part = (more: Partial<Part> = {}): Part => ({
  name: 'exchange',
  begun: 1_800_000_000_000,
  ended: 1_800_000_000_250,
  annotations: { accountId: 'acme', oauthProfile: 'crm' },
  failed: false,
  ...more,
});

describe('a trace', () => {
  test('tells the daemon of each part, as a subsegment of the invocation', async ({ daemon }) => {
    const trace = createTrace({ _X_AMZN_TRACE_ID: SAMPLED, AWS_XRAY_DAEMON_ADDRESS: daemon.address });
    trace(part({ httpStatus: 200 }));
    trace(
      part({
        name: 'store',
        failed: true,
        annotations: { accountId: 'acme', oauthProfile: 'crm', reason: 'store_unavailable' },
      }),
    );
    const [exchange, store] = await daemon.subsegments(2);
    expect(daemon.packets[0]?.split('\n')[0]).toBe('{"format":"json","version":1}');
    const common = { type: 'subsegment', trace_id: ROOT, parent_id: '53995c3f42cd8ad8' };
    expect(exchange).toEqual({
      ...common,
      id: expect.stringMatching(/^[0-9a-f]{16}$/),
      name: 'exchange',
      start_time: 1_800_000_000,
      end_time: 1_800_000_000.25,
      annotations: { accountId: 'acme', oauthProfile: 'crm' },
      http: { response: { status: 200 } },
    });
    expect(store).toMatchObject({
      ...common,
      name: 'store',
      fault: true,
      annotations: { reason: 'store_unavailable' },
    });
    expect(store?.id).not.toBe(exchange?.id);
  });

  test.for([
    { name: 'not sampled', header: SAMPLED.replace('Sampled=1', 'Sampled=0') },
    { name: 'without a decision', header: `Root=${ROOT};Parent=53995c3f42cd8ad8` },
    { name: 'without a parent', header: `Root=${ROOT};Sampled=1` },
    { name: 'none at all', header: undefined },
    { name: 'nonsense', header: ';;=;Root' },
  ])('that is $name tells nothing', async ({ header }, { daemon }) => {
    const address = { AWS_XRAY_DAEMON_ADDRESS: daemon.address };
    createTrace({ ...address, _X_AMZN_TRACE_ID: header })(part());
    // What comes after it is there, so what came before it would be.
    createTrace({ ...address, _X_AMZN_TRACE_ID: SAMPLED })(part({ name: 'store' }));
    expect((await daemon.subsegments(1)).map(({ name }) => name)).toEqual(['store']);
  });

  test('knows both ways to write the address', async ({ daemon }) => {
    const both = `tcp:127.0.0.1:1 udp:${daemon.address}`;
    createTrace({ _X_AMZN_TRACE_ID: SAMPLED, AWS_XRAY_DAEMON_ADDRESS: both })(part());
    expect(await daemon.subsegments(1)).toHaveLength(1);
  });

  test.each([
    '',
    'localhost',
    '127.0.0.1:0',
    '127.0.0.1:99999',
    '127.0.0.1:1',
    'no.such.host.invalid:2000',
  ])('does nothing and fails in nothing where the daemon is at "%s"', async (AWS_XRAY_DAEMON_ADDRESS) => {
    const trace = createTrace({ _X_AMZN_TRACE_ID: SAMPLED, AWS_XRAY_DAEMON_ADDRESS });
    for (let n = 0; n < 10; n++) expect(trace(part())).toBeUndefined();
    await new Promise((resolve) => setTimeout(resolve, 50));
  });

  test('of a large run has room for what failed', async ({ daemon }) => {
    const trace = createTrace({ _X_AMZN_TRACE_ID: SAMPLED, AWS_XRAY_DAEMON_ADDRESS: daemon.address });
    // In small groups: a socket has room for so much only.
    for (let n = 0; n < 1_000; n++) {
      trace(part({ failed: n >= 900 }));
      if (n % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const subsegments = await daemon.subsegments(500);
    expect(subsegments.filter(({ fault }) => fault === true)).toHaveLength(100);
    expect(subsegments).toHaveLength(500);
    expect(daemon.packets.join('').length).toBeLessThan(500_000 / 2);
  });
});

describe('the function', () => {
  test('traces the exchange and the store of each account, and no token', async ({
    daemon,
    world,
    provider,
  }) => {
    const issued = provider.issue('traced');
    await world.account({ accountId: 'traced', oauthProfile: 'crm' }, issued);
    await world.account(
      { accountId: 'revoked', oauthProfile: 'crm' },
      { refresh_token: 'made-up-refresh-token' },
    );
    const fn = world.process({
      environment: { _X_AMZN_TRACE_ID: SAMPLED, AWS_XRAY_DAEMON_ADDRESS: daemon.address },
    });
    expect(await fn.invoke({})).toMatchObject({ kind: 'returned', payload: { refreshed: 1, failed: 1 } });
    const subsegments = await daemon.subsegments(3);
    const told = subsegments.map(({ name, annotations, fault = false }) => ({ name, ...annotations, fault }));
    const profile = { oauthProfile: 'crm' };
    expect(told).toEqual(
      expect.arrayContaining([
        { name: 'exchange', accountId: 'traced', ...profile, fault: false },
        { name: 'store', accountId: 'traced', ...profile, reason: 'no_access_token', fault: false },
        { name: 'exchange', accountId: 'revoked', ...profile, reason: 'grant_revoked', fault: true },
      ]),
    );
    const { access_token, refresh_token } = await world.tokens('traced');
    for (const token of [issued.refresh_token, access_token, refresh_token, 'made-up-refresh-token'])
      expect(daemon.packets.join()).not.toContain(token);
  });

  test('refreshes as ever where the daemon is gone', async ({ world, provider }) => {
    const daemon = await startXrayDaemon();
    await daemon.close();
    await world.account({ accountId: 'gone', oauthProfile: 'crm' }, provider.issue('gone'));
    const fn = world.process({
      environment: { _X_AMZN_TRACE_ID: SAMPLED, AWS_XRAY_DAEMON_ADDRESS: daemon.address },
    });
    expect(await fn.invoke({ accountIds: ['gone'] })).toMatchObject({
      kind: 'returned',
      payload: { refreshed: 1 },
    });
  });
});
