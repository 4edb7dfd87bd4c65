import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CliOptions } from '../support/cli.ts';
import { type Connecting, startConnecting } from '../support/connecting.ts';
import { type Habits, visit } from '../support/person.ts';

let system: Connecting;
beforeAll(async () => {
  system = await startConnecting();
});
afterAll(() => system.close());

/** Runs `authorize`, with a person who opens each address that it prints. @param persons what each does, in order */
async function authorizeAll(args: readonly string[], persons: readonly Habits[] = [], options?: CliOptions) {
  let told = '';
  let seen = 0;
  const visits: Promise<unknown>[] = [];
  const onOutput = (text: string) => {
    told += text;
    options?.onOutput?.(text);
    const addresses = [...told.matchAll(/^ {2}(http:\S+(?:\?|\/start\/)\S+)\n/gm)].map(([, one = '']) => one);
    for (const address of addresses.slice(seen))
      visits.push(visit(address, persons[seen++]).catch(() => 'the sign-in was stopped'));
  };
  const ended = await system.command(['authorize', '--no-browser', ...args], { ...options, onOutput });
  await Promise.all(visits);
  return ended;
}

const statusOf = async (id: string) => (await system.item(id))?.status;

describe('authorize of several accounts', () => {
  test('has one sign-in after another, and tells of each as it ends', async () => {
    const { code, stdout, stderr } = await authorizeAll(['one', 'two', '--profile', 'crm']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/one is connected[\s\S]*two is connected/);
    expect(stderr).toContain('2 of 2 accounts: two');
    expect([await statusOf('one'), await statusOf('two')]).toEqual(['healthy', 'healthy']);
  });

  test('goes on after one that was refused, and says so at the end', async () => {
    const { code, stdout } = await authorizeAll(
      ['refusing', 'willing', '--profile', 'crm', '--json'],
      [{ answer: 'cancel' }],
    );
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject([
      { accountId: 'refusing', error: { code: 'DENIED' } },
      { accountId: 'willing', created: true },
    ]);
  });

  test('stopped by Ctrl-C says who is left, and the line that goes on; nobody signs in twice', async () => {
    const stopping = new AbortController();
    const first = await authorizeAll(['early', 'late', 'last', '--profile', 'crm'], [], {
      signal: stopping.signal,
      onOutput: (text) => {
        if (text.includes('2 of 3')) stopping.abort();
      },
    });
    expect(first.code).toBe(130);
    // Nobody is sent to sign in any more.
    expect(first.stderr.match(/\/start\//g)).toHaveLength(1);
    expect(first.stderr).toContain('authorize late last --profile crm --no-browser');
    const tokens = await system.tokens('early');
    const second = await authorizeAll(['late', 'last', '--profile', 'crm']);
    expect(second.code).toBe(0);
    expect(await system.tokens('early')).toEqual(tokens);
    expect([await statusOf('late'), await statusOf('last')]).toEqual(['healthy', 'healthy']);
  });

  test('--needs-person takes those that need a person, of one profile', async () => {
    for (const id of ['one', 'two'])
      await system.putItem({ ...(await system.item(id)), status: 'reauthorization_required' });
    const { code, stdout } = await authorizeAll([
      '--needs-person',
      '--profile',
      'crm',
      '--replace',
      '--json',
    ]);
    const ids = JSON.parse(stdout).map(({ accountId }: { accountId: string }) => accountId);
    expect(code).toBe(0);
    expect(ids).toEqual(expect.arrayContaining(['one', 'two']));
    expect(await statusOf('one')).toBe('healthy');
    const none = await authorizeAll(['--needs-person', '--profile', 'crm']);
    expect(none).toMatchObject({ code: 0, stdout: expect.stringContaining('No account') });
  });

  test.each([
    ['nobody', []],
    ['both', ['one', '--needs-person']],
    ['a name for two', ['one', 'two', '--name', 'Both']],
    ['a parameter for two', ['one', 'two', '--parameter', 'subdomain=x']],
  ])('is wrong usage for %s', async (_, args) => {
    expect((await system.command(['authorize', ...args])).code).toBe(2);
  });
});
