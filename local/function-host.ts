import { pathToFileURL } from 'node:url';
import type { Context } from 'aws-lambda';
import { arn } from './aws/protocol/arn.ts';
import { functionLogGroup } from './aws/services/lambda.ts';
import type { HostRequest, Invocation } from './function-process.ts';

/**
 * The process in which the function runs on one machine, in place of Lambda's runtime. It loads the module that it is
 * given, whatever that does.
 */
const { handler } = (await import(pathToFileURL(process.argv[2] ?? '').href)) as {
  handler: (event: unknown, context: Context) => Promise<unknown>;
};

const FUNCTION_NAME = 'oauth-token-refresher';

let inFlight = 0;

process.on('message', async ({ event, timeout }: HostRequest) => {
  inFlight++;
  const invocation = await invoke(event, Date.now() + timeout);
  inFlight--;
  if (process.connected) process.send?.(invocation);
  else process.exit();
});

// The process that started us is gone. End too, once nothing is in flight that could be lost.
process.on('disconnect', () => {
  if (inFlight === 0) process.exit();
});

async function invoke(event: unknown, deadline: number): Promise<Invocation> {
  const context = {
    functionName: FUNCTION_NAME,
    functionVersion: '$LATEST',
    memoryLimitInMB: '512',
    awsRequestId: crypto.randomUUID(),
    invokedFunctionArn: arn('lambda', `function:${FUNCTION_NAME}`),
    logGroupName: functionLogGroup(FUNCTION_NAME),
    getRemainingTimeInMillis: () => deadline - Date.now(),
  } as Context;
  try {
    return { kind: 'returned', payload: await handler(event, context) };
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return { kind: 'failed', errorType: name, errorMessage: message };
  }
}
