import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { arn } from '../../local/aws/protocol/arn.ts';
import { functionLogGroup } from '../../local/aws/services/lambda.ts';
import { createFunctionProcess } from '../../local/function-process.ts';

const directory = mkdtempSync(join(tmpdir(), 'function-'));
const module = join(directory, 'handler.mjs');
writeFileSync(
  module,
  `export const handler = async (event, context) => {
    if (event.fail) throw new RangeError('on purpose');
    const before = context.getRemainingTimeInMillis();
    await new Promise((resolve) => setTimeout(resolve, 20));
    return {
      ...context,
      before,
      after: context.getRemainingTimeInMillis(),
      former: process.env.FORMER_ACCOUNTS_TABLES,
      home: process.env.HOME,
    };
  };`,
);
const fn = createFunctionProcess({ module, environment: { FORMER_ACCOUNTS_TABLES: 'old-accounts' } });
afterAll(() => {
  fn.kill();
  rmSync(directory, { recursive: true });
});

const returned = async (event: unknown, timeout?: number) => {
  const invocation = await fn.invoke(event, timeout);
  return invocation.kind === 'returned' ? (invocation.payload as Record<string, unknown>) : {};
};

describe('the function on one machine gets what Lambda would give it:', () => {
  test('who it is, in the account and Region of everything else here', async () => {
    expect(await returned({})).toMatchObject({
      functionName: 'oauth-token-refresher',
      functionVersion: '$LATEST',
      invokedFunctionArn: arn('lambda', 'function:oauth-token-refresher'),
      logGroupName: functionLogGroup('oauth-token-refresher'),
      memoryLimitInMB: '512',
    });
  });

  test('a new request id each time', async () => {
    const [one, other] = [await returned({}), await returned({})];
    expect(one.awsRequestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(other.awsRequestId).not.toBe(one.awsRequestId);
  });

  test('how much time is left, which passes', async () => {
    const { before, after } = await returned({}, 30_000);
    expect(Number(before)).toBeLessThanOrEqual(30_000);
    expect(Number(before)).toBeGreaterThan(0);
    expect(Number(after)).toBeLessThan(Number(before));
  });

  test('its own environment, and not the one of its parent', async () => {
    const { former, home } = await returned({});
    expect({ former, home }).toEqual({ former: 'old-accounts', home: undefined });
  });
});

test('its errors look as in Lambda', async () => {
  expect(await fn.invoke({ fail: true })).toEqual({
    kind: 'failed',
    errorType: 'RangeError',
    errorMessage: 'on purpose',
  });
});
