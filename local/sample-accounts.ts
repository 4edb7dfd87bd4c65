import { randomUUID } from 'node:crypto';
import { PutCommand } from '@aws-sdk/lib-dynamodb';
import type { AuthorizationServer, LocalClient } from './authorization-server/server.ts';
import type { LocalClients } from './clients.ts';

/** The clients of the local authorization server. Each has a profile of its name. */
export const SAMPLE_CLIENTS: readonly LocalClient[] = [
  {
    client_id: 'crm',
    client_secret: 'local-secret-of-crm',
    token_endpoint_auth_method: 'client_secret_basic',
    accessTokenSeconds: 120,
  },
  {
    client_id: 'billing',
    client_secret: 'local-secret-of-billing',
    token_endpoint_auth_method: 'client_secret_post',
    accessTokenSeconds: 150,
  },
  { client_id: 'mail', token_endpoint_auth_method: 'none', accessTokenSeconds: 180 },
];

/** Writes the profiles, at every start, since their endpoints contain the port. */
export async function writeSampleProfiles(clients: LocalClients, server: AuthorizationServer): Promise<void> {
  const profiles: Record<string, unknown> = Object.fromEntries(
    SAMPLE_CLIENTS.map(({ client_id, client_secret, token_endpoint_auth_method }) => [
      client_id,
      {
        client_id,
        client_secret,
        issuer: server.issuer,
        token_endpoint_auth_method,
        scope: 'openid offline_access',
      },
    ]),
  );
  const crm = profiles.crm as object;
  // A profile with its own endpoint has no issuer.
  const crmAt = (path: string) => ({ ...crm, issuer: undefined, token_endpoint: `${server.origin}${path}` });
  profiles['crm-wrong-secret'] = { ...crm, client_secret: 'not-the-secret' };
  profiles['crm-misspelt'] = { ...crm, client_ident: 'crm' };
  profiles['crm-down'] = crmAt('/broken/unavailable/token');
  profiles['crm-html'] = crmAt('/broken/html/token');
  for (const [name, profile] of Object.entries(profiles))
    await clients.putSecret(`oauth/profiles/${name}`, JSON.stringify(profile));
}

/**
 * Sample accounts in every state that there is, with real grants of the local authorization server.
 *
 * @param now seconds since the epoch
 */
export async function createSampleAccounts(
  clients: LocalClients,
  server: AuthorizationServer,
  now: number,
): Promise<void> {
  const account = async (item: Record<string, unknown>, secret?: string | Record<string, unknown>) => {
    if (secret !== undefined)
      await clients.putSecret(
        `oauth/accounts/${item.accountId}`,
        typeof secret === 'string' ? secret : JSON.stringify(secret),
      );
    await clients.table.send(
      new PutCommand({ TableName: clients.tableName, Item: { authenticationType: 'oauth2', ...item } }),
    );
  };
  const grant = async (clientId: string, accountId: string) => {
    const { expires_in, ...tokens } = await server.seedGrant({ clientId, accountId });
    return { ...tokens, obtained_at: now, expires_at: now + expires_in };
  };
  const withRefreshTokenOnly = async (clientId: string, accountId: string) => {
    const { refresh_token } = await grant(clientId, accountId);
    return { refresh_token };
  };

  const fresh = await grant('crm', 'acme');
  await account(
    {
      accountId: 'crm-acme',
      name: 'Acme CRM',
      oauthProfile: 'crm',
      status: 'healthy',
      accessTokenExpiresAt: fresh.expires_at,
      lastRefreshedAt: fresh.obtained_at,
    },
    fresh,
  );
  const expiring = await grant('billing', 'globex');
  await account(
    {
      accountId: 'billing-globex',
      name: 'Globex billing',
      oauthProfile: 'billing',
      status: 'healthy',
      accessTokenExpiresAt: now + 20,
      lastRefreshedAt: now - 100,
    },
    { ...expiring, obtained_at: now - 100, expires_at: now + 20 },
  );
  await account(
    { accountId: 'mail-initech', name: 'Initech mail', oauthProfile: 'mail' },
    await withRefreshTokenOnly('mail', 'initech'),
  );
  await account({ accountId: 'crm-hooli', oauthProfile: 'crm' }, await withRefreshTokenOnly('crm', 'hooli'));
  const reconciled = await grant('billing', 'umbrella');
  await account(
    {
      accountId: 'billing-umbrella',
      name: 'Umbrella billing',
      oauthProfile: 'billing',
      status: 'healthy',
      accessTokenExpiresAt: now - 30,
      lastRefreshedAt: now - 150,
    },
    reconciled,
  );
  const recovering = await withRefreshTokenOnly('mail', 'stark');
  await account(
    {
      accountId: 'mail-stark',
      name: 'Stark mail',
      oauthProfile: 'mail',
      status: 'failing',
      failure: {
        reason: 'provider_unavailable',
        message: 'HTTP 503',
        count: 2,
        since: now - 180,
        at: now - 60,
      },
      nextAttemptAt: now - 1,
      accessTokenExpiresAt: now - 60,
    },
    recovering,
  );

  // These need a person.
  const { refresh_token: _, ...withoutRefreshToken } = await grant('crm', 'wayne');
  await account(
    { accountId: 'crm-wayne', name: 'Wayne CRM', oauthProfile: 'crm' },
    { ...withoutRefreshToken, expires_at: now - 10 },
  );
  await account(
    { accountId: 'crm-tyrell', name: 'Tyrell CRM', oauthProfile: 'crm' },
    { ...(await withRefreshTokenOnly('crm', 'tyrell')), refresh_token_expires_at: now - 3_600 },
  );
  const revoked = await withRefreshTokenOnly('billing', 'cyberdyne');
  await server.revokeGrant(revoked.refresh_token);
  await account(
    { accountId: 'billing-cyberdyne', name: 'Cyberdyne billing', oauthProfile: 'billing' },
    revoked,
  );
  const lost = await withRefreshTokenOnly('mail', 'soylent');
  await server.revokeGrant(lost.refresh_token);
  await account(
    {
      accountId: 'mail-soylent',
      name: 'Soylent mail',
      oauthProfile: 'mail',
      status: 'healthy',
      accessTokenExpiresAt: now - 300,
      lastRefreshedAt: now - 500,
      lease: { owner: randomUUID(), expiresAt: now - 120 },
    },
    lost,
  );

  // These fail and are tried again.
  for (const [accountId, name, oauthProfile] of [
    ['crm-vehement', 'Vehement CRM', 'crm-down'],
    ['crm-massive', 'Massive CRM', 'crm-html'],
    ['crm-virtucon', 'Virtucon CRM', 'crm-wrong-secret'],
  ] as const)
    await account({ accountId, name, oauthProfile }, await withRefreshTokenOnly('crm', accountId));

  // These have mistakes that people must correct.
  await account({ accountId: 'erp-nakatomi', name: 'Nakatomi ERP', oauthProfile: 'erp' }, {});
  await account({ accountId: 'crm-oscorp', name: 'Oscorp CRM', oauthProfile: 'crm-misspelt' }, {});
  await account({ accountId: 'crm-weyland', name: 'Weyland CRM', oauthProfile: 'crm' });
  await account({ accountId: 'crm-aperture', name: 'Aperture CRM', oauthProfile: 'crm' }, 'tokens!');
  await account(
    { accountId: 'crm-monarch', name: 'Monarch CRM', oauthProfile: 'crm', enabled: 'yes' },
    await withRefreshTokenOnly('crm', 'monarch'),
  );

  // These are left alone.
  await account(
    {
      accountId: 'crm-dharma',
      name: 'Dharma CRM',
      oauthProfile: 'crm',
      lease: { owner: randomUUID(), expiresAt: now + 300 },
    },
    await withRefreshTokenOnly('crm', 'dharma'),
  );
  await account(
    { accountId: 'crm-pied-piper', name: 'Pied Piper CRM', oauthProfile: 'crm', enabled: false },
    await withRefreshTokenOnly('crm', 'pied-piper'),
  );
  await account({ accountId: 'ftp-acme', name: 'Acme FTP', authenticationType: 'basic' });
}
