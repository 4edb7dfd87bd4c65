import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

/** A certificate with its key, both in PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY = 86_400_000;

/** A certificate authority of one's own, for one test. */
export async function createAuthority() {
  const keys = await newKeys();
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    ...common('CN=Test Authority'),
    keys,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  });
  return {
    cert: authority.toString('pem'),
    /** @param subject such as `CN=client` @param address an IP address or a name, where it is a server's */
    issue: async (subject: string, address?: string): Promise<Certificate> => {
      const own = await newKeys();
      const type = isIP(address ?? '') === 0 ? ('dns' as const) : ('ip' as const);
      const names = address === undefined ? [] : [{ type, value: address }];
      const certificate = await x509.X509CertificateGenerator.create({
        ...common(subject),
        issuer: authority.subject,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        extensions: [new x509.SubjectAlternativeNameExtension(names)],
      });
      return { cert: certificate.toString('pem'), key: await pemOf(own.privateKey) };
    },
  };
}

export async function selfSigned(subject: string): Promise<Certificate> {
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({ ...common(subject), keys });
  return { cert: certificate.toString('pem'), key: await pemOf(keys.privateKey) };
}

function common(subject: string) {
  const notBefore = new Date(Date.now() - DAY);
  const notAfter = new Date(Date.now() + DAY);
  return { subject, name: subject, notBefore, notAfter, signingAlgorithm: ALGORITHM };
}

function newKeys() {
  return webcrypto.subtle.generateKey(ALGORITHM, true, [
    'sign',
    'verify',
  ]) as Promise<webcrypto.CryptoKeyPair>;
}

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}
