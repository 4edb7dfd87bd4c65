import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signer, TEST_KEYS } from '../../../local/aws/protocol/signature.ts';
import { type LocalAws, startLocalAws } from '../../../local/aws/server.ts';
import { awsEnvironment } from '../../../local/clients.ts';
import { clientSettings } from '../../support/aws-endpoint.ts';
import { runProcess } from '../../support/run-process.ts';

const SECRET = 'the-value-of-the-secret';
const NOW = Date.parse('2026-05-01T12:00:00Z');
const MINUTE = 60_000;

let aws: LocalAws;
/** Its clock stands still. */
let still: LocalAws;
beforeAll(async () => {
  aws = await startLocalAws({
    functionName: 'fn:1',
    invoke: async (payload) => ({ payload }),
  });
  still = await startLocalAws({ now: () => NOW });
  const client = new SecretsManagerClient(clientSettings(aws.url));
  await client.send(new CreateSecretCommand({ Name: 'a', SecretString: SECRET }));
  client.destroy();
});
afterAll(() => Promise.all([aws.close(), still.close()]));

interface Sent {
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** GetSecretValue as a client would sign it, ready to be changed. */
async function signed(
  to: LocalAws,
  {
    headers = {},
    body = '{"SecretId":"a"}',
    at = Date.now(),
    keys = TEST_KEYS,
    query = {} as Readonly<Record<string, string | string[]>>,
  } = {},
): Promise<Sent> {
  const result = await signer(keys).sign(
    {
      method: 'POST',
      protocol: 'http:',
      hostname: '127.0.0.1',
      path: '/',
      query,
      headers: {
        host: new URL(to.url).host,
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'secretsmanager.GetSecretValue',
        ...headers,
      },
      body,
    },
    { signingDate: new Date(at), signingRegion: 'us-east-1', signingService: 'secretsmanager' },
  );
  return { path: '/', method: 'POST', headers: result.headers, body };
}

/** Sends exactly this; `fetch` would choose the Host itself. */
async function send(to: LocalAws, { path, method, headers, body }: Sent) {
  const { hostname, port } = new URL(to.url);
  const answer = await new Promise<IncomingMessage>((resolve, reject) =>
    request({ hostname, port, path, method, headers, agent: false }, resolve).on('error', reject).end(body),
  );
  const answered = await text(answer);
  const error = JSON.parse(answered || '{}').__type as string | undefined;
  return { status: answer.statusCode, error, text: answered };
}

const with_ = (sent: Sent, headers: Readonly<Record<string, string>>): Sent => ({
  ...sent,
  headers: { ...sent.headers, ...headers },
});

describe('a request that is signed with the keys is answered', () => {
  test('with the headers that every client sends', async () => {
    expect((await send(aws, await signed(aws))).text).toContain(SECRET);
  });

  test('with the hash of its body in a header', async () => {
    const body = '{"SecretId":"a"}';
    const hash = createHash('sha256').update(body).digest('hex');
    const sent = await signed(aws, { body, headers: { 'x-amz-content-sha256': hash } });
    expect((await send(aws, sent)).status).toBe(200);
  });

  test('with an unsigned user agent', async () => {
    const { headers, body, method, path } = await signed(aws);
    expect((await send(aws, { path, method, body, headers: { ...headers, 'user-agent': 'x' } })).status).toBe(
      200,
    );
  });

  test.each(['localhost', 'LOCALHOST'])('under the name %s', async (name) => {
    const host = `${name}:${new URL(aws.url).port}`;
    expect((await send(aws, await signed(aws, { headers: { host } }))).status).toBe(200);
  });

  test.each([
    { search: '?a=1+1', query: { a: '1+1' } },
    { search: '?a=%2B%20&a=b', query: { a: ['+ ', 'b'] } },
    { search: '?b=&a=%C3%BC', query: { a: 'ü', b: '' } },
  ])('with the query $search', async ({ search, query }) => {
    const sent = await signed(aws, { query });
    expect((await send(aws, { ...sent, path: `/${search}` })).status).toBe(200);
  });

  test('from the SDK, with a path that has to be encoded', async () => {
    const client = new LambdaClient(clientSettings(aws.url));
    await expect(client.send(new InvokeCommand({ FunctionName: 'fn:1' }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
    client.destroy();
  });

  test.each([-14, 14])('signed %i minutes from now by the clock of the endpoint', async (minutes) => {
    const answer = await send(still, await signed(still, { at: NOW + minutes * MINUTE }));
    expect(answer.error).toBe('ResourceNotFoundException');
  });
});

describe('a 403 without any data goes to a request', () => {
  const cases: readonly { name: string; error: string; sent: () => Promise<Sent> }[] = [
    {
      name: 'without a signature',
      error: 'MissingAuthenticationTokenException',
      sent: async () => {
        const { authorization: _, ...headers } = (await signed(aws)).headers;
        return { ...(await signed(aws)), headers };
      },
    },
    {
      name: 'with a signature in another scheme',
      error: 'MissingAuthenticationTokenException',
      sent: async () => with_(await signed(aws), { authorization: 'Bearer abc' }),
    },
    {
      name: 'with any signature',
      error: 'InvalidSignatureException',
      sent: async () => {
        const sent = await signed(aws);
        return with_(sent, {
          authorization: (sent.headers.authorization ?? '').replace(
            /Signature=.*/,
            `Signature=${'0'.repeat(64)}`,
          ),
        });
      },
    },
    {
      name: 'with half a signature',
      error: 'IncompleteSignatureException',
      sent: async () =>
        with_(await signed(aws), {
          authorization: 'AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c',
        }),
    },
    {
      name: 'with the right id and another key',
      error: 'InvalidSignatureException',
      sent: () => signed(aws, { keys: { ...TEST_KEYS, secretAccessKey: 'guessed' } }),
    },
    {
      name: 'with another id',
      error: 'UnrecognizedClientException',
      sent: () => signed(aws, { keys: { ...TEST_KEYS, accessKeyId: 'AKIAIOSFODNN7EXAMPLE' } }),
    },
    {
      name: 'whose body was changed',
      error: 'InvalidSignatureException',
      sent: async () => ({ ...(await signed(aws)), body: '{"SecretId":"a" }' }),
    },
    {
      name: 'whose body was changed, and whose header has the hash of the former',
      error: 'InvalidSignatureException',
      sent: async () => {
        const body = '{"SecretId":"b"}';
        const hash = createHash('sha256').update(body).digest('hex');
        const sent = await signed(aws, { body, headers: { 'x-amz-content-sha256': hash } });
        return { ...sent, body: '{"SecretId":"a"}' };
      },
    },
    {
      name: 'that leaves its body unsigned',
      error: 'InvalidSignatureException',
      sent: () => signed(aws, { headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } }),
    },
    {
      name: 'to another operation than was signed',
      error: 'InvalidSignatureException',
      sent: async () => with_(await signed(aws), { 'x-amz-target': 'secretsmanager.ListSecrets' }),
    },
    {
      name: 'whose operation is not signed',
      error: 'InvalidSignatureException',
      sent: async () => {
        const sent = await signed(aws, { headers: { 'x-amz-target': undefined as unknown as string } });
        return with_(sent, { 'x-amz-target': 'secretsmanager.GetSecretValue' });
      },
    },
    {
      name: 'whose host is not signed',
      error: 'InvalidSignatureException',
      sent: async () => {
        const sent = await signed(aws, { headers: { host: undefined as unknown as string } });
        return with_(sent, { host: new URL(aws.url).host });
      },
    },
    {
      name: 'with another path than was signed',
      error: 'InvalidSignatureException',
      sent: async () => ({ ...(await signed(aws)), path: '/x' }),
    },
    {
      name: 'with a query that was not signed',
      error: 'InvalidSignatureException',
      sent: async () => ({ ...(await signed(aws)), path: '/?a=1' }),
    },
    {
      name: 'whose plus was signed as a space',
      error: 'InvalidSignatureException',
      sent: async () => ({
        ...(await signed(aws, { query: { a: '1 1' } })),
        path: '/?a=1+1',
      }),
    },
    {
      name: 'whose query can not be decoded',
      error: 'IncompleteSignatureException',
      sent: async () => ({ ...(await signed(aws)), path: '/?%zz' }),
    },
    {
      name: 'with another method than was signed',
      error: 'InvalidSignatureException',
      sent: async () => ({ ...(await signed(aws)), method: 'PUT' }),
    },
    {
      name: 'without a date',
      error: 'IncompleteSignatureException',
      sent: async () => {
        const { 'x-amz-date': _, ...headers } = (await signed(aws)).headers;
        return { ...(await signed(aws)), headers };
      },
    },
    {
      name: 'with another date than was signed',
      error: 'InvalidSignatureException',
      sent: async () =>
        with_(await signed(aws, { at: Date.now() - MINUTE }), {
          'x-amz-date': `${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}`,
        }),
    },
    {
      name: 'for a foreign host, though signed',
      error: 'AccessDeniedException',
      sent: () => signed(aws, { headers: { host: 'rebound.example' } }),
    },
    {
      name: 'for a foreign host with the right port',
      error: 'AccessDeniedException',
      sent: () => signed(aws, { headers: { host: `rebound.example:${new URL(aws.url).port}` } }),
    },
    {
      name: 'for a host that begins like this one',
      error: 'AccessDeniedException',
      sent: () => signed(aws, { headers: { host: `127.0.0.1.rebound.example:${new URL(aws.url).port}` } }),
    },
    {
      name: 'for an address that is not listened on',
      error: 'AccessDeniedException',
      sent: () => signed(aws, { headers: { host: `[::1]:${new URL(aws.url).port}` } }),
    },
    {
      name: 'for another port',
      error: 'AccessDeniedException',
      sent: () => signed(aws, { headers: { host: '127.0.0.1:1' } }),
    },
    {
      name: 'for no port',
      error: 'AccessDeniedException',
      sent: () => signed(aws, { headers: { host: '127.0.0.1' } }),
    },
  ];

  test.each(cases)('$name', async ({ error, sent }) => {
    const before = aws.calls().length;
    const answer = await send(aws, await sent());
    expect({ status: answer.status, error: answer.error }).toEqual({ status: 403, error });
    expect(answer.text).not.toContain(SECRET);
    expect(aws.calls()).toHaveLength(before);
  });

  test.each([-16, 16])('signed %i minutes from now by the clock of the endpoint', async (minutes) => {
    const answer = await send(still, await signed(still, { at: NOW + minutes * MINUTE }));
    expect({ status: answer.status, error: answer.error }).toEqual({
      status: 403,
      error: 'InvalidSignatureException',
    });
  });
});

test("a client with a wrong clock sets it by the endpoint's, as with AWS", async () => {
  const client = new SecretsManagerClient({ ...clientSettings(still.url), maxAttempts: 2 });
  await expect(client.send(new GetSecretValueCommand({ SecretId: 'none' }))).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
  });
  client.destroy();
});

/** A Python with boto3, if there is one. */
const python = [
  '.venv/bin/python',
  ...(existsSync('.venv') ? [] : (process.env.PATH ?? '').split(':').map((folder) => `${folder}/python3`)),
].find((path) => existsSync(path));

const boto3 = `
import boto3
print(boto3.client("secretsmanager").get_secret_value(SecretId="a")["SecretString"])
print(boto3.client("dynamodb").list_tables()["TableNames"])
try:
    boto3.client("lambda").invoke(FunctionName="arn:aws:lambda:us-east-1:000000000000:function:x")
except Exception as error:
    print(type(error).__name__)
`;
const hasBoto3 =
  python !== undefined && (await runProcess(python, ['-c', 'import boto3']).then(({ code }) => code === 0));

test.skipIf(!hasBoto3)('boto3 signs as the endpoint does', async () => {
  const env = awsEnvironment(aws.url);
  const { stdout, stderr } = await runProcess(python ?? '', ['-c', boto3], { env });
  expect({ stdout, stderr }).toEqual({ stdout: `${SECRET}\n[]\nResourceNotFoundException\n`, stderr: '' });
});

const hasAwsCli = (process.env.PATH ?? '').split(':').some((folder) => existsSync(`${folder}/aws`));

test.skipIf(!hasAwsCli)('so does the AWS CLI', async () => {
  const env = awsEnvironment(aws.url);
  const line = [
    'secretsmanager',
    'get-secret-value',
    '--secret-id',
    'a',
    '--query',
    'SecretString',
    '--output',
    'text',
  ];
  expect(await runProcess('aws', line, { env })).toMatchObject({ code: 0, stdout: `${SECRET}\n` });
});
