import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { FaultCall } from '../../local/aws/faults.ts';
import { startFleet, type TestFleet } from '../support/fleet.ts';
import { bareEnvironment } from '../support/run-process.ts';

const ids = ['twice-1', 'twice-2', 'twice-3', 'twice-4'];

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await startFleet();
  for (const accountId of ids)
    await fleet.put({ accountId, authenticationType: 'oauth2', oauthProfile: 'twice' });
});
afterEach(() => fleet.system.aws.inject(undefined));
afterAll(() => fleet.close());

interface Presses {
  /** At which call the person presses Ctrl-C; no response to it comes. */
  readonly at: (call: FaultCall) => boolean;
  /** After which times, milliseconds. */
  readonly after: readonly number[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a command in a process of its own, which gets SIGINT as from a keyboard. */
async function pressing(args: readonly string[], { at, after, env = {} }: Presses) {
  const child = spawn(process.execPath, ['cli/main.ts', '--data', fleet.data, ...args], {
    env: { ...bareEnvironment(), ...env },
  });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].on('data', (chunk: Buffer) => {
      said[name] += chunk;
    });
  const press = async () => {
    for (const milliseconds of after) {
      await sleep(milliseconds);
      child.kill('SIGINT');
    }
  };
  fleet.system.aws.inject((call) => {
    if (!at(call)) return undefined;
    void press();
    return { kind: 'hang' };
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, ...said };
}

const changes = (id: string) => (call: FaultCall) =>
  call.operation === 'UpdateItem' && JSON.stringify(call.input).includes(id);

test.each([
  {
    title: 'a run',
    args: ['accounts', 'refresh', ...ids],
    at: ({ operation }: FaultCall) => operation === 'Invoke',
    says: 'Stopped at once: 4 accounts are left; what became of 4 of them is unknown. To go on:\n  oauth-token-refresher accounts refresh twice-1 twice-2 twice-3 twice-4 --untried-since ',
  },
  {
    title: 'a change',
    args: ['accounts', 'disable', ...ids],
    at: changes('twice-3'),
    says: 'Stopped at once: 2 accounts are left; what became of 1 of them is unknown. To go on:\n  oauth-token-refresher accounts disable twice-3 twice-4 --data ',
  },
  {
    title: 'the last change, for JSON',
    args: ['accounts', 'enable', ...ids, '--json'],
    at: changes('twice-4'),
    says: 'Stopped at once: 1 account is left; what became of it is unknown. To go on:\n  oauth-token-refresher accounts enable twice-4 --data ',
  },
])('Ctrl-C twice during $title says what is left, and the line that goes on', async ({ args, at, says }) => {
  const { code, stderr } = await pressing(args, { at, after: [0, 500] });
  expect({ code, stderr }).toEqual({ code: 130, stderr: expect.stringContaining(says) });
});

test('Ctrl-C twice during an import says it too', async () => {
  const file = join(fleet.data, 'twice.csv');
  writeFileSync(file, 'accountId,oauthProfile,refresh_token\nin-1,crm,a\nin-2,crm,b\nin-3,crm,c\n');
  const { code, stderr } = await pressing(['import', file], {
    at: ({ operation }) => operation === 'CreateSecret',
    after: [0, 500],
  });
  expect(code).toBe(130);
  expect(stderr).toMatch(
    /Stopped at once: 3 accounts are left; what became of [123] of them is unknown\. To go on:\n {2}oauth-token-refresher import \S+ /,
  );
});

test('Ctrl-C that npm hands on once more counts once', async () => {
  const { code, stderr } = await pressing(['accounts', 'disable', ...ids], {
    at: changes('twice-2'),
    after: [0, 20, 700],
  });
  expect(code).toBe(130);
  expect(stderr.match(/Stopping when/g)).toHaveLength(1);
  expect(stderr).toContain('3 accounts are left');
});

test.each([
  {
    title: 'npm run',
    env: { npm_command: 'run-script', npm_lifecycle_event: 'cli', npm_package_name: 'oauth-token-refresher' },
    called: 'npm run -s cli --',
  },
  {
    title: "another package's script",
    env: { npm_command: 'run-script', npm_lifecycle_event: 'cli', npm_package_name: 'other' },
    called: 'oauth-token-refresher',
  },
  {
    title: 'npx',
    env: { npm_command: 'exec', npm_lifecycle_event: 'npx' },
    called: 'npx oauth-token-refresher',
  },
])('called by $title it says the line so', async ({ env, called }) => {
  const { stderr } = await pressing(['accounts', 'disable', ...ids], {
    at: changes('twice-1'),
    after: [0, 500],
    env,
  });
  expect(stderr).toContain(`To go on:\n  ${called} accounts disable twice-1 twice-2 twice-3 twice-4 --data `);
});
