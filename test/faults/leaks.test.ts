import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Fault, type FaultCall, type LocalAws, startLocalAws } from '../../local/aws/server.ts';
import { CANARY, linesWithCanary } from '../support/canary.ts';
import { type ProviderFault, type StrictProvider, startStrictProvider } from '../support/strict-provider.ts';
import { createWorld, type World } from '../support/world.ts';

/**
 * The canary stands in every token, secret and key, and providers and AWS quote it back wherever they can. Afterwards
 * it must stand nowhere but in the secrets.
 */
let directory: string;
let aws: LocalAws;
let provider: StrictProvider;
let world: World;
const places = new Map<string, string>();

const json = { 'content-type': 'application/json' };
const answer = (status: number, body: unknown, headers: Record<string, string> = json): ProviderFault => ({
  kind: 'answer',
  status,
  headers,
  body: typeof body === 'string' ? body : JSON.stringify(body),
});

/** What a provider may quote: the refresh token, raw or encoded, and the client's secret. */
const quotes = (token: string) => `${token} ${encodeURIComponent(token)} ${btoa(token)}`;
const falseCandidate = {
  error: 'server_error',
  error_description: quotes(`${CANARY}-issued-by-nobody`),
  refresh_token: `${CANARY}-issued-by-nobody`,
};
const answers: Record<string, (token: string) => ProviderFault> = {
  'dead-grant': (token) => answer(400, { error: 'invalid_grant', error_description: `No: ${quotes(token)}` }),
  'odd-code': (token) => answer(400, { error: token, error_description: quotes(token) }),
  'rejected-client': () =>
    answer(401, { error: 'invalid_client', error_description: quotes(`${CANARY}-client-secret-1`) }),
  outage: (token) => answer(500, { error: 'server_error', error_description: quotes(token) }),
  throttled: (token) => answer(429, quotes(token), { 'retry-after': token }),
  'html-error': (token) => answer(400, `<pre>${quotes(token)}</pre>`, { 'content-type': 'text/html' }),
  'html-success': (token) => answer(200, `<pre>${quotes(token)}</pre>`, { 'content-type': 'text/html' }),
  redirect: (token) => answer(302, '', { location: `http://127.0.0.1/?token=${encodeURIComponent(token)}` }),
  'not-ok': (token) => answer(200, { ok: false, error: { code: 17, message: quotes(token) } }),
  cut: () => ({ kind: 'partial_body' }),
  reset: () => ({ kind: 'drop_answer' }),
  odd: () => ({ kind: 'odd_body', make: ({ access_token: _, ...rest }) => ({ body: JSON.stringify(rest) }) }),
  candidate: () => ({ kind: 'odd_body', make: (tokens) => ({ status: 400, body: JSON.stringify(tokens) }) }),
  'false-candidate': () => answer(503, falseCandidate),
  unreadable: () => ({
    kind: 'odd_body',
    make: (tokens) => ({
      body: `${JSON.stringify(tokens)} ${CANARY}`.replaceAll('"', '<').replaceAll(':', '>'),
    }),
  }),
  'asked-to-wait': (token) =>
    answer(503, { error: token, error_description: quotes(token) }, { ...json, 'retry-after': '9' }),
};

/** Short secrets full of signs, as a provider may quote them. */
const SHORT = { refresh_token: `7"&'`, client_secret: '%<x/' };
const signs = (text: string, write: (code: number) => string) =>
  Array.from(text, (sign) => write(sign.charCodeAt(0))).join('');
const shortForms = Object.values(SHORT).flatMap((secret) => [
  secret,
  encodeURIComponent(secret),
  encodeURIComponent(encodeURIComponent(secret)),
  JSON.stringify(secret).slice(1, -1).replaceAll('/', '\\/'),
  signs(secret, (code) => `&#${code};`),
  signs(secret, (code) => `&#x0${code.toString(16).toUpperCase()}`),
  signs(secret, (code) => `\\u00${code.toString(16)}`),
  `&#${secret.charCodeAt(0)};%${secret.charCodeAt(1).toString(16)}${secret.slice(2).toUpperCase()}`,
  btoa(secret),
  btoa(`client:${secret}`),
  Buffer.from(secret).toString('hex'),
]);
const shortAnswers = shortForms.map((form) =>
  answer(400, { error: 'invalid_grant', error_description: `It was (${form}).` }),
);

/** AWS quotes back what it was sent, each time at another call. */
const quoting = (operation: string, type = 'ValidationException') => ({
  operation,
  fault: (call: FaultCall): Fault => ({
    kind: 'error',
    status: 400,
    type,
    message: `Refused: ${JSON.stringify(call.input)} ${CANARY}`,
  }),
});
const refusals = [
  quoting('PutSecretValue', 'InvalidRequestException'),
  quoting('PutSecretValue', 'AccessDeniedException'),
  quoting('GetSecretValue'),
  quoting('UpdateSecretVersionStage', 'InternalServiceError'),
  quoting('GenerateDataKey', 'KMSInternalException'),
  quoting('Decrypt', 'InvalidCiphertextException'),
  quoting('UpdateItem'),
  quoting('PutEvents'),
];

const profiles: Record<string, string | object> = {
  'profile-cut': `{"client_id": "c", "client_secret": "${CANARY}`,
  'profile-list': { client_id: 'c', client_secret: [CANARY] },
  'profile-key': { private_key: CANARY, token_endpoint_auth_method: 'private_key_jwt' },
  'profile-jwk': { private_key: { kty: CANARY, d: CANARY }, token_endpoint_auth_method: 'private_key_jwt' },
  'profile-certificate': {
    token_endpoint: 'https://127.0.0.1:9/token',
    token_endpoint_auth_method: 'tls_client_auth',
    tls_client_certificate: CANARY,
    tls_client_key: CANARY,
  },
  'profile-ca': { token_endpoint: 'https://127.0.0.1:9/token', tls_ca_certificate: CANARY },
  'profile-address': { token_endpoint: `https://user:${encodeURIComponent(CANARY)}@127.0.0.1:9/${CANARY}` },
  'profile-header': { token_request_headers: { 'x-key': `${CANARY}\n` } },
  'profile-format': { token_request_format: CANARY },
  'profile-preset': { provider: CANARY },
};
const secrets: Record<string, unknown> = {
  'secret-cut': `{"refresh_token": "${CANARY}`,
  'secret-text': CANARY,
  'secret-list': { refresh_token: [CANARY] },
  'secret-date': { refresh_token: CANARY, expires_at: CANARY },
};

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'leaks-'));
  const logFile = join(directory, 'aws.log');
  aws = await startLocalAws({ logFile, secretsManager: { writesPerSecond: 10_000 } });
  provider = await startStrictProvider({ canary: CANARY });
  world = await createWorld(aws.url, { POWERTOOLS_LOG_LEVEL: 'DEBUG' });
  for (const accountId of ['fine', ...Object.keys(answers)]) {
    // A profile each: three failures in a row would spare the rest.
    await world.profile(accountId, provider.profile);
    await world.account({ accountId, oauthProfile: accountId }, provider.issue(accountId));
  }
  for (const [accountId, fields] of Object.entries(profiles)) {
    await world.profile(accountId, typeof fields === 'string' ? fields : { ...provider.profile, ...fields });
    await world.account({ accountId, oauthProfile: accountId }, provider.issue(accountId));
  }
  for (const [accountId, secret] of Object.entries(secrets))
    await world.account({ accountId, oauthProfile: 'fine' }, secret);
  for (const [index] of shortForms.entries()) {
    const accountId = `short-${index}`;
    await world.profile(accountId, { ...provider.profile, client_secret: SHORT.client_secret });
    await world.account({ accountId, oauthProfile: accountId }, { refresh_token: SHORT.refresh_token });
  }
  let quoted = 0;
  provider.inject(({ accountId = '', parameters }) =>
    parameters.refresh_token === SHORT.refresh_token
      ? shortAnswers[quoted++ % shortAnswers.length]
      : answers[accountId]?.(parameters.refresh_token ?? ''),
  );

  const said: unknown[] = [await world.function.invoke({})];
  const tables: unknown[] = [];
  for (const { operation, fault } of refusals) {
    const event = {
      accountIds: ['fine', 'dead-grant', 'odd', 'candidate', 'unreadable', 'rejected-client'],
      force: true,
    };
    aws.inject((call) => (call.operation === operation ? fault(call) : undefined));
    said.push(await world.function.invoke(event, 20_000));
    aws.inject(undefined);
    tables.push(await world.clients.table.send(new ScanCommand({ TableName: world.clients.tableName })));
  }
  // Another run over all of them: what was said once is said again in other words.
  said.push(await world.function.invoke({ accountIds: [...Object.keys(answers), 'fine'], force: true }));
  for (const event of [{ accountIds: [CANARY, 5] }, { segment: CANARY }, CANARY])
    said.push(await world.function.invoke(event));
  places.set('the results and errors', JSON.stringify(said, undefined, 1));
  places.set('the events', JSON.stringify(aws.putEventsLog(), undefined, 1));
  places.set('the table', JSON.stringify(tables, undefined, 1));
  places.set('the function’s log and metrics', world.function.takeLog().join('\n'));
  world.close();
  await provider.close();
  await aws.close();
  places.set('the local endpoint’s log', readFileSync(logFile, 'utf8'));
});

afterAll(() => rmSync(directory, { recursive: true }));

describe('the canary', () => {
  test.each([
    { how: 'as it is', text: `x ${CANARY} y` },
    { how: 'in a URL', text: `?token=${encodeURIComponent(`a ${CANARY}`)}&b` },
    ...[0, 1, 2].map((n) => ({
      how: `in Base64, ${n} bytes in`,
      text: btoa(`${'x'.repeat(n)}${CANARY} and more`),
    })),
  ])('is found $how', ({ text }) => {
    expect(linesWithCanary(text)).toHaveLength(1);
  });

  test.each([
    'the results and errors',
    'the events',
    'the table',
    'the function’s log and metrics',
    'the local endpoint’s log',
  ])('is not in %s', (place) => {
    const text = places.get(place) ?? '';
    expect(text.length).toBeGreaterThan(200);
    expect(linesWithCanary(text)).toEqual([]);
  });

  test('has companions that are short and full of signs, and are quoted in every way', () => {
    const said = [...places].flatMap(([place, text]) =>
      [...text.matchAll(/It was (.{0,80})/g)].map(([whole]) => ({ place, whole })),
    );
    expect(new Set(said.map(({ place }) => place))).toEqual(
      new Set(['the table', 'the function’s log and metrics']),
    );
    expect(said.length).toBeGreaterThan(shortForms.length);
    for (const { whole } of said) expect(whole).toMatch(/^It was \(\[redacted\]=*\)\./);
  });

  test.each(['token', 'candidate', 'answer'])('was in escrow as well, encrypted, in a %s', (kind) => {
    expect(places.get('the table')).toMatch(
      new RegExp(`"kind": "${kind}",\\s+"ciphertext"|"ciphertext": [^}]*"kind": "${kind}"`),
    );
  });

  test('was in the notes and events of profiles, hidden', () => {
    expect(places.get('the table')).toContain('#profile:rejected-client');
    expect(places.get('the events')).toContain('OAuth Profile Failing');
  });
});
