import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { untilNotThrottled } from '../../cli/shared/throttling.ts';
import type { Fault, FaultCall } from '../../local/aws/faults.ts';
import { cli, type Ended } from '../support/cli.ts';
import { seconds, startFleet, type TestFleet } from '../support/fleet.ts';
import { visit } from '../support/person.ts';
import { type StrictProvider, startStrictProvider } from '../support/strict-provider.ts';

// Several runs for few accounts.
vi.mock('../../cli/shared/run-function.ts', async (original) => ({
  ...(await original<object>()),
  ACCOUNTS_A_RUN: 4,
}));

let fleet: TestFleet;
let provider: StrictProvider;
let folder: string;
beforeAll(async () => {
  [fleet, provider] = await Promise.all([startFleet(), startStrictProvider()]);
  // The SDK of the commands repeats nothing by itself, so that they see each throttled call.
  vi.stubEnv('AWS_MAX_ATTEMPTS', '1');
  folder = mkdtempSync(join(tmpdir(), 'bulk-'));
  await clear();
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await Promise.all([fleet.close(), provider.close()]);
  rmSync(folder, { recursive: true });
});
afterEach(async () => {
  fleet.system.aws.inject(undefined);
  fleet.system.aws.onEffect(undefined);
  await clear();
});

/** Takes all accounts away: none is another history's. */
async function clear() {
  const { clients } = fleet.system;
  for (const { accountId } of await clients.items())
    await clients.table.send(new DeleteCommand({ TableName: clients.tableName, Key: { accountId } }));
}

/** The accounts of one history: their profile's name begins their ids. */
interface Accounts {
  readonly profile: string;
  readonly ids: readonly string[];
}

interface Command {
  readonly title: string;
  /** Makes what the command is to find. */
  readonly prepare?: (accounts: Accounts) => Promise<void>;
  readonly args: (accounts: Accounts) => readonly string[];
  /** What may happen once for each account, and does. */
  readonly once: readonly string[];
  /** What each account's item has at the end. */
  readonly end: Readonly<Record<string, unknown>> | 'removed';
  /** The call that is denied in one of the histories. */
  readonly denied: string;
  /** 8, unless said. */
  readonly accounts?: number;
  /** A session's calls, about. */
  readonly calls: number;
}

const HOUR = 3_600;

/** Writes a secret, though so many at once come to the service's own limit. */
const putSecret = (name: string, value: unknown) =>
  untilNotThrottled(() => fleet.system.clients.putSecret(name, JSON.stringify(value)));

/** Connects accounts at the strict provider, with attributes of their items. */
const connected =
  (attributes: () => Readonly<Record<string, unknown>>) =>
  async ({ profile, ids }: Accounts) => {
    await putSecret(`oauth/profiles/${profile}`, provider.profile);
    for (const accountId of ids) {
      await putSecret(`oauth/accounts/${accountId}`, provider.issue(accountId));
      await fleet.put({ accountId, authenticationType: 'oauth2', oauthProfile: profile, ...attributes() });
    }
    // The function finds the service's limit, 50 writes a second, unused.
    await sleep(300);
  };

const due = () => ({ status: 'healthy', accessTokenExpiresAt: seconds() - 10 });
const failing = () => ({
  ...due(),
  status: 'failing',
  failure: {
    reason: 'provider_unavailable',
    message: 'down',
    count: 3,
    since: seconds() - HOUR,
    at: seconds() - 60,
  },
  nextAttemptAt: seconds() + HOUR,
});
/** Items alone. */
const listed =
  (attributes: Readonly<Record<string, unknown>>) =>
  async ({ profile, ids }: Accounts) => {
    for (const accountId of ids)
      await fleet.put({ accountId, authenticationType: 'oauth2', oauthProfile: profile, ...attributes });
  };

const importFile = ({ profile, ids }: Accounts) => {
  const rows = ids.map((id) => `${id},${profile},${provider.issue(id).refresh_token}`);
  const file = join(folder, `it's ${profile}.csv`);
  writeFileSync(file, `accountId,oauthProfile,refresh_token\n${rows.join('\n')}\n`);
};

const COMMANDS: readonly Command[] = [
  {
    title: 'accounts refresh --profile',
    calls: 4,
    prepare: connected(due),
    args: ({ profile }) => ['accounts', 'refresh', '--profile', profile],
    once: ['grant'],
    end: { status: 'healthy' },
    denied: 'Invoke',
  },
  {
    title: 'accounts refresh --profile --force',
    calls: 4,
    prepare: connected(() => ({ status: 'healthy', accessTokenExpiresAt: seconds() + HOUR })),
    args: ({ profile }) => ['accounts', 'refresh', '--profile', profile, '--force'],
    once: ['grant'],
    end: { status: 'healthy' },
    denied: 'Invoke',
  },
  {
    title: 'accounts refresh --all-failing',
    calls: 4,
    prepare: connected(failing),
    args: () => ['accounts', 'refresh', '--all-failing'],
    once: ['grant'],
    end: { status: 'healthy' },
    denied: 'Invoke',
  },
  {
    title: 'accounts refresh IDS --force',
    calls: 12,
    prepare: connected(due),
    args: ({ ids }) => ['accounts', 'refresh', ...ids, '--force'],
    once: ['grant'],
    end: { status: 'healthy' },
    denied: 'Invoke',
  },
  {
    title: 'accounts disable --profile',
    calls: 12,
    prepare: listed({}),
    args: ({ profile }) => ['accounts', 'disable', '--profile', profile],
    once: ['UpdateItem'],
    end: { enabled: false },
    denied: 'UpdateItem',
  },
  {
    title: 'accounts enable IDS',
    calls: 10,
    prepare: listed({ enabled: false }),
    args: ({ ids }) => ['accounts', 'enable', ...ids],
    once: ['UpdateItem'],
    end: { enabled: true },
    denied: 'UpdateItem',
  },
  {
    title: 'accounts remove --profile',
    calls: 60,
    prepare: connected(due),
    args: ({ profile }) => ['accounts', 'remove', '--profile', profile, '--yes', '--recovery-window', '8'],
    once: ['DeleteItem', 'DeleteSecret'],
    end: 'removed',
    denied: 'DeleteItem',
  },
  {
    title: 'accounts remove IDS',
    calls: 10,
    prepare: connected(due),
    args: ({ ids }) => ['accounts', 'remove', ...ids, '-y', '--keep-secret'],
    once: ['DeleteItem'],
    end: 'removed',
    denied: 'DeleteItem',
  },
  {
    title: 'authorize IDS',
    calls: 60,
    args: ({ ids }) => [
      'authorize',
      ...ids,
      '--profile',
      'crm',
      '--no-browser',
      '--with',
      'ui_locales=de fr',
    ],
    once: ['sign-in', 'CreateSecret', 'PutItem'],
    end: { status: 'healthy', oauthProfile: 'crm' },
    denied: 'UpdateItem',
    accounts: 4,
  },
  {
    title: 'authorize --needs-person --profile',
    calls: 60,
    prepare: async (accounts) => {
      const crm = (await fleet.secrets()).get('oauth/profiles/crm') ?? '';
      await putSecret(`oauth/profiles/${accounts.profile}`, JSON.parse(crm));
      await listed({ status: 'reauthorization_required' })(accounts);
    },
    args: ({ profile }) => ['authorize', '--needs-person', '--profile', profile, '--no-browser'],
    once: ['sign-in', 'CreateSecret'],
    end: { status: 'healthy' },
    denied: 'UpdateItem',
    accounts: 4,
  },
  {
    title: 'import',
    calls: 50,
    prepare: async (accounts) => {
      await connected(due)({ ...accounts, ids: [] });
      importFile(accounts);
    },
    args: ({ profile }) => [
      'import',
      join(folder, `it's ${profile}.csv`),
      '--rate',
      '2000',
      '--skip-invalid',
    ],
    once: ['CreateSecret', 'PutItem'],
    end: { authenticationType: 'oauth2' },
    denied: 'CreateSecret',
    accounts: 24,
  },
];

/** A repeatable sequence of numbers below 1. */
function sequence(seed: number): () => number {
  let state = (seed * 2_654_435_761) % 2_147_483_648;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

/** How often something took effect, by `<what> <account>`. */
type Effects = Map<string, number>;

/**
 * Counts what commands do. One call in ten of theirs is throttled; those of the function, which are all that come while it is
 * invoked, are not.
 */
function watch(random: () => number, onCall: (call: FaultCall) => 'denied' | undefined): Effects {
  const effects: Effects = new Map();
  const { aws } = fleet.system;
  let invoked = 0;
  const isOurs = ({ service }: FaultCall) => service === 'lambda' || invoked === 0;
  aws.inject((call) => {
    if (!isOurs(call)) return undefined;
    const denied = onCall(call) === 'denied';
    if (denied) return { kind: 'error', status: 400, type: 'AccessDeniedException', message: 'not now' };
    if (random() < 0.1) return { kind: 'throttle' };
    if (call.operation === 'Invoke') invoked += 1;
    return undefined;
  });
  aws.onEffect((call, status) => {
    if (call.operation === 'Invoke') invoked -= 1;
    else if (invoked === 0 && status === 200) count(effects, `${call.operation} ${accountIn(call)}`);
  });
  return effects;
}

const count = (effects: Effects, what: string) => effects.set(what, (effects.get(what) ?? 0) + 1);

function accountIn({ input }: FaultCall): string | undefined {
  const { Key, Item, Name, SecretId } = input as {
    Key?: { accountId: { S: string } };
    Item?: { accountId: { S: string } };
    Name?: string;
    SecretId?: string;
  };
  return (Key ?? Item)?.accountId.S ?? (Name ?? SecretId)?.replace('oauth/accounts/', '');
}

/** How often somebody has consented for each account, whose id is the person's name: what the authorization server keeps. */
function signIns(ids: readonly string[]): Effects {
  const database = new DatabaseSync(join(fleet.data, 'authorization-server.sqlite'), { readOnly: true });
  const rows = database.prepare("SELECT payload FROM entry WHERE model = 'Grant'").all();
  database.close();
  const effects: Effects = new Map();
  for (const { payload } of rows) {
    const { accountId } = JSON.parse(String(payload)) as { accountId: string };
    if (ids.includes(accountId)) count(effects, `sign-in ${accountId}`);
  }
  return effects;
}

/** Runs a command line; whoever it asks to sign in does so, under the account's id. */
async function runWithPeople(args: readonly string[], signal: AbortSignal): Promise<Ended> {
  let told = '';
  let seen = 0;
  const visits: Promise<unknown>[] = [];
  const onOutput = (text: string) => {
    told += text;
    const addresses = [...told.matchAll(/^ {2}(http:\S+(?:\?|\/start\/)\S+)\n/gm)];
    for (const { 1: address = '', index } of addresses.slice(seen)) {
      seen += 1;
      const [, login = args[1] ?? ''] = /.*of \d+ accounts?: (\S+)\n/s.exec(told.slice(0, index)) ?? [];
      visits.push(visit(address, { login }).catch(() => 'the command was stopped'));
    }
  };
  const ended = await cli(args, { signal, onOutput });
  await Promise.all(visits);
  return ended;
}

/** The line after "To go on:", as a shell reads it. */
function lineToGoOn({ stderr }: Ended): readonly string[] | undefined {
  const [, line] = /To go on:\n {2}(.+)\n/.exec(stderr) ?? [];
  if (line === undefined) return undefined;
  const words = execFileSync('sh', ['-c', `printf '%s\\0' ${line}`]).toString();
  const [program, ...args] = words.split('\0').slice(0, -1);
  expect(program).toBe('oauth-token-refresher');
  return args;
}

describe.each([1, 2, 3])('history %s: one call in ten is throttled, Ctrl-C comes at random', (seed) => {
  test.each(COMMANDS)('$title', async (command) => {
    const random = sequence(seed * 100 + COMMANDS.indexOf(command));
    const profile = `p${seed}-${COMMANDS.indexOf(command)}`;
    const ids = [...Array(command.accounts ?? 8)].map((_, n) => `${profile}-${String(n).padStart(2, '0')}`);
    await command.prepare?.({ profile, ids });

    let stopping = new AbortController();
    const codes: number[] = [];
    let calls = 0;
    let stopAt = 0;
    let denials = seed === 2 ? 1 : 0;
    const effects = watch(random, ({ operation }) => {
      calls += 1;
      if (calls === stopAt) stopping.abort();
      if (operation !== command.denied || denials === 0 || codes.length !== 1) return undefined;
      denials -= 1;
      return 'denied';
    });

    let line: readonly string[] = [...command.args({ profile, ids }), '--data', fleet.data];
    const isJson = seed === 3;
    if (isJson) line = [...line, '--json'];
    let left = ids.length;
    for (; codes.length < 12; ) {
      stopping = new AbortController();
      calls = 0;
      // In the second session of history 2 something is denied; the last sessions are left in peace.
      const isStopped = codes.length < 5 && (codes.length !== 1 || denials === 0);
      stopAt = isStopped ? 1 + Math.floor((random() * command.calls) / 2) : 0;
      const ended = await runWithPeople(line, stopping.signal);
      codes.push(ended.code);
      if (ended.code === 0) break;
      // Of one account there is no more to say than that it was stopped.
      const next = lineToGoOn(ended) ?? (left === 1 ? line : undefined);
      expect(next, `${codes}\n${ended.stdout}\n${ended.stderr}`).toBeDefined();
      left = Number(/ (\d+) accounts? (?:is|are) left/.exec(ended.stderr)?.[1] ?? left);
      // Stopped before it knew them all, it can list none.
      const isAll = ended.stderr.includes('all accounts are left');
      if (isJson && left > 1 && !isAll) expect(notDone(ended), ended.stderr).toHaveLength(left);
      line = next ?? [];
    }
    fleet.system.aws.inject(undefined);
    // What was stopped after the sign-in is looked at by the next run.
    if (command.once.includes('sign-in')) await fleet.system.function.invoke({});
    expect(codes.at(-1)).toBe(0);
    expect(new Set(codes)).toEqual(new Set([0, 130, ...(seed === 2 ? [1] : [])]));

    for (const [id, times] of signIns(ids)) effects.set(id, times);
    for (const id of ids) {
      const asked = command.once.includes('grant') ? { grant: provider.truth(id).grants } : {};
      const done = Object.fromEntries(
        command.once.map((what) => [what, effects.get(`${what} ${id}`) ?? 0] as const),
      );
      expect({ id, ...done, ...asked }).toEqual({
        id,
        ...Object.fromEntries(command.once.map((what) => [what, 1])),
      });
      const item = await fleet.item(id);
      if (command.end === 'removed') expect({ id, item }).toEqual({ id, item: {} });
      else expect({ id, ...item }).toMatchObject({ id, ...command.end });
    }
  });
});

describe('what has been tried is not tried again', () => {
  /** Runs a command, lets `onInvoke` do what it likes at each invocation, and then the line that goes on. */
  async function goOn(
    args: readonly string[],
    onInvoke: (times: number, stop: () => void) => Fault | undefined,
  ) {
    const stopping = new AbortController();
    let times = 0;
    fleet.system.aws.inject(({ operation }) =>
      operation === 'Invoke' ? onInvoke(++times, () => stopping.abort()) : undefined,
    );
    const first = await cli([...args, '--data', fleet.data], { signal: stopping.signal });
    fleet.system.aws.inject(undefined);
    return { first, second: await cli(lineToGoOn(first) ?? []) };
  }

  test('though nobody knows what became of it, as the response was lost', async () => {
    const ids = ['lost-0', 'lost-1', 'lost-2', 'lost-3', 'lost-4'];
    await connected(due)({ profile: 'lost', ids });
    const { first, second } = await goOn(['accounts', 'refresh', '--profile', 'lost', '--force'], (times) =>
      times === 1 ? { kind: 'drop_answer' } : undefined,
    );
    expect(first).toMatchObject({ code: 1, stderr: expect.stringContaining('5 accounts are left') });
    expect(second.code).toBe(0);
    expect(ids.map((id) => provider.truth(id).grants)).toEqual([1, 1, 1, 1, 1]);
  });

  test('though it fails again', async () => {
    const ids = [...Array(8)].map((_, n) => `down-${n}`);
    await connected(failing)({ profile: 'down', ids });
    provider.inject(({ accountId = '' }) =>
      ['down-1', 'down-6'].includes(accountId) ? { kind: 'answer', status: 503 } : undefined,
    );
    const { first, second } = await goOn(['accounts', 'refresh', '--all-failing'], (_, stop) => void stop());
    provider.inject(undefined);
    expect(first).toMatchObject({ code: 130, stderr: expect.stringContaining('4 accounts are left') });
    // One line counts them, with no row each.
    expect(first.stdout.match(/^.*not done.*$/gm)).toEqual([expect.stringContaining(', 4 not done')]);
    expect(second.stdout).not.toContain('left alone');
    expect(ids.map((id) => provider.truth(id).requests)).toEqual(ids.map(() => 1));
  });
});

test('an account that is removed, and its secret not, says how to delete that', async () => {
  await connected(due)({ profile: 'half', ids: ['half-0'] });
  fleet.system.aws.inject(({ operation }) =>
    operation === 'DeleteSecret'
      ? { kind: 'error', status: 400, type: 'AccessDeniedException', message: 'no' }
      : undefined,
  );
  const { code, stdout } = await cli(['accounts', 'remove', 'half-0', '--yes', '--data', fleet.data]);
  expect({ code, stdout }).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('aws secretsmanager delete-secret --secret-id oauth/accounts/half-0'),
  });
});

describe('on a terminal many accounts', () => {
  const ids = [...Array(25)].map((_, n) => `screen-${n}`);
  const screen = (args: readonly string[]) =>
    cli([...args, '--data', fleet.data], { columns: 40, env: { NO_COLOR: '1', INIT_CWD: folder } });

  test('are counted; who could not be changed is told', async () => {
    await listed({})({ profile: 'screen', ids });
    await fleet.change('screen-7', { formatVersion: 99 });
    const { code, stdout, stderr } = await screen(['accounts', 'disable', '--profile', 'screen']);
    expect({ code, lines: stdout.split('\n').filter((line) => line.includes('screen-')) }).toEqual({
      code: 1,
      lines: ['✗ screen-7: its item is made by a newer'],
    });
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain('24 disabled, 1 failed');
    expect(stderr).toContain('0 of 25 (0 %), 0/s');
  });

  test('are removed with a file that undoes it', async () => {
    await listed({})({ profile: 'screen', ids });
    const { code, stdout, stderr } = await screen(['accounts', 'remove', '--profile', 'screen', '--yes']);
    expect({ code, long: stdout.split('\n').length > 4 }).toEqual({ code: 0, long: false });
    const [, file = ''] = /^ {2}sh (\S*undo-remove-\S+\.sh)$/m.exec(stderr) ?? [];
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8').match(/^aws dynamodb put-item/gm)).toHaveLength(25);
    expect(stderr).not.toContain('put-item');
  });
});

/** The accounts that a JSON result calls not done. */
function notDone({ stdout }: Ended): readonly string[] {
  const value: unknown = JSON.parse(stdout);
  if (!Array.isArray(value)) return (value as { notDone: readonly string[] }).notDone;
  const rows = value as { accountId: string; result?: string; action?: string }[];
  return rows.filter((row) => (row.result ?? row.action) === 'not_done').map(({ accountId }) => accountId);
}
