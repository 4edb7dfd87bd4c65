import {
  createPrivateKey,
  type JsonWebKeyInput,
  type KeyObject,
  type webcrypto,
  X509Certificate,
} from 'node:crypto';
import * as oauth from 'oauth4webapi';
import { basicCredentials } from '../../core/profile/credential.ts';
import type { Profile } from '../../core/profile/profile.ts';
import type { TlsIdentity } from './https-request.ts';

/** A key or certificate in the profile can't be used. The message names the field. */
export class InvalidKey extends Error {}

/**
 * How the client proves itself at the token endpoint (RFC 6749 section 2.3, RFC 7523, RFC 8705).
 *
 * @throws InvalidKey where the profile's `private_key` can't be read
 */
export function clientAuthentication(profile: Profile): oauth.ClientAuth {
  switch (profile.token_endpoint_auth_method) {
    case 'client_secret_basic':
      return basic(profile);
    case 'client_secret_post':
      return oauth.ClientSecretPost(profile.client_secret ?? '');
    case 'none':
      return oauth.None();
    case 'private_key_jwt':
      return signedAssertion(profile);
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth':
      return oauth.TlsClientAuth();
  }
}

/** The library also encodes `-`, `.`, `_` and `~`. Servers that compare without decoding then see another secret. */
function basic(profile: Profile): oauth.ClientAuth {
  const credentials = Buffer.from(basicCredentials(profile)).toString('base64');
  return (_server, _client, _body, headers) => headers.set('authorization', `Basic ${credentials}`);
}

/** RFC 7523 and its update of 2026: the type of an assertion says that it is for the issuer alone. */
function signedAssertion(profile: Profile): oauth.ClientAuth {
  const key = signingKey(profile);
  const audience = profile.client_assertion_audience;
  return (server, ...rest) => {
    const sign = oauth.PrivateKeyJwt(key, {
      [oauth.modifyAssertion]: (header, claims) => {
        // The library signs as "Ed25519" (RFC 9864), a newer name than authorization servers know.
        if (header.alg === 'Ed25519') header.alg = 'EdDSA';
        if (audience === 'issuer') header.typ = 'client-authentication+jwt';
        else claims.aud = audience === 'token_endpoint' ? server.token_endpoint : audience;
      },
    });
    return sign(server, ...rest);
  };
}

/**
 * The certificates for connections to this profile's provider (RFC 8705). They are read here first, so that a wrong one is
 * named and does not fail somewhere in the handshake.
 *
 * @throws InvalidKey where one can't be read, or key and certificate don't match
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

type Algorithm = keyof typeof importParameters;

/** The algorithm for a key where neither the profile nor the key names one. */
function usualAlgorithm({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): Algorithm | undefined {
  switch (asymmetricKeyType) {
    case 'rsa':
      return 'RS256';
    case 'rsa-pss':
      return 'PS256';
    case 'ec':
      return asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'ES384' : 'ES256';
    case 'ed25519':
      return 'EdDSA';
    default:
      return undefined;
  }
}

/** The `alg` of a JWK (RFC 7517 section 4.4). */
function algorithmOf(source: Profile['private_key']): Algorithm | undefined {
  const named = typeof source === 'object' ? source.alg : undefined;
  // The newer name of RFC 9864.
  const alg = named === 'Ed25519' ? 'EdDSA' : named;
  if (alg === undefined) return undefined;
  if (typeof alg === 'string' && Object.hasOwn(importParameters, alg)) return alg as Algorithm;
  throw new InvalidKey(`private_key.alg: must be one of ${Object.keys(importParameters).join(', ')}`);
}

const SHORTEST_RSA_KEY = 2048;

function signingKey(profile: Profile): oauth.PrivateKey {
  const key = readKey('private_key', profile.private_key);
  const alg = profile.alg ?? algorithmOf(profile.private_key) ?? usualAlgorithm(key);
  if (alg === undefined) throw new InvalidKey('private_key: must be an RSA, P-256, P-384 or Ed25519 key');
  if ((key.asymmetricKeyDetails?.modulusLength ?? SHORTEST_RSA_KEY) < SHORTEST_RSA_KEY)
    throw new InvalidKey(`private_key: an RSA key must have ${SHORTEST_RSA_KEY} bits or more`);
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
