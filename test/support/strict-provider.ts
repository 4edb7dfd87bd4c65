import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * How refresh tokens are replaced.
 *
 * - `strict`: each use issues a new one and spends the old; presenting a spent one revokes the grant (RFC 9700 section 4.14.2).
 * - `grace`: the one just spent may be presented again for `graceSeconds`, and gets a new successor.
 * - `no_rotation`: the first one stays good.
 */
export type Rotation = 'strict' | 'grace' | 'no_rotation';

/** What goes wrong with one token request. */
export type ProviderFault =
  /** The connection is reset before anything is done. */
  | { readonly kind: 'drop_request' }
  /** It is done, and the connection is reset without an answer. */
  | { readonly kind: 'drop_answer' }
  /** Nothing is done and nothing is answered. */
  | { readonly kind: 'hang_before' }
  /** It is done, and nothing is answered. */
  | { readonly kind: 'hang_after' }
  /** It is done, and half of the answer is sent. */
  | { readonly kind: 'partial_body' }
  | { readonly kind: 'delay'; readonly milliseconds: number }
  /** Nothing is done; this is answered. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly body?: string | Buffer;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** It is done, and this is answered instead. */
  | { readonly kind: 'odd_body'; readonly make: (answer: Record<string, unknown>) => OddAnswer };

export interface OddAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

export interface TokenRequest {
  readonly endpoint: 'token' | 'metadata';
  readonly path: string;
  readonly accountId: string | undefined;
  /** Of this account, from 1. */
  readonly sequence: number;
  readonly headers: IncomingMessage['headers'];
  readonly parameters: Readonly<Record<string, string>>;
}

/** What the provider holds to be true of one account: the judge of every test. */
export interface Truth {
  readonly liveRefreshToken: string | undefined;
  readonly revokedBecause: 'reuse' | 'test' | undefined;
  /** Requests that took effect. */
  readonly grants: number;
  /** Of these, how many answers were kept back. */
  readonly answersLost: number;
  /** What became of the answer with the latest refresh token; `nobody_there`: the client had gone before it. */
  readonly lastAnswer: 'sent' | 'kept_back' | 'nobody_there';
  /** How often a spent refresh token was presented, grace not counted. */
  readonly reuses: number;
  readonly requests: number;
}

export interface StrictProvider {
  readonly tokenEndpoint: string;
  readonly origin: string;
  /** The client, as its profile describes it. */
  readonly profile: Record<string, string>;
  /** Registers an account and issues its first token set, as its secret holds it. */
  issue(accountId: string): Record<string, unknown> & { access_token: string; refresh_token: string };
  /** Registers an account whose grant a fixture knows. */
  adopt(
    accountId: string,
    grant: { readonly live: string; readonly spent: readonly string[]; readonly revoked?: boolean },
  ): void;
  accepts(accountId: string, refreshToken: unknown): boolean;
  truth(accountId: string): Truth;
  revoke(accountId: string): void;
  inject(rule: ((request: TokenRequest) => ProviderFault | undefined) | undefined): void;
  /** Called when a request has taken effect, before it is answered. */
  onEffect(listener: ((accountId: string) => void) | undefined): void;
  rotateClientSecret(secret: string): void;
  /** Accepts this client secret besides the one that the profile has. */
  alsoAccept(secret: string): void;
  lastRequest(): TokenRequest | undefined;
  close(): Promise<void>;
}

export interface ProviderOptions {
  readonly rotation?: Rotation;
  readonly graceSeconds?: number;
  readonly accessTokenSeconds?: number;
  readonly refreshTokenSeconds?: number;
  readonly delayMilliseconds?: () => number;
  /** Stands at the beginning of every token and secret, so that they can be found where they must not be. */
  readonly canary?: string;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

interface Client {
  readonly id: string;
  secret: string;
  second?: string | undefined;
}

interface Grant {
  live: string;
  /** Spent refresh tokens, and when (milliseconds). */
  readonly spent: Map<string, number>;
  revokedBecause: Truth['revokedBecause'];
  grants: number;
  answersLost: number;
  lastAnswer: Truth['lastAnswer'];
  reuses: number;
  requests: number;
}

/** A token endpoint that knows for each account which refresh token is good, and revokes on reuse. In memory. */
export async function startStrictProvider(options: ProviderOptions = {}): Promise<StrictProvider> {
  const { rotation = 'strict', graceSeconds = 600, accessTokenSeconds = 3600, canary = 'CANARY' } = options;
  const now = options.now ?? Date.now;
  const grants = new Map<string, Grant>();
  const owners = new Map<string, string>();
  const token = (kind: string) => `${canary}-${kind}-${randomBytes(18).toString('base64url')}`;
  const client: Client = { id: 'client', secret: `${canary}-client-secret-1` };
  let rule: ((request: TokenRequest) => ProviderFault | undefined) | undefined;
  let effect: ((accountId: string) => void) | undefined;
  let last: TokenRequest | undefined;

  const newRefreshToken = (accountId: string) => {
    const refreshToken = token('refresh');
    owners.set(refreshToken, accountId);
    return refreshToken;
  };
  const withinGrace = (grant: Grant, refreshToken: string) => {
    const spentAt = grant.spent.get(refreshToken);
    return rotation === 'grace' && spentAt !== undefined && now() - spentAt <= graceSeconds * 1000;
  };
  const accepts = (accountId: string, refreshToken: unknown) => {
    const grant = grants.get(accountId);
    if (grant === undefined || grant.revokedBecause !== undefined || typeof refreshToken !== 'string')
      return false;
    return grant.live === refreshToken || withinGrace(grant, refreshToken);
  };
  /** Carries out a request whose client is known. */
  const perform = (accountId: string | undefined, refreshToken: string) => {
    const grant = accountId === undefined ? undefined : grants.get(accountId);
    if (accountId === undefined || grant === undefined) return undefined;
    if (!accepts(accountId, refreshToken)) {
      if (grant.spent.has(refreshToken)) {
        grant.reuses++;
        grant.revokedBecause ??= 'reuse';
      }
      return undefined;
    }
    if (rotation !== 'no_rotation') {
      grant.spent.set(grant.live, grant.spent.get(grant.live) ?? now());
      grant.live = newRefreshToken(accountId);
    }
    grant.grants++;
    grant.lastAnswer = 'sent';
    effect?.(accountId);
    return {
      access_token: token('access'),
      token_type: 'Bearer',
      expires_in: accessTokenSeconds,
      ...(rotation !== 'no_rotation' && { refresh_token: grant.live }),
      ...(options.refreshTokenSeconds !== undefined && {
        refresh_token_expires_in: options.refreshTokenSeconds,
      }),
    };
  };

  const server = createServer({ keepAliveTimeout: 0 }, async (request, response) => {
    const parameters = await readParameters(request);
    const refreshToken = parameters.refresh_token ?? '';
    const accountId = owners.get(refreshToken);
    const grant = accountId === undefined ? undefined : grants.get(accountId);
    if (grant !== undefined) grant.requests++;
    const endpoint = request.url?.startsWith('/.well-known/') ? 'metadata' : 'token';
    last = {
      endpoint,
      path: request.url ?? '',
      accountId,
      sequence: grant?.requests ?? 0,
      headers: request.headers,
      parameters,
    };
    const fault = rule?.(last);
    const delay = fault?.kind === 'delay' ? fault.milliseconds : (options.delayMilliseconds?.() ?? 0);
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    if (fault?.kind === 'drop_request') return void request.socket.destroy();
    if (fault?.kind === 'hang_before') return;
    if (fault?.kind === 'answer') return send(response, fault.status, fault.body ?? '', fault.headers);
    if (endpoint === 'metadata')
      return send(response, 200, JSON.stringify({ issuer: origin, token_endpoint: `${origin}/token` }));
    if (!knowsClient(request, parameters, client))
      return send(response, 401, JSON.stringify({ error: 'invalid_client' }));
    const answer = perform(accountId, refreshToken);
    if (answer === undefined) return send(response, 400, JSON.stringify({ error: 'invalid_grant' }));
    const body = JSON.stringify(answer);
    if (grant !== undefined && request.socket.destroyed) grant.lastAnswer = 'nobody_there';
    if (fault?.kind === 'odd_body') {
      const odd = fault.make(answer);
      return send(response, odd.status ?? 200, odd.body, odd.headers);
    }
    if (fault?.kind === 'drop_answer' || fault?.kind === 'hang_after' || fault?.kind === 'partial_body') {
      if (grant !== undefined) {
        grant.answersLost++;
        grant.lastAnswer = 'kept_back';
      }
      if (fault.kind === 'hang_after') return;
      if (fault.kind === 'drop_answer') return void request.socket.destroy();
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      });
      response.write(body.slice(0, body.length / 2), () => request.socket.destroy());
      return;
    }
    send(response, 200, body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    origin,
    tokenEndpoint: `${origin}/token`,
    get profile() {
      return { client_id: client.id, client_secret: client.secret, token_endpoint: `${origin}/token` };
    },
    issue: (accountId) => {
      const live = newRefreshToken(accountId);
      grants.set(accountId, {
        live,
        spent: new Map(),
        revokedBecause: undefined,
        grants: 0,
        answersLost: 0,
        lastAnswer: 'sent',
        reuses: 0,
        requests: 0,
      });
      const obtainedAt = Math.floor(now() / 1000) - accessTokenSeconds;
      return {
        access_token: token('access'),
        token_type: 'Bearer',
        refresh_token: live,
        obtained_at: obtainedAt,
        expires_at: obtainedAt + accessTokenSeconds,
      };
    },
    adopt: (accountId, { live, spent, revoked = false }) => {
      for (const refreshToken of [live, ...spent]) owners.set(refreshToken, accountId);
      grants.set(accountId, {
        live,
        // Long ago: beyond any grace.
        spent: new Map(spent.map((refreshToken) => [refreshToken, 0])),
        revokedBecause: revoked ? 'test' : undefined,
        grants: 0,
        answersLost: 0,
        lastAnswer: 'sent',
        reuses: 0,
        requests: 0,
      });
    },
    accepts,
    truth: (accountId) => {
      const grant = grants.get(accountId);
      if (grant === undefined) throw new Error(`The provider knows no account ${accountId}.`);
      const { live, spent: _, ...rest } = grant;
      return { ...rest, liveRefreshToken: rest.revokedBecause === undefined ? live : undefined };
    },
    revoke: (accountId) => {
      const grant = grants.get(accountId);
      if (grant !== undefined) grant.revokedBecause = 'test';
    },
    inject: (next) => {
      rule = next;
    },
    onEffect: (listener) => {
      effect = listener;
    },
    rotateClientSecret: (secret) => {
      client.secret = secret;
      client.second = undefined;
    },
    alsoAccept: (secret) => {
      client.second = secret;
    },
    lastRequest: () => last,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readParameters(request: IncomingMessage): Promise<Record<string, string>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  if (request.headers['content-type']?.startsWith('application/json')) return JSON.parse(text);
  return Object.fromEntries(new URLSearchParams(text));
}

function knowsClient(
  { headers }: IncomingMessage,
  parameters: Readonly<Record<string, string>>,
  client: Client,
): boolean {
  const isSecret = (given: string | undefined) =>
    given === client.secret || (given !== undefined && given === client.second);
  const [scheme, credentials = ''] = headers.authorization?.split(' ') ?? [];
  if (scheme === undefined) return parameters.client_id === client.id && isSecret(parameters.client_secret);
  const [id, secret] = Buffer.from(credentials, 'base64').toString('utf8').split(':').map(decodeURIComponent);
  return scheme === 'Basic' && id === client.id && isSecret(secret);
}

function send(
  response: ServerResponse,
  status: number,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = { 'content-type': 'application/json' },
): void {
  response.writeHead(status, headers);
  response.end(body);
}
