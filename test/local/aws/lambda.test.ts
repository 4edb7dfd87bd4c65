import { randomUUID } from 'node:crypto';
import { GetFunctionConfigurationCommand, InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Invocation, type LocalAws, startLocalAws } from '../../../local/aws/server.ts';
import { type AwsEndpoint, awsEndpoint, clientSettings } from '../../support/aws-endpoint.ts';

test('a function that is not there is not found', async () => {
  const endpoint: AwsEndpoint = await awsEndpoint();
  const client = new LambdaClient(clientSettings(endpoint.url));
  const FunctionName = randomUUID();
  for (const asking of [
    () => client.send(new InvokeCommand({ FunctionName })),
    () => client.send(new GetFunctionConfigurationCommand({ FunctionName })),
  ])
    await expect(asking()).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      message: expect.stringMatching(/^Function not found: arn:aws:lambda:us-east-1:\d{12}:function:/),
      $metadata: { httpStatusCode: 404 },
    });
  client.destroy();
  await endpoint.close();
});

// moto needs Docker to run a function, so the rest is for the local endpoint alone.
describe('the one local function', () => {
  const FunctionName = 'oauth-token-refresher';
  const payloads: unknown[] = [];
  let aws: LocalAws;
  let client: LambdaClient;
  let next: () => Promise<Invocation>;

  beforeAll(async () => {
    aws = await startLocalAws({
      functionName: FunctionName,
      invoke: (payload) => {
        payloads.push(payload);
        return next();
      },
    });
    client = new LambdaClient(clientSettings(aws.url));
  });
  afterAll(async () => {
    client.destroy();
    await aws.close();
  });

  const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString();

  test('gets the payload, and its result comes back', async () => {
    next = async () => ({ payload: { refreshed: 2 } });
    const answer = await client.send(
      new InvokeCommand({ FunctionName, Payload: JSON.stringify({ dryRun: true }) }),
    );
    expect(payloads.at(-1)).toEqual({ dryRun: true });
    expect(answer).toMatchObject({ StatusCode: 200, ExecutedVersion: '$LATEST' });
    expect(answer).not.toMatchObject({ FunctionError: expect.anything() });
    expect(answer.LogResult).toBeUndefined();
    expect(JSON.parse(text(answer.Payload))).toEqual({ refreshed: 2 });
  });

  test('says where its log is', async () => {
    expect(await client.send(new GetFunctionConfigurationCommand({ FunctionName }))).toMatchObject({
      FunctionName,
      State: 'Active',
      Environment: { Variables: {} },
      LoggingConfig: { LogFormat: 'JSON', LogGroup: `/aws/lambda/${FunctionName}` },
    });
  });

  test('gets an empty event where there is no payload', async () => {
    next = async () => ({ payload: null });
    await client.send(new InvokeCommand({ FunctionName }));
    expect(payloads.at(-1)).toEqual({});
  });

  test('that fails is answered with its error and status 200', async () => {
    const payload = { errorType: 'Error', errorMessage: 'no table' };
    next = async () => ({ payload, functionError: 'Unhandled' });
    const answer = await client.send(new InvokeCommand({ FunctionName }));
    expect(answer).toMatchObject({ StatusCode: 200, FunctionError: 'Unhandled' });
    expect(JSON.parse(text(answer.Payload))).toEqual(payload);
  });

  test('shows the last 4 KB of its log on request', async () => {
    next = async () => ({ payload: null, logTail: `${'x'.repeat(5000)}the end` });
    const { LogResult = '' } = await client.send(new InvokeCommand({ FunctionName, LogType: 'Tail' }));
    const log = Buffer.from(LogResult, 'base64').toString();
    expect(log).toHaveLength(4096);
    expect(log).toMatch(/the end$/);
  });

  test('is not waited for as an event', async () => {
    let finish = () => {};
    next = () => new Promise((resolve) => (finish = () => resolve({ payload: null })));
    const answer = await client.send(new InvokeCommand({ FunctionName, InvocationType: 'Event' }));
    expect(answer.StatusCode).toBe(202);
    finish();
  });

  test('does not run in a dry run', async () => {
    const before = payloads.length;
    const answer = await client.send(new InvokeCommand({ FunctionName, InvocationType: 'DryRun' }));
    expect(answer.StatusCode).toBe(204);
    expect(payloads).toHaveLength(before);
  });

  test('is known by its ARN too', async () => {
    next = async () => ({ payload: 'here' });
    for (const prefix of ['arn:aws:lambda:us-east-1:000000000000:function:', '000000000000:function:']) {
      const answer = await client.send(new InvokeCommand({ FunctionName: `${prefix}${FunctionName}` }));
      expect(text(answer.Payload)).toBe('"here"');
    }
    const latest = await client.send(new InvokeCommand({ FunctionName, Qualifier: '$LATEST' }));
    expect(latest.StatusCode).toBe(200);
    for (const alias of [{ FunctionName: `${FunctionName}:alias` }, { FunctionName, Qualifier: 'alias' }])
      await expect(client.send(new InvokeCommand(alias))).rejects.toMatchObject({
        name: 'ResourceNotFoundException',
      });
  });

  test('does not get a payload that is no JSON', async () => {
    const before = payloads.length;
    await expect(client.send(new InvokeCommand({ FunctionName, Payload: '{' }))).rejects.toMatchObject({
      name: 'InvalidRequestContentException',
      $metadata: { httpStatusCode: 400 },
    });
    expect(payloads).toHaveLength(before);
  });
});
