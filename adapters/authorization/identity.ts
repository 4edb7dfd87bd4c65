import * as oauth from 'oauth4webapi';
import { isJsonObject, type JsonObject, parseJsonObject } from '../../core/json-object.ts';
import type { Provider } from './provider.ts';

/** Whose grant it is, as far as the provider says. */
export type Identity =
  | {
      readonly kind: 'known';
      /** `<issuer>#<subject>`, the account's `authorizedBy`: unique, never reassigned (OIDC Core section 2), no secret. */
      readonly id: string;
    }
  | { readonly kind: 'unknown' };

/** Tokens wait to be stored meanwhile, milliseconds. */
const USERINFO_TIMEOUT = 3_000;

const UNKNOWN: Identity = { kind: 'unknown' };

/**
 * Reads whose grant was just issued: from the ID token in the response, or else from the userinfo endpoint. The ID token
 * came straight from the token endpoint, so TLS stands for its signature (OpenID Connect Core 3.1.3.7, point 6).
 * Never throws: not to know is an answer.
 *
 * @param body the token endpoint's response
 */
export async function identityOf(
  body: string,
  accessToken: string | undefined,
  provider: Provider,
): Promise<Identity> {
  const fromIdToken = identityInIdToken(parseJsonObject(body)?.id_token, provider);
  if (fromIdToken !== undefined) return fromIdToken;
  const { server, client, knowsIssuer } = provider;
  if (!knowsIssuer || server.userinfo_endpoint === undefined || accessToken === undefined) return UNKNOWN;
  try {
    const response = await oauth.userInfoRequest(
      server,
      client,
      accessToken,
      provider.request(USERINFO_TIMEOUT),
    );
    if (response.status !== 200) return UNKNOWN;
    return known(server.issuer, parseJsonObject(await response.text())?.sub) ?? UNKNOWN;
  } catch {
    return UNKNOWN;
  }
}

function identityInIdToken(idToken: unknown, { client, server, knowsIssuer }: Provider) {
  const claims = claimsOf(idToken);
  if (claims === undefined) return undefined;
  const { iss, aud, sub } = claims;
  // Not about this client, or not from this provider: it says nothing.
  if (![aud].flat().includes(client.client_id)) return undefined;
  if (typeof iss !== 'string' || (knowsIssuer && iss !== server.issuer)) return undefined;
  return known(iss, sub);
}

function claimsOf(idToken: unknown): JsonObject | undefined {
  if (typeof idToken !== 'string') return undefined;
  const payload = idToken.split('.')[1];
  if (payload === undefined) return undefined;
  const claims = parseJsonObject(Buffer.from(payload, 'base64url').toString('utf8'));
  return isJsonObject(claims) ? claims : undefined;
}

function known(issuer: string, subject: unknown): Identity | undefined {
  // It is written into a table and onto terminals.
  if (typeof subject !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(subject)) return undefined;
  if (!/^[\x21-\x7e]{1,255}$/.test(issuer)) return undefined;
  return { kind: 'known', id: `${issuer}#${subject}` };
}
