import {
  DeleteSecretCommand,
  PutSecretValueCommand,
  RestoreSecretCommand,
} from '@aws-sdk/client-secrets-manager';
import { afterEach, describe, expect, test } from 'vitest';
import { startLocalAws } from '../../../local/aws/server.ts';
import { createGuardedWorld } from '../../support/iam/guarded-world.ts';
import { startStrictProvider } from '../../support/strict-provider.ts';

const aws = await startLocalAws({ maxClockSkewSeconds: Number.POSITIVE_INFINITY });
const provider = await startStrictProvider();

afterEach(() => {
  aws.inject(undefined);
  provider.inject(undefined);
});

async function ownWorld() {
  const world = await createGuardedWorld(aws.url);
  await world.profile('crm', provider.profile);
  return world;
}
type OwnWorld = Awaited<ReturnType<typeof ownWorld>>;

const now = () => Math.floor(Date.now() / 1000);
const eventsOf = (key: 'accountId' | 'oauthProfile', value: string) =>
  aws
    .putEventsLog()
    .filter(({ detail }) => (detail as Record<string, unknown>)[key] === value)
    .map(({ detailType }) => detailType);

/** The lines and the metrics of a run. */
async function logOf(world: OwnWorld, seconds?: number) {
  const fn = seconds === undefined ? world.function : world.process({ clockOffsetSeconds: seconds });
  fn.takeLog();
  await fn.invoke({});
  return fn.takeLog().map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** A healthy account whose access token is good for hours. */
async function goodForHours(world: OwnWorld, accountId: string) {
  const at = now();
  const expiry = { obtained_at: at, expires_at: at + 36_000 };
  await world.account(
    {
      accountId,
      oauthProfile: 'crm',
      status: 'healthy',
      lastRefreshedAt: at,
      accessTokenExpiresAt: expiry.expires_at,
    },
    { ...provider.issue(accountId), ...expiry },
  );
}

describe('a token secret that is gone while its access token is good for hours', () => {
  test('is told of by the next runs, and the account works again when it is restored', async () => {
    const world = await ownWorld();
    await goodForHours(world, 'gone');
    const SecretId = `${world.prefix}accounts/gone`;
    await world.clients.secrets.send(new DeleteSecretCommand({ SecretId }));
    await world.run();
    await world.run();
    expect(await world.item('gone')).toMatchObject({
      status: 'failing',
      failure: { reason: 'secret_missing' },
    });
    expect(eventsOf('accountId', 'gone')).toEqual(['OAuth Account Failing']);
    await world.clients.secrets.send(new RestoreSecretCommand({ SecretId }));
    await world.runAt(120);
    expect(await world.item('gone')).toMatchObject({
      status: 'healthy',
      accessTokenExpiresAt: expect.any(Number),
    });
    expect(provider.truth('gone')).toMatchObject({ requests: 0 });
  });

  test('is no matter while its account, or everything, is paused', async () => {
    const world = await ownWorld();
    await goodForHours(world, 'paused');
    await world.clients.secrets.send(new DeleteSecretCommand({ SecretId: `${world.prefix}accounts/paused` }));
    await world.account({ accountId: '#pause', authenticationType: undefined });
    await world.run();
    await world.run();
    expect(await world.item('paused')).toMatchObject({ status: 'healthy' });
  });

  test("is not written into a newer version's item", async () => {
    const world = await ownWorld();
    await goodForHours(world, 'newer');
    const item = await world.item('newer');
    await world.account({ ...item, accountId: 'newer', formatVersion: 2 }, 'moved');
    for (let runs = 0; runs < 3; runs++) await world.run();
    expect(await world.item('newer')).toMatchObject({ accessTokenExpiresAt: item.accessTokenExpiresAt });
  });

  test('is not held against each account where a few runs have looked at two each', async () => {
    const world = await ownWorld();
    for (let n = 0; n < 40; n++) await goodForHours(world, `many-${n}`);
    await world.run();
    aws.inject(({ operation, input }) =>
      operation === 'GetSecretValue' && JSON.stringify(input).includes('accounts/')
        ? { kind: 'error', status: 400, type: 'AccessDeniedException', message: 'no' }
        : undefined,
    );
    for (let runs = 0; runs < 6; runs++) await world.run();
    for (let n = 0; n < 40; n++) expect(await world.item(`many-${n}`)).toMatchObject({ status: 'healthy' });
  });

  test('is not held against each account where nearly all secrets are: it is said once', async () => {
    const world = await ownWorld();
    const ids = ['denied-1', 'denied-2', 'denied-3', 'denied-4', 'denied-5'];
    for (const id of ids) await goodForHours(world, id);
    aws.inject(({ operation, input }) =>
      operation === 'GetSecretValue' && JSON.stringify(input).includes('accounts/')
        ? { kind: 'error', status: 400, type: 'AccessDeniedException', message: 'no' }
        : undefined,
    );
    const lines = await logOf(world);
    expect(lines.filter(({ reason }) => reason === 'permission_missing')).toHaveLength(1);
    for (const id of ids) expect(await world.item(id)).toMatchObject({ status: 'healthy' });
  });
});

describe('a profile whose new version is refused while the one before works', () => {
  test('is told of once, counted while it is so, and told of again when it is mended', async () => {
    const world = await ownWorld();
    const add = (id: string) =>
      world.account(
        { accountId: id, oauthProfile: 'crm' },
        { ...provider.issue(id), expires_at: now() - 60 },
      );
    await add('first');
    const secretOf = (secret: string) =>
      world.clients.secrets.send(
        new PutSecretValueCommand({
          SecretId: `${world.prefix}profiles/crm`,
          SecretString: JSON.stringify({ ...provider.profile, client_secret: secret }),
        }),
      );
    await secretOf('wrong');
    const before = eventsOf('oauthProfile', 'crm').length;
    const lines = await logOf(world);
    expect(await world.item('first')).toMatchObject({ status: 'healthy' });
    expect(lines.filter(({ message }) => String(message).includes('version is refused'))).toMatchObject([
      { level: 'ERROR', oauthProfile: 'crm', reason: 'client_rejected' },
    ]);
    await add('second');
    const [metrics] = (await logOf(world)).filter((line) => '_aws' in line);
    expect(metrics).toMatchObject({ ProfilesAtRisk: 1, ProfilesFailing: 0 });
    expect(eventsOf('oauthProfile', 'crm').slice(before)).toEqual(['OAuth Profile At Risk']);
    await secretOf(String(provider.profile.client_secret));
    await add('third');
    await world.run();
    expect(eventsOf('oauthProfile', 'crm').slice(before)).toEqual([
      'OAuth Profile At Risk',
      'OAuth Profile Recovered',
    ]);
    const [after] = (await logOf(world)).filter((line) => '_aws' in line);
    expect(after).toMatchObject({ ProfilesAtRisk: 0 });
  });
});

describe('a clock that is wrong', () => {
  const rows = { 'an hour ahead': 3_600, 'two minutes behind': -120 };
  test.each(Object.entries(rows))('by %s is doubted, by the date of the responses', async (_, seconds) => {
    const world = await ownWorld();
    await world.account({ accountId: 'any', oauthProfile: 'crm' }, provider.issue(`any${seconds}`));
    const lines = await logOf(world, seconds);
    const [doubt] = lines.filter(({ clockAheadSeconds }) => clockAheadSeconds !== undefined);
    expect(doubt).toMatchObject({ level: 'ERROR' });
    expect(Math.abs(Number(doubt?.clockAheadSeconds) - seconds)).toBeLessThan(20);
    expect(lines.find((line) => '_aws' in line)).toMatchObject({ ClockInDoubt: 1 });
  });

  test('is not doubted while it is right', async () => {
    const world = await ownWorld();
    await world.account({ accountId: 'right', oauthProfile: 'crm' }, provider.issue('right'));
    const lines = await logOf(world);
    expect(lines.filter(({ clockAheadSeconds }) => clockAheadSeconds !== undefined)).toEqual([]);
    expect(lines.find((line) => '_aws' in line)).toMatchObject({ ClockInDoubt: 0 });
  });
});

describe('a scan that there is no time to end', () => {
  test('says so, and its run publishes no level of what it has not seen', async () => {
    const world = await ownWorld();
    const nobody = { status: 'reauthorization_required', failure: undefined, oauthProfile: 'crm' };
    for (let n = 0; n < 60; n++) await world.account({ accountId: `person-${n}`, ...nobody });
    aws.inject(({ operation }) =>
      operation === 'Scan' ? { kind: 'delay', milliseconds: 1_500 } : undefined,
    );
    world.function.takeLog();
    const result = await world.run({}, 13_000);
    const lines = world.function.takeLog().map((line) => JSON.parse(line));
    expect(result).toMatchObject({ incomplete: true, scanned: 50 });
    const metrics = lines.find((line) => '_aws' in line);
    expect(metrics).toMatchObject({ ScansIncomplete: 1, RunDuration: expect.any(Number) });
    expect(metrics).not.toHaveProperty('ReauthorizationRequired');
    expect(metrics).not.toHaveProperty('AccountsScanned');
    expect(lines.at(-1)).toMatchObject({ message: 'Run finished.', incomplete: true });
    aws.inject(undefined);
    const whole = await logOf(world);
    expect(whole.find((line) => '_aws' in line)).toMatchObject({
      ScansIncomplete: 0,
      ReauthorizationRequired: 60,
    });
    expect(whole.at(-1)).not.toHaveProperty('incomplete');
  });
});

describe('an event that the bus does not take', () => {
  test('is counted as owed by the runs that find it', async () => {
    const world = await ownWorld();
    await world.account(
      { accountId: 'owed', oauthProfile: 'crm' },
      { access_token: 'old', expires_at: 1_700_000_000 },
    );
    aws.inject(({ operation }) =>
      operation === 'PutEvents'
        ? { kind: 'error', status: 400, type: 'AccessDeniedException', message: 'no' }
        : undefined,
    );
    await world.run();
    expect(await world.item('owed')).toMatchObject({ status: 'reauthorization_required' });
    const lines = await logOf(world, 60);
    expect(lines.find((line) => '_aws' in line)).toMatchObject({ EventsOwed: 1 });
    aws.inject(undefined);
    await logOf(world, 120);
    const calm = await logOf(world, 180);
    expect(calm.find((line) => '_aws' in line)).toMatchObject({ EventsOwed: 0 });
    expect(eventsOf('accountId', 'owed')).toEqual(['OAuth Reauthorization Required']);
  });
});
