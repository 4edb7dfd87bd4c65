import { expect, test } from 'vitest';
import { runProcess } from '../support/run-process.ts';

test("a context value that can't work is reported without a stack trace", async () => {
  const env = { PATH: process.env.PATH ?? '', CDK_CONTEXT_JSON: JSON.stringify({ window: '60' }) };
  const { code, stderr } = await runProcess(process.execPath, ['infra/app.ts'], { env });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^OAuthTokenRefresher can't work like this:\n {2}- refreshWindow is 60 s, /);
  expect(stderr.trimEnd().split('\n')).toHaveLength(2);
});

test('a setting that does not exist is refused with the one that was meant', async () => {
  const env = { PATH: process.env.PATH ?? '', CDK_CONTEXT_JSON: JSON.stringify({ segmnets: '3' }) };
  const { code, stderr } = await runProcess(process.execPath, ['infra/app.ts'], { env });
  expect(code).toBe(1);
  expect(stderr).toBe('There is no setting "segmnets". Did you mean -c segments=…?\n');
});
