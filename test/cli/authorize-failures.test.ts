import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Connecting, startConnecting } from '../support/connecting.ts';
import { visit } from '../support/person.ts';

/** Where people look a failure up. */
const docs = readFileSync('docs/authorizing.md', 'utf8');

let system: Connecting;
const servers: Server[] = [];
beforeAll(async () => {
  system = await startConnecting();
  await system.authorize(['acme', '--profile', 'crm', '--name', 'Acme']);
});
afterAll(async () => {
  for (const server of servers) server.close();
  await system.close();
});
afterEach(() => system.aws.inject(undefined));

/** A server that answers each request alike, such as a provider's that is broken. */
async function serve(answer: (path: string) => { status: number; body: string }): Promise<string> {
  const server = createServer((request, response) => {
    const { status, body } = answer(request.url ?? '');
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A client like `crm`, but for what differs. */
async function aProfile(name: string, differences: Record<string, unknown> = {}): Promise<void> {
  const { issuer } = system.authorizationServer;
  const own = differences.token_endpoint === undefined ? { issuer } : {};
  await system.profile(name, {
    client_id: 'crm',
    client_secret: 'local-secret-of-crm',
    scope: 'openid offline_access',
    ...own,
    ...differences,
  });
}

const authorizationEndpoint = () => `${system.authorizationServer.issuer}/auth`;

/** What must be as it was after every failure, for an account that exists and for one that does not. */
async function state() {
  return {
    acme: await system.item('acme'),
    tokens: await system.tokens('acme'),
    ghost: await system.item('ghost'),
    ghostTokens: await system.tokens('ghost'),
  };
}

interface Failure {
  readonly what: string;
  readonly code: string;
  readonly says: RegExp;
  readonly run: (accountId: string) => ReturnType<Connecting['authorize']>;
  /** The browser is told too. */
  readonly page?: RegExp;
}

const failures: readonly Failure[] = [
  {
    what: 'consent is denied',
    code: 'DENIED',
    says: /access was not allowed: access_denied/,
    page: /The access was not allowed/,
    run: (id) => system.authorize([id, '--profile', 'crm', '--json'], { answer: 'cancel' }),
  },
  {
    what: 'every answer has another state',
    code: 'STATE_MISMATCH',
    says: /Only responses to other sign-ins/,
    page: /belongs to another sign-in/,
    run: (id) =>
      system.authorize([id, '--profile', 'crm', '--json', '--timeout', '2s'], {
        onAddress: (address) => {
          const to = new URL(address).searchParams.get('redirect_uri');
          return to === null ? address : `${to}?code=forged&state=forged`;
        },
      }),
  },
  {
    what: 'the answer comes with another browser',
    code: 'ANOTHER_BROWSER',
    says: /in another browser than it began in/,
    page: /began to sign in with another browser/,
    run: (id) =>
      system.authorize([id, '--profile', 'crm', '--json', '--timeout', '2s'], {
        // Under another name of this machine a browser has no cookie of the first.
        onAddress: (address) =>
          address.includes('/callback?') ? address.replace('127.0.0.1', 'localhost') : address,
      }),
  },
  {
    what: 'the start address is opened in two browsers',
    code: 'STARTED_TWICE',
    says: /opened in two browsers/,
    page: /was stopped/,
    run: (id) =>
      system.authorize([id, '--profile', 'crm', '--json'], {
        onAddress: async (address) => {
          // Somebody else was faster.
          if (address.includes('/start/')) await fetch(address, { redirect: 'manual' });
          return address;
        },
      }),
  },
  {
    what: 'nobody answers in time',
    code: 'TIMEOUT',
    says: /Nobody answered in 1 s/,
    run: (id) =>
      system.authorize([id, '--profile', 'crm', '--json', '--timeout', '1s'], { onAddress: () => 'stop' }),
  },
  {
    what: 'the answer comes from another provider',
    code: 'ISSUER_MISMATCH',
    says: /does not come from http/,
    page: /from another provider/,
    run: (id) =>
      system.authorize([id, '--profile', 'crm', '--json'], {
        onAddress: (address) =>
          address.includes('/callback?')
            ? address.replace(/iss=[^&]+/, 'iss=https%3A%2F%2Fevil.example')
            : address,
      }),
  },
  {
    what: "the profile's port is taken",
    code: 'PORT_TAKEN',
    says: /another program listens there/,
    run: async (id) => {
      await aProfile('port', { redirect_uri: `${await serve(() => ({ status: 200, body: '' }))}/callback` });
      return await system.authorize([id, '--profile', 'port', '--replace', '--json']);
    },
  },
  {
    what: 'the redirect_uri is on another machine',
    code: 'REDIRECT_ELSEWHERE',
    says: /Use --paste/,
    run: async (id) => {
      await aProfile('elsewhere', { redirect_uri: 'https://app.example.com/callback' });
      return await system.authorize([id, '--profile', 'elsewhere', '--replace', '--json']);
    },
  },
  {
    what: 'the code is one that was used before',
    code: 'CODE_REFUSED',
    says: /400 invalid_grant.*used before/,
    page: /used before/,
    run: (id) =>
      system.authorize([id, '--profile', 'crm', '--json'], {
        onAddress: (address) =>
          address.includes('/callback?') ? address.replace(/code=[^&]+/, 'code=of-yesterday') : address,
      }),
  },
  {
    what: "the client's secret is wrong",
    code: 'CLIENT_REJECTED',
    says: /401 invalid_client/,
    page: /does not accept this application/,
    run: async (id) => {
      await aProfile('wrong-secret', { client_secret: 'not-it' });
      return await system.authorize([id, '--profile', 'wrong-secret', '--replace', '--json']);
    },
  },
  {
    what: 'the issuer is down',
    code: 'PROVIDER_UNAVAILABLE',
    says: /could not be reached \(ECONNREFUSED\)/,
    run: async (id) => {
      await aProfile('gone', { issuer: 'http://127.0.0.1:1' });
      return await system.authorize([id, '--profile', 'gone', '--replace', '--json']);
    },
  },
  {
    what: 'the token endpoint is down',
    code: 'PROVIDER_UNAVAILABLE',
    says: /503/,
    page: /has a problem/,
    run: async (id) => {
      const token_endpoint = `${await serve(() => ({ status: 503, body: '' }))}/token`;
      await aProfile('down', { token_endpoint, authorization_endpoint: authorizationEndpoint() });
      return await system.authorize([id, '--profile', 'down', '--replace', '--json']);
    },
  },
  {
    what: 'the token endpoint answers something else',
    code: 'ANSWER_MALFORMED',
    says: /Check token_endpoint/,
    run: async (id) => {
      const token_endpoint = `${await serve(() => ({ status: 200, body: '<html>' }))}/token`;
      await aProfile('html', { token_endpoint, authorization_endpoint: authorizationEndpoint() });
      return await system.authorize([id, '--profile', 'html', '--replace', '--json']);
    },
  },
  {
    what: 'no refresh token is granted',
    code: 'NO_REFRESH_TOKEN',
    says: /no refresh token.*offline_access/,
    page: /only for a short time/,
    run: async (id) => {
      const body = JSON.stringify({ access_token: 'a', token_type: 'Bearer', expires_in: 60 });
      const token_endpoint = `${await serve(() => ({ status: 200, body }))}/token`;
      await aProfile('access-only', { token_endpoint, authorization_endpoint: authorizationEndpoint() });
      return await system.authorize([id, '--profile', 'access-only', '--replace', '--json']);
    },
  },
  {
    what: 'the token secret may not be written',
    code: 'STORE_FAILED',
    says: /could not be written \(AccessDeniedException\).*PutSecretValue/,
    page: /could not be stored/,
    run: (id) => {
      system.aws.inject(({ operation }) =>
        operation === 'PutSecretValue' || operation === 'CreateSecret'
          ? { kind: 'error', status: 400, type: 'AccessDeniedException', message: 'no' }
          : undefined,
      );
      return system.authorize([id, '--profile', 'crm', '--json']);
    },
  },
  {
    what: 'the profile does not exist',
    code: 'NO_PROFILE',
    says: /There is no profile nope/,
    run: (id) => system.authorize([id, '--profile', 'nope', '--replace', '--json']),
  },
  {
    what: 'a parameter is missing',
    code: 'PARAMETER_MISSING',
    says: /parameters\.tenant: is missing.*--parameter/,
    run: async (id) => {
      await aProfile('tenant', { authorization_endpoint: 'http://127.0.0.1/{tenant}/auth' });
      return await system.authorize([id, '--profile', 'tenant', '--replace', '--json']);
    },
  },
  {
    what: 'the provider has no device endpoint',
    code: 'NO_DEVICE_ENDPOINT',
    says: /Use --paste/,
    run: async (id) => {
      await aProfile('no-device', { token_endpoint: `${system.authorizationServer.issuer}/token` });
      return await system.authorize([id, '--profile', 'no-device', '--replace', '--device', '--json']);
    },
  },
];

describe.each(['acme', 'ghost'])('for %s, where', (accountId) => {
  test.each(
    failures,
  )('$what: $code, told in the terminal and on the page, and nothing has changed', async (failure) => {
    const before = await state();
    const ended = await failure.run(accountId);
    expect(ended.code).toBe(1);
    const { error } = JSON.parse(ended.stdout);
    expect(error).toEqual({ code: failure.code, message: expect.stringMatching(failure.says) });
    expect(docs).toContain(`\`${failure.code}\``);
    if (failure.page !== undefined) {
      expect(ended.page.status).toBe(400);
      expect(ended.page.html).toMatch(failure.page);
    }
    expect(await state()).toEqual(before);
  });
});

test('the table that can’t be written at the end: the grant is safe, and the next try ends it', async () => {
  system.aws.inject(({ operation, input }) =>
    operation === 'UpdateItem' && JSON.stringify(input).includes('authorizedBy')
      ? { kind: 'error', status: 400, type: 'AccessDeniedException', message: 'no' }
      : undefined,
  );
  const before = await system.tokens('acme');
  const ended = await system.authorize(['acme']);
  expect(ended).toMatchObject({ code: 1 });
  expect(ended.stderr).toContain('is safe in its token secret');
  const granted = await system.tokens('acme');
  expect(granted?.refresh_token).not.toBe(before?.refresh_token);
  expect(await system.item('acme')).not.toHaveProperty('lease');
  system.aws.inject(undefined);
  expect(await system.authorize(['acme'])).toMatchObject({ code: 0 });
});

test('the table that can’t be written at the end of a new account: its item stays, and the next run finds the grant', async () => {
  system.aws.inject(({ operation, input }) =>
    operation === 'UpdateItem' && JSON.stringify(input).includes('authorizedBy')
      ? { kind: 'error', status: 400, type: 'AccessDeniedException', message: 'no' }
      : undefined,
  );
  const ended = await system.authorize(['unrecorded', '--profile', 'crm']);
  expect(ended.stderr).toContain('is safe in its token secret');
  expect(await system.item('unrecorded')).toEqual({
    accountId: 'unrecorded',
    authenticationType: 'oauth2',
    oauthProfile: 'crm',
  });
  system.aws.inject(undefined);
  await system.run();
  expect(await system.item('unrecorded')).toMatchObject({ status: 'healthy' });
});

test('a secret that somebody makes just before it is made here is written all the same', async () => {
  let puts = 0;
  let made: Promise<void> | undefined;
  system.aws.inject(({ operation, input }) => {
    if (!JSON.stringify(input).includes('oauth/accounts/beaten')) return undefined;
    if (operation === 'PutSecretValue' && ++puts === 1)
      return { kind: 'error', status: 400, type: 'ResourceNotFoundException', message: 'none yet' };
    if (operation === 'CreateSecret' && made === undefined) {
      made = system.clients.putSecret('oauth/accounts/beaten', '{"refresh_token":"theirs"}');
      return { kind: 'delay', milliseconds: 300 };
    }
    return undefined;
  });
  expect(await system.authorize(['beaten', '--profile', 'crm'])).toMatchObject({ code: 0 });
  expect((await system.tokens('beaten'))?.refresh_token).not.toBe('theirs');
});

test.each([
  ['UpdateItem', 'acme', 'dynamodb:UpdateItem on the item of acme'],
  ['PutItem', 'ghost', 'dynamodb:PutItem on the item of ghost'],
  ['DeleteItem', 'ghost', 'dynamodb:DeleteItem on the item of ghost'],
  ['DescribeSecret', 'ghost', 'secretsmanager:DescribeSecret on the token secret oauth/accounts/ghost'],
])('who may not do %s is told before anybody signs in', async (denied, accountId, says) => {
  system.aws.inject(({ operation }) =>
    operation === denied
      ? { kind: 'error', status: 400, type: 'AccessDeniedException', message: 'no' }
      : undefined,
  );
  const before = await state();
  const ended = await system.authorize([accountId, '--profile', 'crm']);
  expect(ended.stderr).toContain(says);
  expect(ended).toMatchObject({ code: 1, page: { address: '' } });
  expect(await state()).toEqual(before);
});

test.each([
  ['a profile', 'oauth/profiles/evil'],
  ['a profile, as an ARN', 'arn:aws:secretsmanager:eu-central-1:1:secret:oauth/profiles/evil-a1B2c3'],
  ['another account', 'oauth/accounts/acme'],
  ['another account, as an ARN', 'arn:aws:secretsmanager:eu-central-1:1:secret:oauth/accounts/acme-a1B2c3'],
])('a tokenSecretId that names the secret of %s is refused', async (_, tokenSecretId) => {
  const item = { accountId: 'thief', authenticationType: 'oauth2', oauthProfile: 'crm', tokenSecretId };
  await system.putItem(item);
  const before = await state();
  const ended = await system.authorize(['thief']);
  expect(ended).toMatchObject({ code: 1, page: { address: '' } });
  expect(ended.stderr).toMatch(/tokenSecretId of thief names the secret of (a profile|another account)/);
  expect(await state()).toEqual(before);
  expect(await system.item('thief')).toEqual(item);
});

test.each([
  ['longer than a timer can be', 3_000_000],
  ['next to nothing', 0.001],
])(
  'a provider that wants to be asked every %s gets neither a storm nor silence',
  async (_, interval) => {
    let asked = 0;
    const provider = await serve((path) => {
      if (path.startsWith('/token')) asked++;
      return path.startsWith('/token')
        ? { status: 400, body: JSON.stringify({ error: 'authorization_pending' }) }
        : {
            status: 200,
            body: JSON.stringify({
              device_code: 'd',
              user_code: 'u',
              verification_uri: 'http://127.0.0.1/x',
              expires_in: 600,
              interval,
            }),
          };
    });
    await aProfile('slow', {
      token_endpoint: `${provider}/token`,
      device_authorization_endpoint: `${provider}/device`,
    });
    const ended = await system.authorize([
      'ghost',
      '--profile',
      'slow',
      '--device',
      '--json',
      '--timeout',
      '1s',
    ]);
    expect(ended.stdout).toContain('TIMEOUT');
    expect(asked).toBeLessThanOrEqual(1);
  },
  20_000,
);

test('Ctrl-C while the browser is waited for: 130, and nothing has changed', async () => {
  const before = await state();
  const stop = new AbortController();
  const person = {
    onAddress: () => {
      stop.abort();
      return 'stop' as const;
    },
  };
  const ended = await system.authorize(['ghost', '--profile', 'crm'], person, { signal: stop.signal });
  expect(ended).toMatchObject({ code: 130 });
  expect(ended.stderr).toContain('Stopped.');
  expect(await state()).toEqual(before);
});

test('what goes wrong after Ctrl-C is told all the same', async () => {
  const stop = new AbortController();
  system.aws.inject(({ operation }) => {
    if (operation !== 'PutSecretValue') return undefined;
    stop.abort();
    return { kind: 'error', status: 400, type: 'AccessDeniedException', message: 'no' };
  });
  const ended = await system.authorize(['acme', '--json'], {}, { signal: stop.signal });
  expect(ended).toMatchObject({ code: 1, stdout: expect.stringContaining('STORE_FAILED') });
});

test('an account that a run holds is left to it', async () => {
  const lease = { owner: 'a-run', expiresAt: Math.floor(Date.now() / 1000) + 600 };
  await system.putItem({ accountId: 'busy', authenticationType: 'oauth2', oauthProfile: 'crm', lease });
  const ended = await system.authorize(['busy']);
  expect(ended).toMatchObject({ code: 1 });
  expect(ended.stderr).toContain('A run of the function holds busy just now');
  expect(await system.item('busy')).toMatchObject({ lease });
});

test.each([
  ['no profile for a new account', ['ghost'], /--profile/],
  ['an id that can’t be a secret’s name', ['a b', '--profile', 'crm'], /accountId: may hold/],
  [
    'a duration that is none',
    ['ghost', '--profile', 'crm', '--timeout', '5'],
    /Write a number with s, m, h or d/,
  ],
  [
    'a parameter of the request itself',
    ['ghost', '--profile', 'crm', '--with', 'state=x'],
    /set by the request/,
  ],
  ['two ways at once', ['ghost', '--profile', 'crm', '--device', '--paste'], /--device can’t be combined/],
])('%s is wrong usage', async (_, args, says) => {
  const ended = await system.authorize(args);
  expect(ended.code).toBe(2);
  expect(ended.stderr).toMatch(says);
});

test('another profile than the account has is refused', async () => {
  const ended = await system.authorize(['acme', '--profile', 'mail']);
  expect(ended).toMatchObject({ code: 1 });
  expect(ended.stderr).toContain('connected with the profile crm');
});

test('foreign requests neither end the flow nor are they accepted', async () => {
  const statuses: number[] = [];
  let besides: Promise<unknown> | undefined;
  const ended = await system.authorize(['stubborn', '--profile', 'crm'], {
    onAddress: (address) => address,
    login: 'alice',
  });
  expect(ended.code).toBe(0);
  let pages: string[] = [];
  const again = await system.authorize(['stubborn'], {
    onAddress: (address, cookie) => {
      if (!address.includes('/callback?')) return address;
      const { origin } = new URL(address);
      // All at once: a forged answer, a favicon, a form post, a browser without the cookie, and the same page twice.
      pages = [];
      besides = Promise.all([
        fetch(`${origin}/callback?code=x&state=forged`).then(({ status }) => statuses.push(status)),
        fetch(`${origin}/favicon.ico`).then(({ status }) => statuses.push(status)),
        fetch(address, { method: 'POST' }).then(({ status }) => statuses.push(status)),
        fetch(address).then(({ status }) => statuses.push(status)),
        fetch(address, { headers: { cookie } }).then(async (response) => pages.push(await response.text())),
      ]);
      return address;
    },
  });
  await besides;
  expect(again.code).toBe(0);
  expect(statuses.sort()).toEqual([400, 400, 404, 405]);
  expect(pages).toEqual([again.page.html]);
});

test('the port of a fixed redirect_uri is listened on, at its path', async () => {
  const free = await serve(() => ({ status: 200, body: '' }));
  const { port } = new URL(free);
  await new Promise((resolve) => servers.pop()?.close(resolve));
  await aProfile('fixed', { redirect_uri: `http://127.0.0.1:${port}/callback` });
  const ended = await system.authorize(['fixed', '--profile', 'fixed']);
  expect(ended.code).toBe(0);
  expect(ended.page.address).toContain(`http://127.0.0.1:${port}/callback?`);
});

test('no token, code, verifier or secret in any output, page, item, log or event', async () => {
  const random = crypto.getRandomValues.bind(crypto);
  const made: string[] = [];
  crypto.getRandomValues = ((bytes: Uint8Array<ArrayBuffer>) => {
    const filled = random(bytes);
    if (bytes.length === 32) made.push(Buffer.from(filled).toString('base64url'));
    return filled;
  }) as typeof crypto.getRandomValues;
  const addresses: string[] = [];
  const remember = (address: string) => {
    addresses.push(address);
    return address;
  };
  try {
    const outputs = [];
    for (const person of [{ login: 'alice' }, { login: 'alice' }, { login: 'bob' }])
      outputs.push(
        await system.authorize(['secretive', '--profile', 'crm'], { ...person, onAddress: remember }),
      );
    outputs.push(await system.authorize(['secretive', '--json'], { onAddress: remember }));
    expect(outputs.map(({ code }) => code)).toEqual([0, 0, 1, 0]);
    const text = JSON.stringify([
      outputs.map(({ stdout, stderr, page }) => [stdout, stderr, page.html]),
      await system.item('secretive'),
      system.aws.putEventsLog(),
      system.function.takeLog(),
    ]);
    const codes = addresses.flatMap((address) => new URL(address).searchParams.getAll('code'));
    // Of each run's random values the state stands in the address that people open, the verifier nowhere.
    const states = addresses.flatMap((address) => new URL(address).searchParams.getAll('state'));
    const verifiers = made.filter((value) => !states.includes(value));
    const { access_token, refresh_token } = (await system.tokens('secretive')) ?? {};
    expect([codes.length, verifiers.length]).toEqual([4, 4]);
    for (const secret of [...codes, ...verifiers, access_token, refresh_token, 'local-secret-of-crm'])
      expect(text).not.toContain(secret);
  } finally {
    crypto.getRandomValues = random;
  }
});

describe('a provider that quotes what it was sent', () => {
  const SECRET = `x'7"&/+`;
  const inEntities = (secret: string) =>
    Array.from(secret, (sign) => `&#x${sign.charCodeAt(0).toString(16)};`).join('');
  const forms = (secret: string) => [
    secret,
    encodeURIComponent(secret),
    encodeURIComponent(encodeURIComponent(secret)),
    JSON.stringify(secret),
    inEntities(secret),
    btoa(`crm:${secret}`),
    Buffer.from(secret).toString('hex'),
  ];
  /** What is told of a text in which nothing but quotes stood. */
  const hasOnly = (text: string) => {
    expect(text).toMatch(/\[redacted\]/);
    for (const form of [...forms(SECRET), 'x%27', '7&', '&#x']) expect(text).not.toContain(form);
  };

  test('in the address to which it sends the browser', async () => {
    await aProfile('quoting', { client_secret: SECRET });
    for (const form of forms(SECRET)) {
      const onAddress = (address: string) => {
        if (!address.includes('/callback?')) return address;
        const url = new URL(address);
        const code = url.searchParams.get('code') ?? '';
        url.searchParams.delete('code');
        url.searchParams.set('error', 'odd');
        url.searchParams.set('error_description', `It was <${form}>`);
        expect(code.length).toBeGreaterThan(5);
        return url.href;
      };
      const ended = await system.authorize(['ghost', '--profile', 'quoting'], { onAddress });
      expect(ended.code).toBe(1);
      hasOnly(ended.stderr);
      expect(ended.page.html).not.toContain(form);
    }
  });

  test('in the answers to a device and to its code', async () => {
    for (const form of forms(SECRET)) {
      const provider = await serve((path) => ({
        status: path === '/device' ? 400 : 401,
        body: JSON.stringify({ error: 'invalid_client', error_description: `It was <${form}>` }),
      }));
      await aProfile('quoting-device', {
        client_secret: SECRET,
        token_endpoint: `${provider}/token`,
        device_authorization_endpoint: `${provider}/device`,
      });
      const ended = await system.authorize(['ghost', '--profile', 'quoting-device', '--device']);
      expect(ended.code).toBe(1);
      hasOnly(ended.stderr);
    }
  });

  test('in the answer to the code: neither the code, its verifier nor the secret is told', async () => {
    let sent = new URLSearchParams();
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += chunk));
      request.on('end', () => {
        sent = new URLSearchParams(body);
        const quoted = ['code', 'code_verifier'].map((name) => inEntities(sent.get(name) ?? ''));
        const description = `${quoted.join(' ')} ${request.headers.authorization}`;
        response.writeHead(400).end(JSON.stringify({ error: 'odd', error_description: description }));
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const token_endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
    await aProfile('quoting-code', {
      client_secret: SECRET,
      token_endpoint,
      authorization_endpoint: authorizationEndpoint(),
    });
    const ended = await system.authorize(['ghost', '--profile', 'quoting-code']);
    expect(ended.code).toBe(1);
    const text = ended.stderr + ended.page.html;
    expect(sent.get('code_verifier')?.length).toBeGreaterThan(40);
    for (const name of ['code', 'code_verifier']) expect(text).not.toContain(sent.get(name));
    hasOnly(ended.stderr);
  });
});

test('a person who only looks is told nothing', async () => {
  let seen = { status: 0, html: '' };
  await system.authorize(['looked-at', '--profile', 'crm'], {
    onAddress: async (address) => {
      const to = new URL(address).searchParams.get('redirect_uri');
      if (to !== null) seen = await visit(to);
      return address;
    },
  });
  expect(seen).toMatchObject({ status: 400 });
  expect(seen.html).not.toContain('looked-at');
});
