import { UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { describe, expect } from 'vitest';
import { LOG_QUERIES } from '../../infra/monitoring/queries.ts';
import { ABOUT_METRICS } from '../../lambda/about-metrics.ts';
import { METRIC, METRIC_NAMESPACE } from '../../lambda/metric-names.ts';
import { alarmsOf, templateOf, widgetsOf } from '../support/synthesized.ts';
import type { World } from '../support/world.ts';
import { test as worldTest } from '../support/world-test.ts';

/** Compares what alarms and dashboard read with what real runs of the function write. */
const template = templateOf({ segments: 7 });
const [fn] = Object.values(template.findResources('AWS::Lambda::Function', { Properties: { Timeout: 120 } }));
const environment: Record<string, string> = fn?.Properties.Environment.Variables;

const now = () => Math.floor(Date.now() / 1000);

const test = worldTest.override('environment', {
  POWERTOOLS_SERVICE_NAME: environment.POWERTOOLS_SERVICE_NAME ?? '',
  POWERTOOLS_METRICS_NAMESPACE: environment.POWERTOOLS_METRICS_NAMESPACE ?? '',
});

type Line = Readonly<Record<string, unknown>>;

interface Emf {
  readonly CloudWatchMetrics: readonly {
    readonly Namespace: string;
    readonly Dimensions: readonly (readonly string[])[];
    readonly Metrics: readonly { readonly Name: string; readonly Unit: string }[];
  }[];
}

/** Runs once. @returns the log lines, and the one that becomes metrics */
async function runOnce(world: World, event: unknown = {}): Promise<{ metrics: Line; lines: Line[] }> {
  world.function.takeLog();
  await world.run(event);
  const lines = world.function.takeLog().map((line) => JSON.parse(line) as Line);
  const [metrics, ...more] = lines.filter((line) => '_aws' in line);
  expect(more).toEqual([]);
  return { metrics: metrics ?? {}, lines };
}

describe('a run', () => {
  test('over accounts that a person named does not count as one of the table', async ({ world }) => {
    const { metrics } = await runOnce(world, { accountIds: ['nobody'] });
    const told = Object.entries(METRIC).filter(([, name]) => metrics[name] !== undefined);
    const counts = Object.entries(ABOUT_METRICS).filter(([, { kind }]) => kind === 'count');
    expect(told.map(([key]) => key).sort()).toEqual(counts.map(([key]) => key).sort());
  });

  test('emits each metric of the list once, in one line, for the service alone', async ({ world }) => {
    const { metrics } = await runOnce(world);
    const { CloudWatchMetrics } = metrics._aws as Emf;
    expect(CloudWatchMetrics).toHaveLength(1);
    expect(CloudWatchMetrics[0]).toMatchObject({ Namespace: METRIC_NAMESPACE, Dimensions: [['service']] });
    expect(CloudWatchMetrics[0]?.Metrics.map(({ Name }) => Name).sort()).toEqual(
      Object.values(METRIC).sort(),
    );
    expect(metrics.service).toBe('Test-Refresher');
  });

  test('emits every metric that an alarm or a widget reads, under the same service', async ({ world }) => {
    const { metrics } = await runOnce(world);
    const { Dimensions, Metrics, Namespace } = (metrics._aws as Emf).CloudWatchMetrics[0] ?? {};
    const emitted = Metrics?.map(({ Name }) =>
      [Namespace, Name, ...(Dimensions?.flat() ?? []), metrics.service].join(),
    );
    const alarmed = [...alarmsOf(template).values()]
      .filter((alarm) => alarm.Namespace === METRIC_NAMESPACE)
      .map((alarm) =>
        [
          alarm.Namespace,
          alarm.MetricName,
          ...(alarm.Dimensions ?? []).flatMap(({ Name, Value }) => [Name, Value]),
        ].join(),
      );
    const drawn = widgetsOf(template)
      .flatMap(({ properties }) => properties.metrics ?? [])
      .filter(([namespace]) => namespace === METRIC_NAMESPACE)
      .map((metric) => metric.slice(0, 4).join());
    expect(alarmed).toHaveLength(11);
    expect(emitted).toEqual(expect.arrayContaining(alarmed));
    // And the dashboard shows all there is.
    expect([...new Set(drawn)].sort()).toEqual(emitted?.sort());
  });

  test('by hand with dryRun emits nothing: it would hide what the others found', async ({ world }) => {
    const { lines } = await world
      .run({ dryRun: true })
      .then(() => ({ lines: world.function.takeLog().map((line) => JSON.parse(line) as Line) }));
    expect(lines.filter((line) => '_aws' in line)).toEqual([]);
  });
});

describe('a level stays while its cause does, and goes with it:', () => {
  test('an account that needs a person', async ({ world, provider }) => {
    await world.account({ accountId: 'waits', oauthProfile: 'crm', accessTokenExpiresAt: now() - 60 }, {});
    for (const _ of ['found', 'found again'])
      expect((await runOnce(world)).metrics).toMatchObject({
        ReauthorizationRequired: 1,
        AccessTokensExpired: 0,
      });
    await world.clients.putSecret(`${world.prefix}accounts/waits`, JSON.stringify(provider.issue('waits')));
    await runOnce(world, { accountIds: ['waits'], force: true });
    expect((await runOnce(world)).metrics).toMatchObject({ ReauthorizationRequired: 0 });
  });

  test('an expired access token that is tried in vain, and while it is backed off', async ({
    world,
    provider,
  }) => {
    await world.account(
      { accountId: 'expired', oauthProfile: 'absent', accessTokenExpiresAt: now() - 60 },
      provider.issue('expired'),
    );
    expect((await runOnce(world)).metrics).toMatchObject({ AccessTokensExpired: 1, AccountsInvalid: 1 });
    expect((await runOnce(world)).metrics).toMatchObject({ AccessTokensExpired: 1, AccountsInvalid: 0 });
    await setItem(world, 'expired', 'SET enabled = :v', false);
    expect((await runOnce(world)).metrics).toMatchObject({ AccessTokensExpired: 0 });
  });

  test('a refresh token in escrow', async ({ world, provider }) => {
    const escrow = { ciphertext: 'not-from-our-key', attemptId: 'a-1', at: now() };
    await world.account({ accountId: 'escrowed', oauthProfile: 'crm', escrow }, provider.issue('escrowed'));
    for (const _ of ['found', 'found again'])
      expect((await runOnce(world)).metrics).toMatchObject({ RefreshTokensInEscrow: 1 });
    await setItem(world, 'escrowed', 'REMOVE escrow');
    await runOnce(world, { accountIds: ['escrowed'] });
    expect((await runOnce(world)).metrics).toMatchObject({ RefreshTokensInEscrow: 0 });
  });
});

async function setItem(
  world: World,
  accountId: string,
  UpdateExpression: string,
  value?: unknown,
): Promise<void> {
  await world.clients.table.send(
    new UpdateCommand({
      TableName: world.clients.tableName,
      Key: { accountId },
      UpdateExpression,
      ...(value !== undefined && { ExpressionAttributeValues: { ':v': value } }),
    }),
  );
}

describe('the list of accounts that need a person', () => {
  test('asks for fields that the log lines have', async ({ world }) => {
    await world.account({ accountId: 'listed', name: 'Listed Inc', oauthProfile: 'crm' }, {});
    const { lines } = await runOnce(world);
    const about = lines.filter(({ accountId, status }) => accountId === 'listed' && status !== undefined);
    expect(about).toEqual([
      expect.objectContaining({
        status: 'reauthorization_required',
        reason: 'no_refresh_token',
        oauthProfile: 'crm',
        message: 'No OAuth refresh token. Manual reauthorization required. Account="Listed Inc"',
      }),
    ]);
    const query = LOG_QUERIES.needsAPerson.lines.join(' ');
    for (const field of ['accountId', 'status', 'latest(reason)', 'oauthProfile', 'latest(message)'])
      expect(query).toContain(field);
  });

  test('leaves out an account that has recovered: its last line says so', async ({ world, provider }) => {
    await world.account({ accountId: 'recovered', oauthProfile: 'crm' }, {});
    await runOnce(world);
    await world.clients.putSecret(
      `${world.prefix}accounts/recovered`,
      JSON.stringify(provider.issue('recovered')),
    );
    const { lines } = await runOnce(world, { accountIds: ['recovered'], force: true });
    const last = lines
      .filter(({ accountId, status }) => accountId === 'recovered' && status !== undefined)
      .at(-1);
    expect(last).toMatchObject({ status: 'healthy', oauthProfile: 'crm' });
  });
});
