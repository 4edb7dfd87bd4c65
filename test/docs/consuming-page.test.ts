import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { join } from 'node:path';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { EVENT_SOURCE } from '../../adapters/aws/events.ts';
import { projectRoot } from '../../build/project.ts';
import { type LocalAws, startLocalAws } from '../../local/aws/server.ts';
import { awsEnvironment, createLocalClients } from '../../local/clients.ts';
import { listen } from '../../local/shared/listen.ts';
import { clientSettings } from '../support/aws-endpoint.ts';
import {
  pythonDriver,
  type RunningSnippet,
  runSnippet,
  snippetsOf,
  typescriptDriver,
  workshop,
} from '../support/snippets.ts';

/** The snippets of docs/consuming.md, run exactly as they are on the page. */
const snippets = snippetsOf('docs/consuming.md');
const [sdk = '', extension = ''] = textsOf('ts');
const [boto3 = ''] = textsOf('python');
const [policy, accountEvents, storeEvents] = textsOf('json').map((text) => JSON.parse(text));
const python = join(projectRoot, '.venv', 'bin', 'python');

function textsOf(language: string): string[] {
  return snippets.filter((snippet) => snippet.language === language).map(({ text }) => text);
}

const SESSION_TOKEN = 'session-1';
const now = () => Math.floor(Date.now() / 1000);

let aws: LocalAws;
let clients: ReturnType<typeof createLocalClients>;
let api: { readonly url: string; readonly server: Server };
let lambdaExtension: { readonly url: string; readonly server: Server };
/** What the API accepts. */
let accepted = '';
const shop = workshop();

beforeAll(async () => {
  aws = await startLocalAws();
  clients = createLocalClients(aws.url);
  api = await serve((request, response) => {
    const good = request.headers.authorization === `Bearer ${accepted}`;
    response.writeHead(good ? 200 : 401).end(good ? 'welcome' : 'no');
  });
  const secrets = new SecretsManagerClient(clientSettings(aws.url));
  lambdaExtension = await serve(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost');
    if (request.headers['x-aws-parameters-secrets-token'] !== SESSION_TOKEN) response.writeHead(401).end();
    else if (pathname !== '/secretsmanager/get') response.writeHead(404).end();
    else {
      const SecretId = searchParams.get('secretId') ?? '';
      const answer = await secrets.send(new GetSecretValueCommand({ SecretId })).catch(() => undefined);
      response.writeHead(answer ? 200 : 400).end(JSON.stringify(answer ?? {}));
    }
  });
});

afterAll(async () => {
  shop.remove();
  for (const { server } of [api, lambdaExtension]) {
    server.closeAllConnections();
    server.close();
  }
  await aws.close();
});

async function serve(listener: RequestListener) {
  const server = createServer(listener);
  return { url: `http://127.0.0.1:${await listen(server, 0)}`, server };
}

/** What the function stores. */
async function store(accountId: string, access_token: string, lifetime: number): Promise<void> {
  const set = {
    access_token,
    token_type: 'Bearer',
    refresh_token: 'not-yours',
    expires_at: now() + lifetime,
  };
  await clients.putSecret(`oauth/accounts/${accountId}`, JSON.stringify(set));
}

function readsSoFar(): number {
  return aws.calls().filter(({ operation }) => operation === 'GetSecretValue').length;
}

const consumers: {
  language: string;
  accessToken: string;
  callApi: string;
  start: () => RunningSnippet;
  skip: boolean;
}[] = [
  {
    language: 'TypeScript',
    accessToken: 'accessToken',
    callApi: 'callApi',
    start: () => startTypescript(sdk, awsEnvironment(aws.url)),
    skip: false,
  },
  {
    language: 'Python',
    accessToken: 'access_token',
    callApi: 'call_api',
    start: () => {
      shop.write('snippet.py', boto3);
      const environment = { ...awsEnvironment(aws.url), AWS_DEFAULT_REGION: 'us-east-1' };
      return runSnippet(python, [shop.write('driver.py', pythonDriver)], environment);
    },
    skip: !existsSync(python),
  },
];

/** Token sets without a token, and what a program says about each. */
const withoutToken: { why: string; set: () => Record<string, unknown>; said: (account: string) => string }[] =
  [
    {
      why: 'the account was never connected',
      set: () => ({}),
      said: (account) =>
        `The account ${account} has no access token. Has it been connected? Does it need a person?`,
    },
    {
      why: 'it was imported with a refresh token only',
      set: () => ({ refresh_token: 'not-yours' }),
      said: (account) => `The account ${account} has no access token.`,
    },
    {
      why: 'its access token is null',
      set: () => ({ access_token: null, expires_at: null }),
      said: (account) => `The account ${account} has no access token.`,
    },
    {
      why: 'its access token is empty',
      set: () => ({ access_token: '', expires_at: now() + 3_600 }),
      said: (account) => `The account ${account} has no access token.`,
    },
  ];

function startTypescript(snippet: string, environment: Readonly<Record<string, string>>): RunningSnippet {
  shop.write('snippet.ts', snippet);
  return runSnippet(process.execPath, [shop.write('driver.ts', typescriptDriver)], environment);
}

// Without .venv (made by .ci/run) there is no boto3, and the Python snippet is skipped.
describe.each(consumers)('the $language snippet', ({ language, accessToken, callApi, start, skip }) => {
  const id = (name: string) => `${language}-${name}`;
  let snippet: RunningSnippet;

  beforeAll(() => {
    if (!skip) snippet = start();
    return () => snippet?.stop();
  });

  test.skipIf(skip)('reads the token once, and keeps it while it is good', async () => {
    await store(id('kept'), 'first', 3_600);
    expect(await snippet.call(accessToken, id('kept'))).toBe('first');
    const reads = readsSoFar();
    await store(id('kept'), 'second', 3_600);
    expect(await snippet.call(accessToken, id('kept'))).toBe('first');
    // putSecret reads as well, to see whether there is anything to write.
    expect(readsSoFar() - reads).toBeLessThanOrEqual(1);
  });

  test.skipIf(skip)('reads again in the last minute', async () => {
    await store(id('ending'), 'old', 59);
    expect(await snippet.call(accessToken, id('ending'))).toBe('old');
    await store(id('ending'), 'new', 3_600);
    expect(await snippet.call(accessToken, id('ending'))).toBe('new');
  });

  test.skipIf(skip).each(withoutToken)(
    'says clearly that there is no token if $why',
    async ({ set, said }) => {
      const account = id('none');
      await clients.putSecret(`oauth/accounts/${account}`, JSON.stringify(set()));
      for (const call of [
        snippet.call(accessToken, account),
        snippet.call(callApi, account, api.url),
        snippet.call(accessToken, account),
      ])
        await expect(call).rejects.toThrow(said(account));
    },
  );

  test.skipIf(skip)('takes a token that does not expire', async () => {
    await clients.putSecret(`oauth/accounts/${id('endless')}`, JSON.stringify({ access_token: 'endless' }));
    expect(await snippet.call(accessToken, id('endless'))).toBe('endless');
    expect(await snippet.call(accessToken, id('endless'))).toBe('endless');
  });

  test.skipIf(skip)('reads again on a 401, once', async () => {
    await store(id('refused'), 'old', 3_600);
    accepted = 'old';
    expect(await snippet.call(callApi, id('refused'), api.url)).toBe('welcome');
    await store(id('refused'), 'new', 3_600);
    accepted = 'new';
    expect(await snippet.call(callApi, id('refused'), api.url)).toBe('welcome');
    accepted = 'neither';
    const last = await snippet.call(callApi, id('refused'), api.url).catch(String);
    expect(last).toMatch(/^no$|401/);
  });
});

describe('the snippet for the Lambda extension', () => {
  let snippet: RunningSnippet;

  beforeAll(() => {
    snippet = startTypescript(extension, {
      PARAMETERS_SECRETS_EXTENSION_HTTP_PORT: new URL(lambdaExtension.url).port,
      AWS_SESSION_TOKEN: SESSION_TOKEN,
    });
    return () => snippet.stop();
  });

  test('asks the extension, with the session token', async () => {
    await store('extended', 'from-the-extension', 3_600);
    expect(await snippet.call('accessToken', 'extended')).toBe('from-the-extension');
  });

  test('says what the extension answered where there is none', async () => {
    await expect(snippet.call('accessToken', 'absent')).rejects.toThrow(
      'No token for the account absent: the extension answered 400.',
    );
  });

  test.each(withoutToken)('says clearly that there is no token if $why', async ({ set, said }) => {
    await clients.putSecret('oauth/accounts/extended-none', JSON.stringify(set()));
    await expect(snippet.call('accessToken', 'extended-none')).rejects.toThrow(said('extended-none'));
  });
});

test('the TypeScript snippets are sound in strict mode', () => {
  for (const [name, text] of Object.entries({
    'sdk.ts': sdk,
    'extension.ts': extension,
  }))
    shop.write(name, text);
  const options = { target: 'es2024', lib: ['es2024'], module: 'nodenext', types: ['node'], strict: true };
  const compilerOptions = { ...options, noEmit: true, skipLibCheck: true };
  const files = ['sdk.ts', 'extension.ts'];
  shop.write('tsconfig.json', JSON.stringify({ compilerOptions, files }));
  const tsc = join(projectRoot, 'node_modules', 'typescript', 'bin', 'tsc');
  const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', shop.path], { encoding: 'utf8' });
  expect({ stdout, status }).toEqual({ stdout: '', status: 0 });
});

describe('what is only written down', () => {
  test('the policy allows reading one account and nothing else', () => {
    expect(policy.Statement).toEqual([
      {
        Effect: 'Allow',
        Action: 'secretsmanager:GetSecretValue',
        Resource: 'arn:aws:secretsmanager:REGION:ACCOUNT:secret:oauth/accounts/acme-??????',
      },
    ]);
  });

  test('the External Secrets resources have the fields of external-secrets.io/v1, and leave the refresh token alone', () => {
    const [text = ''] = textsOf('yaml');
    const [secretStore, externalSecret] = parseAllDocuments(text).map((document) => {
      expect(document.errors).toEqual([]);
      return document.toJS();
    });
    // Required and known fields: the project's CRDs, config/crds/bases, and its page on AWS Secrets Manager.
    for (const { apiVersion } of [secretStore, externalSecret])
      expect(apiVersion).toBe('external-secrets.io/v1');
    expect([secretStore.kind, externalSecret.kind]).toEqual(['SecretStore', 'ExternalSecret']);
    expect(secretStore.spec.provider.aws).toMatchObject({
      service: 'SecretsManager',
      region: expect.any(String),
      auth: { jwt: { serviceAccountRef: { name: expect.any(String) } } },
    });
    const { spec } = externalSecret;
    expect(Object.keys(spec).sort()).toEqual(['data', 'refreshInterval', 'secretStoreRef', 'target']);
    expect(spec.secretStoreRef).toEqual({ kind: 'SecretStore', name: secretStore.metadata.name });
    expect(spec.refreshInterval).toMatch(/^\d+(s|m|h)$/);
    for (const { secretKey, remoteRef, ...rest } of spec.data) {
      expect(rest).toEqual({});
      expect(['access_token', 'expires_at']).toContain(secretKey);
      expect(remoteRef).toEqual({ key: 'oauth/accounts/acme', property: secretKey });
    }
  });

  test('the patterns match the function’s own events, and the record of a store', () => {
    expect(accountEvents.source).toEqual([EVENT_SOURCE]);
    expect(Object.keys(accountEvents.detail)).toEqual(['oauthProfile']);
    expect(storeEvents).toMatchObject({
      'detail-type': ['AWS API Call via CloudTrail'],
      detail: {
        eventName: ['PutSecretValue'],
        requestParameters: { secretId: [{ prefix: 'oauth/accounts/' }] },
      },
    });
  });
});
