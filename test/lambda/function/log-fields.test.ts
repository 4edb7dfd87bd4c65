import { describe, expect } from 'vitest';
import { type AboutField, LOG_FIELDS } from '../../../lambda/attempt/log.ts';
import type { World } from '../../support/world.ts';
import { test } from '../../support/world-test.ts';

type Line = Readonly<Record<string, unknown>>;

/** The lines since the last look, without the one that becomes metrics. */
function linesOf({ function: fn }: World): Line[] {
  return fn
    .takeLog()
    .map((line) => JSON.parse(line) as Line)
    .filter((line) => !('_aws' in line));
}

const fields: Readonly<Record<string, AboutField>> = LOG_FIELDS;

/** What is wrong with a line, by the page of the log's fields. */
function wrongIn(line: Line): string[] {
  return Object.entries(line).flatMap(([name, value]) => {
    const type = fields[name]?.type;
    const found = Array.isArray(value) ? 'list' : typeof value === 'string' ? 'text' : typeof value;
    return found === type ? [] : [`${name} in "${line.message}": ${type} expected, ${found} found`];
  });
}

describe('a line has only fields that are described, of their types:', () => {
  test.beforeEach(({ world }) => {
    linesOf(world);
  });

  test('of accounts that are refreshed, need a person, or have something wrong', async ({
    world,
    provider,
  }) => {
    await world.account({ accountId: 'well', oauthProfile: 'crm' }, provider.issue('well'));
    await world.account({ accountId: 'person', oauthProfile: 'crm' }, {});
    await world.account({ accountId: 'absent', oauthProfile: 'nobody' }, provider.issue('absent'));
    await world.account({ accountId: 'wrong', oauthProfile: 'crm', enabled: 'yes' }, provider.issue('wrong'));
    await world.run();
    const lines = linesOf(world);
    expect(new Set(lines.map(({ accountId }) => accountId))).toContain('absent');
    expect(lines.flatMap(wrongIn)).toEqual([]);
  });

  test('of a profile whose client is rejected, and of a run by hand', async ({ world, provider }) => {
    await world.profile('bad', { ...provider.profile, client_secret: 'not-the-secret' });
    await world.account({ accountId: 'rejected', oauthProfile: 'bad' }, provider.issue('rejected'));
    await world.run();
    await world.run({ accountIds: ['rejected', 'nobody'], force: true });
    const lines = linesOf(world);
    expect(lines.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('The profile is failing.'),
    );
    expect(lines.some(({ accounts }) => Array.isArray(accounts))).toBe(true);
    expect(lines.flatMap(wrongIn)).toEqual([]);
  });

  test('of a run that fails', async ({ world }) => {
    const broken = world.process({ environment: { ACCOUNTS_TABLE_NAME: '' } });
    expect(await broken.invoke({})).toMatchObject({ kind: 'failed' });
    const lines = broken
      .takeLog()
      .map((line) => JSON.parse(line) as Line)
      .filter(({ message }) => message === 'The run failed.');
    expect(lines).toHaveLength(1);
    expect(lines.flatMap(wrongIn)).toEqual([]);
  });
});
