import {
  createPrivateKey,
  type JsonWebKeyInput,
  type KeyObject,
  type webcrypto,
  X509Certificate,
} from 'node:crypto';
import * as oauth from 'oauth4webapi';
import type { TlsIdentity } from './https-request.ts';
import type { Profile } from './profile.ts';

/** A key or certificate of the profile can't be used. The message names the field. */
export class InvalidKey extends Error {}

/**
 * How the client proves itself at the token endpoint (RFC 6749 section 2.3, RFC 7523, RFC 8705).
 *
 * @throws InvalidKey where the profile's `private_key` can't be read
 */
export function clientAuthentication(profile: Profile): oauth.ClientAuth {
  const secret = profile.client_secret ?? '';
  switch (profile.token_endpoint_auth_method) {
    case 'client_secret_basic':
      return secret === '' ? basicWithEmptyPassword : oauth.ClientSecretBasic(secret);
    case 'client_secret_post':
      return oauth.ClientSecretPost(secret);
    case 'none':
      return oauth.None();
    case 'private_key_jwt':
      return oauth.PrivateKeyJwt(signingKey(profile), { [oauth.modifyAssertion]: nameEdDsa });
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth':
      return oauth.TlsClientAuth();
  }
}

/** The library signs as "Ed25519" (RFC 9864), a newer name than authorization servers know. */
function nameEdDsa(header: Record<string, unknown>): void {
  if (header.alg === 'Ed25519') header.alg = 'EdDSA';
}

/** Some providers issue no secret and still want Basic; the library refuses an empty one. */
const basicWithEmptyPassword: oauth.ClientAuth = (_server, client, _body, headers) => {
  const id = new URLSearchParams({ id: client.client_id }).toString().slice('id='.length);
  headers.set('authorization', `Basic ${Buffer.from(`${id}:`).toString('base64')}`);
};

/**
 * The certificates that a connection to this profile's provider uses (RFC 8705), read once here, so that a wrong one
 * is named instead of failing somewhere in the handshake.
 *
 * @throws InvalidKey where one can't be read, or the key is another certificate's
 */
export function tlsIdentity(profile: Profile): TlsIdentity {
  const { tls_client_certificate: cert, tls_client_key: key, tls_ca_certificate: ca } = profile;
  readCertificate('tls_ca_certificate', ca);
  const certificate = readCertificate('tls_client_certificate', cert);
  if (key !== undefined && certificate?.checkPrivateKey(readKey('tls_client_key', key)) === false)
    throw new InvalidKey('tls_client_key: is not the key of tls_client_certificate');
  return { cert, key, ca };
}

function readCertificate(field: string, pem: string | undefined): X509Certificate | undefined {
  if (pem === undefined) return undefined;
  try {
    return new X509Certificate(pem);
  } catch {
    throw new InvalidKey(`${field}: can't be read as a certificate in PEM`);
  }
}

const importParameters = {
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  RS384: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-384' },
  RS512: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  ES384: { name: 'ECDSA', namedCurve: 'P-384' },
  EdDSA: { name: 'Ed25519' },
} as const satisfies Record<NonNullable<Profile['alg']>, webcrypto.AlgorithmIdentifier | object>;

/** The algorithm that a key is for where the profile names none. */
const usualAlgorithms: Readonly<Record<string, keyof typeof importParameters>> = {
  rsa: 'RS256',
  'rsa-pss': 'PS256',
  ec: 'ES256',
  ed25519: 'EdDSA',
};

function signingKey(profile: Profile): oauth.PrivateKey {
  const key = readKey('private_key', profile.private_key);
  const alg = profile.alg ?? usualAlgorithms[key.asymmetricKeyType ?? ''];
  if (alg === undefined) throw new InvalidKey('private_key: must be an RSA, P-256 or Ed25519 key');
  try {
    const cryptoKey = key.toCryptoKey(importParameters[alg], false, ['sign']);
    const kid = profile.kid ?? kidOf(profile.private_key);
    return kid === undefined ? { key: cryptoKey } : { key: cryptoKey, kid };
  } catch {
    throw new InvalidKey(`private_key: is not a key for alg ${alg}`);
  }
}

function readKey(field: 'private_key' | 'tls_client_key', source: Profile['private_key']): KeyObject {
  try {
    if (typeof source === 'string') return createPrivateKey(source);
    const input: JsonWebKeyInput = { key: source ?? {}, format: 'jwk' };
    return createPrivateKey(input);
  } catch {
    const orJwk = field === 'private_key' ? ' or as a JWK' : '';
    throw new InvalidKey(`${field}: can't be read as a private key in PEM (PKCS #8)${orJwk}`);
  }
}

function kidOf(source: Profile['private_key']): string | undefined {
  if (typeof source !== 'object') return undefined;
  const { kid } = source as { kid?: unknown };
  return typeof kid === 'string' ? kid : undefined;
}
