import { DeleteCommand } from '@aws-sdk/lib-dynamodb';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startLocalAws } from '../../../local/aws/server.ts';
import { createGuardedWorld } from '../../support/iam/guarded-world.ts';
import { startStrictProvider } from '../../support/strict-provider.ts';

const aws = await startLocalAws();
const provider = await startStrictProvider();

/** Two profiles with a due account each, and one whose item can't be used. */
async function ownWorld() {
  const world = await createGuardedWorld(aws.url);
  onTestFinished(() => world.close());
  for (const profile of ['crm', 'mail']) {
    await world.profile(profile, provider.profile);
    const accountId = `${world.prefix}${profile}`;
    await world.account(
      { accountId, oauthProfile: profile, tokenSecretId: `${world.prefix}accounts/${accountId}` },
      provider.issue(accountId),
    );
  }
  return {
    ...world,
    id: (profile: string) => `${world.prefix}${profile}`,
    pause: (note: string) => world.account({ accountId: note, authenticationType: undefined, at: 1 }),
    resume: (accountId: string) =>
      world.clients.table.send(new DeleteCommand({ TableName: world.clients.tableName, Key: { accountId } })),
  };
}

describe('while people have paused', () => {
  test('a profile, its accounts are left alone, due or forced, and the others are refreshed', async () => {
    const world = await ownWorld();
    await world.pause('#pause:crm');
    expect(await world.run()).toMatchObject({ due: 1, refreshed: 1 });
    const { accounts } = await world.run({ accountIds: [world.id('crm')], force: true });
    expect(accounts).toMatchObject([{ action: 'leave', reason: 'disabled' }]);
    expect(provider.truth(world.id('crm'))).toMatchObject({ requests: 0 });
    const item = await world.item(world.id('crm'));
    expect(item.status).toBeUndefined();
    expect(item.enabled).toBeUndefined();
  });

  test('everything, nothing is spent or written, and all is refreshed once it is over', async () => {
    const world = await ownWorld();
    await world.account({ accountId: 'odd', oauthProfile: 'crm', parameters: 7 });
    await world.pause('#pause');
    expect(await world.run()).toMatchObject({ scanned: 4, due: 0, refreshed: 0, invalid: 0, deferred: 0 });
    expect(await world.item('odd')).not.toHaveProperty('status');
    await world.resume('#pause');
    expect(await world.run()).toMatchObject({ refreshed: 2 });
  });

  test("everything, an account that can't be used and is its profile's only one is left alone, too", async () => {
    const world = await ownWorld();
    await world.pause('#pause');
    await world.account({ accountId: 'odd', oauthProfile: 'alone', parameters: 7 });
    expect(await world.run()).toMatchObject({ invalid: 0 });
    expect(await world.item('odd')).not.toHaveProperty('status');
  });

  test('everything, expired tokens are still counted, as their readers fail', async () => {
    const world = await ownWorld();
    const item = { status: 'healthy', lastRefreshedAt: 1_700_000_000, accessTokenExpiresAt: 1_700_003_600 };
    await world.account({ accountId: 'forgotten', oauthProfile: 'crm', ...item });
    await world.pause('#pause');
    world.function.takeLog();
    await world.run();
    const metrics = world.function
      .takeLog()
      .map((line) => JSON.parse(line))
      .find((line) => '_aws' in line);
    expect(metrics).toMatchObject({ AccessTokensExpired: 1 });
  });

  test.each(['#pause', '#pause:crm'])("%s, nothing is spent where that can't be read", async (note) => {
    const world = await ownWorld();
    await world.pause(note);
    aws.inject(({ operation, input }) =>
      operation === 'BatchGetItem' && JSON.stringify(input).includes(`"${note}"`)
        ? { kind: 'throttle' }
        : undefined,
    );
    const { deferred } = await world.run();
    aws.inject(undefined);
    expect(deferred).toBeGreaterThan(0);
    expect(provider.truth(world.id('crm'))).toMatchObject({ requests: 0 });
  });

  test('and the function may not read what, the run fails', async () => {
    const world = await ownWorld();
    aws.inject(({ operation }) =>
      operation === 'BatchGetItem'
        ? { kind: 'error', status: 400, type: 'AccessDeniedException', message: 'no' }
        : undefined,
    );
    await expect(world.run()).rejects.toThrow('AccessDeniedException');
    aws.inject(undefined);
    expect(provider.truth(world.id('crm'))).toMatchObject({ requests: 0 });
  });

  test('a profile, an item with a name that none can have spoils the reads of no other', async () => {
    const world = await ownWorld();
    await world.account({ accountId: 'long', oauthProfile: 'x'.repeat(2_050) });
    await world.pause('#pause:crm');
    expect(await world.run()).toMatchObject({ refreshed: 1, invalid: 1 });
  });

  test('everything, a dry run says so', async () => {
    const world = await ownWorld();
    await world.pause('#pause');
    const { accounts } = await world.run({ dryRun: true });
    expect(accounts?.map(({ action, reason }) => [action, reason])).toEqual([
      ['leave', 'disabled'],
      ['leave', 'disabled'],
    ]);
  });

  test('while a run is at work, it begins no further account of it within ten seconds', async () => {
    const world = await ownWorld();
    for (let n = 0; n < 60; n++) {
      const accountId = `${world.prefix}slow-${n}`;
      const tokenSecretId = `${world.prefix}accounts/${accountId}`;
      await world.account({ accountId, oauthProfile: 'crm', tokenSecretId }, provider.issue(accountId));
    }
    let asked = 0;
    provider.inject(({ accountId = '' }) => {
      if (!accountId.includes('slow')) return undefined;
      if (asked++ === 0) void world.pause('#pause:crm');
      return { kind: 'delay', milliseconds: 6_000 };
    });
    const { refreshed, scanned } = await world.run();
    provider.inject(undefined);
    expect(scanned).toBeGreaterThan(61);
    // What had begun has ended.
    expect(refreshed).toBeGreaterThanOrEqual(asked);
    expect(asked).toBeLessThan(45);
  });
});
