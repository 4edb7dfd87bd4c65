import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import Provider, { type ClientMetadata, type Configuration, type InteractionResults } from 'oidc-provider';
import { HOST, isOwnHost, isPathTarget, listen } from '../shared/listen.ts';
import { openAdapterStore } from './adapter.ts';
import { confirmCodePage, consentPage, deviceDonePage, errorPage, loginPage, userCodePage } from './pages.ts';

export interface LocalClient {
  readonly client_id: string;
  readonly client_secret?: string | undefined;
  readonly token_endpoint_auth_method: ClientMetadata['token_endpoint_auth_method'];
  readonly accessTokenSeconds: number;
  /** Further client metadata (RFC 7591). */
  readonly metadata?: Partial<ClientMetadata>;
}

interface SeededTokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly expires_in: number;
  readonly token_type: string;
  readonly scope: string;
}

/** An OAuth 2.0 authorization server that rotates refresh tokens. Reusing one revokes the grant. */
export interface AuthorizationServer {
  readonly issuer: string;
  readonly tokenEndpoint: string;
  readonly origin: string;
  /** Issues a grant as if this person had just consented. */
  seedGrant(request: { clientId: string; accountId: string; scope?: string }): Promise<SeededTokens>;
  revokeGrant(refreshToken: string): Promise<void>;
  isAccessTokenActive(token: string): Promise<boolean>;
  isRefreshTokenLive(token: string): Promise<boolean>;
  close(): Promise<void>;
}

interface AuthorizationServerOptions {
  /** 0, the default, picks a free one. */
  readonly port?: number;
  /** In memory by default. */
  readonly databaseFile?: string;
  readonly clients: readonly LocalClient[];
  readonly refreshTokenSeconds?: number;
  /** Serves https, and asks clients for a certificate. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string };
  readonly settings?: Configuration;
}

const SCOPE = 'openid offline_access';
const DAY = 86_400;

/** Starts the server on 127.0.0.1. @throws PortInUseError */
export async function startAuthorizationServer(
  options: AuthorizationServerOptions,
): Promise<AuthorizationServer> {
  const { tls } = options;
  const server =
    tls === undefined
      ? createServer({ keepAliveTimeout: 0 })
      : createHttpsServer({ ...tls, keepAliveTimeout: 0, requestCert: true, rejectUnauthorized: false });
  const port = await listen(server, options.port ?? 0);
  const origin = `${tls === undefined ? 'http' : 'https'}://${HOST}:${port}`;
  const store = openAdapterStore(options.databaseFile);
  const jwks = await store.remember('jwks', async () => ({ keys: await signingKeys() }));
  const cookieKey = await store.remember('cookie-key', async () => randomBytes(32).toString('base64url'));
  const provider = new Provider(origin, configuration(options, store.adapterOf, jwks, cookieKey));
  provider.on('server_error', (_, error) =>
    console.error(`authorization server: ${error.name}: ${error.message}`),
  );
  const callback = provider.callback();
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    // A web page whose name points to this machine (DNS rebinding) sends its own name as the host.
    if (!isOwnHost(request.headers.host, port))
      return respond(response, 403, errorPage(`Use the address ${origin} for this server.`));
    const path = isPathTarget(request.url) ? URL.parse(request.url ?? '', origin)?.pathname : undefined;
    if (path === undefined) return respond(response, 400, errorPage('This address is not valid.'));
    const broken = brokenEndpoints[path];
    if (broken !== undefined) broken(response);
    else if (path.startsWith('/interaction/'))
      interact(provider, request, response).catch(() => {
        respond(
          response,
          400,
          errorPage('This sign-in has expired or was already used. Please start again.'),
        );
      });
    else callback(request, response);
  });
  return {
    issuer: origin,
    origin,
    tokenEndpoint: `${origin}/token`,
    seedGrant: (request) => seedGrant(provider, request),
    revokeGrant: async (refreshToken) => {
      const token = await provider.RefreshToken.find(refreshToken);
      const grant = token?.grantId === undefined ? undefined : await provider.Grant.find(token.grantId);
      await grant?.destroy();
      await token?.destroy();
    },
    isAccessTokenActive: async (token) => (await provider.AccessToken.find(token))?.isValid ?? false,
    isRefreshTokenLive: async (token) => {
      const found = await provider.RefreshToken.find(token);
      if (found?.grantId === undefined || !found.isValid) return false;
      return (await provider.Grant.find(found.grantId)) !== undefined;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          store.close();
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

async function signingKeys(): Promise<JWK[]> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return [{ ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig' }];
}

function configuration(
  { clients, refreshTokenSeconds = DAY, settings = {} }: AuthorizationServerOptions,
  adapter: ReturnType<typeof openAdapterStore>['adapterOf'],
  jwks: { keys: JWK[] },
  cookieKey: string,
): Configuration {
  const lifetimes = new Map(
    clients.map(({ client_id, accessTokenSeconds }) => [client_id, accessTokenSeconds]),
  );
  return {
    ...settings,
    adapter,
    jwks: jwks as NonNullable<Configuration['jwks']>,
    cookies: { keys: [cookieKey] },
    clients: clients.map(({ client_id, client_secret, token_endpoint_auth_method, metadata }) => ({
      client_id,
      ...(client_secret !== undefined && { client_secret }),
      token_endpoint_auth_method,
      // A native client may come back to any port of the loopback address (RFC 8252 section 7.3).
      application_type: 'native',
      redirect_uris: ['http://127.0.0.1/callback'],
      grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
      response_types: ['code'],
      ...metadata,
    })),
    rotateRefreshToken: true,
    issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
    findAccount: async (_, sub) => ({ accountId: sub, claims: async () => ({ sub }) }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      deviceFlow: { enabled: true, ...devicePages },
      introspection: { enabled: true },
      // Same as the default, which prints a warning each time.
      revocation: {
        enabled: true,
        allowedPolicy: async (_, client, token) => token.clientId === client.clientId,
      },
      ...settings.features,
    } as Configuration['features'],
    ttl: {
      AccessToken: (_, __, client) => lifetimes.get(client.clientId) ?? 120,
      RefreshToken: refreshTokenSeconds,
      Grant: 14 * DAY,
      IdToken: 3_600,
      Interaction: 600,
      Session: DAY,
      AuthorizationCode: 60,
      DeviceCode: 600,
    },
  };
}

/** The pages for devices in our style; the server's own load fonts from elsewhere. */
const devicePages: Configuration['features'] extends { deviceFlow?: infer T } | undefined ? T : never = {
  userCodeInputSource: async (context, form, _, error) => {
    const { name, userCode } = (error ?? {}) as { name?: string; userCode?: string };
    const problem =
      error === undefined
        ? undefined
        : userCode !== undefined || name === 'NoCodeError'
          ? 'No device is waiting with this code. Check it and try again.'
          : name === 'AbortedError'
            ? 'You cancelled. The device is not connected.'
            : 'Something went wrong. Start again on your device.';
    context.body = userCodePage(form, problem);
  },
  userCodeConfirmSource: async (context, form, client, ...[, userCode]) => {
    context.body = confirmCodePage(form, client.clientId, userCode);
  },
  successSource: async (context) => {
    context.body = deviceDonePage();
  },
};

async function seedGrant(
  provider: Provider,
  { clientId, accountId, scope = SCOPE }: { clientId: string; accountId: string; scope?: string },
): Promise<SeededTokens> {
  const client = await provider.Client.find(clientId);
  if (client === undefined) throw new Error(`The local authorization server has no client "${clientId}".`);
  const grant = new provider.Grant({ accountId, clientId });
  grant.addOIDCScope(scope);
  const grantId = await grant.save();
  const common = { accountId, client, grantId, gty: 'authorization_code', scope, expiresWithSession: false };
  const accessToken = new provider.AccessToken(
    common as ConstructorParameters<typeof provider.AccessToken>[0],
  );
  const refreshToken = new provider.RefreshToken(
    common as ConstructorParameters<typeof provider.RefreshToken>[0],
  );
  return {
    access_token: await accessToken.save(),
    refresh_token: await refreshToken.save(),
    expires_in: accessToken.expiration,
    token_type: 'Bearer',
    scope,
  };
}

/** Token endpoints that are broken on purpose, for sample accounts in trouble. */
const brokenEndpoints: Readonly<Record<string, (response: ServerResponse) => void>> = {
  '/broken/unavailable/token': (response) => {
    response.writeHead(503, { 'retry-after': '90', 'content-type': 'text/plain' });
    response.end('Down for maintenance');
  },
  '/broken/html/token': (response) => respond(response, 200, errorPage('Our website has moved.')),
};

async function interact(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const details = await provider.interactionDetails(request, response);
  const { prompt, params, uid, session } = details;
  const form = { action: `/interaction/${uid}`, client: String(params.client_id) };
  if (request.method !== 'POST') {
    const scopes = String(params.scope ?? SCOPE).split(' ');
    const html =
      prompt.name === 'login' ? loginPage(form) : consentPage(form, session?.accountId ?? '', scopes);
    return respond(response, 200, html);
  }
  const { answer, login } = await readForm(request);
  const result: InteractionResults =
    answer === 'cancel'
      ? { error: 'access_denied', error_description: 'The person did not allow it.' }
      : prompt.name === 'login'
        ? { login: { accountId: login || 'somebody' } }
        : { consent: { grantId: await consent(provider, details) } };
  await provider.interactionFinished(request, response, result, {
    mergeWithLastSubmission: answer !== 'cancel',
  });
}

async function consent(
  provider: Provider,
  { params, session, grantId }: Awaited<ReturnType<Provider['interactionDetails']>>,
): Promise<string> {
  const known = grantId === undefined ? undefined : await provider.Grant.find(grantId);
  const grant =
    known ?? new provider.Grant({ accountId: session?.accountId, clientId: String(params.client_id) });
  grant.addOIDCScope(String(params.scope ?? SCOPE));
  return await grant.save();
}

async function readForm(request: IncomingMessage): Promise<Record<string, string>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString('utf8')));
}

function respond(response: ServerResponse, status: number, html: string): void {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
  response.end(html);
}
