import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import { AwsError } from './aws-error.ts';
import type { AwsRequest } from './protocol.ts';

export interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** For endpoints that hold nothing secret. */
export const TEST_KEYS: AwsKeys = { accessKeyId: 'local', secretAccessKey: 'local' };

/** As in AWS: a recorded request can be sent again only for this long. */
export const MAX_CLOCK_SKEW_SECONDS = 900;

const SHA256 = /^[0-9a-f]{64}$/;
const CREDENTIAL = /^([^/]+)\/\d{8}\/([^/]+)\/([^/]+)\/aws4_request$/;

/** The SDK's own signer. It caches each day's signing key. */
export function signer(credentials: AwsKeys): SignatureV4 {
  return new SignatureV4({
    credentials,
    region: 'us-east-1',
    service: 'local',
    sha256: Sha256,
    applyChecksum: false,
  });
}

/** SHA-256 with the interface that the signer wants. */
class Sha256 {
  readonly #hash;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', bytes(secret));
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytes(data));
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {
    throw new Error('The signer creates a new one each time.');
  }
}

function bytes(data: string | ArrayBuffer | ArrayBufferView): string | Uint8Array {
  if (typeof data === 'string') return data;
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}

interface SignatureCheckOptions {
  readonly keys: AwsKeys;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly maxClockSkewSeconds: number;
}

/**
 * Verifies requests that are signed with Signature Version 4 in their headers: signs what arrived again, and compares.
 *
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 * @returns what is wrong, in AWS's words; undefined if the signature is valid
 */
export function signatureCheck({ keys, now, maxClockSkewSeconds }: SignatureCheckOptions) {
  const again = signer(keys);
  return async (request: AwsRequest): Promise<AwsError | undefined> => {
    const { headers, method, url, body } = request;
    const { authorization } = headers;
    if (!authorization?.startsWith('AWS4-HMAC-SHA256 '))
      return denied('MissingAuthenticationTokenException', 'Missing Authentication Token');
    const claim = claimIn(authorization);
    const signedAt = timeOf(headers['x-amz-date']);
    const query = queryOf(url);
    if (claim === undefined || signedAt === undefined || query === undefined)
      return denied(
        'IncompleteSignatureException',
        "The request needs Credential, SignedHeaders and Signature in 'Authorization', X-Amz-Date, and a query that can be decoded.",
      );
    if (claim.accessKeyId !== keys.accessKeyId)
      return denied(
        'UnrecognizedClientException',
        'The security token included in the request is invalid. While npm start runs, the keys are in .local/env.',
      );
    if (Math.abs(now() - signedAt) > maxClockSkewSeconds * 1000)
      return denied(
        'InvalidSignatureException',
        `Signature expired: the clocks differ by more than ${maxClockSkewSeconds} seconds.`,
      );
    if (!coversWhatMatters(claim.signedHeaders, request)) return mismatch();
    // The signer trusts this header, so check it first.
    const payloadHash = headers['x-amz-content-sha256'];
    if (payloadHash !== undefined && payloadHash !== createHash('sha256').update(body).digest('hex'))
      return mismatch();
    const signed = await again.sign(
      {
        method,
        protocol: 'http:',
        hostname: '127.0.0.1',
        path: pathOf(url),
        query,
        headers: Object.fromEntries(claim.signedHeaders.map((name) => [name, String(headers[name] ?? '')])),
        body,
      },
      {
        signingDate: new Date(signedAt),
        signingRegion: claim.region,
        signingService: claim.service,
        signableHeaders: new Set(claim.signedHeaders),
      },
    );
    const expected = claimIn(signed.headers.authorization ?? '');
    const same =
      expected !== undefined &&
      expected.signedHeaders.join() === claim.signedHeaders.join() &&
      timingSafeEqual(Buffer.from(expected.signature), Buffer.from(claim.signature));
    return same ? undefined : mismatch();
  };
}

interface Claim {
  readonly accessKeyId: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

function claimIn(authorization: string): Claim | undefined {
  const parts = new Map(
    authorization
      .slice(authorization.indexOf(' '))
      .split(',')
      .map((part) => {
        const [name = '', value = ''] = part.trim().split('=', 2);
        return [name, value] as const;
      }),
  );
  const [, accessKeyId, region, service] = CREDENTIAL.exec(parts.get('Credential') ?? '') ?? [];
  const signature = parts.get('Signature') ?? '';
  if (accessKeyId === undefined || region === undefined || service === undefined || !SHA256.test(signature))
    return undefined;
  const signedHeaders = (parts.get('SignedHeaders') ?? '').split(';');
  return { accessKeyId, region, service, signedHeaders, signature };
}

/** The host and all headers that AWS reads must be signed. Otherwise they could be changed in a recorded request. */
function coversWhatMatters(signedHeaders: readonly string[], { headers }: AwsRequest): boolean {
  return Object.keys(headers)
    .filter((name) => name === 'host' || name.startsWith('x-amz-'))
    .every((name) => signedHeaders.includes(name));
}

function timeOf(header: string | readonly string[] | undefined): number | undefined {
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(String(header)) ?? [];
  if (parts.length === 0) return undefined;
  const [year = '', month = '', day = '', hour = '', minute = '', second = ''] = parts;
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time) ? undefined : time;
}

const pathOf = (url: string) => url.split('?', 1)[0] ?? '';

/** The decoded query, in which `+` is a plus, as when a client signs. undefined if it can't be decoded. */
function queryOf(url: string): Record<string, string[]> | undefined {
  const query = new Map<string, string[]>();
  const at = url.indexOf('?');
  const pairs = at < 0 ? [] : url.slice(at + 1).split('&');
  try {
    for (const pair of pairs.filter(Boolean)) {
      const [name = '', ...value] = pair.split('=');
      const key = decodeURIComponent(name);
      query.set(key, [...(query.get(key) ?? []), decodeURIComponent(value.join('='))]);
    }
  } catch {
    return undefined;
  }
  return Object.fromEntries(query);
}

function mismatch(): AwsError {
  return denied(
    'InvalidSignatureException',
    'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.',
  );
}

function denied(type: string, message: string): AwsError {
  return new AwsError(type, message, 403);
}
