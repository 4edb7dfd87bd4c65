import { DeleteCommand, PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { beforeEach, describe, expect, test } from 'vitest';
import type { FaultRule } from '../../local/aws/server.ts';
import type { FunctionProcess } from '../../local/function-process.ts';
import { startPatientAws } from '../support/aws-endpoint.ts';
import { createWorld, resultOf, type World } from '../support/world.ts';
import { fileServers } from '../support/world-test.ts';

/** The promise where it was broken once: real processes of the function, a strict provider, people at every moment. */
let delay = 0;
let world: World;
const { aws, provider } = await fileServers(startPatientAws(), { delayMilliseconds: () => delay });

beforeEach(async () => {
  aws.inject(undefined);
  provider.inject(undefined);
  delay = 0;
  world = await createWorld(aws.url);
  await world.profile('crm', provider.profile);
  return () => world.close();
});

const secretOf = (accountId: string) => `${world.prefix}accounts/${accountId}`;

async function add(accountId: string, item: Record<string, unknown> = {}, tokens = {}): Promise<void> {
  await world.account(
    { accountId, oauthProfile: 'crm', ...item },
    { ...provider.issue(accountId), ...tokens },
  );
}

async function addMany(prefix: string, count: number): Promise<readonly string[]> {
  const ids = Array.from({ length: count }, (_, i) => `${prefix}-${i + 1}`);
  for (const id of ids) await add(id);
  return ids;
}

async function change(
  accountId: string,
  expression: string,
  values?: Record<string, unknown>,
): Promise<void> {
  const { table, tableName } = world.clients;
  await table.send(
    new UpdateCommand({
      TableName: tableName,
      Key: { accountId },
      UpdateExpression: expression,
      ...(values && { ExpressionAttributeValues: values }),
    }),
  );
}

/** Resolves when the provider has been asked for this account. */
function asked(accountId: string): Promise<void> {
  return new Promise((resolve) => {
    provider.inject((request) => {
      if (request.accountId === accountId) resolve();
      return undefined;
    });
  });
}

async function expectKept(ids: readonly string[], secretId = secretOf): Promise<void> {
  for (const id of ids) {
    expect({ id, ...provider.truth(id) }).toMatchObject({ id, reuses: 0, revokedBecause: undefined });
    const { refresh_token } = await tokensIn(secretId(id));
    expect(provider.accepts(id, refresh_token), `${id}: the secret holds the live refresh token`).toBe(true);
  }
}

async function tokensIn(secretId: string): Promise<Record<string, unknown>> {
  return await world.tokens(secretId.slice(`${world.prefix}accounts/`.length));
}

const throttledFrom = (operation: string, from: number): FaultRule => {
  let count = 0;
  return (call) => (call.operation === operation && ++count >= from ? { kind: 'throttle' } : undefined);
};

describe('G1: a run that can not go on ends what it has begun, and then fails', () => {
  test('where a later page of the scan fails for good', async () => {
    const ids = await addMany('page', 120);
    delay = 1_500;
    aws.inject(throttledFrom('Scan', 2));
    const invocation = await world.function.invoke({});
    expect(invocation).toMatchObject({
      kind: 'failed',
      errorType: 'ProvisionedThroughputExceededException',
    });
    aws.inject(undefined);
    delay = 0;
    const asked = ids.filter((id) => provider.truth(id).requests > 0);
    expect(asked.length).toBeGreaterThan(0);
    await expectKept(asked);
    for (const id of asked) expect(await world.item(id)).toMatchObject({ status: 'healthy' });
    // The process lives on, and what it would still do it would do now.
    expect(resultOf(await world.function.invoke({}))).toMatchObject({ refreshed: 120 - asked.length });
    await expectKept(ids);
  });

  test('where an account that is asked for by id can not be read', async () => {
    const ids = await addMany('by-id', 30);
    delay = 1_500;
    let reads = 0;
    aws.inject(({ operation, input }) => {
      const key = JSON.stringify((input as { Key?: unknown })?.Key ?? '');
      return operation === 'GetItem' && key.includes('by-id') && ++reads >= 25
        ? { kind: 'throttle' }
        : undefined;
    });
    expect(await world.function.invoke({ accountIds: ids })).toMatchObject({ kind: 'failed' });
    aws.inject(undefined);
    await expectKept(ids);
  });
});

describe('G2: how old a read is is judged by what always exists', () => {
  test.each([
    { name: 'a set without obtained_at', tokens: { obtained_at: undefined, expires_at: undefined } },
    { name: 'a set with obtained_at', tokens: {} },
  ])('a forced run that reads the version before the last store of $name spends nothing', async ({
    tokens,
  }) => {
    await add('lagging', {}, tokens);
    expect(await world.run({ accountIds: ['lagging'] })).toMatchObject({ refreshed: 1 });
    aws.inject(({ operation, input }) =>
      operation === 'GetSecretValue' && JSON.stringify(input).includes('accounts/lagging')
        ? { kind: 'stale' }
        : undefined,
    );
    const event = { accountIds: ['lagging'], force: true };
    // Whichever way the clocks of two processes are wrong.
    for (const seconds of [3, 30, -30, 60])
      expect(await world.runAt(seconds, event)).toMatchObject({ deferred: 1 });
    aws.inject(undefined);
    await expectKept(['lagging']);
    expect(provider.truth('lagging').requests).toBe(1);
    expect(await world.runAt(65, event)).toMatchObject({ refreshed: 1 });
    await expectKept(['lagging']);
  });

  test('a read after a refusal that is older than the one before it is no new grant', async () => {
    await add('flicker');
    expect(await world.run({ accountIds: ['flicker'] })).toMatchObject({ refreshed: 1 });
    provider.revoke('flicker');
    let reads = 0;
    aws.inject(({ operation, input }) =>
      operation === 'GetSecretValue' && JSON.stringify(input).includes('accounts/flicker') && ++reads > 1
        ? { kind: 'stale' }
        : undefined,
    );
    expect(await world.runAt(600, { accountIds: ['flicker'], force: true })).toMatchObject({ failed: 1 });
    expect(reads).toBeGreaterThan(1);
    expect(provider.truth('flicker')).toMatchObject({ requests: 2, reuses: 0 });
  });
});

describe('G3: one secret has one account, however it is named', () => {
  const ways = [
    { name: 'by its name', id: (arn: string) => secretOf('a') + arn.slice(0, 0) },
    { name: 'by its ARN', id: (arn: string) => arn },
    { name: 'by its ARN without the random end', id: (arn: string) => arn.slice(0, -7) },
  ];
  test.each(ways)('the account whose usual one it is keeps it, where both name it $name', async ({ id }) => {
    await add('a');
    const { DescribeSecretCommand } = await import('@aws-sdk/client-secrets-manager');
    const { ARN = '' } = await world.clients.secrets.send(
      new DescribeSecretCommand({ SecretId: secretOf('a') }),
    );
    const tokenSecretId = id(ARN);
    await change('a', 'SET tokenSecretId = :id', { ':id': tokenSecretId });
    await world.account({ accountId: 'b', oauthProfile: 'crm', tokenSecretId });
    expect(await world.run()).toMatchObject({ refreshed: 1, invalid: 1 });
    expect(await world.item('a')).toMatchObject({ status: 'healthy' });
    expect(await world.item('b')).toMatchObject({ failure: { reason: 'secret_invalid' } });
    await world.runAt(600, { force: true });
    await expectKept(['a']);
  });
});

describe('G4: whoever takes a secret over waits for the lease of the account that has it', () => {
  test('two accounts that swap their secrets in the middle of an exchange', async () => {
    await add('left');
    await add('right');
    delay = 2_000;
    const reached = asked('left');
    const first = world.function.invoke({ accountIds: ['left'] });
    await reached;
    await change('left', 'SET tokenSecretId = :id', { ':id': secretOf('right') });
    await change('right', 'SET tokenSecretId = :id', { ':id': secretOf('left') });
    delay = 0;
    const second = await world.process().invoke({ accountIds: ['left', 'right'] });
    expect(resultOf(second)).toMatchObject({ refreshed: 0 });
    await first;
    await expectKept(['left', 'right']);
    // Later both go on with what they name now, and back again.
    const names = { left: secretOf('right'), right: secretOf('left') };
    await world.runAt(500, { force: true });
    await world.runAt(900, { force: true });
    expect(provider.truth('left').grants + provider.truth('right').grants).toBeGreaterThan(2);
    await expectKept(['left', 'right']);
    for (const id of ['left', 'right'] as const)
      expect(await world.item(id)).toMatchObject({ status: 'healthy', tokenSecretId: names[id] });
    for (const id of ['left', 'right']) await change(id, 'REMOVE tokenSecretId');
    await world.runAt(1_400, { force: true });
    await expectKept(['left', 'right']);
  });

  test('an account that is renamed in the middle of an exchange', async () => {
    await add('old');
    expect(await world.run({ accountIds: ['old'] })).toMatchObject({ refreshed: 1 });
    delay = 2_000;
    const reached = asked('old');
    const first = world.function.invoke({ accountIds: ['old'], force: true });
    await reached;
    const { table, tableName: TableName } = world.clients;
    await table.send(new DeleteCommand({ TableName, Key: { accountId: 'old' } }));
    const Item = { accountId: 'new', authenticationType: 'oauth2', oauthProfile: 'crm' };
    await table.send(new PutCommand({ TableName, Item: { ...Item, tokenSecretId: secretOf('old') } }));
    delay = 0;
    expect(resultOf(await world.process().invoke({ accountIds: ['new'], force: true }))).toMatchObject({
      leasedElsewhere: 1,
    });
    await first;
    await expectKept(['old']);
    expect(await world.runAt(400, { accountIds: ['new'], force: true })).toMatchObject({ refreshed: 1 });
    await expectKept(['old']);
  });

  test('an account whose secret is lent returns to it while it is in use', async () => {
    await add('owner');
    await add('borrower');
    await change('owner', 'SET tokenSecretId = :id', { ':id': secretOf('elsewhere') });
    await change('borrower', 'SET tokenSecretId = :id', { ':id': secretOf('owner') });
    delay = 2_000;
    const reached = asked('owner');
    const first = world.function.invoke({ accountIds: ['borrower'] });
    await reached;
    await change('owner', 'REMOVE tokenSecretId');
    delay = 0;
    expect(resultOf(await world.process().invoke({ accountIds: ['owner'] }))).toMatchObject({ refreshed: 0 });
    await first;
    await expectKept(['owner']);
    expect(await world.runAt(400, { accountIds: ['owner'], force: true })).toMatchObject({ refreshed: 1 });
    await expectKept(['owner']);
    expect(await world.runAt(500, { accountIds: ['borrower'], force: true })).toMatchObject({ invalid: 1 });
  });
});

describe('G6: a slow provider', () => {
  test('is waited for as long as the run can afford', async () => {
    const ids = await addMany('slow', 4);
    delay = 11_000;
    expect(resultOf(await world.function.invoke({}, 60_000))).toMatchObject({ refreshed: 4 });
    await expectKept(ids);
  });
});

describe('G8: a process that is frozen', () => {
  /** Stops a process in the middle of an exchange for so long, and then lets it go on. */
  async function freeze(fn: FunctionProcess, accountId: string, milliseconds: number, event: unknown) {
    const reached = asked(accountId);
    const invocation = fn.invoke(event);
    await reached;
    process.kill(fn.pid ?? 0, 'SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    process.kill(fn.pid ?? 0, 'SIGCONT');
    return await invocation;
  }

  test('for longer than a request may take reads what has come meanwhile', async () => {
    await world.profile('crm', { ...provider.profile, token_request_timeout_seconds: 2 });
    await add('frozen');
    delay = 500;
    const invocation = await freeze(world.process(), 'frozen', 4_000, { accountIds: ['frozen'] });
    expect(resultOf(invocation)).toMatchObject({ refreshed: 1 });
    expect(provider.truth('frozen')).toMatchObject({ requests: 1 });
    await expectKept(['frozen']);
  });
});

describe('F5: one set of secrets has one table', () => {
  test('two functions over the same secrets: one of them alone ever spends', async () => {
    const other = await createWorld(aws.url, { SECRET_NAME_PREFIX: world.prefix });
    try {
      const ids = ['one', 'two', 'three', 'four'];
      for (const id of ids) await add(id, {}, { kept_by: undefined });
      for (const accountId of ids) await other.account({ accountId, oauthProfile: 'crm' });
      delay = 300;
      const results = await Promise.all([world, other].map(({ run }) => run({})));
      const sum = (key: 'refreshed' | 'invalid') => results.reduce((total, one) => total + one[key], 0);
      expect(sum('refreshed')).toBe(4);
      await expectKept(ids);
      // From then on each secret is one table's, and the other function says whose it is.
      await Promise.all(
        [world, other].map((one) => one.process({ clockOffsetSeconds: 120 }).invoke({ force: true })),
      );
      await expectKept(ids);
      for (const id of ids) {
        const [mine, theirs] = [await world.item(id), await other.item(id)];
        expect([mine.status, theirs.status].sort(), id).toEqual(['failing', 'healthy']);
        const { failure } = (mine.status === 'failing' ? mine : theirs) as {
          failure: { reason: string; message: string };
        };
        expect(failure.reason).toBe('secret_invalid');
        expect(failure.message).toContain('FORMER_ACCOUNTS_TABLES');
      }
    } finally {
      other.close();
    }
  });

  test('a new table takes over what a former one kept, when it is next spent', async () => {
    await add('moved');
    expect(await world.run()).toMatchObject({ refreshed: 1 });
    const other = await createWorld(aws.url, {
      SECRET_NAME_PREFIX: world.prefix,
      FORMER_ACCOUNTS_TABLES: world.clients.tableName,
    });
    try {
      await other.account({ accountId: 'moved', oauthProfile: 'crm' });
      expect(await other.run({ force: true })).toMatchObject({ refreshed: 1 });
      expect(await world.tokens('moved')).toMatchObject({ kept_by: other.keeper });
      await expectKept(['moved']);
      expect(await world.run({ force: true })).toMatchObject({ invalid: 1 });
      await expectKept(['moved']);
    } finally {
      other.close();
    }
  });
});
